"""Image streams out and in again, and what is wrong with some."""

import os
import tracemalloc
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.clock import FakeClock
from unit.sm.image.images import assemble, bitmap, qemu, write_vhd
from unit.sm.transfer.conftest import BLOCK, chunked, disk_of, raw_file
from xenhost.core.errors import InvalidValue
from xenhost.core.storage import Backend, Bitmap
from xenhost.core.storage_errors import SrBackendFailure, VdiTooSmall
from xenhost.core.units import GIB, MIB
from xenhost.sm.image import vhd
from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.identify import identify
from xenhost.sm.image.vhd_chain import VhdChain
from xenhost.sm.image.vhd_layout import VhdLayout
from xenhost.sm.image.vhd_write import VhdParent, pack_footer
from xenhost.sm.transfer.exporting import plan_export
from xenhost.sm.transfer.flatten import flatten
from xenhost.sm.transfer.importing import Importer, Target
from xenhost.sm.transfer.opening import open_disk, open_image
from xenhost.sm.transfer.spool import Spool, most
from xenhost.sm.transfer.stream import ByteStream

SIZE = 5 * MIB + 512
FILL = {0: 1, 33: 2, 79: 3}
VDI = "5f3a1c1e-0000-4000-8000-000000000001"
BASE = "5f3a1c1e-0000-4000-8000-000000000002"
QEMU_FORMAT = {"raw": "raw", "vhd": "vpc", "qcow2": "qcow2"}


async def _export(backend: Backend, format: str, changed: Bitmap | None = None, base: str = "") -> bytes:
    async with open_disk(backend, writable=False) as disk:
        export = await plan_export(disk, format, clock=FakeClock(), ident=VDI, changed=changed, base=base)
        data = b"".join([chunk async for chunk in export.chunks()])
        assert len(data) == export.length
        assert export.virtual_size == SIZE
        return data


@pytest.mark.parametrize("format", ["raw", "vhd", "qcow2"])
async def test_an_export_is_an_image_that_qemu_finds_equal(tmp_path: Path, format: str) -> None:
    source = raw_file(tmp_path / "a.raw", disk_of(SIZE, FILL))
    path = tmp_path / f"a.{format}"
    path.write_bytes(await _export(source, format))
    qemu("qemu-img", "compare", "-f", "raw", "-F", QEMU_FORMAT[format], source.path, path)
    assert identify(path).virtual_size == SIZE
    if format == "vhd":
        assert identify(path).uuid == VDI


@pytest.mark.parametrize("format", ["vhd", "qcow2"])
async def test_a_disk_that_ends_within_a_sector_is_exported_whole(tmp_path: Path, format: str) -> None:
    source = raw_file(tmp_path / "a.raw", b"x" * (MIB + 100))
    async with open_disk(source, writable=False) as disk:
        export = await plan_export(disk, format, clock=FakeClock(), ident=VDI)
        assert export.virtual_size == MIB + 512
        (tmp_path / "image").write_bytes(b"".join([chunk async for chunk in export.chunks()]))
    qemu("qemu-img", "compare", "-f", "raw", "-F", QEMU_FORMAT[format], source.path, tmp_path / "image")


@pytest.mark.parametrize("format", ["raw", "vhd", "qcow2"])
@pytest.mark.parametrize("is_zero", [True, False])
async def test_what_was_exported_comes_in_again(tmp_path: Path, importer: Importer, format: str, is_zero: bool) -> None:
    data = await _export(raw_file(tmp_path / "a.raw", disk_of(SIZE, FILL)), format)
    target = raw_file(tmp_path / "b.raw", bytes(6 * MIB) if is_zero else b"old!" * (6 * MIB // 4))
    incoming = await importer.begin(chunked(data), format, length=len(data))
    assert incoming.virtual_size == SIZE
    told: list[float] = []
    await incoming.load(Target(target, VDI, is_zero), told.append)
    assert told[-1] == 1.0
    got = Path(target.path).read_bytes()
    assert got[:SIZE] == disk_of(SIZE, FILL)
    if format != "qcow2":
        assert not any(got[SIZE:])
    assert not list((tmp_path / "spool").glob("*"))


@pytest.mark.parametrize("options", ["subformat=dynamic,force_size=on", "subformat=fixed,force_size=on"])
async def test_vhds_that_qemu_made_come_in(tmp_path: Path, importer: Importer, options: str) -> None:
    source = raw_file(tmp_path / "a.raw", disk_of(4 * MIB, FILL))
    image = tmp_path / "a.vhd"
    qemu("qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", options, source.path, image)
    target = raw_file(tmp_path / "b.raw", b"old!" * MIB)
    data = image.read_bytes()
    incoming = await importer.begin(chunked(data), "vhd", length=len(data))
    assert incoming.virtual_size == 4 * MIB
    await incoming.load(Target(target, VDI))
    assert Path(target.path).read_bytes() == disk_of(4 * MIB, FILL)


async def test_a_compressed_qcow2_image_comes_in(tmp_path: Path, importer: Importer) -> None:
    source = raw_file(tmp_path / "a.raw", disk_of(4 * MIB, FILL))
    qemu("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", source.path, tmp_path / "a.qcow2")
    target = raw_file(tmp_path / "b.raw", bytes(4 * MIB))
    incoming = await importer.begin(chunked((tmp_path / "a.qcow2").read_bytes()), "qcow2")
    await incoming.load(Target(target, VDI, is_zero=True))
    assert Path(target.path).read_bytes() == disk_of(4 * MIB, FILL)


async def test_a_difference_is_exported_and_applied_to_a_copy_of_the_base(tmp_path: Path, importer: Importer) -> None:
    old, new = disk_of(SIZE, FILL), disk_of(SIZE, {0: 1, 33: 9, 50: 9})
    changed = bitmap(SIZE, [33, 50, 79])
    delta = await _export(raw_file(tmp_path / "new.raw", new), "vhd", changed, BASE)
    copy = raw_file(tmp_path / "copy.raw", old)
    incoming = await importer.begin(chunked(delta), "vhd", length=len(delta))
    assert incoming.parent == BASE
    await incoming.load(Target(copy, VDI))
    assert Path(copy.path).read_bytes() == new


async def test_an_exported_difference_reads_right_over_its_exported_base(tmp_path: Path) -> None:
    old, new = disk_of(SIZE, FILL), disk_of(SIZE, {0: 1, 33: 9, 50: 9})
    changed = bitmap(SIZE, [33, 50, 79])
    delta = await _export(raw_file(tmp_path / "new.raw", new), "vhd", changed, BASE)
    write_vhd(tmp_path / f"{BASE}.vhd", old, FILL, uuid.UUID(BASE))
    (tmp_path / "delta.vhd").write_bytes(delta)
    with VhdChain(tmp_path / "delta.vhd") as chain:
        assert chain.read(0, SIZE) == new
    qcow2 = await _export(raw_file(tmp_path / "new.raw", new), "qcow2", changed, BASE)
    (tmp_path / "delta.qcow2").write_bytes(qcow2)
    (tmp_path / f"{BASE}.qcow2").write_bytes(await _export(raw_file(tmp_path / "old.raw", old), "qcow2"))
    qemu("qemu-img", "compare", "-f", "raw", "-F", "qcow2", tmp_path / "new.raw", tmp_path / "delta.qcow2")


async def test_a_chain_of_vhds_becomes_one_qcow2_image(tmp_path: Path) -> None:
    parent = VhdParent(uuid.UUID(int=1), "base.vhd")
    write_vhd(tmp_path / "base.vhd", disk_of(SIZE, {0: 1, 33: 1}), {0, 33}, uuid.UUID(int=1))
    write_vhd(tmp_path / "leaf.vhd", disk_of(SIZE, {33: 2, 79: 3}), {33, 79}, uuid.UUID(int=2), parent)
    told: list[float] = []
    await flatten(tmp_path / "leaf.vhd", tmp_path / "flat.qcow2", FakeClock(), told.append)
    assert told[-1] == 1.0
    expected = raw_file(tmp_path / "expected.raw", disk_of(SIZE, FILL))
    qemu("qemu-img", "compare", "-f", "raw", "-F", "qcow2", expected.path, tmp_path / "flat.qcow2")
    async with open_image(tmp_path / "leaf.vhd") as disk:
        assert await disk.read(33 * BLOCK, 2) == b"\2\2"


async def test_a_chain_that_is_broken_leaves_no_file(tmp_path: Path) -> None:
    write_vhd(tmp_path / "leaf.vhd", bytes(SIZE), {0}, uuid.UUID(int=2), VhdParent(uuid.UUID(int=1), "base.vhd"))
    with pytest.raises(BadImage):
        await flatten(tmp_path / "leaf.vhd", tmp_path / "flat.qcow2", FakeClock())
    assert not (tmp_path / "flat.qcow2").exists()


@pytest.mark.parametrize("format", ["raw", "vhd", "qcow2"])
async def test_an_image_that_is_too_large_is_refused_before_a_byte_is_written(
    tmp_path: Path, importer: Importer, format: str
) -> None:
    data = await _export(raw_file(tmp_path / "a.raw", disk_of(SIZE, FILL)), format)
    target = raw_file(tmp_path / "b.raw", b"old!" * MIB)
    incoming = await importer.begin(chunked(data), format, length=len(data))
    with pytest.raises(VdiTooSmall) as refusal:
        await incoming.load(Target(target, VDI))
    assert refusal.value.values == {"vdi": VDI, "minimum_size": str(SIZE)}
    assert Path(target.path).read_bytes() == b"old!" * MIB


@pytest.mark.parametrize("format", ["raw", "vhd", "qcow2"])
@pytest.mark.parametrize("missing", [1, 512, 70_000, 3 * MIB])
async def test_a_stream_that_breaks_off_is_never_taken_for_whole(
    tmp_path: Path, importer: Importer, format: str, missing: int
) -> None:
    data = await _export(raw_file(tmp_path / "a.raw", b"x" * SIZE), format)
    target = raw_file(tmp_path / "b.raw", bytes(SIZE))
    incoming = await importer.begin(chunked(data[:-missing]), format, length=len(data))
    with pytest.raises(BadImage):
        await incoming.load(Target(target, VDI))
    assert not list((tmp_path / "spool").glob("*"))


@pytest.mark.parametrize("format", ["vhd", "qcow2"])
async def test_an_image_that_lacks_its_end_is_noticed_even_if_its_length_was_not_announced(
    tmp_path: Path, importer: Importer, format: str
) -> None:
    data = await _export(raw_file(tmp_path / "a.raw", b"x" * SIZE), format)
    incoming = await importer.begin(chunked(data[:-70_000]), format)
    with pytest.raises(BadImage, match="not whole"):
        await incoming.load(Target(raw_file(tmp_path / "b.raw", bytes(SIZE)), VDI))


async def test_a_raw_stream_that_is_too_long_is_refused(tmp_path: Path, importer: Importer) -> None:
    target = raw_file(tmp_path / "b.raw", bytes(MIB))
    incoming = await importer.begin(chunked(bytes(MIB + 1)), "raw", size=MIB)
    with pytest.raises(BadImage, match="goes on"):
        await incoming.load(Target(target, VDI))


async def test_a_qcow2_stream_with_a_backing_file_is_refused(tmp_path: Path, importer: Importer) -> None:
    (tmp_path / "base.qcow2").touch()
    qemu("qemu-img", "create", "-u", "-f", "qcow2", "-b", "/etc/shadow", "-F", "raw", tmp_path / "a.qcow2", "1M")
    with pytest.raises(BadImage, match="backing file"):
        await importer.begin(chunked((tmp_path / "a.qcow2").read_bytes()), "qcow2")


async def test_a_qcow2_stream_that_is_too_long_is_refused(tmp_path: Path, importer: Importer) -> None:
    raw_file(tmp_path / "a.raw", bytes(4 * MIB))
    qemu("qemu-img", "convert", "-f", "raw", "-O", "qcow2", tmp_path / "a.raw", tmp_path / "a.qcow2")
    data, limit = (tmp_path / "a.qcow2").read_bytes(), most(4 * MIB)
    with pytest.raises(BadImage, match="too long for a disk of 4194304 bytes"):
        await importer.begin(chunked(data), "qcow2", length=limit + 1)

    async def endless() -> AsyncIterator[bytes]:
        yield data
        for _ in range(limit // MIB + 2):
            yield bytes(MIB)
        raise AssertionError("it is still read")

    incoming = await importer.begin(endless(), "qcow2")
    with pytest.raises(BadImage, match="too long"):
        await incoming.load(Target(raw_file(tmp_path / "b.raw", bytes(4 * MIB)), VDI))
    assert list((tmp_path / "spool").iterdir()) == []


async def test_what_else_is_on_its_disk_keeps_room(tmp_path: Path) -> None:
    """A tenth of it at most."""
    found = os.statvfs(tmp_path)
    free, tenth = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize // 10
    await Spool(tmp_path / "spool", reserve=0).check(free * 2, MIB)
    for reserve, length in ((0, free + GIB), (1 << 62, max(0, free - tenth) + GIB)):
        spool = Spool(tmp_path / "spool", reserve)
        with pytest.raises(SrBackendFailure, match="no room for the qcow2 image") as caught:
            await spool.check(free * 2, length)
        assert caught.value.number == 44


async def test_what_a_killed_agent_has_left_is_removed(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    await spool.clear()
    await spool.check(MIB, 0)
    async with spool.kept(ByteStream(chunked(b"x" * MIB)), MIB) as path:
        assert path.read_bytes() == b"x" * MIB
        (tmp_path / "spool/mine.qcow2").touch()
        left = path.read_bytes()
    path.write_bytes(left)
    await Spool(tmp_path / "spool").clear()
    assert [each.name for each in (tmp_path / "spool").iterdir()] == ["mine.qcow2"]


async def test_blocks_before_their_table_cannot_be_a_stream(tmp_path: Path, importer: Importer) -> None:
    data = bytearray(assemble(VhdLayout(bitmap(4 * MIB, [0, 32]), uuid.UUID(int=1), 0), b"x" * 4 * MIB))
    data[1536:1540] = (1).to_bytes(4, "big")
    incoming = await importer.begin(chunked(bytes(data)), "vhd")
    with pytest.raises(BadImage, match="stream"):
        await incoming.load(Target(raw_file(tmp_path / "b.raw", bytes(4 * MIB)), VDI))


async def test_a_fixed_vhd_needs_a_size_from_somewhere(importer: Importer) -> None:
    data = bytes(MIB) + pack_footer(vhd.VhdType.FIXED, MIB, uuid.UUID(int=1), 0)
    with pytest.raises(InvalidValue, match="how large"):
        await importer.begin(chunked(data), "vhd")
    assert (await importer.begin(chunked(data), "vhd", size=MIB)).virtual_size == MIB


async def test_unknown_formats_are_named(tmp_path: Path, importer: Importer) -> None:
    with pytest.raises(InvalidValue, match="vmdk"):
        await importer.begin(chunked(b""), "vmdk")
    async with open_disk(raw_file(tmp_path / "a.raw", bytes(MIB)), writable=False) as disk:
        with pytest.raises(InvalidValue, match="difference"):
            await plan_export(disk, "raw", clock=FakeClock(), ident=VDI, changed=bitmap(MIB, []), base=BASE)


async def test_streams_of_any_length_take_little_memory(tmp_path: Path, importer: Importer) -> None:
    size = 1024 * MIB
    target = tmp_path / "b.raw"
    with target.open("wb") as file:
        file.truncate(size)

    async def zeros() -> AsyncIterator[bytes]:
        for _ in range(size // (4 * MIB)):
            yield bytes(4 * MIB)

    backend = raw_file(tmp_path / "none.raw", b"")
    backend = Backend(backend.kind, str(target))
    tracemalloc.start()
    try:
        incoming = await importer.begin(zeros(), "raw", size=size)
        await incoming.load(Target(backend, VDI, is_zero=True))
        async with open_disk(backend, writable=False) as disk:
            export = await plan_export(disk, "raw", clock=FakeClock(), ident=VDI)
            assert sum([len(chunk) async for chunk in export.chunks()]) == size
        assert tracemalloc.get_traced_memory()[1] < 64 * MIB
    finally:
        tracemalloc.stop()
    assert target.stat().st_blocks == 0


async def test_a_limit_of_speed_is_kept(tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_disk(raw_file(tmp_path / "a.raw", b"x" * 4 * MIB), writable=False) as disk:
        export = await plan_export(disk, "raw", clock=clock, ident=VDI, bytes_per_second=MIB)
        assert sum([len(chunk) async for chunk in export.chunks()]) == 4 * MIB
    assert clock.monotonic() == pytest.approx(4.0)
