"""xenstore's wire format: requests into bytes, bytes into replies. Pure; all loops run in C.

Protocol source: xen/include/public/io/xs_wire.h, docs/misc/xenstore.txt.
"""

import errno
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple, Protocol, cast

from xenhost.native import _xs_wire  # type: ignore[attr-defined]  # generated, has no stubs
from xenhost.native.xenstore_errors import InvalidRequest, TooBig, XenstoreError


class _Lib(Protocol):
    """What cdef/xs_wire.cdef declares, typed."""

    XH_XS_HEADER: int
    XH_XS_PAYLOAD_MAX: int
    XH_XS_REPLY_MAX: int
    XH_XS_ABS_PATH_MAX: int
    XH_XS_REL_PATH_MAX: int
    XH_XS_NO_PATH: int
    XH_XS_COUNT: int
    XH_XS_BAD_CHAR: int
    XH_XS_BAD_SLASH: int
    XH_XS_EMPTY: int
    XH_XS_PATH_LONG: int
    XH_XS_PAYLOAD_LONG: int

    def xh_xs_encode_paths(self, *args: object) -> int: ...
    def xh_xs_encode_parts(self, *args: object) -> int: ...
    def xh_xs_decode(self, *args: object) -> int: ...


_ffi: Final[Any] = _xs_wire.ffi
_lib: Final = cast("_Lib", _xs_wire.lib)

HEADER: Final = _lib.XH_XS_HEADER
PAYLOAD_MAX: Final = _lib.XH_XS_PAYLOAD_MAX
"""Most bytes of a request's payload."""
REPLY_MAX: Final = _lib.XH_XS_REPLY_MAX
"""Most bytes of a reply's payload we take."""
ABS_PATH_MAX: Final = _lib.XH_XS_ABS_PATH_MAX
REL_PATH_MAX: Final = _lib.XH_XS_REL_PATH_MAX
MESSAGES_PER_DECODE: Final = 1024


class Op(IntEnum):
    """Message types (enum xsd_sockmsg_type)."""

    CONTROL = 0
    DIRECTORY = 1
    READ = 2
    GET_PERMS = 3
    WATCH = 4
    UNWATCH = 5
    TRANSACTION_START = 6
    TRANSACTION_END = 7
    INTRODUCE = 8
    RELEASE = 9
    GET_DOMAIN_PATH = 10
    WRITE = 11
    MKDIR = 12
    RM = 13
    SET_PERMS = 14
    WATCH_EVENT = 15
    ERROR = 16
    IS_DOMAIN_INTRODUCED = 17
    RESUME = 18
    SET_TARGET = 19
    RESET_WATCHES = 21
    DIRECTORY_PART = 22


@dataclass(frozen=True, slots=True)
class Request:
    """One request. The payload is "path NUL body", or the body alone without a path."""

    op: Op
    path: str | None
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Requests ready to send; message i is data[ends[i-1]:ends[i]] and has id first_id + i."""

    data: memoryview
    ends: list[int]


class Decoded(NamedTuple):
    """Complete messages of one receive buffer, as parallel lists; payload i is
    buffer[starts[i]:ends[i]]. `bad_length` is not 0 if what follows announces that payload
    length, beyond REPLY_MAX. A named tuple, as one is made for every wake-up."""

    types: list[int]
    ids: list[int]
    starts: list[int]
    ends: list[int]
    used: int
    bad_length: int

    def messages(self) -> Iterator[tuple[int, int, int, int]]:
        """(type, request id, start, end) of each."""
        return zip(self.types, self.ids, self.starts, self.ends, strict=True)


def encode_paths(op: Op, paths: Sequence[str], tx: int, first_id: int) -> Encoded:
    """Encode requests of one type that carry a path each. Raises InvalidRequest or TooBig."""
    joined = "\0".join(paths).encode("ascii", "replace")
    count = len(paths)
    room = len(joined) + 1 + HEADER * count if count else 0
    out = bytearray(room)
    ends = _ffi.new("uint32_t[]", count)
    fault = _ffi.new("struct xh_xs_fault *")
    rc = _lib.xh_xs_encode_paths(
        _ffi.from_buffer(out),
        room,
        op,
        tx,
        first_id,
        joined,
        len(joined),
        count,
        ends,
        fault,
    )
    if rc:
        # A NUL inside a path shifts all that follow: find it first.
        index = next((i for i, path in enumerate(paths) if "\0" in path), fault.index)
        rc = _lib.XH_XS_COUNT if "\0" in paths[index] else rc
        raise _explain(rc, op, paths[index], index, fault.offset)
    return Encoded(memoryview(out), _ffi.unpack(ends, count) if count else [])


def encode(requests: Sequence[Request], tx: int, first_id: int) -> Encoded:
    """Encode requests of any types, in order. Raises InvalidRequest or TooBig."""
    count = len(requests)
    parts: list[bytes] = []
    path_lens: list[int] = []
    for request in requests:
        if request.path is None:
            path_lens.append(_lib.XH_XS_NO_PATH)
        else:
            path = request.path.encode("ascii", "replace")
            path_lens.append(len(path))
            parts.append(path)
        parts.append(request.body)
    blob = b"".join(parts)
    room = len(blob) + (HEADER + 1) * count
    out = bytearray(room)
    ends = _ffi.new("uint32_t[]", count)
    fault = _ffi.new("struct xh_xs_fault *")
    rc = _lib.xh_xs_encode_parts(
        _ffi.from_buffer(out),
        room,
        bytes([request.op for request in requests]),
        tx,
        first_id,
        blob,
        len(blob),
        path_lens,
        [len(request.body) for request in requests],
        count,
        ends,
        fault,
    )
    if rc:
        bad = requests[fault.index]
        raise _explain(rc, bad.op, bad.path, fault.index, fault.offset)
    spans = _ffi.unpack(ends, count) if count else []
    return Encoded(memoryview(out)[: spans[-1] if spans else 0], spans)


class Decoder:
    """Splits receive buffers into messages. Keeps its result arrays: one per connection."""

    def __init__(self) -> None:
        size = MESSAGES_PER_DECODE
        self._types, self._ids, self._starts, self._ends = (_ffi.new("uint32_t[]", size) for _ in range(4))
        self._used = _ffi.new("size_t *")
        self._bad = _ffi.new("uint32_t *")

    def decode(self, untrusted: bytes) -> Decoded:
        """Find at most MESSAGES_PER_DECODE complete messages at the start of the bytes."""
        count = _lib.xh_xs_decode(
            _ffi.from_buffer(untrusted),
            len(untrusted),
            MESSAGES_PER_DECODE,
            self._types,
            self._ids,
            self._starts,
            self._ends,
            self._used,
            self._bad,
        )
        types, ids, starts, ends = (
            _ffi.unpack(array, count) if count else [] for array in (self._types, self._ids, self._starts, self._ends)
        )
        return Decoded(types, ids, starts, ends, self._used[0], self._bad[0])


def _explain(rc: int, op: Op, path: str | None, index: int, offset: int) -> XenstoreError:
    """The typed error for a fault the encoder found."""
    call, shown = op.name, _shorten(path or "")
    if rc == _lib.XH_XS_PATH_LONG:
        limits = f"{ABS_PATH_MAX} bytes (relative: {REL_PATH_MAX})"
        return TooBig(errno.E2BIG, call, f"{shown} (request {index}): a path has at most {limits}")
    if rc == _lib.XH_XS_PAYLOAD_LONG:
        limit = f"path and value together may have {PAYLOAD_MAX} bytes, these have {offset}"
        return TooBig(errno.E2BIG, call, f"{shown} (request {index}): {limit}")
    if rc == _lib.XH_XS_EMPTY:
        why = "the path is empty"
    elif rc == _lib.XH_XS_BAD_SLASH:
        why = f"double or trailing slash at {offset}"
    elif rc == _lib.XH_XS_BAD_CHAR and path is not None:
        why = f"{path[offset]!r} at {offset}; a path has only A-Z a-z 0-9 - / _ @"
    elif rc == _lib.XH_XS_COUNT:
        why = "NUL in the path"
    else:
        why = f"codec fault {rc}"
    return InvalidRequest(errno.EINVAL, call, f"{shown} (request {index}): {why}")


def _shorten(path: str) -> str:
    return repr(path if len(path) <= 80 else f"{path[:40]}…{path[-39:]}")
