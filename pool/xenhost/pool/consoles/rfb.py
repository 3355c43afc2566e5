"""A client of RFB 3.8 (RFC 6143) that looks once: the whole screen, in true colours, uncompressed.

The server is the emulator of a guest, and as untrusted as that.
"""

import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

MAX_PIXELS: Final = 4096 * 2304
_MAX_TEXT: Final = 1 << 20
_MAX_MESSAGES: Final = 1000
_VERSION: Final = b"RFB 003.008\n"
_NO_PASSWORD: Final = 1
_BYTES: Final = 4
_FORMAT: Final = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
"""Blue, green, red, nothing."""


class RfbError(Exception):
    """The server does not speak it, or has no screen that can be shown."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A screen."""

    width: int
    height: int
    pixels: bytes
    """Row by row: blue, green, red, and a byte that means nothing."""


class RfbClient:
    """Reads a number of bytes with `read`, and sends with `write`. Its methods raise what those raise, and RfbError."""

    def __init__(self, read: Callable[[int], Awaitable[bytes]], write: Callable[[bytes], Awaitable[None]]) -> None:
        self._read: Final = read
        self._write: Final = write

    async def look(self) -> Picture:
        """The screen as it is."""
        width, height = await self._begin()
        await self._write(b"\x00\x00\x00\x00" + _FORMAT)
        await self._write(struct.pack(">BxHi", 2, 1, 0))  # uncompressed
        await self._write(struct.pack(">BBHHHH", 3, 0, 0, 0, width, height))
        canvas = bytearray(width * height * _BYTES)
        missing = width * height
        for _ in range(_MAX_MESSAGES):
            missing -= await self._message(canvas, width, height)
            if missing <= 0:
                return Picture(width, height, bytes(canvas))
        raise RfbError("the screen comes in too many pieces")

    async def _begin(self) -> tuple[int, int]:
        """Shake hands; width and height."""
        version = await self._read(len(_VERSION))
        if not version.startswith(b"RFB 003.") or version < _VERSION:
            raise RfbError(f"it speaks {version!r}, not RFB 3.8")
        await self._write(_VERSION)
        (count,) = await self._read(1)
        if _NO_PASSWORD not in await self._read(count):
            raise RfbError("it wants a password")
        await self._write(bytes((_NO_PASSWORD,)))
        if await self._read(4) != bytes(4):
            raise RfbError("it lets nobody in")
        await self._write(b"\x01")  # others may stay
        width, height, length = struct.unpack(">HH16xI", await self._read(24))
        if not 0 < width * height <= MAX_PIXELS:
            raise RfbError(f"a screen of {width} x {height} cannot be shown")
        await self._skip(length)
        return width, height

    async def _message(self, canvas: bytearray, width: int, height: int) -> int:
        """Take one message; how many pixels it has brought."""
        match (await self._read(1))[0]:
            case 0:
                (count,) = struct.unpack(">xH", await self._read(3))
                return sum([await self._rectangle(canvas, width, height) for _ in range(count)])
            case 1:  # colours, of which we have asked for none
                (count,) = struct.unpack(">3xH", await self._read(5))
                await self._skip(6 * count)
            case 2:  # a bell
                pass
            case 3:  # text that was cut
                (length,) = struct.unpack(">3xI", await self._read(7))
                await self._skip(length)
            case kind:
                raise RfbError(f"message {kind} is not known")
        return 0

    async def _rectangle(self, canvas: bytearray, width: int, height: int) -> int:
        x, y, wide, high, encoding = struct.unpack(">HHHHi", await self._read(12))
        if encoding != 0 or x + wide > width or y + high > height:
            raise RfbError(f"rectangle {wide} x {high} at {x}, {y}, encoding {encoding}, was not asked for")
        for row in range(y, y + high if wide else y):
            at = (row * width + x) * _BYTES
            canvas[at : at + wide * _BYTES] = await self._read(wide * _BYTES)
        return int(wide * high)

    async def _skip(self, length: int) -> None:
        if length > _MAX_TEXT:
            raise RfbError(f"{length} bytes of text")
        await self._read(length)
