"""Who sits at a screen is told from who only looks."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.pool.consoles.activity import ScreenActivity, SerialActivity

HELLO = b"RFB 003.008\n\x01\x01"
FORMAT = b"\x00" + bytes(19)
ENCODINGS = struct.pack(">BxHii", 2, 2, 0, -223)
UPDATE = struct.pack(">BBHHHH", 3, 1, 0, 0, 640, 480)
CUT = struct.pack(">BxxxI", 6, 5) + b"\x04\x04\x04\x05\x05"
EXTENDED_CUT = struct.pack(">Bxxxi", 6, -4) + b"\x04\x04\x05\x05"
FENCE = b"\xf8\x00\x00\x00\x00\x00\x00\x00\x02\x04\x04"
CONTINUOUS = b"\x96\x01" + bytes(8)
SIZE = struct.pack(">BxHHBx", 251, 4, 4, 1) + b"\x04" * 16
AUDIO = b"\xff\x01\x00\x02" + b"\x04" * 6 + b"\xff\x01\x00\x00"
QUIET = (FORMAT, ENCODINGS, UPDATE, CUT, EXTENDED_CUT, FENCE, CONTINUOUS, SIZE, AUDIO)
KEY = struct.pack(">BBxxI", 4, 1, 0x41)
POINTER = b"\x05\x00" + bytes(4)
QEMU_KEY = b"\xff\x00" + bytes(10)


def test_looking_is_not_doing() -> None:
    assert not ScreenActivity().seen(HELLO + b"".join(QUIET) * 3)


@pytest.mark.parametrize("doing", [KEY, POINTER, QEMU_KEY])
def test_keys_and_the_pointer_are(doing: bytes) -> None:
    screen = ScreenActivity()
    assert not screen.seen(HELLO + b"".join(QUIET))
    assert screen.seen(UPDATE + doing + UPDATE)
    assert not screen.seen(UPDATE)


@given(st.lists(st.sampled_from((*QUIET, KEY, POINTER, QEMU_KEY)), max_size=12), st.integers(1, 9))
def test_pieces_may_be_cut_anywhere(messages: list[bytes], size: int) -> None:
    said = HELLO + b"".join(messages)
    screen = ScreenActivity()
    seen = [screen.seen(said[at : at + size]) for at in range(0, len(said), size)]
    assert any(seen) == any(each in (KEY, POINTER, QEMU_KEY) for each in messages)


@given(st.binary(max_size=200))
def test_nonsense_raises_nothing_and_counts_as_activity_at_the_latest_when_it_is_seen(untrusted: bytes) -> None:
    screen = ScreenActivity()
    screen.seen(HELLO + untrusted)
    assert ScreenActivity().seen(HELLO + b"\x63")
    lost = ScreenActivity()
    lost.seen(HELLO + b"\x63")
    assert lost.seen(UPDATE)


def test_every_byte_is_typed_at_a_serial_line() -> None:
    assert SerialActivity().seen(b"\x00")
    assert not SerialActivity().seen(b"")
