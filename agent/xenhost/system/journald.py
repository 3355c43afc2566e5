"""journald's native protocol: one datagram of fields for each log line (systemd.journal-fields(7)).

systemd.io/JOURNAL_NATIVE_PROTOCOL: `NAME=value\\n`, or for values with line breaks `NAME\\n`, a little-endian 64 bit
length, the value, `\\n`.
"""

import json
import logging
import socket
import struct
from typing import Final

SOCKET: Final = "/run/systemd/journal/socket"
MAX_VALUE: Final = 48 * 1024
"""Bytes of one field; a datagram on a unix socket may have about 200 KiB."""
MAX_FIELDS: Final = 40
PREFIX: Final = "XENHOST_"


class JournaldHandler(logging.Handler):
    """Sends what a formatter made (a JSON object) as fields: MESSAGE, PRIORITY, XENHOST_VM, XENHOST_OPERATION, ..."""

    def __init__(self, program: str, path: str = SOCKET) -> None:
        """`program`: whose lines they are, for `journalctl -t`."""
        super().__init__()
        self._program = program
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def emit(self, record: logging.LogRecord) -> None:
        """Send one line. A journal that is full or away costs the line, never the daemon."""
        values = json.loads(self.format(record))
        message = str(values.pop("message", ""))
        shown = [f"{key}={value}" for key, value in values.items() if key not in {"level", "logger", "exception"}]
        fields = {
            "MESSAGE": " ".join([message, *shown]),
            "PRIORITY": str(_priority(record.levelno)),
            "SYSLOG_IDENTIFIER": self._program,
        }
        for key, value in list(values.items())[:MAX_FIELDS]:
            fields[PREFIX + _field_name(key)] = str(value)
        try:
            self._socket.sendto(b"".join(_field(name, value) for name, value in fields.items()), self._path)
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """The line is lost: there is nowhere to tell it."""

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


def _field(name: str, value: str) -> bytes:
    data = value.encode("utf-8", "backslashreplace")[:MAX_VALUE]
    if b"\n" in data:
        return name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
    return name.encode() + b"=" + data + b"\n"


def _field_name(key: str) -> str:
    return "".join(char if char.isascii() and char.isalnum() else "_" for char in key.upper())[:50]


def _priority(level: int) -> int:
    """syslog(3) severities."""
    if level >= logging.CRITICAL:
        return 2
    if level >= logging.ERROR:
        return 3
    if level >= logging.WARNING:
        return 4
    return 6 if level >= logging.INFO else 7
