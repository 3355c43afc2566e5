"""The body of a request as it comes in."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from xenhost.system.http.limits import Limits


class BodyTooLarge(Exception):
    """The client sends more than the handler takes."""


class BodyCut(Exception):
    """The client went away, or fell silent, before the body was whole."""


class Body:
    """Made by the connection. Read it whole, or in pieces, once."""

    def __init__(self, pull: Callable[[], Awaitable[bytes]], length: int | None, limits: Limits) -> None:
        self._pull = pull
        self._limits = limits
        self.length = length
        """What Content-Length says, untrusted; None without one."""

    async def read(self, limit: int | None = None) -> bytes:
        """All of it. Raises BodyTooLarge past `limit` bytes, and BodyCut."""
        limit = self._limits.body if limit is None else limit
        if self.length is not None and self.length > limit:
            raise BodyTooLarge(f"{self.length} bytes are more than {limit}")
        pieces: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for piece in self.chunks():
                    size += len(piece)
                    if size > limit:
                        raise BodyTooLarge(f"more than {limit} bytes")
                    pieces.append(piece)
        except TimeoutError as error:
            raise BodyCut("the body took too long") from error
        return b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Pieces as they come, none empty. Raises BodyCut."""
        while piece := await self._pull():
            yield piece
