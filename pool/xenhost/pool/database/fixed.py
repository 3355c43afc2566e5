"""Records that were read elsewhere, in memory: a store that never changes."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn

from xenhost.pool.database.port import Row, StoreFailed


class FixedStore:
    """Gives the rows it was made with, and takes none."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows: Final = rows

    async def open(self) -> Sequence[Row]:
        """See Store."""
        return self._rows

    def put(self, rows: Sequence[Row]) -> "asyncio.Future[None]":
        """Raises StoreFailed, but for nothing."""
        if rows:
            _refuse()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def put_soon(self, rows: Sequence[Row]) -> None:
        """Raises StoreFailed, but for nothing."""
        if rows:
            _refuse()

    def on_failure(self, tell: Callable[[StoreFailed], None]) -> None:
        """It never fails by itself."""

    async def copy(self, path: Path) -> None:
        """Raises StoreFailed."""
        _refuse()

    async def close(self) -> None:
        """There is nothing to let go of."""


def _refuse() -> NoReturn:
    raise StoreFailed("this database is never changed")
