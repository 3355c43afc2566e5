"""A screen: an RFB 3.8 server (RFC 6143) at a unix socket, as QEMU's is. It shows stripes; each key moves them on."""

import asyncio
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

WIDTH: Final = 320
HEIGHT: Final = 200
_STRIPES: Final = (0xFFFFFF, 0xFFFF00, 0x00FFFF, 0x00FF00, 0xFF00FF, 0xFF0000, 0x0000FF, 0x000000)
_VERSION: Final = b"RFB 003.008\n"
_NO_PASSWORD: Final = 1
_FORMAT: Final = struct.Struct(">BBBBHHHBBB3x")
_TRUE_COLOUR: Final = (32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
_LONGEST_TEXT: Final = 64 * 1024
_MOST_ENCODINGS: Final = 256
_BACKLOG: Final = 16


class SimScreen:
    """One screen. Anyone in dom0 may look at it."""

    def __init__(self, name: str, path: Path) -> None:
        self._name: Final = name.encode("latin-1", "replace")[:256]
        self._path: Final = path
        self._server: asyncio.Server | None = None
        self._viewers: set[_Viewer] = set()
        self._shift = 0

    @property
    def path(self) -> str:
        """Of the socket; empty while closed."""
        return str(self._path) if self._server is not None else ""

    async def open(self) -> None:
        """Listen. Raises OSError."""
        bound = await asyncio.to_thread(_bound, self._path)
        self._server = await asyncio.start_unix_server(self._serve, sock=bound)

    def close(self) -> None:
        """Hang up: everyone sees the end. The socket's name stays behind, and is replaced by the next."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for viewer in self._viewers:
            viewer.hang_up()

    def press(self) -> None:
        """A key: the picture changes."""
        self._shift = (self._shift + 1) % len(_STRIPES)
        for viewer in self._viewers:
            viewer.changed.set()

    def row(self) -> list[int]:
        """The colours of a row of the picture: 0xRRGGBB."""
        stripe = WIDTH // len(_STRIPES)
        return [_STRIPES[(x // stripe + self._shift) % len(_STRIPES)] for x in range(WIDTH)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        viewer = _Viewer(self, reader, writer)
        self._viewers.add(viewer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, _Nonsense):
                await viewer.run(self._name)
        finally:
            self._viewers.discard(viewer)
            viewer.hang_up()


class _Nonsense(Exception):
    """The client does not speak RFB."""


class _Viewer:
    """One client."""

    def __init__(self, screen: SimScreen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._screen = screen
        self._reader = reader
        self._writer = writer
        self._format = _TRUE_COLOUR
        self._wanted = asyncio.Event()
        """An update, when the picture has changed."""
        self.changed = asyncio.Event()

    def hang_up(self) -> None:
        """The client sees the end."""
        self._writer.transport.abort()

    async def run(self, name: bytes) -> None:
        """Until the client goes. Raises OSError, IncompleteReadError, _Nonsense."""
        self._writer.write(_VERSION)
        if await self._reader.readexactly(len(_VERSION)) != _VERSION:
            raise _Nonsense
        self._writer.write(bytes((1, _NO_PASSWORD)))
        if await self._reader.readexactly(1) != bytes((_NO_PASSWORD,)):
            raise _Nonsense
        self._writer.write(bytes(4))
        await self._reader.readexactly(1)  # everybody shares it
        size = struct.pack(">HH", WIDTH, HEIGHT)
        self._writer.write(size + _FORMAT.pack(*_TRUE_COLOUR) + struct.pack(">I", len(name)) + name)
        drawing = asyncio.ensure_future(self._draw())
        try:
            while True:
                await self._message()
        finally:
            drawing.cancel()

    async def _message(self) -> None:
        match (await self._reader.readexactly(1))[0]:
            case 0:
                self._format = _FORMAT.unpack((await self._reader.readexactly(19))[3:])
                if self._format[0] not in (8, 16, 32):
                    raise _Nonsense
            case 2:
                (count,) = struct.unpack(">xH", await self._reader.readexactly(3))
                if count > _MOST_ENCODINGS:
                    raise _Nonsense
                await self._reader.readexactly(4 * count)
            case 3:
                incremental, *_ = await self._reader.readexactly(9)
                self._wanted.set()
                if not incremental:
                    self.changed.set()
            case 4:
                down, *_ = await self._reader.readexactly(7)
                if down:
                    self._screen.press()
            case 5:
                await self._reader.readexactly(5)
            case 6:
                (length,) = struct.unpack(">3xI", await self._reader.readexactly(7))
                if length > _LONGEST_TEXT:
                    raise _Nonsense
                await self._reader.readexactly(length)
            case _:
                raise _Nonsense

    async def _draw(self) -> None:
        """Send the picture when it has changed and the client wants it, no faster than the client takes it."""
        with suppress(OSError):
            while True:
                await self.changed.wait()
                await self._wanted.wait()
                self.changed.clear()
                self._wanted.clear()
                row = b"".join(self._pixel(colour) for colour in self._screen.row())
                self._writer.write(struct.pack(">BxHHHHHi", 0, 1, 0, 0, WIDTH, HEIGHT, 0) + row * HEIGHT)
                await self._writer.drain()

    def _pixel(self, colour: int) -> bytes:
        bits, _, big, _, *scale = self._format
        value = 0
        for index in range(3):
            part = colour >> (16 - 8 * index) & 0xFF
            value |= part * scale[index] // 255 << scale[3 + index]
        return (value & (1 << bits) - 1).to_bytes(bits // 8, "big" if big else "little")


def _bound(path: Path) -> socket.socket:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(str(path))
        made.listen(_BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made
