"""Typed errors of the xenstore client. All are NativeError, so all have `errno` and `call`."""

import errno
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from xenhost.native.errors import NativeError


class XenstoreError(NativeError):
    """The daemon refused a request; `detail` names the path where there is one."""


class NoEntry(XenstoreError):
    """ENOENT: the node, watch or transaction does not exist."""


class AccessDenied(XenstoreError):
    """EACCES or EPERM: our domain may not do this."""


class AlreadyExists(XenstoreError):
    """EEXIST: the node, or the same watch with the same token, is there already."""


class TransactionConflict(XenstoreError):
    """EAGAIN: somebody else changed what the transaction saw; run it again."""


class InvalidRequest(XenstoreError):
    """EINVAL: malformed. Raised before anything is sent where we can tell ourselves."""


class TooBig(XenstoreError):
    """E2BIG: longer than the protocol carries (payload 4096, path 3072 or 2048 bytes)."""


class QuotaExceeded(XenstoreError):
    """ENOSPC: a quota of the domain is used up (nodes, watches, transactions, sizes)."""


class NotSupported(XenstoreError):
    """ENOSYS: this daemon, or the kernel in between, does not know the operation."""


class Busy(XenstoreError):
    """EBUSY: the transaction or domain is in use."""


class ConnectionLost(XenstoreError):
    """The connection went while the request was under way, so its effect is unknown.

    `sent` is False if the daemon cannot have seen it.
    """

    def __init__(self, errno_: int, call: str, detail: str = "", *, sent: bool = True) -> None:
        super().__init__(errno_, call, detail)
        self.sent = sent


class ProtocolViolation(ConnectionLost):
    """What the other side sent is not xenstore's protocol; the connection was closed."""


class BatchFailed(XenstoreError):
    """Some requests of a batch failed. `failures` holds (index in the batch, error), in order.

    `errno`, `call` and `detail` are the first one's. The others of the batch took effect.
    """

    def __init__(self, failures: Sequence[tuple[int, XenstoreError]], total: int) -> None:
        first = failures[0][1]
        super().__init__(first.errno or errno.EIO, first.call, first.detail)
        self.failures = tuple(failures)
        self.total = total

    def __str__(self) -> str:
        return f"{len(self.failures)} of {self.total} requests failed; the first: {super().__str__()}"

    def __reduce__(self) -> tuple[type["BatchFailed"], tuple[object, ...]]:  # type: ignore[override]  # other arguments
        return type(self), (self.failures, self.total)


_CLASSES: Final = MappingProxyType(
    {
        errno.ENOENT: NoEntry,
        errno.EACCES: AccessDenied,
        errno.EPERM: AccessDenied,
        errno.EEXIST: AlreadyExists,
        errno.EAGAIN: TransactionConflict,
        errno.EINVAL: InvalidRequest,
        errno.E2BIG: TooBig,
        errno.ENOSPC: QuotaExceeded,
        errno.EDQUOT: QuotaExceeded,
        errno.ENOSYS: NotSupported,
        errno.EBUSY: Busy,
    }
)
_BY_NAME: Final = MappingProxyType({name.encode(): code for code, name in errno.errorcode.items()})


def error_of(code: int, call: str, detail: str = "") -> XenstoreError:
    """The typed error for an errno."""
    return _CLASSES.get(code, XenstoreError)(code, call, detail)


def error_from_wire(untrusted_name: bytes, call: str, detail: str = "") -> XenstoreError:
    """The typed error for the payload of an ERROR reply ("ENOENT\\0"); EIO if unknown."""
    name = untrusted_name.rstrip(b"\0")
    code = _BY_NAME.get(name)
    if code is None:
        return XenstoreError(errno.EIO, call, f"{detail} (the daemon said {name[:40]!r})".lstrip())
    return error_of(code, call, detail)
