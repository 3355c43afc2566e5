"""What directories of images do beyond what every SR promises."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from contract.storage_ground import BLOCK, NO_LIMITS, StorageGround, block, fresh
from unit.sm.image.images import qemu, write_vhd
from xenhost.core.errors import OperationNotAllowed, ValueNotSupported, XenhostError
from xenhost.core.storage import AttachMode, BackendKind, IoLimits, NewSnapshot, NewVdi, OnBoot, VdiChange
from xenhost.core.storage_errors import SrBackendFailure, VdiIncompatibleType, VdiInUse, VdiNotManaged
from xenhost.sm.directory.overlays import MAX_CHAIN
from xenhost.sm.image.vhd_write import VhdParent

MIB = 1 << 20
RAW = {"type": "raw"}


def images(root: Path) -> set[str]:
    """Names of the images that there are."""
    return {path.name for path in root.iterdir() if path.suffix in (".qcow2", ".raw", ".vhd")}


async def test_a_raw_vdi_is_given_to_the_kernel_as_it_is(ground: StorageGround, root: Path) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr, sm_config=RAW)
    backends = await ground.begin(sr, vdi)
    assert [backend.kind for backend in backends] == [BackendKind.FILE]
    await ground.put(backends, {0: block("raw")})
    for refused in (ground.snapshot(sr, vdi), sr.activate_vdi(vdi, AttachMode.RW, IoLimits(iops=5))):
        with pytest.raises(VdiInUse):
            await refused
    await sr.resize_vdi(vdi, 16 * MIB)
    await ground.end(sr, vdi)
    assert next(root.glob("image-*.raw")).read_bytes()[:BLOCK] == block("raw")
    assert (await sr.stat_vdi(vdi)).virtual_size == 16 * MIB
    backends = await sr.activate_vdi(vdi, AttachMode.RW, IoLimits(iops=500))
    assert [backend.kind for backend in backends] == [BackendKind.NBD]
    await ground.snapshot(sr, vdi)
    await ground.end(sr, vdi)
    with pytest.raises(ValueNotSupported):
        await sr.create_vdi(NewVdi(fresh(), MIB, sm_config={"image-format": "vhd"}))


async def test_a_change_in_place_is_seen_whose_time_the_server_does_not_show_yet(
    ground: StorageGround, root: Path
) -> None:
    """As Samba does: the time of a change comes when the file is closed."""
    _, sr = await ground.made()
    vdi = await ground.vdi(sr)
    image = next(root.glob("image-*.qcow2"))
    assert (await sr.stat_vdi(vdi)).virtual_size == 8 * MIB
    times = (image.stat().st_atime_ns, image.stat().st_mtime_ns)
    qemu("qemu-img", "resize", "-q", image, "16M")
    os.utime(image, ns=times)
    assert (await sr.stat_vdi(vdi)).virtual_size == 16 * MIB
    assert (await ground.found(sr))[vdi].virtual_size == 16 * MIB


async def test_images_of_another_toolstack_are_vdis(ground: StorageGround, root: Path) -> None:
    spec = ground.spec()
    root.mkdir()
    base, leaf, vhd = fresh(), fresh(), fresh()
    qemu("qemu-img", "create", "-q", "-f", "qcow2", root / f"{base}.qcow2", "8M")
    qemu("qemu-img", "create", "-q", "-f", "qcow2", "-b", f"{base}.qcow2", "-F", "qcow2", root / f"{leaf}.qcow2")
    qemu("qemu-img", "create", "-q", "-f", "vpc", "-o", "force_size=on", root / f"{vhd}.vhd", "8M")
    with pytest.raises(SrBackendFailure):
        await ground.driver.create(spec)
    sr = await ground.attached(spec)
    found = await ground.found(sr)
    assert {vdi: each.managed for vdi, each in found.items()} == {base: False, leaf: True, vhd: True}
    assert {each.format for each in found.values()} == {"qcow2", "vhd"}
    with pytest.raises(VdiNotManaged):
        await sr.destroy_vdi(base)
    assert not list(await sr.chores()), "what is not ours is not merged"
    await ground.write(sr, vhd, {0: block("on the VHD")})
    assert (root / f"{vhd}.vhd").exists()
    await ground.holds(sr, vhd, {0: block("on the VHD")})
    snapshot = await ground.snapshot(sr, leaf)
    await ground.write(sr, leaf, {0: block("later")})
    await ground.holds(sr, snapshot, {0: bytes(BLOCK)})
    await sr.destroy_vdi(leaf)
    await sr.destroy_vdi(snapshot)
    await sr.destroy_vdi(vhd)
    await ground.tidy(sr)
    assert set(await ground.found(sr)) == {base}
    assert images(root) == {f"{base}.qcow2"}


async def test_a_vdi_that_is_reset_on_boot_forgets_what_its_guest_wrote(ground: StorageGround, root: Path) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("kept")})
    await sr.update_vdi(vdi, VdiChange(on_boot=OnBoot.RESET))
    backends = await ground.begin(sr, vdi)
    await ground.put(backends, {0: block("lost")})
    assert await ground.get(backends, 0, BLOCK) == block("lost")
    with pytest.raises(OperationNotAllowed):
        await ground.snapshot(sr, vdi)
    assert not list(await sr.chores())
    sr = await ground.reborn(spec, sr)
    assert await ground.get(backends, 0, BLOCK) == block("lost"), "a new agent is no boot"
    await ground.end(sr, vdi)
    await ground.holds(sr, vdi, {0: block("kept")})
    await ground.write(sr, vdi, {0: block("lost")})
    await ground.holds(sr, vdi, {0: block("kept")})
    assert len(images(root)) == 1


async def test_a_chain_that_is_too_long_is_refused(ground: StorageGround) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr)
    await ground.begin(sr, vdi)
    for _ in range(MAX_CHAIN):
        await ground.snapshot(sr, vdi)
    with pytest.raises(SrBackendFailure) as refused:
        await ground.snapshot(sr, vdi)
    assert refused.value.number == 109
    assert (await sr.stat_vdi(vdi)).depth == MAX_CHAIN
    await ground.end(sr, vdi)


async def test_whoever_needs_an_image_that_is_being_merged_does_not_wait_for_it(ground: StorageGround) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr)
    for number in range(2):
        await ground.write(sr, vdi, {at: block(f"{number} {at}") for at in range(0, 8 * MIB, BLOCK)})
        if number == 0:
            snapshot = await ground.snapshot(sr, vdi)
    await sr.destroy_vdi(snapshot)
    chore = next(chore for chore in await sr.chores() if chore.kind == "coalesce")
    seen: list[float] = []
    merge = asyncio.create_task(sr.perform(chore, seen.append, 256 * 1024))
    while not seen:
        await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        await ground.holds(sr, vdi, {0: block("1 0"), 7 * MIB: block(f"1 {7 * MIB}")})
        await merge
    assert (await sr.stat_vdi(vdi)).depth == 1
    assert await ground.tidy(sr) == 1
    assert (await sr.stat_vdi(vdi)).depth == 0
    await ground.holds(sr, vdi, {0: block("1 0"), 7 * MIB: block(f"1 {7 * MIB}")})


async def test_a_merge_that_is_cancelled_can_be_done_again(ground: StorageGround) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr)
    backends = await ground.begin(sr, vdi)
    data = {at: block(f"{at}") for at in range(0, 4 * MIB, BLOCK)}
    snapshots = []
    for _ in range(2):
        await ground.put(backends, data)
        snapshots.append(await ground.snapshot(sr, vdi))
    for snapshot in snapshots:
        await sr.destroy_vdi(snapshot)
    chore = next(chore for chore in await sr.chores() if chore.kind == "coalesce")
    merge = asyncio.create_task(sr.perform(chore, lambda fraction: None, 64 * 1024))
    await asyncio.sleep(1.0)
    assert not merge.done()
    later = await ground.snapshot(sr, vdi)
    assert not merge.done(), "a snapshot is no reason to stop a merge below it"
    merge.cancel()
    with pytest.raises(asyncio.CancelledError):
        await merge
    assert "coalesce" in [each.kind for each in await sr.chores()]
    await sr.destroy_vdi(later)
    await ground.tidy(sr)
    for offset in (0, 2 * MIB, 4 * MIB - BLOCK):
        assert await ground.get(backends, offset, BLOCK) == data[offset]
    await ground.end(sr, vdi)
    await ground.tidy(sr)
    await ground.holds(sr, vdi, data)
    assert (await sr.stat_vdi(vdi)).depth == 0


async def test_tracking_that_was_cut_off_never_says_unchanged(ground: StorageGround) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr)
    await sr.enable_cbt(vdi)
    snapshot = await ground.snapshot(sr, vdi)
    backends = await ground.begin(sr, vdi)
    await ground.put(backends, {0: block("written")})
    sr = await ground.reborn(spec, sr)
    for line in subprocess.run(["pgrep", "-f", vdi], capture_output=True, text=True, check=True).stdout.split():
        os.kill(int(line), signal.SIGKILL)
    await asyncio.sleep(0.3)
    sr = await ground.reborn(spec, sr)
    with pytest.raises(SrBackendFailure) as refused:
        await sr.changed_blocks(snapshot, vdi)
    assert refused.value.number == 459
    await ground.holds(sr, vdi, {0: block("written")})
    await ground.write(sr, vdi, {BLOCK: block("more")})
    assert not (await sr.stat_vdi(vdi)).cbt_enabled
    with pytest.raises(SrBackendFailure) as refused:
        await sr.changed_blocks(snapshot, vdi)
    assert refused.value.number == 459
    assert "interrupted" in str(refused.value)
    await sr.enable_cbt(vdi)
    one = await ground.snapshot(sr, vdi)
    assert not any((await sr.changed_blocks(one, vdi)).bits)


async def test_changes_of_a_raw_vdi_are_not_tracked(ground: StorageGround) -> None:
    _, sr = await ground.made()
    with pytest.raises(VdiIncompatibleType):
        await sr.enable_cbt(await ground.vdi(sr, sm_config=RAW))


async def test_a_differencing_vhd_is_read_with_its_parents_before_qemu_sees_it(
    ground: StorageGround, root: Path
) -> None:
    spec, sr = await ground.made()
    parent, child = fresh(), fresh()
    old, new = block("parent") * 4, block("parent") + block("child") + block("parent") * 2
    write_vhd(root / f"{parent}.vhd", old, range(4), UUID(parent))
    write_vhd(root / f"{child}.vhd", new, [1], UUID(child), VhdParent(UUID(parent), f"{parent}.vhd", 0))
    found = await ground.found(sr)
    assert (found[parent].managed, found[child].managed, found[child].depth) == (False, True, 1)
    await ground.holds(sr, child, {0: new})
    await ground.write(sr, child, {3 * BLOCK: block("written")})
    await ground.holds(sr, child, {0: new[: 3 * BLOCK], 3 * BLOCK: block("written")})
    assert (await sr.stat_vdi(child)).format == "qcow2"
    assert not (root / f"{child}.vhd").exists()
    assert (root / f"{parent}.vhd").exists()
    await ground.detached(sr)
    sr = await ground.attached(spec)
    await ground.holds(sr, child, {0: new[: 3 * BLOCK], 3 * BLOCK: block("written")})


async def test_a_destroyed_sr_leaves_an_empty_directory(ground: StorageGround, root: Path) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr)
    await sr.enable_cbt(vdi)
    await sr.destroy_vdi(await ground.snapshot(sr, vdi))
    await sr.destroy_vdi(vdi)
    ground.forget(sr)
    await sr.destroy()
    assert list(root.iterdir()) == []


async def test_what_an_agent_left_in_the_middle_of_a_write_is_cleared(ground: StorageGround, root: Path) -> None:
    spec, sr = await ground.made()
    await ground.detached(sr)
    (root / ".xenhost-new-something.vdi").write_text("{")
    await ground.attached(spec)
    assert not (root / ".xenhost-new-something.vdi").exists()


async def test_the_sidecar_of_a_vdi_is_what_the_documentation_says(ground: StorageGround, root: Path) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr, name="a disk")
    document = json.loads((root / f"{vdi}.vdi").read_text())
    assert (document["version"], document["name"]) == (1, "a disk")
    assert document["image"] in images(root)
    with pytest.raises(XenhostError):
        await sr.update_vdi(vdi, VdiChange(description="x" * 100_000))
    assert json.loads((root / f"{vdi}.vdi").read_text()) == document


async def test_whatever_is_cancelled_at_whatever_moment_is_whole_or_never_was(ground: StorageGround) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr)
    for delay in (0.0, 0.002, 0.01, 0.03, 0.06):
        activation = asyncio.create_task(sr.activate_vdi(vdi, AttachMode.RW, NO_LIMITS))
        await asyncio.sleep(delay)
        activation.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await activation
        backends = await sr.activate_vdi(vdi, AttachMode.RW, NO_LIMITS)
        await ground.put(backends, {0: block(f"before {delay}")})
        new = NewSnapshot(fresh())
        snapshot = asyncio.create_task(sr.snapshot_vdi(vdi, new))
        await asyncio.sleep(delay)
        snapshot.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await snapshot
        await ground.put(backends, {0: block(f"after {delay}")})
        if new.id in await ground.found(sr):
            await ground.holds(sr, new.id, {0: block(f"before {delay}")})
            await sr.destroy_vdi(new.id)
        await sr.snapshot_vdi(vdi, new)
        await ground.holds(sr, new.id, {0: block(f"after {delay}")})
        closing = asyncio.create_task(sr.deactivate_vdi(vdi))
        await asyncio.sleep(delay)
        closing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await closing
        await sr.deactivate_vdi(vdi)
        assert await sr.active_vdis() == {}
        await ground.tidy(sr)


async def test_thousands_of_files_that_are_no_images_hinder_nobody(ground: StorageGround, root: Path) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr)
    for number in range(20_000):
        os.close(os.open(root / f"junk {number}", os.O_CREAT | os.O_WRONLY))
    report = await sr.scan()
    assert {each.id for each in report.vdis} == {vdi}
    assert len(report.ignored) == 201
    assert report.ignored[-1] == "and 19800 more"
