"""Whether somebody sits at a console, from what the client sends. Pure.

At a serial line every byte was typed. A client of RFB asks for updates all the time; only keys and the pointer count,
as in xapi. Messages of the client: RFC 6143, 7.5, and the extensions that clients of QEMU use.
"""

from typing import Final

_VERSION_BYTES: Final = 12
_HELLO: Final = _VERSION_BYTES + 1 + 1
"""Version, choice of security (none), and whether others may look, too."""
_KEY: Final = 4
_POINTER: Final = 5
_QEMU: Final = 255
_LENGTHS: Final = {0: 20, 3: 10, _KEY: 8, _POINTER: 6, 150: 10}
"""Of messages that always have the same."""
_HEADS: Final = {2: 4, 6: 8, 248: 9, 251: 8, _QEMU: 2}
"""Of messages whose beginning tells their length."""


class SerialActivity:
    """Of a serial line."""

    def seen(self, untrusted: bytes) -> bool:
        """Was anything typed?"""
        return bool(untrusted)


class ScreenActivity:
    """Of a client of RFB. What it does not understand counts as activity from then on: nobody is cut off by mistake."""

    def __init__(self) -> None:
        self._head = b""
        """The beginning of a message."""
        self._skip = _HELLO
        """Bytes to come that mean nothing."""
        self._lost = False

    def seen(self, untrusted: bytes) -> bool:
        """Was a key pressed or the pointer moved? Takes what the client sends, in pieces of any size."""
        active, at = False, 0
        while at < len(untrusted) and not self._lost:
            if self._skip:
                taken = min(self._skip, len(untrusted) - at)
                self._skip -= taken
                at += taken
                continue
            self._head += untrusted[at : at + 1]
            at += 1
            length = _length(self._head)
            if length is None:
                continue
            if length < 0:
                self._lost = True
                break
            active = active or self._head[0] in (_KEY, _POINTER) or self._head[:2] == b"\xff\x00"
            self._skip = length - len(self._head)
            self._head = b""
        return active or self._lost


def _length(head: bytes) -> int | None:
    """Of the whole message; None if more of it is needed to know, -1 if no such message is known."""
    kind = head[0]
    if kind in _LENGTHS:
        return _LENGTHS[kind]
    if kind not in _HEADS:
        return -1
    if len(head) < _HEADS[kind]:
        return None
    match kind:
        case 2:  # encodings
            return 4 + 4 * int.from_bytes(head[2:4], "big")
        case 6:  # text that was cut; a negative length is the extended form
            return 8 + abs(int.from_bytes(head[4:8], "big", signed=True))
        case 248:  # a fence
            return 9 + head[8]
        case 251:  # another size
            return 8 + 16 * head[6]
    return _length_of_qemu(head)


def _length_of_qemu(head: bytes) -> int | None:
    match head[1]:
        case 0:  # a key with its scan code
            return 12
        case 1:  # audio: on, off, or its format
            if len(head) < 4:
                return None
            return 10 if head[2:4] == b"\x00\x02" else 4
    return -1
