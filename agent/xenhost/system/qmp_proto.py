"""QMP without I/O: bytes in, greetings, replies and events out.

Protocol: QEMU's docs/interop/qmp-spec.txt. QEMU runs beside a guest that may have taken it over, so what it says is
bounded and checked like a guest's own words.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MAX_LINE: Final = 1 << 20
"""Bytes of one message; query-qmp-schema, the longest by far, needs a quarter of it and is not used here."""

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Greeting:
    """The first message of a connection."""

    version: str


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer to the command with that id; `error` is empty unless it failed."""

    id: int
    value: object
    error: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened in QEMU."""

    name: str
    data: Json


Message = Greeting | Reply | Event


class QmpProtocolError(Exception):
    """The peer does not speak QMP."""


def encode(command: str, arguments: Mapping[str, object], id: int) -> bytes:
    """One command, ready to send; as short as can be, as QEMU takes 10 us to read a byte (7.2: one at a time)."""
    message: dict[str, object] = {"execute": command, "id": id}
    if arguments:
        message["arguments"] = dict(arguments)
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


@dataclass(slots=True)
class QmpReader:
    """Collects bytes until they make messages."""

    _rest: bytearray = field(default_factory=bytearray)

    def feed(self, untrusted_data: bytes) -> list[Message]:
        """Messages completed by these bytes. Raises QmpProtocolError; the connection is useless then."""
        self._rest += untrusted_data
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        if len(rest) > MAX_LINE or any(len(line) > MAX_LINE for line in lines):
            raise QmpProtocolError(f"a message of more than {MAX_LINE} bytes")
        return [_parse(bytes(line)) for line in lines if line.strip()]


def _parse(untrusted_line: bytes) -> Message:
    try:
        message = json.loads(untrusted_line)
    except (ValueError, RecursionError) as cause:
        raise QmpProtocolError(f"not JSON: {untrusted_line[:80]!r}") from cause
    match message:
        case {"QMP": dict() as greeting}:
            return Greeting(_version(greeting))
        case {"return": value, "id": int() as id}:
            return Reply(id, value)
        case {"error": dict() as error, "id": int() as id}:
            return Reply(id, None, str(error.get("desc", "unnamed error"))[:500] or "unnamed error")
        case {"event": str() as name}:
            data = message.get("data")
            return Event(name[:80], data if isinstance(data, dict) else {})
    raise QmpProtocolError(f"not a QMP message: {untrusted_line[:80]!r}")


def _version(greeting: Mapping[str, object]) -> str:
    match greeting:
        case {"version": {"qemu": {"major": int() as major, "minor": int() as minor, "micro": int() as micro}}}:
            return f"{major}.{minor}.{micro}"
    return ""
