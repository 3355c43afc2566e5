"""A VHD with its parents as a disk: the only way to read a differencing one rightly."""

import asyncio
from collections.abc import Sequence

from xenhost.core.storage import Bitmap
from xenhost.core.storage_errors import backend_failure
from xenhost.sm.image.vhd_chain import VhdChain
from xenhost.sm.transfer.disk import EIO, Extent, extents_of, io_errors


class ChainDisk:
    """A VHD with its parents, read by ourselves."""

    def __init__(self, chain: VhdChain) -> None:
        self._chain = chain
        self._map: Bitmap | None = None
        self.size = chain.size

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes."""
        with io_errors(str(self._chain.files[0])):
            return await asyncio.to_thread(self._chain.read, offset, length)

    async def write(self, offset: int, data: bytes) -> None:
        """Never."""
        raise backend_failure(EIO, "a VHD is only read here; convert it to qcow2 to write to it")

    async def zero(self, offset: int, length: int) -> None:
        """Never."""
        await self.write(offset, b"")

    async def flush(self) -> None:
        """Nothing was written."""

    async def extents(self, offset: int, length: int) -> Sequence[Extent]:
        """By the tables of all files of the chain."""
        if self._map is None:
            with io_errors(str(self._chain.files[0])):
                self._map = await asyncio.to_thread(self._chain.allocation)
        return extents_of(self._map, offset, length)

    async def close(self) -> None:
        """Close all files."""
        await asyncio.to_thread(self._chain.close)
