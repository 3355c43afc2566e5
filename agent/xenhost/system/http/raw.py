"""The connection itself, after HTTP: tunnels, upgrades, uploads whose length nobody knows."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from xenhost.system.http.limits import Limits

READ_BYTES: Final = 256 << 10
_RESET: Final = struct.pack("ii", 1, 0)
"""Linger for no time."""


class StreamEnded(Exception):
    """The other side has gone, or neither reads nor writes any more."""


class RawStream:
    """Bytes both ways. Made by `Request.take_over`; closed by the server when the handler ends."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        leftover: bytes,
        length: int | None,
        limits: Limits,
        pull_chunk: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._leftover = leftover
        self._limits = limits
        self._pull_chunk = pull_chunk
        self.length = length
        """What Content-Length said, untrusted; None without one: the body ends with the connection."""

    async def read(self, limit: int = READ_BYTES, timeout: float | None = None) -> bytes:
        """Some bytes as soon as there are any; none at the end. `timeout` seconds, or as long as it takes.

        Raises StreamEnded after the timeout. A connection that was reset has ended.
        """
        if self._leftover:
            some, self._leftover = self._leftover[:limit], self._leftover[limit:]
            return some
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(limit)
        except TimeoutError as error:
            raise StreamEnded(f"nothing came for {timeout:.0f} s") from error
        except OSError:
            return b""

    async def read_exactly(self, size: int, timeout: float | None = None) -> bytes:
        """So many bytes. Raises StreamEnded, also if the stream ends before."""
        found = bytearray()
        while len(found) < size:
            piece = await self.read(size - len(found), timeout)
            if not piece:
                raise StreamEnded(f"the stream ended after {len(found)} of {size} bytes")
            found += piece
        return bytes(found)

    async def upload(self) -> AsyncIterator[bytes]:
        """The body of the request: as long as Content-Length said, or until the client closes, whichever is first.

        Chunked encoding is taken away. Raises StreamEnded if nothing comes for `Limits.read_seconds`, BodyCut if the
        chunks make no sense.
        """
        if self._pull_chunk is not None:
            while chunk := await self._pull_chunk():
                yield chunk
            return
        left = self.length
        while left is None or left > 0:
            piece = await self.read(READ_BYTES if left is None else min(left, READ_BYTES), self._limits.read_seconds)
            if not piece:
                return
            if left is not None:
                left -= len(piece)
            yield piece

    async def write(self, data: bytes) -> None:
        """Send; waits while the other side does not take it. Raises StreamEnded."""
        self._writer.write(data)
        try:
            async with asyncio.timeout(self._limits.write_seconds):
                await self._writer.drain()
        except (TimeoutError, OSError) as error:
            self._writer.transport.abort()
            raise StreamEnded("the other side does not read") from error

    async def end(self) -> None:
        """Nothing more will be written; the other side may go on. With TLS, which knows no such thing, no-op."""
        if self._writer.can_write_eof():
            self._writer.write_eof()

    def abort(self) -> None:
        """Reset the connection: one that is closed in order would look like the end of what was being sent."""
        reset(self._writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close it at once, and let the other side see that it was not in order."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
