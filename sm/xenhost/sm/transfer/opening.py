"""Opening disks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from xenhost.core.storage import Backend, BackendKind
from xenhost.sm.image.vhd_chain import VhdChain
from xenhost.sm.transfer.chain_disk import ChainDisk
from xenhost.sm.transfer.disk import Disk, io_errors
from xenhost.sm.transfer.file_disk import FileDisk
from xenhost.sm.transfer.nbd_disk import NbdDisk


@asynccontextmanager
async def open_disk(backend: Backend, *, writable: bool) -> AsyncIterator[Disk]:
    """The bytes behind a backend."""
    disk: Disk
    if backend.kind is BackendKind.NBD:
        disk = await NbdDisk.open(backend)
    else:
        disk = await FileDisk.open(backend.path, writable)
    try:
        yield disk
    finally:
        await disk.close()


@asynccontextmanager
async def open_image(path: Path) -> AsyncIterator[Disk]:
    """A VHD of any type, read-only. Raises BadImage."""
    with io_errors(str(path)):
        chain = await asyncio.to_thread(VhdChain, path)
    disk = ChainDisk(chain)
    try:
        yield disk
    finally:
        await disk.close()
