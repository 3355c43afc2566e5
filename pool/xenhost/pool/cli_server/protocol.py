"""The thin CLI protocol, version 0.2 (xapi, cli_protocol.ml): lengths and tags are 32 bits, little-endian.

The server leaves HTTP without an answer, and both sides say the prefix and their versions. Then come frames.
"""

import struct
from collections.abc import Sequence
from typing import Final

PREFIX: Final = b"XenSource thin CLI protocol"
MAJOR: Final = 0
MINOR: Final = 2
GREETING: Final = PREFIX + struct.pack("<ii", MAJOR, MINOR)
MAX_FRAME: Final = 1 << 20

_COMMAND, _RESPONSE, _BLOB = 9, 10, 11
_PRINT, _PROMPT, _EXIT, _ERROR, _STDERR = 0, 3, 4, 14, 16
_HTTP_GET, _HTTP_PUT, _HTTP_CONNECT = 12, 13, 17
_OK, _WAIT = 5, 18


class CliProtocolError(Exception):
    """The client does not speak it."""


def print_out(text: str) -> bytes:
    """Print a line on its standard output; the client ends it."""
    return _command(_PRINT, _text(text))


def print_err(text: str) -> bytes:
    """Print on its standard error, as it is."""
    return _command(_STDERR, _text(text))


def failed(code: str, params: Sequence[str]) -> bytes:
    """An error of the API."""
    return _command(_ERROR, _text(code) + _int(len(params)) + b"".join(_text(param) for param in params))


def leave(status: int) -> bytes:
    """End with that status."""
    return _command(_EXIT, _int(status))


def fetch(filename: str, url: str) -> bytes:
    """Get the URL and write it to the file, which the client must have named."""
    return _command(_HTTP_GET, _text(filename) + _text(url))


def send(filename: str, url: str) -> bytes:
    """Put the file, which the client must have named, to the URL."""
    return _command(_HTTP_PUT, _text(filename) + _text(url))


def connect(url: str) -> bytes:
    """Make a CONNECT to the URL, and let the user talk there; a response tells of its end."""
    return _command(_HTTP_CONNECT, _text(url))


def check_greeting(untrusted: bytes) -> None:
    """Whether that is what a client says first. Raises CliProtocolError."""
    if len(untrusted) != len(GREETING) or not untrusted.startswith(PREFIX):
        raise CliProtocolError("not the thin CLI protocol")
    major, _ = struct.unpack("<ii", untrusted[len(PREFIX) :])
    if major != MAJOR:
        raise CliProtocolError(f"version {major} of the thin CLI protocol is not known, {MAJOR} is")


def frame_length(untrusted: bytes) -> int:
    """The length of a frame, from its first four bytes. Raises CliProtocolError."""
    (length,) = struct.unpack("<i", untrusted)
    if not 4 <= length <= MAX_FRAME:
        raise CliProtocolError(f"a frame of {length} bytes")
    return int(length)


def is_ok(untrusted_frame: bytes) -> bool:
    """Whether a response is OK; a frame that is none is not."""
    return untrusted_frame == _int(_RESPONSE) + _int(_OK)


def is_wait(untrusted_frame: bytes) -> bool:
    """Whether the client says that it is still at it."""
    return untrusted_frame == _int(_RESPONSE) + _int(_WAIT)


def _command(tag: int, rest: bytes) -> bytes:
    payload = _int(_COMMAND) + _int(tag) + rest
    return _int(len(payload)) + payload


def _int(number: int) -> bytes:
    return struct.pack("<i", number)


def _text(text: str) -> bytes:
    raw = text.encode(errors="replace")
    return _int(len(raw)) + raw
