"""Users who are no superusers: subjects of an external directory, with roles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from xenhost.pool.call import Ref, Role


@dataclass(frozen=True, slots=True)
class Subject:
    """One who logged in: he, or a group of his, is among the pool's subjects."""

    ref: Ref
    identifier: str
    """His own, also if a group of his is the subject."""
    roles: frozenset[Role]


class Directory(Protocol):
    """The pool's external authentication, and the subjects it lets in."""

    async def authenticate(self, user: str, password: str) -> Subject | None:
        """Who that is; None if there is no directory. Raises PasswordWrong, CannotAuthenticate."""
        ...

    async def identifier(self, name: str) -> str | None:
        """The identifier of a user or group; None if there is no such."""
        ...

    async def information(self, identifier: str) -> Mapping[str, str] | None:
        """What the directory knows; None if there is no such."""
        ...

    async def groups(self, identifier: str) -> Sequence[str]:
        """The identifiers of the groups that one is in."""
        ...


class NoDirectory:
    """External authentication is off."""

    async def authenticate(self, user: str, password: str) -> Subject | None:
        """None."""
        return None

    async def identifier(self, name: str) -> str | None:
        """None."""
        return None

    async def information(self, identifier: str) -> Mapping[str, str] | None:
        """None."""
        return None

    async def groups(self, identifier: str) -> Sequence[str]:
        """None."""
        return ()
