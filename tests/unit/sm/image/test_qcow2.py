"""qcow2 images, checked against QEMU."""

import json
import mmap
import shutil
import struct
from pathlib import Path

import pytest

from unit.sm.image.images import assemble, bitmap, blocks, qemu
from xenhost.core.errors import InvalidValue
from xenhost.core.units import GIB, KIB, MIB, TIB
from xenhost.sm.image import qcow2
from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.identify import identify
from xenhost.sm.image.qcow2_layout import Qcow2Layout

pytestmark = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")


@pytest.mark.parametrize("size", [512, MIB, 3 * GIB + 512, 16 * TIB, 64 * TIB])
def test_an_image_of_ours_is_one_that_qemu_finds_no_fault_with(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.qcow2"
    qcow2.create(path, size, bitmap="cbt")
    assert "No errors" in qemu("qemu-img", "check", path)
    info = json.loads(qemu("qemu-img", "info", "--output=json", path))
    assert info["virtual-size"] == size
    (mark,) = info["format-specific"]["data"]["bitmaps"]
    assert (mark["name"], mark["granularity"], mark["flags"]) == ("cbt", 64 * KIB, ["auto"])
    assert path.stat().st_size == qcow2.empty_size(size)


def test_an_overlay_reads_as_its_backing_file_and_grows_in_qemu(tmp_path: Path) -> None:
    base, leaf = tmp_path / "base.qcow2", tmp_path / "leaf.qcow2"
    qcow2.create(base, 8 * MIB)
    qemu("qemu-io", "-c", "write -P 7 1M 64k", base)
    qcow2.create(leaf, 8 * MIB, "base.qcow2", "qcow2", bitmap="cbt")
    qemu("qemu-io", "-c", "write -P 9 3M 64k", "-c", "read -P 7 1M 64k", "-c", "read -P 0 4M 64k", leaf)
    assert blocks(qcow2.allocated(leaf)) == [48]
    assert "No errors" in qemu("qemu-img", "check", leaf)
    bits = json.loads(qemu("qemu-img", "map", "--output=json", "--image-opts", f"driver=qcow2,file.filename={leaf}"))
    assert bits


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.qcow2"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        qcow2.create(path, MIB)
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize("size", [0, -512, 1000, 64 * TIB + 512])
def test_a_size_that_is_not_handled_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(InvalidValue):
        qcow2.create(tmp_path / "a.qcow2", size)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name",
    ["../a.qcow2", "/etc/passwd", "json:{}", "nbd:localhost:10809", "a/b.qcow2", "x\\y", "..", "leaf.qcow2"],
)
def test_a_backing_name_that_leads_elsewhere_is_neither_written_nor_believed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "leaf.qcow2"
    with pytest.raises((InvalidValue, BadImage)):
        qcow2.create(path, MIB, name, "qcow2")
    qcow2.create(path, MIB, "x" * len(name), "qcow2")
    path.write_bytes(path.read_bytes().replace(b"x" * len(name), name.encode()))
    info = identify(path)
    assert info.problem
    assert info.backing_name == ""
    assert info.virtual_size == MIB


def test_an_absolute_name_in_the_images_own_folder_is_understood(tmp_path: Path) -> None:
    base, leaf = tmp_path / "base.qcow2", tmp_path / "leaf.qcow2"
    qcow2.create(base, MIB)
    qemu("qemu-img", "create", "-f", "qcow2", "-b", base, "-F", "qcow2", leaf)
    info = identify(leaf)
    assert (info.backing, info.backing_name, info.problem) == (str(base), "base.qcow2", "")


def test_changing_the_backing_file_keeps_data_bitmaps_and_unknown_extensions(tmp_path: Path) -> None:
    leaf = tmp_path / "leaf.qcow2"
    for name in ("one.qcow2", "two.qcow2"):
        qcow2.create(tmp_path / name, 8 * MIB)
    qemu("qemu-img", "create", "-f", "qcow2", "-b", "one.qcow2", "-F", "qcow2", leaf)
    qemu("qemu-img", "bitmap", "--add", leaf, "mine")
    qemu("qemu-io", "-c", "write -P 5 0 64k", leaf)
    for name in ("two.qcow2", "", "one.qcow2"):
        qcow2.set_backing(leaf, name, "qcow2" if name else "")
        info = identify(leaf)
        assert (info.backing_name, info.bitmaps, info.problem) == (name, ("mine",), "")
        assert "No errors" in qemu("qemu-img", "check", leaf)
        qemu("qemu-io", "-c", "read -P 5 0 64k", leaf)


def test_an_old_version_2_image_is_understood_and_rebased(tmp_path: Path) -> None:
    base, leaf = tmp_path / "base.qcow2", tmp_path / "leaf.qcow2"
    qemu("qemu-img", "create", "-f", "qcow2", base, "4M")
    qemu("qemu-img", "create", "-f", "qcow2", "-o", "compat=0.10", "-b", "base.qcow2", "-F", "qcow2", leaf)
    assert identify(leaf).backing_name == "base.qcow2"
    qcow2.set_backing(leaf, "", "")
    assert identify(leaf).backing == ""
    assert "No errors" in qemu("qemu-img", "check", leaf)


def test_xcp_ngs_mark_of_a_hidden_image_is_seen_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.qcow2"
    qcow2.create(path, MIB)
    raw = bytearray(path.read_bytes())
    raw[112:136] = struct.pack(">IIQII", 0x76617465, 8, 1 << 56, 0, 0)
    path.write_bytes(raw)
    assert identify(path).hidden
    qcow2.create(tmp_path / "b.qcow2", MIB)
    qcow2.set_backing(path, "b.qcow2", "qcow2")
    assert identify(path).hidden
    assert identify(path).backing_name == "b.qcow2"


@pytest.mark.parametrize("options", ["cluster_size=4k", "cluster_size=2M", "extended_l2=on,cluster_size=128k"])
def test_allocation_is_right_for_every_cluster_size(tmp_path: Path, options: str) -> None:
    path = tmp_path / "a.qcow2"
    qemu("qemu-img", "create", "-f", "qcow2", "-o", options, path, "64M")
    qemu("qemu-io", "-c", "write -P 1 5M 4k", "-c", "write -z 40M 2M", path)
    found = blocks(qcow2.allocated(path))
    assert 80 in found
    assert set(range(640, 672)) <= set(found)
    assert 200 not in found


def test_compressed_clusters_count_as_allocated(tmp_path: Path) -> None:
    raw, path = tmp_path / "a.raw", tmp_path / "a.qcow2"
    raw.write_bytes(b"a" * 64 * KIB + bytes(MIB))
    qemu("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", raw, path)
    assert blocks(qcow2.allocated(path)) == [0]


def test_images_that_hide_their_data_are_refused(tmp_path: Path) -> None:
    external, secret = tmp_path / "e.qcow2", tmp_path / "s.qcow2"
    qemu("qemu-img", "create", "-f", "qcow2", "-o", f"data_file={tmp_path}/x.raw", external, "1M")
    qcow2.create(secret, 1 << 20)
    raw = bytearray(secret.read_bytes())
    struct.pack_into(">I", raw, 32, 2)  # LUKS. qemu-img cannot make one at times: "Unable to get accurate CPU usage"
    secret.write_bytes(raw)
    assert "another file" in identify(external).problem
    assert "encrypted" in identify(secret).problem
    with pytest.raises(BadImage):
        qcow2.allocated(external)


def test_tables_that_lie_on_top_of_each_other_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.qcow2"
    qcow2.create(path, 2 * GIB)
    qemu("qemu-io", "-c", "write 0 64k", "-c", "write 1G 64k", path)
    raw = bytearray(path.read_bytes())
    l1 = struct.unpack_from(">Q", raw, 40)[0]
    raw[l1 + 16 : l1 + 24] = raw[l1 : l1 + 8]
    path.write_bytes(raw)
    with pytest.raises(BadImage, match="same L2 table"):
        qcow2.allocated(path)


def test_a_symbolic_link_is_no_image(tmp_path: Path) -> None:
    qcow2.create(tmp_path / "a.qcow2", MIB)
    (tmp_path / "b.qcow2").symlink_to("a.qcow2")
    assert "not a regular file" in identify(tmp_path / "b.qcow2").problem


def test_a_stream_is_an_image_with_the_bytes_of_the_disk(tmp_path: Path) -> None:
    size = 600 * MIB - 512
    raw, path = tmp_path / "disk.raw", tmp_path / "disk.qcow2"
    present = [0, 5, 8191, 8192, 9599]
    with raw.open("w+b") as file:
        file.truncate(size)
        for block in present:
            file.seek(block * 64 * KIB)
            file.write(b"%d" % block)
        file.flush()
        with mmap.mmap(file.fileno(), size) as disk:
            path.write_bytes(assemble(Qcow2Layout(bitmap(size, present)), disk))
    assert "No errors" in qemu("qemu-img", "check", path)
    qemu("qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw, path)
    assert blocks(qcow2.allocated(path)) == present
    assert path.stat().st_size <= qcow2.measure(size, 5 * 64 * KIB)


def test_a_differential_stream_reads_right_over_its_base(tmp_path: Path) -> None:
    old = b"o" * 4 * MIB
    new = old[:MIB] + b"n" * 64 * KIB + old[MIB + 64 * KIB :]
    (tmp_path / "new.raw").write_bytes(new)
    (tmp_path / "base.qcow2").write_bytes(assemble(Qcow2Layout(bitmap(len(old), range(64))), old))
    (tmp_path / "delta.qcow2").write_bytes(assemble(Qcow2Layout(bitmap(len(new), [16]), "base.qcow2"), new))
    assert identify(tmp_path / "delta.qcow2").backing_name == "base.qcow2"
    qemu("qemu-img", "compare", "-f", "raw", "-F", "qcow2", tmp_path / "new.raw", tmp_path / "delta.qcow2")
