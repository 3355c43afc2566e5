"""Writing what comes in to a disk, never behind its end."""

from typing import Final

from xenhost.core.units import MIB
from xenhost.sm.transfer.disk import Disk
from xenhost.sm.transfer.pace import Pace

_ZEROS: Final = bytes(2 * MIB)


class Writer:
    """Writes to a disk. What is zero takes no space, where the disk can do that."""

    def __init__(self, disk: Disk, pace: Pace, *, is_zero: bool) -> None:
        self._disk = disk
        self._pace = pace
        self._is_zero = is_zero

    async def write(self, offset: int, data: bytes) -> None:
        """Put it there; what lies behind the end (padding of the last block) is dropped."""
        data = data[: max(0, self._disk.size - offset)]
        await self._pace.spend(len(data))
        if not data:
            return
        if data == _ZEROS[: len(data)]:
            await self.zeros(offset, len(data))
        else:
            await self._disk.write(offset, data)

    async def zeros(self, offset: int, length: int) -> None:
        """Make a range zeros."""
        length = min(length, self._disk.size - offset)
        if length > 0 and not self._is_zero:
            await self._disk.zero(offset, length)
