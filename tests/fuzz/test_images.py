"""Whatever is in a file, looking at it ends soon, takes little memory, and raises nothing but BadImage."""

import contextlib
import struct
import tracemalloc
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unit.sm.image.images import bitmap, write_vhd
from xenhost.core.units import GIB, KIB, MIB, TIB
from xenhost.sm.image import qcow2
from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.identify import identify
from xenhost.sm.image.vhd_chain import VhdChain
from xenhost.sm.image.vhd_layout import VhdLayout
from xenhost.sm.image.vhd_write import VhdParent

SETTINGS = settings(
    max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
NUMBERS = [0, 1, 7, 511, 512, 65535, 1 << 31, (1 << 32) - 1, 1 << 62, (1 << 63) - 1, (1 << 64) - 1]


def _qcow2(folder: Path) -> Path:
    path = folder / "a.qcow2"
    qcow2.create(path, 3 * GIB, "b.qcow2", "qcow2", bitmap="cbt")
    raw = bytearray(path.read_bytes())
    table = len(raw)
    struct.pack_into(">Q", raw, struct.unpack_from(">Q", raw, 40)[0], table | 1 << 63)
    raw += struct.pack(">QQ", (table + 65536) | 1 << 63, 1).ljust(65536, b"\0") + bytes(65536)
    path.write_bytes(raw)
    return path


def _vhd(folder: Path) -> Path:
    path = folder / "a.vhd"
    write_vhd(folder / "b.vhd", b"b" * 4 * MIB, {1, 33}, uuid.UUID(int=1))
    write_vhd(path, b"a" * 4 * MIB, {1}, uuid.UUID(int=2), VhdParent(uuid.UUID(int=1), "b.vhd"))
    return path


def _look(path: Path) -> None:
    info = identify(path)
    assert info.format in ("raw", "qcow2", "vhd")
    assert "/" not in info.backing_name
    with contextlib.suppress(BadImage):
        qcow2.allocated(path)
    try:
        with VhdChain(path) as chain:
            chain.read(0, min(chain.size, 70000))
            if chain.size <= GIB:
                chain.allocation()
    except BadImage:
        pass


@pytest.mark.parametrize("make", [_qcow2, _vhd])
@given(data=st.data())
@SETTINGS
def test_a_damaged_image_is_at_worst_a_bad_one(
    tmp_path: Path, make: Callable[[Path], Path], data: st.DataObject
) -> None:
    path = tmp_path / make.__name__ / "a"
    if not path.parent.exists():
        path.parent.mkdir()
        (path.parent / "good").write_bytes(make(path.parent).read_bytes())
    raw = bytearray((path.parent / "good").read_bytes())
    at = st.one_of(st.integers(0, 2047), st.integers(-1024, -1), st.integers(0, len(raw) - 9))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(at) % (len(raw) - 8)
        if data.draw(st.booleans()):
            struct.pack_into(">Q", raw, place, data.draw(st.sampled_from(NUMBERS)))
        else:
            struct.pack_into(">I", raw, place, data.draw(st.integers(0, (1 << 32) - 1)))
    if make is _vhd and data.draw(st.booleans()):  # get past the checksums
        for start, length, field in ((0, 512, 64), (512, 1024, 36), (len(raw) - 512, 512, 64)):
            raw[start + field : start + field + 4] = bytes(4)
            total = ~sum(raw[start : start + length]) & 0xFFFFFFFF
            struct.pack_into(">I", raw, start + field, total)
    if data.draw(st.booleans()):
        del raw[data.draw(st.integers(0, len(raw))) :]
    path.write_bytes(raw)
    _look(path)


@given(st.binary(max_size=3000), st.sampled_from([b"", b"QFI\xfb\0\0\0\3", b"QFI\xfb\0\0\0\2", b"conectix"]))
@SETTINGS
def test_noise_behind_a_mark_is_at_worst_a_bad_image(tmp_path: Path, noise: bytes, mark: bytes) -> None:
    path = tmp_path / "noise"
    path.write_bytes(mark + noise)
    _look(path)


def test_the_map_of_the_largest_image_is_made_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.qcow2"
    qcow2.create(path, 64 * TIB)
    tracemalloc.start()
    try:
        qcow2.allocated(path)
        assert tracemalloc.get_traced_memory()[1] < 300 * MIB
    finally:
        tracemalloc.stop()


def test_a_sparse_file_full_of_tables_is_given_up_on(tmp_path: Path) -> None:
    path = tmp_path / "a.qcow2"
    qcow2.create(path, 16 * TIB)
    l1 = struct.unpack_from(">Q", path.read_bytes(), 40)[0]
    with path.open("r+b") as file:
        file.seek(l1)
        file.write(b"".join(struct.pack(">Q", (8 + i) * 64 * KIB | 1 << 63) for i in range(32768)))
        file.truncate(32800 * 64 * KIB)
    with pytest.raises(BadImage, match="more tables"):
        qcow2.allocated(path)


def test_a_head_is_small_however_many_blocks_it_lists() -> None:
    layout = VhdLayout(bitmap(2040 * GIB, range(0, 2040 * 16 * KIB, 32)), uuid.UUID(int=1), 0)
    assert layout.length > 2040 * GIB
