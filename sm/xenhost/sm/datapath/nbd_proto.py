"""NBD without I/O: bytes of a server in, values out, for the client's side.

Protocol: the NBD project's doc/proto.md. Fixed newstyle handshake without TLS, structured replies and block status
where the server has them. The server may be anything: what it says is bounded and checked.
"""

import errno
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Final

MAX_PAYLOAD: Final = 32 << 20
"""Bytes of one read, write or reply."""
MAX_OPTION_REPLY: Final = 1 << 16
MAX_NAME: Final = 4096

_OPTION_MAGIC: Final = 0x49484156454F5054
_OPTION_REPLY_MAGIC: Final = 0x3E889045565A9
_REQUEST_MAGIC: Final = 0x25609513
_SIMPLE_MAGIC: Final = 0x67446698
_STRUCTURED_MAGIC: Final = 0x668E33EF
_FIXED_NEWSTYLE: Final = 1
_NO_ZEROES: Final = 2
_ERROR_BIT: Final = 1 << 31
_DONE: Final = 1


class NbdProtocolError(Exception):
    """The server does not speak NBD, or has no such export. The connection is of no use any more."""


class TransmissionFlag(IntFlag):
    """What an export can do."""

    HAS_FLAGS = 1
    READ_ONLY = 2
    SEND_FLUSH = 4
    SEND_FUA = 8
    ROTATIONAL = 16
    SEND_TRIM = 32
    SEND_WRITE_ZEROES = 64
    SEND_DF = 128
    CAN_MULTI_CONN = 256


class Command(IntEnum):
    """What a client asks for."""

    READ = 0
    WRITE = 1
    DISC = 2
    FLUSH = 3
    TRIM = 4
    WRITE_ZEROES = 6
    BLOCK_STATUS = 7


class CommandFlag(IntFlag):
    """How."""

    NONE = 0
    FUA = 1
    NO_HOLE = 2
    REQ_ONE = 8


class _Option(IntEnum):
    ABORT = 2
    GO = 7
    STRUCTURED_REPLY = 8
    SET_META_CONTEXT = 10


class _Reply(IntEnum):
    ACK = 1
    INFO = 3
    META_CONTEXT = 4


@dataclass(frozen=True, slots=True)
class ExportInfo:
    """An export as its server describes it."""

    size: int
    flags: TransmissionFlag
    minimum_block: int = 1
    preferred_block: int = 4096
    maximum_payload: int = MAX_PAYLOAD
    structured: bool = False
    contexts: Mapping[str, int] = field(default_factory=dict)
    """Meta contexts that were granted, with their ids."""

    @property
    def read_only(self) -> bool:
        """Does it refuse writes?"""
        return bool(self.flags & TransmissionFlag.READ_ONLY)


class Handshake:
    """Negotiates one export. `feed` returns what to send; when `info` is set, `rest` belongs to the transmission."""

    def __init__(self, export: str, contexts: Sequence[str] = (), structured: bool = True) -> None:
        self.info: ExportInfo | None = None
        self.rest = bytearray()
        self._export = export.encode()
        self._wanted = contexts
        self._wants_structured = structured or bool(contexts)
        self._greeted = False
        self._option = _Option.STRUCTURED_REPLY
        self._structured = False
        self._contexts: dict[str, int] = {}
        self._size: int | None = None
        self._flags = TransmissionFlag(0)
        self._blocks = (1, 4096, MAX_PAYLOAD)

    def feed(self, untrusted_data: bytes) -> bytes:
        """Take bytes of the server. Raises NbdProtocolError."""
        self.rest += untrusted_data
        answer = bytearray()
        while self.info is None:
            taken = self._option_reply() if self._greeted else self._greeting()
            if taken is None:
                break
            answer += taken
        return bytes(answer)

    def _greeting(self) -> bytes | None:
        if len(self.rest) < 18:
            return None
        magic, option_magic, flags = struct.unpack_from(">8sQH", self.rest)
        if magic != b"NBDMAGIC" or option_magic != _OPTION_MAGIC or not flags & _FIXED_NEWSTYLE:
            raise NbdProtocolError("the server does not speak newstyle NBD")
        del self.rest[:18]
        self._greeted = True
        client_flags = struct.pack(">I", _FIXED_NEWSTYLE | (flags & _NO_ZEROES))
        if self._wants_structured:
            return client_flags + _option(_Option.STRUCTURED_REPLY)
        return client_flags + self._go()

    def _option_reply(self) -> bytes | None:
        if len(self.rest) < 20:
            return None
        magic, option, kind, length = struct.unpack_from(">QIII", self.rest)
        if magic != _OPTION_REPLY_MAGIC or option != self._option or length > MAX_OPTION_REPLY:
            raise NbdProtocolError("the server's answer to an option makes no sense")
        if len(self.rest) < 20 + length:
            return None
        data = bytes(self.rest[20 : 20 + length])
        del self.rest[: 20 + length]
        match self._option:
            case _Option.STRUCTURED_REPLY:
                self._structured = kind == _Reply.ACK
                return self._set_contexts() if self._structured and self._wanted else self._go()
            case _Option.SET_META_CONTEXT:
                return self._context(kind, data)
            case _:
                return self._gone(kind, data)

    def _set_contexts(self) -> bytes:
        self._option = _Option.SET_META_CONTEXT
        data = struct.pack(">I", len(self._export)) + self._export + struct.pack(">I", len(self._wanted))
        for name in self._wanted:
            data += struct.pack(">I", len(name.encode())) + name.encode()
        return _option(_Option.SET_META_CONTEXT, data)

    def _context(self, kind: int, data: bytes) -> bytes:
        if kind == _Reply.META_CONTEXT and len(data) >= 4:
            name = data[4:].decode(errors="replace")
            if name in self._wanted:
                self._contexts[name] = int.from_bytes(data[:4], "big")
            return b""
        if kind == _Reply.ACK or kind & _ERROR_BIT:
            return self._go()
        raise NbdProtocolError("the server's answer about meta contexts makes no sense")

    def _go(self) -> bytes:
        self._option = _Option.GO
        asked = struct.pack(">HH", 1, 3)  # also tell the sizes of blocks
        return _option(_Option.GO, struct.pack(">I", len(self._export)) + self._export + asked)

    def _gone(self, kind: int, data: bytes) -> bytes:
        if kind & _ERROR_BIT:
            said = data.decode(errors="replace")[:200]
            raise NbdProtocolError(f"the server has no export {self._export.decode()!r}: {said or f'error {kind:#x}'}")
        if kind == _Reply.INFO and len(data) >= 2:
            self._information(data)
        elif kind == _Reply.ACK:
            if self._size is None:
                raise NbdProtocolError("the server did not tell the size of the export")
            self.info = ExportInfo(self._size, self._flags, *self._blocks, self._structured, self._contexts)
        else:
            raise NbdProtocolError("the server's answer to the choice of an export makes no sense")
        return b""

    def _information(self, data: bytes) -> None:
        kind = int.from_bytes(data[:2], "big")
        if kind == 0 and len(data) == 12:
            size, flags = struct.unpack_from(">QH", data, 2)
            if size > 1 << 62:
                raise NbdProtocolError(f"an export of {size} bytes")
            self._size, self._flags = size, TransmissionFlag(flags)
        elif kind == 3 and len(data) == 14:
            smallest, preferred, payload = struct.unpack_from(">III", data, 2)
            if not 0 < smallest <= preferred <= 1 << 26 or payload < smallest:
                raise NbdProtocolError("the server's sizes of blocks make no sense")
            self._blocks = (smallest, preferred, min(payload, MAX_PAYLOAD))


def _option(option: _Option, data: bytes = b"") -> bytes:
    return struct.pack(">QII", _OPTION_MAGIC, option, len(data)) + data


def request(command: Command, handle: int, offset: int, length: int, flags: CommandFlag = CommandFlag.NONE) -> bytes:
    """The head of a request; a write's data follows it."""
    return struct.pack(">IHHQQI", _REQUEST_MAGIC, flags, command, handle, offset, length)


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of blocks with the same status."""

    length: int
    flags: int


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes that were read."""

    handle: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Hole:
    """Zeros that were read."""

    handle: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Status:
    """Block status, from the offset that was asked on."""

    handle: int
    context: int
    extents: tuple[Extent, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """The request failed (and may have more to say)."""

    handle: int
    error: int
    message: str


@dataclass(frozen=True, slots=True)
class Done:
    """That was all about this request."""

    handle: int


Answer = Data | Hole | Status | Failed | Done


class AnswerReader:
    """Collects bytes until they make answers. `expect` tells it of each request that was sent."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._expected: dict[int, tuple[int, int]] = {}

    def expect(self, handle: int, offset: int, data_length: int) -> None:
        """A request was sent; `data_length` is that of a read, otherwise 0."""
        self._expected[handle] = (offset, data_length)

    def feed(self, untrusted_data: bytes) -> list[Answer]:
        """Answers completed by these bytes. Raises NbdProtocolError."""
        self._rest += untrusted_data
        answers: list[Answer] = []
        while len(self._rest) >= 16:
            magic = int.from_bytes(self._rest[:4], "big")
            if magic == _SIMPLE_MAGIC:
                used = self._simple(answers)
            elif magic == _STRUCTURED_MAGIC:
                used = self._structured(answers)
            else:
                raise NbdProtocolError(f"an answer begins with {magic:#x}")
            if not used:
                break
            del self._rest[:used]
        return answers

    def _simple(self, answers: list[Answer]) -> int:
        _, error, handle = struct.unpack_from(">IIQ", self._rest)
        offset, length = self._range(handle)
        used = 16 if error else 16 + length
        if len(self._rest) < used:
            return 0
        if error:
            answers.append(Failed(handle, error, ""))
        elif length:
            answers.append(Data(handle, offset, bytes(memoryview(self._rest)[16:used])))
        self._finish(handle, answers)
        return used

    def _structured(self, answers: list[Answer]) -> int:
        if len(self._rest) < 20:
            return 0
        _, flags, kind, handle, untrusted_length = struct.unpack_from(">IHHQI", self._rest)
        length = int(untrusted_length)
        if length > MAX_PAYLOAD + 64:
            raise NbdProtocolError(f"an answer of {length} bytes")
        offset, wanted = self._range(handle)
        if len(self._rest) < 20 + length:
            return 0
        payload = bytes(memoryview(self._rest)[20 : 20 + length])
        if (answer := _chunk(kind, handle, payload, offset, wanted)) is not None:
            answers.append(answer)
        if flags & _DONE:
            self._finish(handle, answers)
        return 20 + length

    def _range(self, handle: int) -> tuple[int, int]:
        if handle not in self._expected:
            raise NbdProtocolError(f"an answer to request {handle}, which was not sent")
        return self._expected[handle]

    def _finish(self, handle: int, answers: list[Answer]) -> None:
        del self._expected[handle]
        answers.append(Done(handle))


def _chunk(kind: int, handle: int, payload: bytes, offset: int, wanted: int) -> Answer | None:
    match kind:
        case 0:
            return None
        case 1 if len(payload) > 8:
            at = int.from_bytes(payload[:8], "big")
            _inside(at, len(payload) - 8, offset, wanted)
            return Data(handle, at, payload[8:])
        case 2 if len(payload) == 12:
            at, length = struct.unpack(">QI", payload)
            _inside(at, length, offset, wanted)
            return Hole(handle, at, length)
        case 5 if len(payload) >= 12 and len(payload) % 8 == 4:
            extents = tuple(Extent(*pair) for pair in struct.iter_unpack(">II", payload[4:]))
            if not all(extent.length for extent in extents):
                raise NbdProtocolError("an extent of no length")
            return Status(handle, int.from_bytes(payload[:4], "big"), extents)
        case _ if kind & 0x8000 and len(payload) >= 6:
            error, length = struct.unpack_from(">IH", payload)
            return Failed(handle, error or errno.EIO, payload[6 : 6 + length].decode(errors="replace")[:200])
    raise NbdProtocolError(f"an answer of kind {kind} with {len(payload)} bytes")


def _inside(at: int, length: int, offset: int, wanted: int) -> None:
    if at < offset or at + length > offset + wanted:
        raise NbdProtocolError("data that was not asked for")
