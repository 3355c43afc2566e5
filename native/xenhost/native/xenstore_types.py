"""Values of the xenstore client: permissions, watch events, batches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from xenhost.native.xs_wire import Op, Request

INTRODUCE_DOMAIN = "@introduceDomain"
"""Special watch path: fires when a domain is introduced to xenstored."""
RELEASE_DOMAIN = "@releaseDomain"
"""Special watch path: fires when a domain shuts down, crashes or is gone."""


class Access(StrEnum):
    """What a domain may do with a node."""

    NONE = "n"
    READ = "r"
    WRITE = "w"
    BOTH = "b"


@dataclass(frozen=True, slots=True)
class Perm:
    """One entry of a node's permissions. The first entry of a list is the owner (who may do
    everything); its access is that of every domain not listed."""

    domid: int
    access: Access

    def __str__(self) -> str:
        return f"{self.access}{self.domid}"

    @classmethod
    def parse(cls, untrusted: str) -> "Perm":
        """From "r5". Raises ValueError."""
        return cls(int(untrusted[1:]), Access(untrusted[:1]))


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """Something at or below `path` may have changed; read it to see what is there now.

    `lost` is True on the marker that follows a loss of events (the reader was too slow, or the
    connection was made anew): then `path` is the watched path, and all below it is to be
    looked at again.
    """

    path: str
    lost: bool = False


class Batch:
    """Mixed changes, sent in this order in one go by `Xenstore.apply` or `Transaction.apply`."""

    def __init__(self) -> None:
        self._requests: list[Request] = []

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def requests(self) -> Sequence[Request]:
        """The wire requests so far."""
        return self._requests

    def write(self, path: str, value: bytes | str) -> Self:
        """Set a node's value, making it and its parents as needed. str is sent as UTF-8."""
        self._requests.append(Request(Op.WRITE, path, as_bytes(value)))
        return self

    def mkdir(self, path: str) -> Self:
        """Make an empty node and its parents as needed; no-op if it exists."""
        self._requests.append(Request(Op.MKDIR, path))
        return self

    def rm(self, path: str) -> Self:
        """Remove a node and everything below; absent counts as removed."""
        self._requests.append(Request(Op.RM, path))
        return self

    def set_perms(self, path: str, perms: Iterable[Perm]) -> Self:
        """Replace a node's permissions (the first entry is the owner)."""
        self._requests.append(Request(Op.SET_PERMS, path, perms_body(perms)))
        return self


def as_bytes(value: bytes | str) -> bytes:
    """A value as the wire has it."""
    return value.encode() if isinstance(value, str) else bytes(value)


def perms_body(perms: Iterable[Perm]) -> bytes:
    """The body of SET_PERMS."""
    return strings(*map(str, perms))


def strings(*items: str | int) -> bytes:
    """NUL-terminated strings, one after another."""
    return b"".join(f"{item}\0".encode() for item in items)


def split_strings(untrusted: bytes) -> list[str]:
    """The NUL-terminated strings of a payload. Bytes outside ASCII become U+FFFD."""
    if not untrusted:
        return []
    return untrusted.removesuffix(b"\0").decode("ascii", "replace").split("\0")
