"""Promises of the storage port: SRs, and VDIs with their bytes. Each function is one, and its name says it."""

import asyncio
import contextlib

import pytest

from contract.storage_ground import BLOCK, NO_LIMITS, StorageGround, block, fresh
from xenhost.core.errors import XenhostError
from xenhost.core.storage import AttachMode, Capability, Health, NewVdi, VdiChange, VdiId
from xenhost.core.storage_errors import SrNotEmpty, VdiInUse, VdiMissing, VdiTooSmall

C = Capability


async def a_new_sr_is_empty_and_healthy(g: StorageGround) -> None:
    _, sr = await g.made()
    assert await g.found(sr) == {}
    stat = await sr.stat()
    assert (stat.health, stat.virtual_allocation) == (Health.HEALTHY, 0)
    assert stat.physical_size > 0


async def making_an_sr_twice_changes_nothing(g: StorageGround) -> None:
    spec, sr = await g.made()
    vdi = await g.vdi(sr)
    await g.detached(sr)
    await g.driver.create(spec)
    assert set(await g.found(await g.attached(spec))) == {vdi}


async def an_sr_that_was_never_made_is_not_attached(g: StorageGround) -> None:
    with pytest.raises(XenhostError):
        await g.driver.attach(g.spec())


async def an_sr_with_vdis_is_not_destroyed(g: StorageGround) -> None:
    _, sr = await g.made()
    vdi = await g.vdi(sr)
    with pytest.raises(SrNotEmpty):
        await sr.destroy()
    assert vdi in await g.found(sr)


async def a_destroyed_sr_is_gone_and_its_place_is_free(g: StorageGround) -> None:
    g.needs(C.SR_DELETE)
    spec, sr = await g.made()
    await sr.destroy_vdi(await g.vdi(sr))
    g.forget(sr)
    await sr.destroy()
    with pytest.raises(XenhostError):
        await g.driver.attach(spec)
    await g.driver.create(spec)
    assert await g.found(await g.attached(spec)) == {}


async def a_new_vdi_is_zeros_and_at_least_as_big_as_asked(g: StorageGround) -> None:
    _, sr = await g.made()
    vdi = await g.vdi(sr, virtual_size=g.size - 100)
    size = (await sr.stat_vdi(vdi)).virtual_size
    assert g.size - 100 <= size <= g.size + (32 << 20)
    assert await g.read(sr, vdi, 0, BLOCK) == bytes(BLOCK)
    assert await g.read(sr, vdi, g.size - BLOCK, BLOCK - 4096) == bytes(BLOCK - 4096)


async def making_a_vdi_twice_makes_one(g: StorageGround) -> None:
    _, sr = await g.made()
    new = NewVdi(fresh(), g.size, name="one", description="and only")
    first = await sr.create_vdi(new)
    assert (await sr.create_vdi(new)).id == first.id
    assert first.id == new.id or g.own_ids
    found = await g.found(sr)
    assert set(found) == {first.id}
    assert (found[first.id].name, found[first.id].description) in (("one", "and only"), ("", ""))


async def a_vdi_of_impossible_size_is_refused_and_leaves_nothing(g: StorageGround) -> None:
    _, sr = await g.made()
    for size in (0, -1, 1 << 62):
        with pytest.raises(XenhostError):
            await sr.create_vdi(NewVdi(fresh(), size))
    assert await g.found(sr) == {}


async def a_scan_finds_exactly_what_there_is(g: StorageGround) -> None:
    _, sr = await g.made()
    vdis = [await g.vdi(sr) for _ in range(3)]
    assert set(await g.found(sr)) == set(vdis)
    await sr.destroy_vdi(vdis[1])
    found = await g.found(sr)
    assert set(found) == {vdis[0], vdis[2]}
    assert all(vdi.virtual_size >= g.size and not vdi.problem for vdi in found.values())


async def destroying_a_vdi_twice_is_as_good_as_once(g: StorageGround) -> None:
    _, sr = await g.made()
    vdi = await g.vdi(sr)
    for _ in range(2):
        await sr.destroy_vdi(vdi)
    assert await g.found(sr) == {}
    with pytest.raises(VdiMissing):
        await sr.stat_vdi(vdi)


async def a_vdi_that_is_not_there_is_missing_to_every_verb(g: StorageGround) -> None:
    _, sr = await g.made()
    with pytest.raises(VdiMissing):
        await sr.stat_vdi(fresh())
    with pytest.raises(VdiMissing):
        await sr.attach_vdi(fresh(), AttachMode.RO)
    with pytest.raises(VdiMissing):
        await sr.resize_vdi(fresh(), g.size)
    await sr.deactivate_vdi(fresh())


async def what_was_written_is_read_after_all_was_let_go_of(g: StorageGround) -> None:
    spec, sr = await g.made()
    data = {0: block("first"), g.size - BLOCK: block("last")}
    vdi = await g.vdi(sr, data)
    await g.holds(sr, vdi, data)
    await g.detached(sr)
    sr = await g.attached(spec)
    await g.holds(sr, vdi, data)


async def what_is_kept_with_a_vdi_survives(g: StorageGround) -> None:
    g.needs(C.VDI_UPDATE)
    spec, sr = await g.made()
    vdi = await g.vdi(sr, name="before", sharable=False)
    change = VdiChange(name="größer\n<&>", description="x" * 1000, read_only=True, sharable=True)
    for _ in range(2):
        await sr.update_vdi(vdi, change)
    await g.detached(sr)
    found = (await g.found(await g.attached(spec)))[vdi]
    assert (found.name, found.description) == (change.name, change.description)
    assert (found.read_only, found.sharable) == (True, True)


async def activating_twice_gives_the_same_answer(g: StorageGround) -> None:
    _, sr = await g.made()
    vdi = await g.vdi(sr)
    first = await g.begin(sr, vdi)
    assert list(await g.begin(sr, vdi)) == list(first)
    assert (await sr.active_vdis()).get(vdi) is AttachMode.RW
    for _ in range(2):
        await g.end(sr, vdi)
    assert vdi not in await sr.active_vdis()


async def an_active_vdi_is_not_destroyed(g: StorageGround) -> None:
    _, sr = await g.made()
    data = {0: block("precious")}
    vdi = await g.vdi(sr, data)
    await g.begin(sr, vdi)
    with pytest.raises(VdiInUse):
        await sr.destroy_vdi(vdi)
    await g.end(sr, vdi)
    await g.holds(sr, vdi, data)


async def a_new_agent_finds_what_the_last_one_left_active(g: StorageGround) -> None:
    spec, sr = await g.made()
    vdi, other = await g.vdi(sr), await g.vdi(sr)
    backends = await g.begin(sr, vdi)
    await g.put(backends, {0: block("before")})
    sr = await g.reborn(spec, sr)
    assert await sr.active_vdis() == {vdi: AttachMode.RW}
    await g.put(backends, {BLOCK: block("after")})
    assert list(await sr.activate_vdi(vdi, AttachMode.RW, NO_LIMITS)) == list(backends)
    with pytest.raises(VdiInUse):
        await sr.destroy_vdi(vdi)
    await g.end(sr, vdi)
    await g.holds(sr, vdi, {0: block("before"), BLOCK: block("after")})
    await sr.destroy_vdi(other)


async def a_vdi_grows_and_keeps_what_it_holds(g: StorageGround) -> None:
    g.needs(C.VDI_RESIZE)
    _, sr = await g.made()
    data = {0: block("kept"), g.size - BLOCK: block("the old end")}
    vdi = await g.vdi(sr, data)
    for _ in range(2):
        assert (await sr.resize_vdi(vdi, 2 * g.size)).virtual_size >= 2 * g.size
    await g.holds(sr, vdi, {**data, 2 * g.size - BLOCK: bytes(BLOCK)})
    await g.write(sr, vdi, {2 * g.size - BLOCK: block("the new end")})
    with pytest.raises(VdiTooSmall):
        await sr.resize_vdi(vdi, g.size)
    await g.holds(sr, vdi, {**data, 2 * g.size - BLOCK: block("the new end")})


async def an_active_vdi_grows(g: StorageGround) -> None:
    g.needs(C.VDI_RESIZE_ONLINE)
    _, sr = await g.made()
    vdi = await g.vdi(sr, {0: block("kept")})
    backends = await g.begin(sr, vdi)
    assert (await sr.resize_vdi(vdi, 2 * g.size)).virtual_size >= 2 * g.size
    await g.put(backends, {2 * g.size - BLOCK: block("the new end")})
    await g.end(sr, vdi)
    await g.holds(sr, vdi, {0: block("kept"), 2 * g.size - BLOCK: block("the new end")})


async def vdis_are_worked_on_side_by_side(g: StorageGround) -> None:
    _, sr = await g.made()

    async def live(number: int) -> VdiId:
        vdi = await g.vdi(sr, {0: block(f"number {number}")})
        await g.holds(sr, vdi, {0: block(f"number {number}")})
        if number % 2:
            await sr.destroy_vdi(vdi)
        return vdi

    vdis = await asyncio.gather(*(live(number) for number in range(6)))
    assert set(await g.found(sr)) == set(vdis[::2])


async def a_creation_that_is_cancelled_is_whole_or_never_was(g: StorageGround) -> None:
    _, sr = await g.made()
    for delay in (0.0, 0.001, 0.005, 0.02):
        new = NewVdi(fresh(), g.size)
        task = asyncio.create_task(sr.create_vdi(new))
        await asyncio.sleep(delay)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        for left in await g.found(sr):
            assert await g.read(sr, left, 0, BLOCK) == bytes(BLOCK)
        made = (await sr.create_vdi(new)).id
        assert made == new.id or g.own_ids
        assert set(await g.found(sr)) == {made}
        await sr.destroy_vdi(new.id)
    await g.tidy(sr)
    assert await g.found(sr) == {}


PROMISES = (
    a_new_sr_is_empty_and_healthy,
    making_an_sr_twice_changes_nothing,
    an_sr_that_was_never_made_is_not_attached,
    an_sr_with_vdis_is_not_destroyed,
    a_destroyed_sr_is_gone_and_its_place_is_free,
    a_new_vdi_is_zeros_and_at_least_as_big_as_asked,
    making_a_vdi_twice_makes_one,
    a_vdi_of_impossible_size_is_refused_and_leaves_nothing,
    a_scan_finds_exactly_what_there_is,
    destroying_a_vdi_twice_is_as_good_as_once,
    a_vdi_that_is_not_there_is_missing_to_every_verb,
    what_was_written_is_read_after_all_was_let_go_of,
    what_is_kept_with_a_vdi_survives,
    activating_twice_gives_the_same_answer,
    an_active_vdi_is_not_destroyed,
    a_new_agent_finds_what_the_last_one_left_active,
    a_vdi_grows_and_keeps_what_it_holds,
    an_active_vdi_grows,
    vdis_are_worked_on_side_by_side,
    a_creation_that_is_cancelled_is_whole_or_never_was,
)
