"""A screen is looked at once, whatever its server says."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.pool.consoles.rfb import Picture, RfbClient, RfbError

HELLO = b"RFB 003.008\n\x01\x01" + bytes(4)


def init(width: int = 2, height: int = 2, name: bytes = b"vm") -> bytes:
    return struct.pack(">HH16xI", width, height, len(name)) + name


def rectangle(x: int, y: int, width: int, height: int, pixels: bytes, encoding: int = 0) -> bytes:
    return struct.pack(">HHHHi", x, y, width, height, encoding) + pixels


def update(*rectangles: bytes) -> bytes:
    return struct.pack(">BxH", 0, len(rectangles)) + b"".join(rectangles)


class End(Exception):
    """The server says nothing more."""


async def seen(said: bytes) -> tuple[Picture, bytes]:
    """What a client sees when a server says all that, and what the client says."""
    rest, wrote = said, b""

    async def read(size: int) -> bytes:
        nonlocal rest
        if len(rest) < size:
            raise End
        taken, rest = rest[:size], rest[size:]
        return taken

    async def write(data: bytes) -> None:
        nonlocal wrote
        wrote += data

    return await RfbClient(read, write).look(), wrote


async def test_a_screen_comes_in_rectangles_in_several_messages_among_others() -> None:
    top, left, right = b"aaaabbbb", b"cccc", b"dddd"
    bell, colours, cut = b"\x02", struct.pack(">BxHH", 1, 0, 1) + bytes(6), struct.pack(">BxxxI", 3, 3) + b"cut"
    said = update(rectangle(0, 0, 2, 1, top)) + bell + colours + cut
    said += update(rectangle(0, 1, 1, 1, left), rectangle(1, 1, 1, 1, right))
    picture, wrote = await seen(HELLO + init() + said)
    assert picture == Picture(2, 2, top + left + right)
    assert wrote.startswith(b"RFB 003.008\n\x01\x01\x00\x00\x00\x00")
    assert wrote.endswith(b"\x03\x00" + struct.pack(">HHHH", 0, 0, 2, 2))


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-abcd",
        b"RFB 003.003\n",
        b"RFB 003.008\n\x01\x02",
        b"RFB 003.008\n\x00",
        b"RFB 003.008\n\x01\x01\x00\x00\x00\x01",
        HELLO + init(0, 0),
        HELLO + init(65535, 65535),
        HELLO + struct.pack(">HH16xI", 2, 2, 1 << 31),
        HELLO + init() + b"\x09",
        HELLO + init() + update(rectangle(1, 1, 2, 1, bytes(8))),
        HELLO + init() + update(rectangle(0, 0, 2, 2, bytes(16), encoding=7)),
        HELLO + init() + struct.pack(">BxxxI", 3, 1 << 31),
        HELLO + init() + b"\x02" * 1001,
    ],
)
async def test_what_makes_no_sense_is_an_error(said: bytes) -> None:
    with pytest.raises(RfbError):
        await seen(said)


@given(st.binary(max_size=300))
async def test_nonsense_raises_nothing_else(untrusted: bytes) -> None:
    for begin in (b"", HELLO, HELLO + init()):
        try:
            await seen(begin + untrusted)
        except (RfbError, End):
            continue
