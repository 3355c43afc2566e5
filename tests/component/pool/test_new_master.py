"""The mastership of a pool goes to another host: whole daemons and agents, TLS between them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import grpc
import pytest

from component.harness.pki import Authority
from component.pool.conftest import Master
from component.pool.test_joining import TRUSTING, Killed, Machine, Refused, machine
from component.pool.test_vms import RECORD
from xenhost.api.link.v1 import follow_service_pb2, follow_service_pb2_grpc
from xenhost.pool.call import NULL_REF, ApiError, Context
from xenhost.pool.hosts.dial import dialler
from xenhost.pool.hosts.membership.followers import Followers
from xenhost.pool.hosts.membership.handed import BLOBS, TRUST, Handed
from xenhost.pool.hosts.membership.standstill import DESIGNATE, Standstill


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


@asynccontextmanager
async def following(at: Machine, uuid: str) -> AsyncIterator[Any]:
    """What a xenpoold of that host is told there, one that serves nobody."""
    async with dialler(at.files)(f"localhost:{at.link}") as channel:
        call: Any = follow_service_pb2_grpc.FollowServiceStub(channel).Follow()  # type: ignore[no-untyped-call]
        await call.write(follow_service_pb2.FollowRequest(hello=follow_service_pb2.Hello(host_id=uuid)))
        yield call


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

        await one.call(DESIGNATE, first)
        code, address = await one.refused(DESIGNATE, third)
        assert (code, address.partition(":")[0]) == ("HOST_MASTER_CANNOT_TALK_BACK", "localhost"), (
            "agents let it not in"
        )
        assert await one.call("pool.get_master", pool) == first
        await one.call("VM.destroy", await one.call("VM.create", RECORD))
        await one.until(lambda: not (three.folder / "state/handed").exists())

        session = one.session
        await one.call(DESIGNATE, second)
        await became(two, "VMs", 3)
        for member, count in ((one, 2), (three, 3)):
            await became(member, f"member of {two.address}", count)
            assert await member.refused("VM.get_all") == ("HOST_IS_SLAVE", two.address)
        with pytest.raises(Refused) as caught:
            await two.raw("VM.get_all", session)
        assert caught.value.args == ("SESSION_INVALID", session)
        await two.log_in()
        assert await two.call("pool.get_master", pool) == second
        after = await two.hosts(3)
        assert {uuid: each["ref"] for uuid, each in after.items()} == {u: each["ref"] for u, each in hosts.items()}
        assert await two.call("VM.get_resident_on", vm) == third, "it runs there"
        await two.call("VM.hard_shutdown", vm)
        await two.call("VM.start_on", vm, first, False, False)
        assert len(one.agent.engine.vms()) == 1, "its agent is called"
        assert await blob(two, kept) == b"what is in it"
        assert (two.folder / "state" / TRUST / "ca/of-the-pool.pem").read_text() == ca
        assert not any((each.folder / "state/handed").exists() for each in (one, two, three))
        async with following(one, three.agent.engine.host_id) as told:
            moved = (await told.read()).moved
        assert (moved.host_id, moved.master) == (two.agent.engine.host_id, two.address), "for who was away"

        assert (await two.xe("pool-designate-new-master", f"host-uuid={one.agent.engine.host_id}")).status == 0
        await became(one, "VMs", 3)
        await one.log_in()
        assert await one.call("VM.get_power_state", vm) == "Running"
        assert set(await one.hosts(3)) == set(hosts)
        await who_cannot_be_the_master_is_told_why(one, three.agent.engine.host_id, second, third)


async def who_cannot_be_the_master_is_told_why(one: Machine, uuid: str, second: str, third: str) -> None:
    assert (await one.refused(DESIGNATE, "nobody"))[0] == "HANDLE_INVALID"
    async with following(one, uuid) as told:
        assert (await told.read()).standing.handover == ""
        text = "start the xenpoold of sim-host with --https and --agents"
        assert await one.refused(DESIGNATE, third) == ("OPERATION_NOT_ALLOWED", text)
    async with following(one, "5eed0000-0000-4000-8000-000000000001") as told:
        assert await told.code() is grpc.StatusCode.PERMISSION_DENIED
    text = "sim-host would lose its master: it has no xenpoold that follows this one"
    assert await one.refused(DESIGNATE, second) == ("OPERATION_NOT_ALLOWED", text)


async def test_what_changes_something_waits_or_is_refused_while_the_mastership_moves(master: Master) -> None:
    standstill = Standstill(master.dispatcher, master.database, master.tasks)
    pool = await master.database.change(lambda t: t.create("pool", {}))
    task = master.tasks.start(master.root, "Async.VM.start", lambda _: asyncio.sleep(3600))
    with pytest.raises(ApiError) as caught:
        standstill.begin(NULL_REF)
    assert caught.value.as_xenapi() == ["OTHER_OPERATION_IN_PROGRESS", "pool", pool, "Async.VM.start", task]
    await master.tasks.destroy(master.root, task)
    with pytest.raises(ApiError) as caught:
        standstill.begin(NULL_REF)
    assert caught.value.as_xenapi() == ["OTHER_OPERATION_IN_PROGRESS", "pool", pool, "", task], "it goes on without"
    standstill.begin(task)
    changing = asyncio.create_task(master.call("VM.create", RECORD))
    with pytest.raises(ApiError) as caught:
        await standstill.call(Context(), "VM.create", [RECORD])
    assert caught.value.as_xenapi() == ["OTHER_OPERATION_IN_PROGRESS", "pool", pool, DESIGNATE, task]
    with pytest.raises(ApiError):
        standstill.begin(NULL_REF)
    assert await standstill.call(Context(), "VM.get_all", []) == ()
    assert not changing.done()
    standstill.end()
    vm = await changing
    assert await standstill.call(Context(), "VM.get_all", []) == (vm,)


async def test_nobody_waits_for_a_follower_that_has_gone_before_it_is_told_anything(master: Master) -> None:
    host = await master.database.change(lambda t: t.create("host", {}))
    uuid = str(master.database.get("host", host)["uuid"])
    followers = Followers(master.database, master.hosts)

    async def hello() -> AsyncIterator[follow_service_pb2.FollowRequest]:
        yield follow_service_pb2.FollowRequest(hello=follow_service_pb2.Hello(host_id=uuid))

    first, second = followers.Follow(hello(), None), followers.Follow(hello(), None)
    await anext(first)
    before = followers.find(uuid)
    assert before is not None
    preparing = asyncio.create_task(before.prepare("1", first))
    await asyncio.sleep(0)
    await anext(second)
    for late in (preparing, before.prepare("2", first)):
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(late, 10)
    await first.aclose()
    assert followers.find(uuid) not in (None, before)
    await second.aclose()
    assert followers.find(uuid) is None


def test_what_was_handed_over_is_taken_whole_however_often_that_is_begun(tmp_path: Path) -> None:
    handed, part = Handed(tmp_path), b"x" * 10
    handed.begin()
    for name in ("restored.db", f"{TRUST}/ca/a.pem", f"{BLOBS}/b"):
        for _ in range(2):
            handed.write(name, part)
    for wrong in ("pool.db", f"{TRUST}/../member.json", f"{BLOBS}/.hidden", "/etc/passwd"):
        with pytest.raises(ValueError, match="is no file of a master"):
            handed.write(wrong, part)
    (tmp_path / BLOBS).mkdir()
    (tmp_path / BLOBS / "of-before").touch()
    handed.take()
    assert not (tmp_path / "restored.db").exists(), "it was not whole"
    handed.complete("7")
    for _ in range(2):
        assert handed.whole() == "7"
        handed.take()
        assert (tmp_path / "restored.db").read_bytes() == (tmp_path / TRUST / "ca/a.pem").read_bytes() == 2 * part
        assert [path.name for path in (tmp_path / BLOBS).iterdir()] == ["b"]
    handed.drop()
    assert handed.whole() == ""


class Ready(Killed):
    """Its xenpoold hears agents of other hosts, too."""

    def more(self) -> tuple[str, ...]:
        return ("--agents", f"127.0.0.1:{self.link}")

    def has(self, name: str) -> bool:
        """A file of its state."""
        return (self.role.parent / name).exists()


Point = Callable[[Ready, Ready], bool]
"""Something that has happened to the old master and the next one."""
POINTS: tuple[tuple[Point, str], ...] = (
    (lambda old, new: new.has("handed") or old.role.exists(), "old"),
    (lambda old, new: new.has("handed/whole") or old.role.exists(), "new"),
    (lambda old, new: old.role.exists(), "old new"),
    (lambda old, new: not new.role.exists(), "new"),
)


async def begun(old: Ready, new: Ready, point: Point) -> "asyncio.Task[None]":
    """A hand-over that is as far as that."""
    host = (await old.hosts(2))[new.agent.engine.host_id]["ref"]

    async def designate() -> None:
        for _ in range(100):
            try:
                await old.call(DESIGNATE, host)
            except Refused as refused:
                if refused.args[0] != "OPERATION_NOT_ALLOWED":
                    raise
                await asyncio.sleep(0.1)  # the other xenpoold has only just come back
            else:
                return

    designating = asyncio.create_task(designate())
    async with asyncio.timeout(30):
        while not point(old, new):
            if designating.done():
                designating.result()
            await asyncio.sleep(0.001)
    return designating


async def the_master(new: Ready, old: Ready) -> Ready | None:
    """Of two; None if there is none yet that stays it. There are never two, by their files and by what they answer."""
    assert new.role.exists() or old.role.exists()
    masters = [each for each in (new, old) if await each.up()]  # in this order: the old one goes first
    assert len(masters) < 2
    return masters[0] if masters and not masters[0].role.exists() else None


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")  # of a client that a kill has cut off
async def test_killed_at_any_point_of_it_there_is_one_master_which_knows_everything(tmp_path: Path) -> None:
    authority, made = Authority(tmp_path / "pki", "pool CA"), set()
    async with machine(tmp_path / "one", authority, Ready) as one, machine(tmp_path / "two", authority, Ready) as two:
        assert isinstance(one, Ready)
        assert isinstance(two, Ready)
        await two.join(one)
        old, new = one, two
        for point, killed in POINTS:
            made.add(await old.call("VM.create", RECORD))
            designating = await begun(old, new, point)
            for each in [{"old": old, "new": new}[word] for word in killed.split()]:
                each.process.kill()
                await asyncio.to_thread(each.process.wait)
                each.process = each.start()
            await asyncio.gather(designating, return_exceptions=True)  # done or not
            async with asyncio.timeout(60):
                while not (master := await the_master(new, old)):
                    await asyncio.sleep(0.05)
            old, new = (one, two) if master is one else (two, one)
            await old.hosts(2)
            assert made <= set(await old.call("VM.get_all"))
