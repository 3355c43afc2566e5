"""The xenstore client in a real dom0, over the daemon's socket and over the kernel's device."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from xenhost.native.xenstore import (
    Access,
    Batch,
    ConnectionLost,
    NoEntry,
    NotSupported,
    Perm,
    Transaction,
    TransactionConflict,
    Xenstore,
)
from xenhost.native.xenstore_link import XENBUS_DEVICE, default_address

SOCKET = "/run/xenstored/socket"
HOME = "/xenhost-test"


@pytest.fixture(params=[SOCKET, XENBUS_DEVICE], ids=["socket", "xenbus"])
async def xs(request: pytest.FixtureRequest) -> AsyncIterator[Xenstore]:
    async with Xenstore(cast("str", request.param)) as client:
        await client.rm(HOME)
        yield client
        await client.rm(HOME)


def tool(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, timeout=150, check=True).stdout


def running(name: str) -> bool:
    """Whether there is a process of that name."""
    return subprocess.run(["pidof", name], capture_output=True, timeout=150, check=False).returncode == 0


def test_the_default_address_is_the_socket_here() -> None:
    assert default_address({}) == SOCKET
    assert Path(XENBUS_DEVICE).is_char_device()


async def test_the_stock_tools_and_we_see_the_same_nodes(xs: Xenstore) -> None:
    await xs.write(f"{HOME}/ours", "from us")
    tool("xenstore-write", f"{HOME}/theirs", "from them")
    assert tool("xenstore-read", f"{HOME}/ours").strip() == "from us"
    assert await xs.read(f"{HOME}/theirs") == b"from them"
    assert sorted(await xs.ls(HOME)) == ["ours", "theirs"]
    with pytest.raises(NoEntry):
        await xs.read(f"{HOME}/nobody")


async def test_a_tree_read_equals_what_xenstore_ls_prints(xs: Xenstore) -> None:
    ours = await xs.read_tree("/local")
    lines = tool("xenstore-ls", "-f", "/local").splitlines()
    theirs = {line.partition(" = ")[0] for line in lines}
    assert theirs <= set(ours)
    assert await xs.domain_path(0) == "/local/domain/0"
    assert ours["/local/domain/0/name"] == b"Domain-0"


async def test_hundreds_of_requests_in_one_burst_are_all_answered(xs: Xenstore) -> None:
    items = [(f"{HOME}/many/{i}", f"value {i}") for i in range(600)]
    await xs.write_many(items)
    values = await xs.read_many([path for path, _ in items] + [f"{HOME}/none"])
    assert values == [value.encode() for _, value in items] + [None]
    assert len(await xs.read_tree(HOME)) == 602


async def test_a_directory_that_does_not_fit_a_reply_is_listed_in_full(
    xs: Xenstore, request: pytest.FixtureRequest
) -> None:
    names = [f"a-child-with-a-rather-long-name-{i:03}" for i in range(200)]
    await xs.write_many((f"{HOME}/{name}", b"") for name in names)
    if "xenbus" in request.node.name and running("oxenstored"):
        with pytest.raises(NotSupported):  # Xen 4.17's oxenstored has no DIRECTORY_PART
            await xs.ls(HOME)
    else:
        assert sorted(await xs.ls(HOME)) == names


async def test_a_batch_sets_values_and_permissions(xs: Xenstore) -> None:
    perms = (Perm(0, Access.NONE), Perm(5, Access.READ))
    batch = Batch().mkdir(f"{HOME}/d").set_perms(f"{HOME}/d", perms).write(f"{HOME}/d/x", "1")
    await xs.apply(batch)
    assert await xs.get_perms(f"{HOME}/d") == perms
    assert await xs.read(f"{HOME}/d/x") == b"1"


async def test_watches_fire_for_the_changes_of_others(xs: Xenstore) -> None:
    async with xs.watch(HOME) as one, xs.watch(f"{HOME}/b") as two:
        assert (await anext(one)).path == HOME
        assert (await anext(two)).path == f"{HOME}/b"
        tool("xenstore-write", f"{HOME}/b", "1")
        assert (await anext(two)).path == f"{HOME}/b"
        while (await anext(one)).path != f"{HOME}/b":
            pass
    assert xs.watching == 0


async def test_a_transaction_meets_the_conflict_and_runs_again(xs: Xenstore) -> None:
    await xs.write(f"{HOME}/n", "0")
    tx = await xs.begin()
    await tx.read(f"{HOME}/n")
    tool("xenstore-write", f"{HOME}/n", "5")
    await tx.write(f"{HOME}/n", "1")
    with pytest.raises(TransactionConflict):
        await tx.commit()

    async def increment(tx: Transaction) -> None:
        await tx.write(f"{HOME}/n", str(int(await tx.read(f"{HOME}/n")) + 1))

    await asyncio.gather(*(xs.transact(increment, attempts=100) for _ in range(2)))
    assert await xs.read(f"{HOME}/n") == b"7"


async def test_an_aborted_transaction_leaves_nothing(xs: Xenstore) -> None:
    tx = await xs.begin()
    await tx.write_many([(f"{HOME}/a", "1"), (f"{HOME}/b", "2")])
    tx.abort()
    assert await xs.get(f"{HOME}/a") is None


async def test_cancelled_requests_leave_the_connection_in_order(xs: Xenstore) -> None:
    await xs.write(HOME, "value")
    for turns in range(6):
        tasks = [
            asyncio.create_task(xs.read_many([HOME] * 500)),
            asyncio.create_task(xs.read(HOME)),
        ]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert await xs.read_many([HOME, f"{HOME}/none"]) == [b"value", None]


async def test_domain_0_is_introduced_and_a_made_up_one_is_not(xs: Xenstore) -> None:
    assert not await xs.is_introduced(9999)
    assert await xs.is_introduced(0)


async def test_both_ways_in_share_one_store() -> None:
    async with Xenstore(SOCKET) as one, Xenstore(XENBUS_DEVICE) as two:
        async with one.watch(HOME) as watch:
            await anext(watch)
            await two.write(f"{HOME}/x", "1")
            assert (await anext(watch)).path == f"{HOME}/x"
            assert await one.read(f"{HOME}/x") == b"1"
        await two.rm(HOME)


async def test_closing_over_either_way_fails_what_is_under_way(xs: Xenstore) -> None:
    reading = asyncio.create_task(xs.read_many([f"{HOME}/none"] * 1000))
    await asyncio.sleep(0)
    await xs.close()
    with pytest.raises(ConnectionLost):
        await reading
    await xs.connect()
    assert await xs.read("/local/domain/0/name") == b"Domain-0"
