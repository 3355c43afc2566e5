"""JSON-RPC's objects out of a stream of bytes in which nothing separates them (RFC 7047, section 4)."""

import re
from typing import Final

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of one message: a database with tens of thousands of ports."""
_OUTSIDE: Final = re.compile(rb'["{}]')
_INSIDE: Final = re.compile(rb'["\\]')


class JsonStream:
    """Cuts where an object ends; what is in it, json may say."""

    def __init__(self, largest: int = LARGEST) -> None:
        self._largest: Final = largest
        self._pending = bytearray()
        self._seen = 0
        self._depth = 0
        self._in_text = False

    def feed(self, untrusted_data: bytes) -> list[bytes]:
        """The messages that are complete now. Raises ValueError (no object, or too large); then give it up."""
        self._pending += untrusted_data
        messages = []
        while (end := self._find_end()) is not None:
            messages.append(bytes(self._pending[:end]))
            del self._pending[:end]
            self._seen = 0
        if len(self._pending) > self._largest:
            raise ValueError(f"a message of more than {self._largest} bytes")
        return messages

    def _find_end(self) -> int | None:
        if self._depth == 0:
            stripped = self._pending.lstrip()
            if stripped and not stripped.startswith(b"{"):
                raise ValueError(f"no JSON object: {bytes(stripped[:40])!r}")
        while self._seen < len(self._pending):
            found = (_INSIDE if self._in_text else _OUTSIDE).search(self._pending, self._seen)
            if found is None:
                self._seen = len(self._pending)
                break
            sign = found.group()
            if sign == b"\\":
                if found.end() == len(self._pending):  # what it escapes is not here yet
                    self._seen = found.start()
                    break
                self._seen = found.end() + 1
                continue
            self._seen = found.end()
            if sign == b'"':
                self._in_text = not self._in_text
            elif sign == b"{":
                self._depth += 1
            else:
                self._depth -= 1
                if self._depth <= 0:
                    self._depth = 0
                    return self._seen
        return None
