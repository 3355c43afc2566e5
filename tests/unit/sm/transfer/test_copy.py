"""Copies and comparisons between raw files and NBD exports."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.sm.transfer.conftest import BLOCK, disk_of, raw_file
from xenhost.core.storage import Backend, BackendKind
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.core.units import MIB
from xenhost.sm.transfer.copy import Copier
from xenhost.sm.transfer.disk import allocation
from xenhost.sm.transfer.opening import open_disk

FILL = {0: 1, 17: 2, 63: 3}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Backend]:
    """A qcow2 image of 4 MiB behind an NBD export."""
    image, socket = tmp_path / "served.qcow2", tmp_path / "nbd.sock"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "4M"], check=True)
    server = subprocess.Popen(["qemu-nbd", "-t", "-k", socket, "-x", "disk", "-f", "qcow2", image])
    try:
        deadline = time.monotonic() + 10
        while not socket.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield Backend(BackendKind.NBD, str(socket), "disk")
    finally:
        server.terminate()
        server.wait()


async def test_a_copy_holds_the_same_and_stays_sparse(tmp_path: Path, copier: Copier, served: Backend) -> None:
    source = raw_file(tmp_path / "a.raw", disk_of(4 * MIB, FILL))
    told: list[float] = []
    await copier.copy(source, served, 4 * MIB, target_is_zero=True, progress=told.append)
    assert told[-1] == 1.0
    assert await copier.compare(source, served, 4 * MIB) is None
    async with open_disk(served, writable=False) as disk:
        found = await allocation(disk)
        assert await disk.read(17 * BLOCK, 4) == b"\2\2\2\2"
    assert sum(byte.bit_count() for byte in found.bits) == len(FILL)


async def test_a_comparison_names_the_first_difference(tmp_path: Path, copier: Copier) -> None:
    one = raw_file(tmp_path / "a.raw", disk_of(4 * MIB, FILL))
    other = raw_file(tmp_path / "b.raw", disk_of(4 * MIB, {**FILL, 17: 9, 40: 9}))
    assert await copier.compare(one, other, 4 * MIB) == 17 * BLOCK


async def test_a_longer_disk_is_equal_if_the_rest_is_zeros(tmp_path: Path, copier: Copier) -> None:
    one = raw_file(tmp_path / "a.raw", disk_of(4 * MIB, FILL))
    assert await copier.compare(one, raw_file(tmp_path / "b.raw", disk_of(5 * MIB, FILL)), 5 * MIB) is None
    longer = raw_file(tmp_path / "c.raw", disk_of(5 * MIB, {**FILL, 79: 1}))
    assert await copier.compare(one, longer, 5 * MIB) == 79 * BLOCK


async def test_a_copy_over_old_data_leaves_nothing_of_it(tmp_path: Path, copier: Copier) -> None:
    source = raw_file(tmp_path / "a.raw", disk_of(4 * MIB, FILL))
    target = raw_file(tmp_path / "b.raw", b"old!" * MIB)
    await copier.copy(source, target, 4 * MIB)
    assert Path(target.path).read_bytes() == disk_of(4 * MIB, FILL)


async def test_a_cancelled_copy_has_stopped_when_it_returns(tmp_path: Path, copier: Copier) -> None:
    source = raw_file(tmp_path / "a.raw", b"x" * 16 * MIB)
    target = raw_file(tmp_path / "b.raw", bytes(16 * MIB))
    copy = asyncio.create_task(copier.copy(source, target, 16 * MIB, bytes_per_second=MIB))
    await asyncio.sleep(0.5)
    assert not copy.done()
    copy.cancel()
    with pytest.raises(asyncio.CancelledError):
        await copy
    running = subprocess.run(["pgrep", "-f", target.path], capture_output=True, check=False)
    assert running.stdout == b""


async def test_a_source_that_is_gone_is_named(tmp_path: Path, copier: Copier) -> None:
    gone = Backend(BackendKind.FILE, str(tmp_path / "gone.raw"))
    target = raw_file(tmp_path / "b.raw", bytes(MIB))
    with pytest.raises(SrBackendFailure, match=r"gone\.raw"):
        await copier.copy(gone, target, MIB)
    with pytest.raises(SrBackendFailure, match=r"gone\.raw"):
        await copier.compare(gone, target, MIB)
    with pytest.raises(SrBackendFailure, match=r"gone\.raw"):
        async with open_disk(gone, writable=False):
            pass


async def test_a_server_that_is_gone_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SrBackendFailure, match="cannot connect"):
        async with open_disk(Backend(BackendKind.NBD, str(tmp_path / "no.sock"), "x"), writable=False):
            pass


async def test_writing_through_an_nbd_export_is_read_back(served: Backend) -> None:
    async with open_disk(served, writable=True) as disk:
        await disk.write(BLOCK, b"z" * BLOCK)
        await disk.zero(BLOCK, 512)
        await disk.flush()
        assert await disk.read(BLOCK + 508, 8) == bytes(4) + b"zzzz"
