"""What guests write below their homes for us to read, followed at a bounded cost.

A watch of a guest's home is let go at its first event and taken up again at the next look, so a guest that writes in a
loop makes xenstored tell us one event a look; and looks are the rarer the more they
cost and the less a guest rests. A look reads no more
than `MAX_NODES` nodes and keeps no more than `MAX_TEXT` characters.

Protocol source: xen/docs/misc/xenstore-paths.pandoc; XenServer's guest agents for `attr`, `data` and `drivers`.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Final

import structlog

from xenhost.core.clock import Clock
from xenhost.core.guest_metrics import GuestData
from xenhost.core.ids import DomId
from xenhost.drivers.xen import paths
from xenhost.native.xenstore import NoEntry, TooBig, Xenstore, XenstoreError
from xenhost.native.xenstore_types import split_strings
from xenhost.native.xs_wire import Op

_log = structlog.get_logger()

MAX_NODES: Final = 1024
MAX_DEPTH: Final = 6
MAX_VALUE: Final = 1024
MAX_TEXT: Final = 64 * 1024
"""Characters of all names and values together."""
REST_SECONDS: Final = 1.0
"""Between an event and the look at what changed: agents write in bursts."""
LONGEST_REST_SECONDS: Final = 32.0
NODES_PER_SECOND: Final = 30
"""That are read of one guest, over time: a rest is as long as what its last look cost."""
QUIET_SECONDS: Final = 10.0
"""A guest that was silent for that long is looked at soon again."""
_RETRY_SECONDS: Final = 1.0
_ROOTS: Final = ("attr", "control", "data", "drivers", "feature")
_FLAT: Final = "control/"
"""Of which only the children are read."""
_LOOKS_AT_ONCE: Final = 4
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class GuestDataReader:
    """Looks into the homes of domains."""

    def __init__(self, xs: Xenstore, clock: Clock) -> None:
        self._xs: Final = xs
        self._clock: Final = clock
        self._looks: Final = asyncio.Semaphore(_LOOKS_AT_ONCE)

    async def follow(self, domid: DomId) -> AsyncIterator[GuestData]:
        """See the port."""
        last: GuestData | None = None
        rest = REST_SECONDS
        while True:
            try:
                async with self._xs.watch(paths.home(domid), limit=1) as watch:
                    await anext(watch)  # fires at once
                    async with self._looks:
                        data, cost = await self._look(domid)
                    if data is None:
                        return
                    if data != last:
                        if not data.complete and (last is None or last.complete):
                            _log.warning("a guest writes more of itself than is read", domid=domid)
                        last = data
                        yield data
                    since = self._clock.monotonic()
                    await anext(watch)
                    rest = next_rest(rest, self._clock.monotonic() - since, cost)
            except XenstoreError as error:
                _log.warning("what a guest tells of itself cannot be read; trying again", domid=domid, error=str(error))
                rest = _RETRY_SECONDS
            except StopAsyncIteration:
                return  # the connection was closed
            await self._clock.sleep(rest)

    async def read(self, domid: DomId) -> GuestData | None:
        """What is there now; None if there is no such home."""
        data, _ = await self._look(domid)
        return data

    async def _look(self, domid: DomId) -> tuple[GuestData | None, int]:
        """What is there now, and how many nodes were looked at."""
        home = paths.home(domid)
        try:
            await self._xs.read(home)
        except NoEntry:
            return None, 1
        tree = _Tree()
        level = list(_ROOTS)
        for depth in range(MAX_DEPTH):
            level = level[: tree.room(len(level))]
            nodes = [f"{home}/{name}" for name in level]
            values = await self._xs.spread_paths(Op.READ, nodes)
            listings = await self._xs.spread_paths(Op.DIRECTORY, nodes)
            below: list[str] = []
            for name, value, listing in zip(level, values, listings, strict=True):
                if isinstance(value, bytes) and depth:
                    tree.add(name, value)
                if isinstance(listing, TooBig):
                    tree.complete = False
                elif isinstance(listing, bytes) and not (depth and name.startswith(_FLAT)):
                    below += [f"{name}/{child}" for child in sorted(split_strings(listing))]
            if not below:
                return tree.data(), tree.looked_at
            level = below
        tree.complete = False
        return tree.data(), tree.looked_at


def next_rest(rest: float, quiet: float, nodes: int) -> float:
    """Seconds to wait before the next look at a guest that has written again after being quiet for some seconds.

    `nodes`: how many the last look read; the next one is no sooner than they are worth, however quiet it was.
    """
    least = min(max(REST_SECONDS, nodes / NODES_PER_SECOND), LONGEST_REST_SECONDS)
    if quiet >= QUIET_SECONDS:
        return least
    return max(min(2 * rest, LONGEST_REST_SECONDS) if quiet < REST_SECONDS else rest, least)


class _Tree:
    """Nodes, within bounds."""

    def __init__(self) -> None:
        self.complete = True
        self._nodes: dict[str, str] = {}
        self.looked_at = 0
        self._text = 0

    def room(self, wanted: int) -> int:
        """How many more nodes may be read, of those wanted."""
        granted = min(wanted, MAX_NODES - self.looked_at)
        self.looked_at += granted
        self.complete &= granted == wanted
        return granted

    def add(self, name: str, untrusted_value: bytes) -> None:
        """Keep a node if there is room for it."""
        value = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", untrusted_value.decode(errors="replace"))
        if len(value) > MAX_VALUE or self._text + len(name) + len(value) > MAX_TEXT:
            self.complete = False
            return
        self._text += len(name) + len(value)
        self._nodes[name] = value

    def data(self) -> GuestData:
        """What was kept."""
        return GuestData(self._nodes, self.complete)
