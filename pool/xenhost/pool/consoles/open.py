"""The consoles that are open: so many at once, one viewer each if the pool wants it so, and how they end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Final

from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Context, Ref
from xenhost.pool.consoles.activity import ScreenActivity, SerialActivity
from xenhost.pool.consoles.finding import BUSY, Found
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.attached import Attached
from xenhost.pool.wire.streams import Tunnel
from xenhost.system.http.message import HttpError
from xenhost.system.http.raw import StreamEnded

MAX_OPEN: Final = 128
"""Of all users together."""
MAX_OF_USER: Final = 48
"""Of one who is no superuser."""
LOOK_SECONDS: Final = 30.0
"""Between two looks at the pool's idle timeout, which may change meanwhile."""
END_SECONDS: Final = 5.0
"""For a goodbye to a client that may not read any more."""


class OpenConsole:
    """One of them."""

    def __init__(self, found: Found, context: Context, now: float) -> None:
        self.found: Final = found
        self.context: Final = context
        self.activity: Final = ScreenActivity() if found.screen else SerialActivity()
        self.active = now
        """When somebody did something there, in seconds of the monotonic clock."""
        self.ended: Final = asyncio.Event()
        """Whoever opened it may not see it any more."""


class OpenConsoles:
    """All of them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database: Final = database
        self._clock: Final = clock
        self._open: Final[set[OpenConsole]] = set()

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def opened(self, found: Found, context: Context) -> Iterator[OpenConsole]:
        """One more, while it lasts. Raises HttpError 503."""
        mine = [each for each in self._open if each.context.user == context.user]
        if len(self._open) >= MAX_OPEN or (not context.superuser and len(mine) >= MAX_OF_USER):
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, "too many consoles are open; close one first", BUSY)
        if self._pool_says("limit_console_sessions") and any(each.found.vm == found.vm for each in self._open):
            text = f"somebody looks at the console of VM {found.uuid}, and the pool has limit_console_sessions"
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, text, BUSY)
        one = OpenConsole(found, context, self._clock.monotonic())
        self._open.add(one)
        try:
            yield one
        finally:
            self._open.discard(one)

    def session_ended(self, session: Ref) -> None:
        """Its consoles close."""
        for each in self._open:
            if each.context.session == session:
                each.ended.set()

    async def relay(self, one: OpenConsole, tunnel: Tunnel, console: Attached) -> None:
        """Until either side ends, the session does, or nobody has done anything for too long.

        Nothing is read from one side before the other has taken what came before it.
        """
        ways = [
            asyncio.ensure_future(way)
            for way in (self._typed(one, tunnel, console), _shown(tunnel, console), one.ended.wait(), self._idle(one))
        ]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        for way in done:
            fault = None if way.cancelled() else way.exception()  # a call that is cut off is cancelled
            if fault is not None and not isinstance(fault, StreamEnded | XenhostError | ApiError):
                raise fault
        with suppress(StreamEnded):
            try:
                async with asyncio.timeout(END_SECONDS):
                    await tunnel.end()
            except TimeoutError:
                tunnel.abort()

    async def _typed(self, one: OpenConsole, tunnel: Tunnel, console: Attached) -> None:
        while data := await tunnel.read():
            if one.activity.seen(data):
                one.active = self._clock.monotonic()
            await console.write(data)

    async def _idle(self, one: OpenConsole) -> None:
        """Ends when it was idle for as long as the pool allows; if that is for ever, never."""
        while True:
            seconds = self._pool_says("vm_console_idle_timeout")
            left = one.active + seconds - self._clock.monotonic()
            if seconds > 0 and left <= 0:
                return
            await self._clock.sleep(min(left, LOOK_SECONDS) if seconds > 0 else LOOK_SECONDS)

    def _pool_says(self, field: str) -> int:
        pool = next(iter(self._database.rows("pool").values()), None)
        value = None if pool is None else pool[field]
        return value if isinstance(value, int) else 0


async def _shown(tunnel: Tunnel, console: Attached) -> None:
    while data := await console.read():
        await tunnel.write(data)
