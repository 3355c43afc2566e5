"""Answers that are made piece by piece, in a thread, without any lock: short ones with their length, long ones as a
stream."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus
from typing import Final, TypeVar

from xenhost.system.http.message import HttpError, Response

T = TypeVar("T")

WHOLE: Final = 16 << 20
"""Bytes up to which an answer is made before it is sent, and has a Content-Length."""
AT_ONCE: Final = 4
"""Answers that are made at the same time."""
PATIENCE: Final = 20.0
"""Seconds for which others wait for their turn."""


class Formatter:
    """Makes answers, a few at a time."""

    def __init__(self) -> None:
        self._turns: Final = asyncio.Semaphore(AT_ONCE)

    async def response(self, pieces: Iterator[bytes], *headers: tuple[str, str], close: bool = False) -> Response:
        """200 with that body. Raises HttpError 503 if too many ask at once."""
        begun, whole = await self.looked_up(lambda: _begin(pieces))
        return Response(HTTPStatus.OK, headers, begun if whole else _rest(begun, pieces), close)

    async def looked_up(self, work: Callable[[], T]) -> T:
        """What a thread finds, when it is its turn: copies of many values are large, too. Raises HttpError 503."""
        async with self._turn():
            return await asyncio.to_thread(work)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._turns.acquire()
        except TimeoutError:
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, "too many ask at once", ("Retry-After", "5")) from None
        try:
            yield
        finally:
            self._turns.release()


def _begin(pieces: Iterator[bytes]) -> tuple[bytes, bool]:
    """What fits into a whole answer, and whether that is all."""
    found: list[bytes] = []
    size = 0
    for piece in pieces:
        found.append(piece)
        size += len(piece)
        if size >= WHOLE:
            return b"".join(found), False
    return b"".join(found), True


async def _rest(begun: bytes, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    yield begun
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece
