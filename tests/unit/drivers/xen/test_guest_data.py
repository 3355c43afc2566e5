"""What guests write, on a stock xenstored."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from unit.drivers.xen.conftest import RealClock
from xenhost.core.guest_metrics import GuestData
from xenhost.core.ids import DomId
from xenhost.drivers.xen import guest_data
from xenhost.drivers.xen.guest_data import GuestDataReader, next_rest
from xenhost.native.xenstore import Xenstore

FIVE = DomId(5)
HOME = "/local/domain/5"


@pytest.fixture
def reader(xs: Xenstore) -> GuestDataReader:
    return GuestDataReader(xs, RealClock())


async def read(reader: GuestDataReader) -> GuestData:
    data = await reader.read(FIVE)
    assert data is not None
    return data


async def test_only_what_its_agent_writes_is_read(xs: Xenstore, reader: GuestDataReader) -> None:
    await xs.write_many(
        [
            (f"{HOME}/attr/vif/0/ipv4/0", "10.0.0.5"),
            (f"{HOME}/data/os_name", "Linux"),
            (f"{HOME}/control/feature-suspend", "1"),
            (f"{HOME}/control/batcmd/stdout", "much"),
            (f"{HOME}/device/vbd/768/state", "4"),
            ("/local/domain/6/data/os_name", "another guest"),
        ]
    )
    data = await read(reader)
    assert data.complete
    assert {path: value for path, value in data.nodes.items() if value} == {
        "attr/vif/0/ipv4/0": "10.0.0.5",
        "data/os_name": "Linux",
        "control/feature-suspend": "1",
    }


async def test_bytes_that_are_no_text_and_signs_that_xml_cannot_carry_are_replaced(
    xs: Xenstore, reader: GuestDataReader
) -> None:
    await xs.write(f"{HOME}/data/os_name", b"a\xff\x00b\x1b[2J\xef\xbf\xbf")
    assert (await read(reader)).nodes["data/os_name"] == "a\ufffd\ufffdb\ufffd[2J\ufffd"


async def test_more_nodes_than_are_read_are_left_out(
    xs: Xenstore, reader: GuestDataReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest_data, "MAX_NODES", 20)
    await xs.write_many([(f"{HOME}/data/{number}", "x") for number in range(100)])
    data = await read(reader)
    assert not data.complete
    assert len(data.nodes) <= 20


async def test_text_beyond_the_bounds_is_left_out(
    xs: Xenstore, reader: GuestDataReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest_data, "MAX_TEXT", 300)
    await xs.write_many(
        [(f"{HOME}/data/a", "x" * 200), (f"{HOME}/data/b", "y" * 200), (f"{HOME}/drivers/0", "z" * 1500)]
    )
    data = await read(reader)
    assert set(data.nodes) == {"data/a"}
    assert not data.complete


async def test_a_tree_that_is_too_deep_is_cut(xs: Xenstore, reader: GuestDataReader) -> None:
    await xs.write(f"{HOME}/data/1/2/3/4/5/6/7/8", "deep")
    data = await read(reader)
    assert not data.complete
    assert "deep" not in data.nodes.values()


async def test_changes_are_told_until_the_domain_is_gone(xs: Xenstore, reader: GuestDataReader) -> None:
    await xs.write(f"{HOME}/data/os_name", "one")
    heard: asyncio.Queue[GuestData] = asyncio.Queue()

    async def follow() -> None:
        async for data in reader.follow(FIVE):
            heard.put_nowait(data)

    following = asyncio.create_task(follow())
    async with asyncio.timeout(20):
        assert (await heard.get()).nodes["data/os_name"] == "one"
        await xs.write(f"{HOME}/data/os_name", "two")
        assert (await heard.get()).nodes["data/os_name"] == "two"
        await xs.write(f"{HOME}/device/vif/0/state", "4")  # no matter of ours
        await xs.rm(HOME)
        await following
    assert heard.empty()


async def test_a_guest_that_writes_in_a_loop_costs_one_event_a_look(xs: Xenstore) -> None:
    looks = 0

    class SlowClock(RealClock):
        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(0.2)

    class Counted(GuestDataReader):
        async def _look(self, domid: DomId) -> tuple[GuestData | None, int]:
            nonlocal looks
            looks += 1
            return await super()._look(domid)

    async def follow(data: AsyncIterator[GuestData]) -> None:
        async for _ in data:
            pass

    await xs.write(f"{HOME}/data/loop", "0")
    following = asyncio.create_task(follow(Counted(xs, SlowClock()).follow(FIVE)))
    end = asyncio.get_running_loop().time() + 1
    writes = 0
    while asyncio.get_running_loop().time() < end:
        await xs.write(f"{HOME}/data/loop", str(writes := writes + 1))
    following.cancel()
    assert writes > 50
    assert 2 <= looks <= 6


def test_a_guest_that_never_rests_is_looked_at_less_and_less() -> None:
    rest, waited = guest_data.REST_SECONDS, []
    for _ in range(8):
        rest = next_rest(rest, 0.01, 20)
        waited.append(rest)
    assert waited == [2, 4, 8, 16, 32, 32, 32, 32]
    assert next_rest(rest, 5, 20) == 32
    assert next_rest(rest, guest_data.QUIET_SECONDS, 20) == guest_data.REST_SECONDS


def test_looks_that_cost_much_are_rare_even_at_a_guest_that_is_quiet_in_between() -> None:
    quiet = guest_data.QUIET_SECONDS
    assert next_rest(1.0, quiet, 300) == 10
    assert next_rest(1.0, quiet, guest_data.MAX_NODES) == guest_data.LONGEST_REST_SECONDS
    assert next_rest(1.0, 5.0, 150) == 5
    assert next_rest(16.0, 0.1, 150) == 32


async def test_a_large_tree_is_waited_for_as_long_as_it_costs(xs: Xenstore) -> None:
    rests: list[float] = []

    class NotedClock(RealClock):
        async def sleep(self, seconds: float) -> None:
            rests.append(seconds)
            await asyncio.sleep(0.05)

    await xs.write_many([(f"{HOME}/data/{number}", "x") for number in range(295)])
    heard: asyncio.Queue[GuestData] = asyncio.Queue()

    async def follow() -> None:
        async for data in GuestDataReader(xs, NotedClock()).follow(FIVE):
            heard.put_nowait(data)

    following = asyncio.create_task(follow())
    async with asyncio.timeout(20):
        await heard.get()
        await xs.write(f"{HOME}/data/0", "y")
        await heard.get()
        await xs.rm(HOME)
        await following
    assert rests[0] == 10
