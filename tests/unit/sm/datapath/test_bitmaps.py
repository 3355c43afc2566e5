"""What changed is known of a disk that is written to, and of a stored image."""

import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.images import MIB, io, make_image
from unit.sm.datapath.conftest import Life
from xenhost.core.storage import AttachMode, Bitmap, IoLimits, VdiId
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.datapath.bitmaps import runs, set_bits
from xenhost.sm.datapath.port import Layer

VDI = VdiId("6f1c1d0e-6c5c-4b53-8a59-0d6b2d0f1c55")
RW = AttachMode.RW
FREE = IoLimits()


def blocks(bitmap: Bitmap) -> set[int]:
    return {n for n in range(bitmap.size // 65536) if bitmap.bits[n // 8] >> n % 8 & 1}


@given(st.sets(st.integers(0, 99)))
def test_runs_are_what_is_set(wanted: set[int]) -> None:
    bits = bytearray(13)
    for block in wanted:
        set_bits(bits, block, 1)
    size = 100 * 65536 - 4096
    found = runs(Bitmap(bytes(bits), size))
    assert {offset // 65536 + n for offset, length in found for n in range(-(-length // 65536))} == wanted
    assert all(offset + length <= size for offset, length in found)
    assert all(a + b < c for (a, b), (c, _) in pairwise(found))


@given(st.integers(0, 90), st.integers(0, 14))
def test_a_run_of_bits_is_set(first: int, count: int) -> None:
    bits = bytearray(13)
    set_bits(bits, first, count)
    assert {n for n in range(104) if bits[n // 8] >> n % 8 & 1} == set(range(first, first + count))


async def test_the_bitmap_of_an_active_disk_is_read_while_it_records(life: Life, tmp_path: Path) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2", bitmap="cbt")
    (backend,) = await life.images.open(VDI, [leaf], RW, FREE)
    assert blocks(await life.images.dirty_now(VDI, "cbt")) == set()
    await io(backend, "write 64k 64k", "write 1M 128k")
    assert blocks(await life.images.dirty_now(VDI, "cbt")) == {1, 16, 17}
    await io(backend, "write 2M 1k")
    bitmap = await life.images.dirty_now(VDI, "cbt")
    assert blocks(bitmap) == {1, 16, 17, 32}
    assert (bitmap.size, len(bitmap.bits)) == (64 * MIB, 128)


async def test_a_bitmap_stays_in_the_image_a_snapshot_froze(life: Life, tmp_path: Path) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2", bitmap="cbt")
    (backend,) = await life.images.open(VDI, [leaf], RW, FREE)
    await io(backend, "write 0 64k")
    overlay = make_image(tmp_path / "over.qcow2", backing=tmp_path / "leaf.qcow2", bitmap="cbt")
    await life.images.snapshot(VDI, overlay)
    await io(backend, "write 640k 64k")
    assert blocks(await life.images.dirty([leaf], "cbt")) == {0}
    assert blocks(await life.images.dirty_now(VDI, "cbt")) == {10}
    await life.images.close(VDI)
    assert blocks(await life.images.dirty([overlay, leaf], "cbt")) == {10}
    assert not list((life.folder / "run/reader").iterdir())


async def test_a_merge_keeps_what_changed(life: Life, tmp_path: Path) -> None:
    base = make_image(tmp_path / "base.qcow2", bitmap="cbt")
    (backend,) = await life.images.open(VDI, [base], RW, FREE)
    await io(backend, "write 0 64k")
    layers = [base]
    for n in range(1, 3):
        overlay = make_image(tmp_path / f"{n}.qcow2", backing=Path(layers[0].path), bitmap="cbt")
        await life.images.snapshot(VDI, overlay)
        await io(backend, f"write {n * 10 * 64}k 64k")
        layers.insert(0, overlay)
    leaf, middle, _ = layers
    await life.images.commit(VDI, middle.path, base.path, 0, lambda done: None)
    assert blocks(await life.images.dirty([base], "cbt")) == {0, 10}
    await life.images.commit(VDI, leaf.path, base.path, 0, lambda done: None)
    assert blocks(await life.images.dirty_now(VDI, "cbt")) == {0, 10, 20}


async def test_recording_can_be_switched_on_and_off_while_it_is_active(life: Life, tmp_path: Path) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2")
    (backend,) = await life.images.open(VDI, [leaf], RW, FREE)
    await life.images.add_bitmap(VDI, "cbt")
    await life.images.add_bitmap(VDI, "cbt")
    await io(backend, "write 64k 64k")
    assert blocks(await life.images.dirty_now(VDI, "cbt")) == {1}
    images = await life.restart()
    await images.find()
    assert blocks(await images.dirty_now(VDI, "cbt")) == {1}
    await images.remove_bitmap(VDI, "cbt")
    await images.remove_bitmap(VDI, "cbt")
    with pytest.raises(SrBackendFailure, match="cbt") as caught:
        await images.dirty_now(VDI, "cbt")
    assert caught.value.number == 459


async def test_a_bitmap_that_missed_changes_is_refused(life: Life, tmp_path: Path) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2", bitmap="cbt")
    (backend,) = await life.images.open(VDI, [leaf], RW, FREE)
    await io(backend, "write 64k 64k")
    os.kill(int((life.folder / "run/image" / VDI / "pid").read_text()), signal.SIGKILL)
    await life.images.close(VDI)
    with pytest.raises(SrBackendFailure) as caught:
        await life.images.dirty([leaf], "cbt")
    assert caught.value.number == 459


@pytest.mark.parametrize("layers", [[Layer("/nowhere", "qcow2")], [Layer("/dev/null", "raw")]])
async def test_an_image_without_a_bitmap_has_none(life: Life, layers: list[Layer]) -> None:
    with pytest.raises(SrBackendFailure) as caught:
        await life.images.dirty(layers, "cbt")
    assert caught.value.number == 459
