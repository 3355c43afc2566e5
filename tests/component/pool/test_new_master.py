"""The mastership of a pool goes to another host: whole daemons and agents, TLS between them."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from component.harness.pki import Authority
from component.pool.test_joining import TRUSTING, Machine, Refused, machine
from component.pool.test_vms import RECORD
from xenhost.pool.hosts.membership.handed import TRUST


async def blob(at: Machine, ref: str, content: bytes | None = None) -> bytes:
    """Read what is in a blob, or write it."""
    url = f"https://127.0.0.1:{at.port}/blob?ref={ref}&session_id={at.session}"
    request = Request(url, content, method="GET" if content is None else "PUT")

    def ask() -> bytes:
        with urlopen(request, context=TRUSTING, timeout=30) as answer:
            return bytes(answer.read())

    return await asyncio.to_thread(ask)


async def became(at: Machine, words: str, count: int) -> None:
    """It was started for the so-many-th time, and is that."""
    await at.until(lambda: len(at.ready) == count)
    assert words in at.ready[-1]


async def test_the_mastership_goes_to_another_host_and_the_others_follow(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki", "pool CA")
    async with AsyncExitStack() as stack:
        one, two, three = [
            await stack.enter_async_context(machine(tmp_path / name, authority)) for name in ("one", "two", "three")
        ]
        for other in (two, three):
            await other.join(one)
        hosts = await one.hosts(3)
        first, second, third = (hosts[each.agent.engine.host_id]["ref"] for each in (one, two, three))
        vm = await one.call("VM.create", RECORD)
        await one.call("VM.start_on", vm, third, False, False)
        (pool,) = await one.call("pool.get_all")
        kept = await one.call("pool.create_new_blob", pool, "kept", "text/plain", False)
        await blob(one, kept, b"what is in it")
        ca = authority.ca.read_text()
        await one.call("pool.install_ca_certificate", "of-the-pool.pem", ca)

        await one.call("pool.designate_new_master", first)
        assert await one.call("pool.get_master", pool) == first, "it is that already"
        session = one.session
        await one.call("pool.designate_new_master", second)
        await became(two, "VMs", 3)
        await became(one, f"member of {two.address}", 2)
        await became(three, f"member of {two.address}", 3)
        assert await one.refused("VM.get_all") == ("HOST_IS_SLAVE", two.address)
        assert await three.refused("VM.get_all") == ("HOST_IS_SLAVE", two.address)
        with pytest.raises(Refused) as caught:
            await two.raw("VM.get_all", session)
        assert caught.value.args == ("SESSION_INVALID", session)
        await two.log_in()
        assert await two.call("pool.get_master", pool) == second
        after = await two.hosts(3)
        assert {uuid: each["ref"] for uuid, each in after.items()} == {u: each["ref"] for u, each in hosts.items()}
        assert (await two.call("VM.get_power_state", vm), await two.call("VM.get_resident_on", vm)) == (
            "Running",
            third,
        )
        await two.call("VM.hard_shutdown", vm)
        await two.call("VM.start_on", vm, first, False, False)
        assert len(one.agent.engine.vms()) == 1, "its agent is called"
        assert await blob(two, kept) == b"what is in it"
        assert (two.folder / "state" / TRUST / "ca/of-the-pool.pem").read_text() == ca
        assert not (two.folder / "state/handed").exists()

        assert (await two.xe("pool-designate-new-master", f"host-uuid={one.agent.engine.host_id}")).status == 0
        await became(one, "VMs", 3)
        await one.log_in()
        assert await one.call("VM.get_power_state", vm) == "Running"
        assert len(await one.hosts(3)) == 3
