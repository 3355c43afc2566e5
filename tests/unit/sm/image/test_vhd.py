"""VHDs, checked against QEMU (no chains: it reads those wrongly) and against each other."""

import shutil
import struct
import uuid
from pathlib import Path

import pytest

from unit.sm.image.images import assemble, bitmap, blocks, qemu, write_vhd
from xenhost.core.errors import InvalidValue
from xenhost.core.units import GIB, KIB, MIB
from xenhost.sm.image import vhd
from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.identify import identify
from xenhost.sm.image.vhd_chain import VhdChain
from xenhost.sm.image.vhd_layout import VhdLayout
from xenhost.sm.image.vhd_write import VhdParent, pack_footer

needs_qemu = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")
BASE, MIDDLE, LEAF = (uuid.UUID(int=n) for n in (1, 2, 3))
BLOCK = 64 * KIB


def _disk(size: int, fill: dict[int, int]) -> bytes:
    disk = bytearray(size)
    for block, value in fill.items():
        disk[block * BLOCK : (block + 1) * BLOCK] = bytes([value]) * len(disk[block * BLOCK : (block + 1) * BLOCK])
    return bytes(disk)


@needs_qemu
@pytest.mark.parametrize("size", [10 * MIB, 5 * MIB + 512, 512])
def test_qemu_reads_our_dynamic_vhd_with_its_exact_size(tmp_path: Path, size: int) -> None:
    disk = _disk(size, {0: 1, size // BLOCK: 2})
    (tmp_path / "disk.raw").write_bytes(disk)
    write_vhd(tmp_path / "disk.vhd", disk, {0, (size - 1) // BLOCK}, BASE)
    qemu("qemu-img", "compare", "-f", "raw", "-F", "vpc", tmp_path / "disk.raw", tmp_path / "disk.vhd")
    assert f"({size} bytes)" in qemu("qemu-img", "info", "-f", "vpc", tmp_path / "disk.vhd")
    info = identify(tmp_path / "disk.vhd")
    assert (info.format, info.virtual_size, info.differencing, info.problem) == ("vhd", size, False, "")


@needs_qemu
@pytest.mark.parametrize("form", ["dynamic", "fixed"])
def test_we_read_what_qemu_writes(tmp_path: Path, form: str) -> None:
    disk = _disk(6 * MIB, {0: 1, 50: 2, 95: 3})
    (tmp_path / "disk.raw").write_bytes(disk)
    path = tmp_path / "disk.vhd"
    options = f"subformat={form},force_size=on"
    qemu("qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", options, tmp_path / "disk.raw", path)
    with VhdChain(path) as chain:
        assert chain.size == len(disk)
        assert chain.read(0, len(disk)) == disk
        assert chain.read(50 * BLOCK - 1, 3) == b"\0\2\2"
        assert {0, 50, 95} <= set(blocks(chain.allocation()))


def test_a_chain_reads_each_block_from_the_newest_file_that_has_it(tmp_path: Path) -> None:
    size = 6 * MIB
    write_vhd(tmp_path / "base.vhd", _disk(size, {0: 1, 1: 1, 40: 1}), {0, 1, 40}, BASE)
    write_vhd(tmp_path / "middle.vhd", _disk(size, {1: 2, 41: 2}), {1, 41}, MIDDLE, VhdParent(BASE, "base.vhd"))
    write_vhd(tmp_path / "leaf.vhd", _disk(size, {40: 3}), {40}, LEAF, VhdParent(MIDDLE, "middle.vhd"))
    info = identify(tmp_path / "leaf.vhd")
    assert (info.differencing, info.backing_name, info.parent_uuid, info.uuid, info.problem) == (
        True, "middle.vhd", str(MIDDLE), str(LEAF), "",
    )  # fmt: skip
    with VhdChain(tmp_path / "leaf.vhd") as chain:
        assert chain.read(0, size) == _disk(size, {0: 1, 1: 2, 40: 3, 41: 2})
        assert chain.read(BLOCK - 512, 1024) == b"\1" * 512 + b"\2" * 512
        assert blocks(chain.allocation()) == list(range(64))
        assert [path.name for path in chain.files] == ["leaf.vhd", "middle.vhd", "base.vhd"]


def test_single_sectors_may_come_from_different_files(tmp_path: Path) -> None:
    size = 2 * MIB
    write_vhd(tmp_path / "base.vhd", b"\1" * size, range(32), BASE)
    path = tmp_path / "leaf.vhd"
    write_vhd(path, b"\2" * size, range(32), LEAF, VhdParent(BASE, "base.vhd"))
    with VhdChain(path) as chain:
        bits = chain._layers[0].table.data(0) - 512  # type: ignore[union-attr,operator]  # it has a table and the block
    raw = bytearray(path.read_bytes())
    raw[bits : bits + 512] = b"\xaa" * 512
    at = raw.index(b"tdbatmap")
    raw[at + 512] = 0  # the block is not whole any more
    struct.pack_into(">I", raw, at + 24, 0xFFFFFFFF)
    path.write_bytes(raw)
    with VhdChain(path) as chain:
        assert chain.read(0, size) == (b"\2" * 512 + b"\1" * 512) * (size // 1024)


def test_a_parent_that_was_smaller_is_zeros_behind_its_end(tmp_path: Path) -> None:
    write_vhd(tmp_path / "base.vhd", b"\1" * 2 * MIB, range(32), BASE)
    write_vhd(tmp_path / "leaf.vhd", bytes(4 * MIB), {33}, LEAF, VhdParent(BASE, "base.vhd"))
    with VhdChain(tmp_path / "leaf.vhd") as chain:
        assert chain.read(0, 4 * MIB) == b"\1" * 2 * MIB + bytes(2 * MIB)


def test_a_raw_parent_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "base.raw").write_bytes(b"\1" * 2 * MIB)
    parent = VhdParent(uuid.UUID(int=0), "base.raw")
    write_vhd(tmp_path / "leaf.vhd", _disk(2 * MIB, {3: 2}), {3}, LEAF, parent)
    with VhdChain(tmp_path / "leaf.vhd") as chain:
        assert chain.read(2 * BLOCK, 2 * BLOCK) == b"\1" * BLOCK + b"\2" * BLOCK


def test_a_missing_parent_is_named(tmp_path: Path) -> None:
    write_vhd(tmp_path / "leaf.vhd", bytes(2 * MIB), {0}, LEAF, VhdParent(BASE, "gone.vhd"))
    with pytest.raises(BadImage, match=r"gone\.vhd, the parent of leaf\.vhd, is missing"):
        VhdChain(tmp_path / "leaf.vhd")


def test_a_parent_with_another_uuid_is_refused(tmp_path: Path) -> None:
    write_vhd(tmp_path / "base.vhd", bytes(2 * MIB), {0}, MIDDLE)
    write_vhd(tmp_path / "leaf.vhd", bytes(2 * MIB), {0}, LEAF, VhdParent(BASE, "base.vhd"))
    with pytest.raises(BadImage, match="its UUID is another"):
        VhdChain(tmp_path / "leaf.vhd")


def test_a_loop_of_parents_is_refused(tmp_path: Path) -> None:
    write_vhd(tmp_path / "a.vhd", bytes(2 * MIB), {0}, BASE, VhdParent(LEAF, "b.vhd"))
    write_vhd(tmp_path / "b.vhd", bytes(2 * MIB), {0}, LEAF, VhdParent(BASE, "a.vhd"))
    with pytest.raises(BadImage, match="loop"):
        VhdChain(tmp_path / "a.vhd")


@pytest.mark.parametrize("name", ["../base.vhd", "/etc/shadow", "sub/base.vhd", "leaf.vhd"])
def test_a_parent_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    write_vhd(tmp_path / "leaf.vhd", bytes(2 * MIB), {0}, LEAF, VhdParent(BASE, name))
    assert identify(tmp_path / "leaf.vhd").problem
    with pytest.raises(BadImage):
        VhdChain(tmp_path / "leaf.vhd")


def test_a_parent_that_is_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base.vhd").symlink_to("/etc/passwd")
    write_vhd(tmp_path / "leaf.vhd", bytes(2 * MIB), {0}, LEAF, VhdParent(BASE, "base.vhd"))
    with pytest.raises(BadImage, match="not a regular file"):
        VhdChain(tmp_path / "leaf.vhd")


def test_a_wrong_checksum_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.vhd"
    write_vhd(path, bytes(2 * MIB), {0}, BASE)
    good = path.read_bytes()
    for at in (len(good) - 512 + 48, 512 + 20):
        raw = bytearray(good)
        raw[at] ^= 1
        if at > 512 + 1024:
            raw[48] ^= 1  # the copy at the beginning, too
        path.write_bytes(raw)
        assert "checksum" in identify(path).problem


def test_a_vhd_that_lost_its_end_is_read_by_the_copy_of_its_footer(tmp_path: Path) -> None:
    path = tmp_path / "a.vhd"
    write_vhd(path, b"\7" * 2 * MIB, range(32), BASE)
    path.write_bytes(path.read_bytes()[:-512])
    with VhdChain(path) as chain:
        assert chain.read(MIB, 4) == b"\7" * 4


def test_blocks_on_top_of_each_other_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.vhd"
    write_vhd(path, b"\7" * 4 * MIB, range(64), BASE)
    raw = bytearray(path.read_bytes())
    raw[1540:1544] = raw[1536:1540]
    path.write_bytes(raw)
    with pytest.raises(BadImage, match="on top of each other"):
        VhdChain(path)


def test_the_hidden_mark_of_xenserver_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.vhd"
    path.write_bytes(bytes(MIB) + pack_footer(vhd.VhdType.FIXED, MIB, BASE, 0, hidden=True))
    assert identify(path).hidden
    assert path.read_bytes()[-512:][85] == 1


def test_the_largest_vhd_has_a_head_of_a_few_mebibytes_and_a_larger_one_is_refused() -> None:
    layout = VhdLayout(bitmap(2040 * GIB, [2040 * GIB // BLOCK - 1]), BASE, 0)
    assert layout.length < 8 * MIB
    with pytest.raises(InvalidValue, match="qcow2 and raw can be larger"):
        VhdLayout(bitmap(2041 * GIB, []), BASE, 0)


def test_a_differential_vhd_holds_only_what_changed(tmp_path: Path) -> None:
    old, new = _disk(8 * MIB, {0: 1, 70: 1}), _disk(8 * MIB, {0: 1, 70: 2})
    write_vhd(tmp_path / "full.vhd", old, {0, 70}, BASE)
    write_vhd(tmp_path / "delta.vhd", new, {70}, LEAF, VhdParent(BASE, "full.vhd"))
    assert (tmp_path / "delta.vhd").stat().st_size < 3 * MIB
    with VhdChain(tmp_path / "delta.vhd") as chain:
        assert chain.read(0, len(new)) == new


def test_another_reader_of_chains_sees_what_we_see(tmp_path: Path) -> None:
    pyvhdi = pytest.importorskip("pyvhdi", reason="libvhdi-python is not installed")
    size = 6 * MIB
    write_vhd(tmp_path / "base.vhd", _disk(size, {0: 1, 1: 1, 40: 1}), {0, 1, 40}, BASE)
    write_vhd(tmp_path / "leaf.vhd", _disk(size, {1: 2, 41: 2}), {1, 41}, LEAF, VhdParent(BASE, "base.vhd"))
    base, leaf = pyvhdi.file(), pyvhdi.file()
    base.open(str(tmp_path / "base.vhd"))
    leaf.open(str(tmp_path / "leaf.vhd"))
    leaf.set_parent(base)
    assert leaf.get_parent_filename() == "base.vhd"
    with VhdChain(tmp_path / "leaf.vhd") as chain:
        assert leaf.read_buffer_at_offset(size, 0) == chain.read(0, size)


def test_footer_geometry_follows_the_specification() -> None:
    raw = pack_footer(vhd.VhdType.DYNAMIC, 10 * GIB, BASE, 0)
    assert struct.unpack_from(">HBB", raw, 56) == (20805, 16, 63)
    assert assemble(VhdLayout(bitmap(MIB, []), BASE, 0), bytes(MIB))[:8] == b"conectix"
