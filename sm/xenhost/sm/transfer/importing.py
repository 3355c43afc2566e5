"""Streams of images into disks: in bounded memory, checked before and while they are written."""

import asyncio
from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from typing import Final

from xenhost.core.clock import Clock
from xenhost.core.errors import InvalidValue
from xenhost.core.ports.storage import Progress
from xenhost.core.storage import Backend, BackendKind
from xenhost.core.storage_errors import VdiTooSmall
from xenhost.core.units import MIB
from xenhost.sm.image import qcow2_header, vhd
from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.identify import identify
from xenhost.sm.image.qcow2 import check_whole, refusal
from xenhost.sm.image.vhd import VhdType
from xenhost.sm.transfer import import_vhd
from xenhost.sm.transfer.copy import Copier
from xenhost.sm.transfer.exporting import FORMATS
from xenhost.sm.transfer.opening import open_disk
from xenhost.sm.transfer.pace import Pace
from xenhost.sm.transfer.spool import Spool
from xenhost.sm.transfer.stream import ByteStream
from xenhost.sm.transfer.writing import Writer

_HEAD: Final = 2 * MIB
"""The header of a qcow2 image is within its first cluster, of at most that size."""


def _no_progress(done: float) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Target:
    """Where an image goes: an activated VDI."""

    backend: Backend
    vdi: str
    is_zero: bool = False
    """It was just made: zeros need not be written."""


class Incoming:
    """A stream whose beginning was read."""

    def __init__(
        self,
        importer: "Importer",
        stream: ByteStream,
        format: str,
        virtual_size: int,
        head: import_vhd.VhdHead | None = None,
        length: int = 0,
    ) -> None:
        self._importer = importer
        self._stream = stream
        self.format = format
        self.virtual_size = virtual_size
        """Bytes that the VDI must have at least."""
        self.parent = str(head.header.parent_uuid) if head and head.footer.type is VhdType.DIFFERENCING else ""
        """UUID of the parent of a differencing VHD, else empty."""
        self._head = head
        self._length = length

    async def load(self, target: Target, progress: Progress = _no_progress, bytes_per_second: int = 0) -> None:
        """Write all of it, durably. A differencing VHD: the target holds what its parent does.

        Raises VdiTooSmall before anything is written, BadImage. Cancelled or failed: the target holds part of it.
        """
        async with open_disk(target.backend, writable=True) as disk:
            if disk.size < self.virtual_size:
                text = f"the image holds {self.virtual_size} bytes; VDI {target.vdi} has only {disk.size}"
                raise VdiTooSmall(text, vdi=target.vdi, minimum_size=str(self.virtual_size))
            if self.format != "qcow2":
                writer = Writer(disk, Pace(self._importer.clock, bytes_per_second), is_zero=target.is_zero)
                if self._head is not None:
                    await import_vhd.load_dynamic(self._stream, self._head, writer, progress)
                elif self.format == "vhd":
                    await import_vhd.load_fixed(self._stream, self.virtual_size, writer, progress)
                else:
                    await self._load_raw(writer, progress)
                self._check_length()
                if not self.parent:
                    await writer.zeros(self.virtual_size, disk.size - self.virtual_size)
                await disk.flush()
        if self.format == "qcow2":
            await self._importer.load_qcow2(
                self._stream, self.virtual_size, target, progress, bytes_per_second, self._check_length
            )
        progress(1.0)

    def _check_length(self) -> None:
        if self._length and self._stream.position != self._length:
            text = f"the image has {self._stream.position} bytes; {self._length} were announced"
            raise BadImage(text)

    async def _load_raw(self, writer: Writer, progress: Progress) -> None:
        while self._stream.position < self.virtual_size:
            at = self._stream.position
            await writer.write(at, await self._stream.read(min(MIB, self.virtual_size - at)))
            progress(self._stream.position / self.virtual_size)
        if await self._stream.read_upto(1):
            raise BadImage(f"the raw image goes on behind the {self.virtual_size} bytes that were announced")


class Importer:
    """Takes streams in."""

    def __init__(self, copier: Copier, clock: Clock, spool: Spool) -> None:
        self._copier = copier
        self.clock = clock
        self.spool = spool

    async def begin(self, chunks: AsyncIterable[bytes], format: str, *, length: int = 0, size: int = 0) -> Incoming:
        """Read the beginning of a stream. `length` is that of the stream if known, `size` the disk's if known.

        Raw images and fixed VHDs do not say how large they are: one of the two is needed. Raises BadImage,
        InvalidValue.
        """
        if format not in FORMATS:
            text = f"{format!r} cannot be imported; raw, vhd and qcow2 can"
            raise InvalidValue(text, field="format", value=format)
        stream = ByteStream(chunks)
        if format == "raw":
            return Incoming(self, stream, format, _known(length or size), length=length)
        if format == "qcow2":
            return await self._begin_qcow2(stream, length)
        first = await stream.peek(vhd.SECTOR)
        if not first.startswith(vhd.COOKIE):
            return Incoming(self, stream, format, _known(length - vhd.SECTOR if length else size), length=length)
        head = await import_vhd.read_head(stream, await stream.read(vhd.SECTOR))
        return Incoming(self, stream, format, head.footer.current_size, head, length)

    async def _begin_qcow2(self, stream: ByteStream, length: int) -> Incoming:
        header = qcow2_header.parse(_Beginning(await stream.peek(_HEAD)))
        if reason := _refusal(header):
            raise BadImage(reason)
        await self.spool.check(header.virtual_size, length)
        return Incoming(self, stream, "qcow2", header.virtual_size, length=length)

    async def load_qcow2(
        self,
        stream: ByteStream,
        virtual_size: int,
        target: Target,
        progress: Progress,
        bytes_per_second: int,
        check_length: Callable[[], None],
    ) -> None:
        """Keep the whole image in a file first: its tables may come after its data. Then qemu-img unpacks it."""
        async with self.spool.kept(stream, virtual_size) as path:
            check_length()
            info = await asyncio.to_thread(identify, path)
            if info.problem or info.format != "qcow2" or info.backing or info.virtual_size != virtual_size:
                raise BadImage(info.problem or "the qcow2 image changed while it was read")
            await asyncio.to_thread(check_whole, path)
            source = Backend(BackendKind.FILE, str(path))
            await self._copier.unpack(
                source,
                "qcow2",
                target.backend,
                virtual_size,
                target_is_zero=target.is_zero,
                progress=progress,
                bytes_per_second=bytes_per_second,
            )


class _Beginning:
    """The first bytes of a stream, as of an image whose end is not known."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = 1 << 62

    def read(self, offset: int, length: int) -> bytes:
        """Exactly these bytes."""
        if offset + length > len(self._data):
            raise BadImage("the qcow2 image is not whole")
        return self._data[offset : offset + length]


def _refusal(header: qcow2_header.Qcow2Header) -> str:
    if header.backing:
        return "the qcow2 image needs a backing file; import one that stands by itself"
    return refusal(header)


def _known(size: int) -> int:
    if size <= 0:
        text = "a raw image or fixed VHD does not say how large it is; its length or the size of the disk must be given"
        raise InvalidValue(text, field="virtual_size", value=str(max(0, size)))
    return size
