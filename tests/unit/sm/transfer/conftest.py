"""Disks and streams for the tests of transfers."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kit.clock import FakeClock
from xenhost.core.storage import Backend, BackendKind
from xenhost.core.units import KIB
from xenhost.sm.command import Commands
from xenhost.sm.transfer.copy import Copier
from xenhost.sm.transfer.importing import Importer
from xenhost.sm.transfer.spool import Spool

BLOCK = 64 * KIB


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them compare with QEMU's opinion."""
    if shutil.which("qemu-img") is None:
        for item in items:
            if "sm/transfer" in str(item.path):
                item.add_marker(pytest.mark.skip(reason="qemu-img is not installed"))


def disk_of(size: int, fill: dict[int, int]) -> bytes:
    """A disk with some 64 KiB blocks filled."""
    disk = bytearray(size)
    for block, value in fill.items():
        disk[block * BLOCK : (block + 1) * BLOCK] = bytes([value]) * BLOCK
    return bytes(disk[:size])


def raw_file(path: Path, disk: bytes) -> Backend:
    """A sparse raw file of those bytes."""
    with path.open("wb") as file:
        file.truncate(len(disk))
        for at in range(0, len(disk), BLOCK):
            if any(disk[at : at + BLOCK]):
                file.seek(at)
                file.write(disk[at : at + BLOCK])
    return Backend(BackendKind.FILE, str(path))


async def chunked(data: bytes, size: int = 50_001) -> AsyncIterator[bytes]:
    """As a network delivers it."""
    for at in range(0, len(data), size):
        yield data[at : at + size]


@pytest.fixture
def copier() -> Copier:
    return Copier(Commands())


@pytest.fixture
def importer(tmp_path: Path, copier: Copier) -> Importer:
    return Importer(copier, FakeClock(), Spool(tmp_path / "spool"))
