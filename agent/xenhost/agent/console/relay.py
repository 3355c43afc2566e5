"""One pseudo-terminal, read once and shown to everyone who is attached.

What the guest prints is untrusted and passed on as bytes, never interpreted. Whoever reads too slowly loses the
oldest output of their own copy and is told so; nobody else notices, and the guest is never held up.
"""

import asyncio
import os
import re
import termios
import tty
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from xenhost.agent.console.screen import Screens
from xenhost.core.errors import HypervisorUnavailable, TooBusy

READ_BYTES: Final = 16 * 1024
BACKLOG_BYTES: Final = 256 * 1024
"""Output kept for one viewer that is behind."""
INPUT_BYTES: Final = 64 * 1024
"""Input kept while the guest does not read."""
MAX_VIEWERS: Final = 16
LOST: Final = b"\r\n[xenhost: output lost]\r\n"
_PTS: Final = re.compile(r"/dev/pts/[0-9]{1,9}")


class Viewer:
    """One attached client: the output it has not taken yet."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._lost = False
        self._ended = False
        self._ready = asyncio.Event()

    def put(self, data: bytes) -> None:
        """Add output; the oldest goes if there is too much."""
        self._chunks.append(data)
        self._size += len(data)
        while self._size > BACKLOG_BYTES:
            self._size -= len(self._chunks.popleft())
            self._lost = True
        self._ready.set()

    def end(self) -> None:
        """No more will come."""
        self._ended = True
        self._ready.set()

    async def output(self) -> AsyncIterator[bytes]:
        """Output as it comes, until the terminal is gone."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            if self._lost:
                self._lost = False
                yield LOST
            if self._chunks:
                data = b"".join(self._chunks)
                self._chunks.clear()
                self._size = 0
                yield data
            elif self._ended:
                return
            if self._chunks or self._ended:
                self._ready.set()


class Relay:
    """An open terminal. Made by `Consoles`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._viewers: set[Viewer] = set()
        self._input = bytearray()
        self._writing = False
        self._room = asyncio.Event()

    @property
    def closed(self) -> bool:
        """The terminal is gone, or nobody looks at it any more."""
        return self._fd < 0

    def open(self) -> None:
        """Open the terminal in raw mode, without blocking. Raises HypervisorUnavailable."""
        if not _PTS.fullmatch(self._path):  # the path came through xenstore
            raise HypervisorUnavailable(f"the console is not at a pseudo-terminal: {self._path!r:.60}", msg="console")
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise HypervisorUnavailable(
                f"the console {self._path} cannot be opened: {error.strerror}", msg=str(error.strerror)
            ) from error
        tty.setraw(self._fd, termios.TCSANOW)  # not the default, which would discard what the guest said so far
        asyncio.get_running_loop().add_reader(self._fd, self._readable)

    def attach(self) -> Viewer:
        """One more viewer; output from now on. Raises TooBusy."""
        if len(self._viewers) >= MAX_VIEWERS:
            raise TooBusy(f"{MAX_VIEWERS} clients are attached to this console; detach one first")
        viewer = Viewer()
        self._viewers.add(viewer)
        return viewer

    def detach(self, viewer: Viewer) -> None:
        """One viewer less; the last one closes the terminal."""
        self._viewers.discard(viewer)
        if not self._viewers:
            self.close()

    async def write(self, data: bytes) -> None:
        """Type. Waits while the guest does not read; returns at once if the terminal is gone."""
        for start in range(0, len(data), READ_BYTES):
            while len(self._input) >= INPUT_BYTES and not self.closed:
                self._room.clear()
                await self._room.wait()
            if self.closed:
                return
            self._input += data[start : start + READ_BYTES]
            if not self._writing:
                self._writable()

    def close(self) -> None:
        """Close the terminal and end every viewer. May be called again."""
        if self._fd >= 0:
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._fd)
            loop.remove_writer(self._fd)
            os.close(self._fd)
            self._fd = -1
        self._room.set()
        for viewer in self._viewers:
            viewer.end()

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # EIO: the other side has closed, the domain is gone
        if not data:
            self.close()
            return
        for viewer in self._viewers:
            viewer.put(data)

    def _writable(self) -> None:
        try:
            del self._input[: os.write(self._fd, self._input)]
            self._room.set()
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        loop = asyncio.get_running_loop()
        if self._input and not self._writing:
            loop.add_writer(self._fd, self._writable)
        elif not self._input and self._writing:
            loop.remove_writer(self._fd)
        self._writing = bool(self._input)


class SerialViewer:
    """One attached client, with hands to type."""

    def __init__(self, relay: Relay) -> None:
        """Raises TooBusy."""
        self._relay: Final = relay
        self._viewer: Final = relay.attach()

    def output(self) -> AsyncIterator[bytes]:
        """See Viewer."""
        return self._viewer.output()

    async def write(self, data: bytes) -> None:
        """See Relay."""
        await self._relay.write(data)

    def end(self) -> None:
        """`output` ends."""
        self._viewer.end()

    def detach(self) -> None:
        """See Relay."""
        self._relay.detach(self._viewer)


class Consoles:
    """The terminals that are open, by path, and the screens."""

    def __init__(self) -> None:
        self._relays: dict[str, Relay] = {}
        self.screens: Final = Screens()

    def relay(self, path: str) -> Relay:
        """The open relay of a terminal; opened if it is not. Attach to it at once. Raises HypervisorUnavailable."""
        relay = self._relays.get(path)
        if relay is None or relay.closed:
            relay = Relay(path)
            relay.open()
            self._relays = {name: each for name, each in self._relays.items() if not each.closed}
            self._relays[path] = relay
        return relay

    def close(self) -> None:
        """Close every terminal."""
        for relay in self._relays.values():
            relay.close()
