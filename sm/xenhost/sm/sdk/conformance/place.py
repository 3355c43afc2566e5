"""What the promises are tried on: one SR of a plugin, whatever protocol it speaks."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


class Failure(Exception):
    """The plugin answered with an error. `code` is the protocol's."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Broken(Exception):
    """The plugin did not answer as the protocol wants: it hung, died, or printed something else."""


class NotOffered(Exception):
    """The plugin does not offer that; the promise is not tried."""


@dataclass(frozen=True)
class Volume:
    """A volume as the plugin describes it."""

    key: str
    name: str
    description: str
    size: int
    read_only: bool


@dataclass(frozen=True)
class Space:
    """Bytes of an SR."""

    free: int
    total: int
    healthy: bool


class Place(Protocol):
    """An SR that can be made, and what can be done in it. Errors: Failure, Broken, NotOffered."""

    missing_code: Sequence[str]
    """Codes that mean: there is no such volume."""

    def needs(self, *capabilities: str) -> None:
        """Raises NotOffered unless the plugin can do all of these (`VDI_SNAPSHOT`)."""
        ...

    def create_sr(self) -> None: ...

    def create_another_sr(self) -> None:
        """In the same place, with another UUID."""
        ...

    def attach_sr(self) -> None: ...

    def detach_sr(self) -> None: ...

    def destroy_sr(self) -> None: ...

    def space(self) -> Space: ...

    def volumes(self) -> Mapping[str, Volume]: ...

    def create(self, size: int, name: str = "conformance", description: str = "") -> Volume: ...

    def stat(self, key: str) -> Volume: ...

    def destroy(self, key: str) -> None: ...

    def resize(self, key: str, size: int) -> None: ...

    def snapshot(self, key: str) -> Volume: ...

    def clone(self, key: str) -> Volume: ...

    def revert(self, key: str, snapshot: str) -> None: ...

    def rename(self, key: str, name: str, description: str) -> None: ...

    def active(self, key: str, writable: bool = True) -> AbstractContextManager[str]:
        """Attached and activated; the path of a file or block device. Ends with deactivate and detach."""
        ...
