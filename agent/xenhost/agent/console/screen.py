"""Screens: a connection of its own to the emulator's RFB server for everyone who looks.

RFB has a state, so its bytes are neither shared nor ever dropped: a viewer that is slow keeps its emulator's updates
waiting, and nobody else's. What passes is untrusted and never interpreted here.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Final

from xenhost.core.errors import HypervisorUnavailable, TooBusy

READ_BYTES: Final = 32 * 1024
MAX_VIEWERS: Final = 16
"""At one screen; QEMU takes 32."""
CONNECT_SECONDS: Final = 5.0


class ScreenViewer:
    """One connection. Made by `Screens`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, detached: Callable[[], None]
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._detached = detached

    async def output(self) -> AsyncIterator[bytes]:
        """What the emulator says, as fast as it is taken, until it hangs up."""
        while True:
            try:
                data = await self._reader.read(READ_BYTES)
            except OSError:
                return
            if not data:
                return
            yield data

    async def write(self, data: bytes) -> None:
        """Say it to the emulator. Waits while that does not read; returns at once if it is gone."""
        if self._writer.transport.is_closing():
            return
        self._writer.write(data)
        try:
            await self._writer.drain()
        except OSError:
            return  # `output` ends, too

    def end(self) -> None:
        """Hang up; `output` ends."""
        self._writer.transport.abort()

    def detach(self) -> None:
        """Hang up, and make room for another. Call it once."""
        self.end()
        self._detached()


class Screens:
    """The connections that are open, by socket."""

    def __init__(self) -> None:
        self._viewers: Counter[str] = Counter()

    async def connect(self, path: str) -> ScreenViewer:
        """One more viewer of the RFB server at a unix socket. Raises HypervisorUnavailable, TooBusy."""
        if self._viewers[path] >= MAX_VIEWERS:
            raise TooBusy(f"{MAX_VIEWERS} clients are attached to this screen; detach one first")
        self._viewers[path] += 1
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_unix_connection(path, limit=READ_BYTES)
        except (OSError, TimeoutError) as error:
            self._leave(path)
            raise HypervisorUnavailable(f"the screen at {path} cannot be reached: {error}", msg=str(error)) from error
        except BaseException:
            self._leave(path)
            raise
        return ScreenViewer(reader, writer, lambda: self._leave(path))

    def _leave(self, path: str) -> None:
        self._viewers[path] -= 1
        if self._viewers[path] <= 0:
            del self._viewers[path]
