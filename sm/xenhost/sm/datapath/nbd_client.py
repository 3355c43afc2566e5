"""A small NBD client for unix sockets: reading, writing and asking which blocks are there or have changed.

    async with await NbdClient.connect(socket, export, contexts=(ALLOCATION,)) as client:
        data = await client.read(offset, length)
        async for offset, extent in client.extents(ALLOCATION): ...

Requests may be in flight together, and those longer than the server takes are split. No TLS: that is for what other
machines connect to. A read or write that a server does not answer in REQUEST_TIMEOUT seconds raises NbdError.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Final, Self

from xenhost.core.storage import Backend
from xenhost.sm.datapath.nbd_proto import (
    Answer,
    AnswerReader,
    Command,
    CommandFlag,
    Data,
    Done,
    ExportInfo,
    Extent,
    Failed,
    Handshake,
    Hole,
    NbdProtocolError,
    Status,
    request,
)

ALLOCATION: Final = "base:allocation"
"""Meta context: is there data? Flags HOLE and ZERO."""
HOLE: Final = 1
ZERO: Final = 2
DIRTY: Final = 1
"""Flag of the meta contexts `qemu:dirty-bitmap:NAME`."""
CONNECT_TIMEOUT: Final = 30.0
REQUEST_TIMEOUT: Final = 120.0
_CHUNK: Final = 1 << 18
_MAX_STATUS: Final = 1 << 30
"""Bytes asked of at once for block status; the server may answer for less."""


class NbdError(Exception):
    """A request failed, the server is gone or does not speak NBD. The text says which."""


class _Pending:
    """One request and what was answered so far."""

    __slots__ = ("buffer", "contexts", "error", "filled", "future", "offset")

    def __init__(self, future: "asyncio.Future[None]", offset: int, length: int) -> None:
        self.future = future
        self.offset = offset
        self.buffer = bytearray(length)
        self.filled = 0
        self.contexts: dict[int, tuple[Extent, ...]] = {}
        self.error = ""


class NbdClient:
    """One connection to one export. Make it with `connect`, end it with `close` or `async with`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handshake: Handshake) -> None:
        assert handshake.info is not None  # it is complete
        self.info: ExportInfo = handshake.info
        """Size, flags, granted contexts."""
        self._reader = reader
        self._writer = writer
        self._answers = AnswerReader()
        self._pending: dict[int, _Pending] = {}
        self._last_handle = 0
        self._gone = ""
        self._task = asyncio.create_task(self._receive(bytes(handshake.rest)), name="nbd")

    @classmethod
    async def connect(cls, socket: str, export: str, contexts: Sequence[str] = ()) -> "NbdClient":
        """Connect to an export. Contexts the server does not have are missing in `info`. Raises NbdError."""
        handshake = Handshake(export, contexts)
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                reader, writer = await asyncio.open_unix_connection(socket, limit=_CHUNK)
                while handshake.info is None:
                    if not (data := await reader.read(_CHUNK)):
                        raise NbdError(f"{socket} closed the connection during the handshake")
                    writer.write(handshake.feed(data))
            return cls(reader, writer, handshake)
        except BaseException as error:
            if writer is not None:
                writer.close()
            if isinstance(error, TimeoutError):
                raise NbdError(f"{socket} did not answer within {CONNECT_TIMEOUT:.0f} s") from error
            if isinstance(error, OSError):
                raise NbdError(f"cannot connect to {socket}: {error.strerror}") from error
            if isinstance(error, NbdProtocolError):
                raise NbdError(f"{socket}: {error}") from error
            raise

    @classmethod
    async def connect_to(cls, backend: Backend, contexts: Sequence[str] = ()) -> "NbdClient":
        """Connect to a backend of the kind NBD. Raises NbdError."""
        return await cls.connect(backend.path, backend.export, contexts)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def read(self, offset: int, length: int) -> bytes:
        """Bytes of the disk. Raises NbdError."""
        pieces = [await self._ask(Command.READ, at, size, expected=size) for at, size in self._split(offset, length)]
        return b"".join(bytes(piece.buffer) for piece in pieces) if len(pieces) != 1 else bytes(pieces[0].buffer)

    async def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write; durable after `flush`. Raises NbdError."""
        view = memoryview(data)
        for at, size in self._split(offset, len(view)):
            await self._ask(Command.WRITE, at, size, data=view[at - offset : at - offset + size])

    async def zero(self, offset: int, length: int, may_unmap: bool = True) -> None:
        """Make it zeros, without space where the format can. Raises NbdError."""
        flags = CommandFlag.NONE if may_unmap else CommandFlag.NO_HOLE
        for at in range(offset, offset + length, _MAX_STATUS):
            await self._ask(Command.WRITE_ZEROES, at, min(_MAX_STATUS, offset + length - at), flags)

    async def flush(self) -> None:
        """Make durable what was written. Raises NbdError."""
        await self._ask(Command.FLUSH, 0, 0)

    async def extents(
        self, context: str, offset: int = 0, length: int | None = None
    ) -> AsyncIterator[tuple[int, Extent]]:
        """Offsets and runs of blocks, without gaps, clipped to what was asked for (all). Raises NbdError."""
        id = self.info.contexts.get(context)
        if id is None:
            raise NbdError(f"the export has no {context}")
        end = self.info.size if length is None else offset + length
        while offset < end:
            answer = await self._ask(Command.BLOCK_STATUS, offset, min(_MAX_STATUS, end - offset))
            if not (found := answer.contexts.get(id)):
                raise NbdError(f"no answer about {context} at {offset}")
            for extent in found:
                size = min(extent.length, end - offset)
                if size > 0:
                    yield offset, Extent(size, extent.flags)
                    offset += size

    async def close(self) -> None:
        """End the connection."""
        self._task.cancel()
        try:
            await asyncio.gather(self._task, return_exceptions=True)
            with contextlib.suppress(OSError):
                self._writer.write(request(Command.DISC, 0, 0, 0))
                await self._writer.drain()
        finally:
            self._writer.close()

    def _split(self, offset: int, length: int) -> Sequence[tuple[int, int]]:
        most = self.info.maximum_payload
        return [(at, min(most, offset + length - at)) for at in range(offset, offset + length, most)]

    async def _ask(
        self,
        command: Command,
        offset: int,
        length: int,
        flags: CommandFlag = CommandFlag.NONE,
        data: memoryview | None = None,
        expected: int = 0,
    ) -> _Pending:
        if self._gone:
            raise NbdError(self._gone)
        self._last_handle += 1
        handle = self._last_handle
        pending = _Pending(asyncio.get_running_loop().create_future(), offset, expected)
        self._pending[handle] = pending
        self._answers.expect(handle, offset, expected)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                self._writer.write(request(command, handle, offset, length, flags))
                if data is not None:
                    self._writer.write(data)
                await self._writer.drain()
                await pending.future
        except TimeoutError as error:
            raise NbdError(f"no answer to a {command.name} within {REQUEST_TIMEOUT:.0f} s") from error
        except OSError as error:
            raise NbdError(f"{command.name} failed: {error.strerror}") from error
        if pending.error:
            raise NbdError(f"{command.name} of {length} bytes at {offset} failed: {pending.error}")
        if pending.filled != expected:
            raise NbdError(f"only {pending.filled} of {expected} bytes at {offset} were sent")
        return pending

    async def _receive(self, first: bytes) -> None:
        reason = "the NBD server closed the connection"
        try:
            data = first
            while True:
                for answer in self._answers.feed(data):
                    self._take(answer)
                if not (data := await self._reader.read(_CHUNK)):
                    break
        except (OSError, NbdProtocolError) as error:
            reason = str(error)
        finally:
            self._gone = reason
            for pending in self._pending.values():
                if not pending.future.done():
                    pending.future.set_exception(NbdError(reason))
            self._pending.clear()

    def _take(self, answer: Answer) -> None:
        pending = self._pending[answer.handle]
        match answer:
            case Data(_, offset, data):
                at = offset - pending.offset
                pending.buffer[at : at + len(data)] = data
                pending.filled += len(data)
            case Hole(_, _, length):
                pending.filled += length
            case Status(_, context, extents):
                pending.contexts[context] = extents
            case Failed(_, error, message):
                pending.error = message or os.strerror(error)
            case Done(handle):
                del self._pending[handle]
                if not pending.future.done():
                    pending.future.set_result(None)
