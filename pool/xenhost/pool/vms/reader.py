"""What rules look things up in."""

from typing import Protocol

from xenhost.pool.call import Ref
from xenhost.pool.database.record import Record


class Reader(Protocol):
    """The database, or a transaction on it."""

    def get(self, cls: str, ref: Ref) -> Record:
        """The object. Raises ApiError HANDLE_INVALID."""

    def find(self, cls: str, ref: Ref) -> Record | None:
        """The object, if there is one."""
