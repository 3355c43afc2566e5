"""Streams of images out of disks."""

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from typing import Final

from xenhost.core.clock import Clock
from xenhost.core.errors import InvalidValue
from xenhost.core.storage import Bitmap
from xenhost.core.units import MIB
from xenhost.sm.image import vhd
from xenhost.sm.image.layout import Layout, Piece, Range, RawLayout, clipped
from xenhost.sm.image.qcow2_layout import Qcow2Layout
from xenhost.sm.image.vhd import SECTOR
from xenhost.sm.image.vhd_layout import VhdLayout
from xenhost.sm.image.vhd_write import VhdParent
from xenhost.sm.transfer.disk import Disk, allocation
from xenhost.sm.transfer.pace import Pace

FORMATS: Final = ("raw", "vhd", "qcow2")
_LARGEST: Final = 2 * MIB
_AHEAD: Final = 2
"""Pieces that are read while another one is being sent."""


class Export:
    """An image of a disk, ready to be sent. The disk stays open and unchanged meanwhile."""

    def __init__(self, disk: Disk, layout: Layout, pace: Pace) -> None:
        self._disk = disk
        self._layout = layout
        self._pace = pace
        self.length = layout.length
        """Bytes of the whole stream."""
        self.virtual_size = layout.size

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The image, in order, in chunks of at most 2 MiB. To be closed (`aclose`) if it is not read to its end."""
        coming: deque[asyncio.Task[bytes]] = deque()
        pieces = _joined(self._layout.pieces())
        try:
            for piece in pieces:
                coming.append(asyncio.create_task(self._fetch(piece)))
                if len(coming) > _AHEAD:
                    yield await self._next(coming)
            while coming:
                yield await self._next(coming)
        finally:
            for task in coming:
                task.cancel()
            await asyncio.gather(*coming, return_exceptions=True)

    async def _next(self, coming: deque[asyncio.Task[bytes]]) -> bytes:
        data = await coming[0]
        coming.popleft()
        await self._pace.spend(len(data))
        return data

    async def _fetch(self, piece: Piece) -> bytes:
        if isinstance(piece, bytes):
            return piece
        inside = max(0, min(piece.length, self._disk.size - piece.offset))
        data = await self._disk.read(piece.offset, inside) if inside else b""
        return data.ljust(piece.length, b"\0")


async def plan_export(
    disk: Disk,
    format: str,
    *,
    clock: Clock,
    ident: str,
    changed: Bitmap | None = None,
    base: str = "",
    bytes_per_second: int = 0,
) -> Export:
    """Look at a disk and lay out its image. `ident` is the VDI's UUID, which a VHD carries as its own.

    With `changed`, the blocks in which it differs from the VDI `base`, the image holds only those and names
    `<base>.<format>` as its parent: XenServer's differential export. Raises InvalidValue.
    """
    if format not in FORMATS or (changed is not None and format == "raw"):
        text = f"{format!r} cannot be exported{' as a difference' if changed else ''}; vhd and qcow2 can"
        raise InvalidValue(text, field="format", value=format)
    size = disk.size if format == "raw" else -(-disk.size // SECTOR) * SECTOR
    present = clipped(changed if changed is not None else await allocation(disk), size)
    layout = await asyncio.to_thread(_layout, present, format, ident, clock.now(), base)
    return Export(disk, layout, Pace(clock, bytes_per_second))


def _layout(present: Bitmap, format: str, ident: str, now: float, base: str) -> Layout:
    if format == "raw":
        return RawLayout(present)
    if format == "qcow2":
        return Qcow2Layout(present, f"{base}.qcow2" if base else "")
    parent = VhdParent(uuid.UUID(base), f"{base}.vhd") if base else None
    return VhdLayout(present, uuid.UUID(ident), int(now) - vhd.EPOCH, parent)


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The same with ranges that follow each other put together: fewer, larger reads."""
    held: Range | None = None
    for piece in pieces:
        if isinstance(piece, Range) and held is not None and _follows(held, piece):
            held = Range(held.offset, held.length + piece.length)
            continue
        if held is not None:
            yield held
        held = piece if isinstance(piece, Range) else None
        if held is None:
            yield piece
    if held is not None:
        yield held


def _follows(one: Range, other: Range) -> bool:
    return one.offset + one.length == other.offset and one.length + other.length <= _LARGEST
