"""Promises of the storage port: snapshots, clones, going back, upkeep, and what changed. Each name says one."""

from collections.abc import Awaitable, Callable

import pytest

from contract.storage_ground import BLOCK, StorageGround, block, fresh
from xenhost.core.errors import XenhostError
from xenhost.core.storage import AttachMode, Bitmap, Capability, NewSnapshot, VdiType
from xenhost.core.storage_errors import SrBackendFailure, SrOperationNotSupported, VdiInUse, VdiReadonly

C = Capability


async def a_snapshot_keeps_what_its_vdi_held(g: StorageGround) -> None:
    g.needs(C.VDI_SNAPSHOT)
    _, sr = await g.made()
    vdi = await g.vdi(sr, {0: block("old"), BLOCK: block("same")})
    snapshot = await g.snapshot(sr, vdi)
    await g.write(sr, vdi, {0: block("new")})
    await g.holds(sr, snapshot, {0: block("old"), BLOCK: block("same")})
    await g.holds(sr, vdi, {0: block("new"), BLOCK: block("same")})
    found = await g.found(sr)
    assert set(found) >= {vdi, snapshot}
    assert found[snapshot].virtual_size == found[vdi].virtual_size


async def a_snapshot_of_an_active_vdi_is_of_that_instant(g: StorageGround) -> None:
    g.needs(C.VDI_SNAPSHOT)
    _, sr = await g.made()
    vdi = await g.vdi(sr)
    backends = await g.begin(sr, vdi)
    await g.put(backends, {0: block("before")})
    snapshot = await g.snapshot(sr, vdi)
    await g.put(backends, {0: block("after"), BLOCK: block("more")})
    assert await g.get(backends, 0, BLOCK) == block("after")
    await g.holds(sr, snapshot, {0: block("before"), BLOCK: bytes(BLOCK)})
    await g.end(sr, vdi)
    await g.holds(sr, vdi, {0: block("after"), BLOCK: block("more")})
    await g.holds(sr, snapshot, {0: block("before"), BLOCK: bytes(BLOCK)})


async def a_snapshot_is_not_written_to(g: StorageGround) -> None:
    g.needs(C.VDI_SNAPSHOT)
    _, sr = await g.made()
    snapshot = await g.snapshot(sr, await g.vdi(sr))
    with pytest.raises(VdiReadonly):
        await g.begin(sr, snapshot, AttachMode.RW)


async def taking_a_snapshot_twice_takes_one(g: StorageGround) -> None:
    g.needs(C.VDI_SNAPSHOT)
    _, sr = await g.made()
    vdi = await g.vdi(sr, {0: block("then")})
    new = NewSnapshot(fresh(), "a name", "a description", 1_700_000_000.0)
    first = await sr.snapshot_vdi(vdi, new)
    await g.write(sr, vdi, {0: block("now")})
    assert (await sr.snapshot_vdi(vdi, new)).id == first.id
    assert first.id == new.id or g.own_ids
    await g.holds(sr, first.id, {0: block("then")})
    found = (await g.found(sr))[first.id]
    assert (found.is_a_snapshot, found.snapshot_of) in ((True, vdi), (False, None))


async def a_clone_and_its_origin_go_their_own_ways(g: StorageGround) -> None:
    g.needs(C.VDI_CLONE)
    _, sr = await g.made()
    vdi = await g.vdi(sr, {0: block("both")})
    clone = await g.clone(sr, vdi)
    await g.write(sr, clone, {BLOCK: block("clone")})
    await g.write(sr, vdi, {BLOCK: block("origin")})
    await g.holds(sr, clone, {0: block("both"), BLOCK: block("clone")})
    await g.holds(sr, vdi, {0: block("both"), BLOCK: block("origin")})
    await sr.destroy_vdi(vdi)
    await g.tidy(sr)
    await g.holds(sr, clone, {0: block("both"), BLOCK: block("clone")})


async def a_clone_of_an_active_vdi_is_of_that_instant(g: StorageGround) -> None:
    g.needs(C.VDI_CLONE)
    _, sr = await g.made()
    vdi = await g.vdi(sr)
    backends = await g.begin(sr, vdi)
    await g.put(backends, {0: block("before")})
    clone = await g.clone(sr, vdi)
    await g.put(backends, {0: block("after")})
    await g.write(sr, clone, {BLOCK: block("clone")})
    await g.holds(sr, clone, {0: block("before"), BLOCK: block("clone")})
    await g.end(sr, vdi)
    await g.holds(sr, vdi, {0: block("after"), BLOCK: bytes(BLOCK)})


async def reverting_gives_the_old_content_and_keeps_the_snapshot(g: StorageGround) -> None:
    g.needs(C.VDI_REVERT)
    _, sr = await g.made()
    vdi = await g.vdi(sr, {0: block("old")})
    snapshot = await g.snapshot(sr, vdi)
    await g.write(sr, vdi, {0: block("new"), BLOCK: block("more")})
    for _ in range(2):
        assert (await sr.revert_vdi(vdi, snapshot)).id == vdi
    await g.holds(sr, vdi, {0: block("old"), BLOCK: bytes(BLOCK)})
    await g.write(sr, vdi, {0: block("newer")})
    await g.holds(sr, snapshot, {0: block("old"), BLOCK: bytes(BLOCK)})
    await g.tidy(sr)
    await g.holds(sr, vdi, {0: block("newer"), BLOCK: bytes(BLOCK)})
    await g.holds(sr, snapshot, {0: block("old"), BLOCK: bytes(BLOCK)})


async def an_active_vdi_is_not_reverted(g: StorageGround) -> None:
    g.needs(C.VDI_REVERT)
    _, sr = await g.made()
    vdi = await g.vdi(sr)
    snapshot = await g.snapshot(sr, vdi)
    await g.begin(sr, vdi)
    with pytest.raises(VdiInUse):
        await sr.revert_vdi(vdi, snapshot)


async def deleting_any_of_a_family_leaves_the_others_whole(g: StorageGround) -> None:
    g.needs(C.VDI_SNAPSHOT, C.VDI_CLONE)
    _, sr = await g.made()
    vdi = await g.vdi(sr, {0: block("0")})
    holds = {}
    for number in range(1, 4):
        holds[await g.snapshot(sr, vdi)] = {0: block("0"), number * BLOCK: bytes(BLOCK)}
        await g.write(sr, vdi, {number * BLOCK: block(str(number))})
    snapshots = list(holds)
    holds[vdi] = {number * BLOCK: block(str(number)) for number in range(4)}
    holds[await g.clone(sr, snapshots[1])] = {BLOCK: block("1"), 2 * BLOCK: bytes(BLOCK)}
    for gone in (snapshots[1], snapshots[0], vdi):
        await sr.destroy_vdi(gone)
        del holds[gone]
        await g.tidy(sr)
        assert set(await g.found(sr)) == set(holds)
        for left, data in holds.items():
            await g.holds(sr, left, data)


async def upkeep_while_a_guest_writes_loses_nothing(g: StorageGround) -> None:
    g.needs(C.VDI_SNAPSHOT)
    _, sr = await g.made()
    vdi = await g.vdi(sr)
    backends = await g.begin(sr, vdi)
    expected = {}
    snapshots = []
    for number in range(5):
        expected[number * BLOCK] = block(f"write {number}")
        await g.put(backends, {number * BLOCK: expected[number * BLOCK]})
        snapshots.append(await g.snapshot(sr, vdi))
    for snapshot in snapshots[:4]:
        await sr.destroy_vdi(snapshot)
    await g.tidy(sr)
    await g.put(backends, {0: block("last")})
    await g.holds(sr, snapshots[4], expected)
    expected[0] = block("last")
    for offset, data in expected.items():
        assert await g.get(backends, offset, BLOCK) == data
    await g.end(sr, vdi)
    await g.tidy(sr)
    await g.holds(sr, vdi, expected)


async def a_grown_vdi_and_its_smaller_snapshot_are_both_whole(g: StorageGround) -> None:
    g.needs(C.VDI_SNAPSHOT, C.VDI_RESIZE)
    _, sr = await g.made()
    vdi = await g.vdi(sr, {g.size - BLOCK: block("end")})
    snapshot = await g.snapshot(sr, vdi)
    size = (await sr.stat_vdi(snapshot)).virtual_size
    await sr.resize_vdi(vdi, 2 * g.size)
    await g.holds(sr, vdi, {g.size - BLOCK: block("end"), 2 * g.size - BLOCK: bytes(BLOCK)})
    assert (await sr.stat_vdi(snapshot)).virtual_size == size
    await g.write(sr, vdi, {g.size: block("beyond")})
    await sr.destroy_vdi(snapshot)
    await g.tidy(sr)
    await g.holds(sr, vdi, {g.size - BLOCK: block("end"), g.size: block("beyond")})


async def what_is_not_declared_is_refused(g: StorageGround) -> None:
    _, sr = await g.made()
    vdi = await g.vdi(sr)
    can = g.driver.info.can
    verbs: tuple[tuple[C, Callable[[], Awaitable[object]]], ...] = (
        (C.VDI_SNAPSHOT, lambda: sr.snapshot_vdi(vdi, NewSnapshot(fresh()))),
        (C.VDI_CLONE, lambda: sr.clone_vdi(vdi, NewSnapshot(fresh()))),
        (C.VDI_RESIZE, lambda: sr.resize_vdi(vdi, 2 * g.size)),
        (C.VDI_REVERT, lambda: sr.revert_vdi(vdi, vdi)),
        (C.VDI_CONFIG_CBT, lambda: sr.enable_cbt(vdi)),
    )
    for capability, verb in verbs:
        if not can(capability):
            with pytest.raises(SrOperationNotSupported):
                await verb()
    assert set(await g.found(sr)) == {vdi}


def _changed(bitmap: Bitmap) -> set[int]:
    assert bitmap.granularity == BLOCK
    return {index for index in range(len(bitmap.bits) * 8) if bitmap.bits[index // 8] >> index % 8 & 1}


async def changed_blocks_are_those_written_since(g: StorageGround) -> None:
    g.needs(C.VDI_CONFIG_CBT, C.VDI_SNAPSHOT)
    _, sr = await g.made()
    vdi = await g.vdi(sr, {0: block("base")})
    for _ in range(2):
        assert (await sr.enable_cbt(vdi)).cbt_enabled
    one = await g.snapshot(sr, vdi)
    await g.write(sr, vdi, {2 * BLOCK: block("a")})
    two = await g.snapshot(sr, vdi)
    backends = await g.begin(sr, vdi)
    await g.put(backends, {5 * BLOCK: block("b")})
    three = await g.snapshot(sr, vdi)
    await g.put(backends, {7 * BLOCK: block("c")})
    assert _changed(await sr.changed_blocks(one, two)) == {2}
    assert _changed(await sr.changed_blocks(two, three)) == {5}
    assert _changed(await sr.changed_blocks(one, three)) == {2, 5}
    assert _changed(await sr.changed_blocks(three, vdi)) == {7}
    assert _changed(await sr.changed_blocks(one, vdi)) == {2, 5, 7}
    await g.end(sr, vdi)
    assert _changed(await sr.changed_blocks(one, vdi)) == {2, 5, 7}
    with pytest.raises(SrBackendFailure):
        await sr.changed_blocks(vdi, one)
    await sr.destroy_vdi(two)
    await g.tidy(sr)
    assert _changed(await sr.changed_blocks(one, three)) >= {2, 5}
    assert _changed(await sr.changed_blocks(one, vdi)) >= {2, 5, 7}


async def changed_blocks_are_known_after_the_data_is_gone(g: StorageGround) -> None:
    g.needs(C.VDI_CONFIG_CBT, C.VDI_SNAPSHOT)
    spec, sr = await g.made()
    vdi = await g.vdi(sr)
    await sr.enable_cbt(vdi)
    one = await g.snapshot(sr, vdi)
    await g.write(sr, vdi, {3 * BLOCK: block("x")})
    two = await g.snapshot(sr, vdi)
    for _ in range(2):
        assert (await sr.destroy_vdi_data(one)).type is VdiType.CBT_METADATA
        await sr.destroy_vdi_data(two)
    with pytest.raises(XenhostError):
        await g.begin(sr, one, AttachMode.RO)
    await g.write(sr, vdi, {4 * BLOCK: block("y")})
    await g.tidy(sr)
    await g.detached(sr)
    sr = await g.attached(spec)
    assert (await g.found(sr))[one].type is VdiType.CBT_METADATA
    assert _changed(await sr.changed_blocks(one, two)) >= {3}
    assert _changed(await sr.changed_blocks(two, vdi)) >= {4}
    await g.holds(sr, vdi, {3 * BLOCK: block("x"), 4 * BLOCK: block("y")})


async def reverting_counts_as_a_change(g: StorageGround) -> None:
    g.needs(C.VDI_CONFIG_CBT, C.VDI_SNAPSHOT, C.VDI_REVERT)
    _, sr = await g.made()
    vdi = await g.vdi(sr, {0: block("0")})
    await sr.enable_cbt(vdi)
    one = await g.snapshot(sr, vdi)
    await g.write(sr, vdi, {2 * BLOCK: block("2")})
    two = await g.snapshot(sr, vdi)
    await g.write(sr, vdi, {4 * BLOCK: block("4")})
    await sr.revert_vdi(vdi, one)
    await g.write(sr, vdi, {6 * BLOCK: block("6")})
    assert _changed(await sr.changed_blocks(two, vdi)) >= {2, 6}
    await g.holds(sr, vdi, {0: block("0"), 2 * BLOCK: bytes(BLOCK), 6 * BLOCK: block("6")})


async def tracking_survives_growth(g: StorageGround) -> None:
    g.needs(C.VDI_CONFIG_CBT, C.VDI_SNAPSHOT, C.VDI_RESIZE)
    _, sr = await g.made()
    vdi = await g.vdi(sr)
    await sr.enable_cbt(vdi)
    one = await g.snapshot(sr, vdi)
    await g.write(sr, vdi, {BLOCK: block("1")})
    await sr.resize_vdi(vdi, 2 * g.size)
    await g.write(sr, vdi, {2 * g.size - BLOCK: block("end")})
    assert _changed(await sr.changed_blocks(one, vdi)) >= {1, 2 * g.size // BLOCK - 1}


async def tracking_that_is_switched_off_tells_nothing(g: StorageGround) -> None:
    g.needs(C.VDI_CONFIG_CBT, C.VDI_SNAPSHOT)
    _, sr = await g.made()
    vdi = await g.vdi(sr)
    await sr.enable_cbt(vdi)
    one = await g.snapshot(sr, vdi)
    for _ in range(2):
        assert not (await sr.disable_cbt(vdi)).cbt_enabled
    await g.write(sr, vdi, {0: block("unseen")})
    with pytest.raises(XenhostError):
        await sr.changed_blocks(one, vdi)


PROMISES = (
    a_snapshot_keeps_what_its_vdi_held,
    a_snapshot_of_an_active_vdi_is_of_that_instant,
    a_snapshot_is_not_written_to,
    taking_a_snapshot_twice_takes_one,
    a_clone_and_its_origin_go_their_own_ways,
    a_clone_of_an_active_vdi_is_of_that_instant,
    reverting_gives_the_old_content_and_keeps_the_snapshot,
    an_active_vdi_is_not_reverted,
    deleting_any_of_a_family_leaves_the_others_whole,
    upkeep_while_a_guest_writes_loses_nothing,
    a_grown_vdi_and_its_smaller_snapshot_are_both_whole,
    what_is_not_declared_is_refused,
    changed_blocks_are_those_written_since,
    changed_blocks_are_known_after_the_data_is_gone,
    reverting_counts_as_a_change,
    tracking_survives_growth,
    tracking_that_is_switched_off_tells_nothing,
)
