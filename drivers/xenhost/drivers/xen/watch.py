"""The one watcher: turns what xenstored tells into domain events. No polling.

`@introduceDomain` and `@releaseDomain` say that some domain appeared, stopped or died; one look at Xen's list says
which. Two watches on dom0's backend directories cover the devices of all domains: those nodes are written by dom0 only,
so a guest can at most make its own devices change state, and such changes are reported once per interval and domain.
Nothing that a guest writes is watched for good.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from xenhost.core.clock import Clock
from xenhost.core.ids import DomId, VmId
from xenhost.core.ports.hypervisor import DomainEvent, DomainEventKind
from xenhost.drivers.xen import paths
from xenhost.drivers.xen.fanout import RESYNC, Fanout
from xenhost.drivers.xen.hypercalls import Hypercalls
from xenhost.drivers.xen.observed import Seen, changed_domain, changes, going_on, seen
from xenhost.native.errors import NativeError
from xenhost.native.xenctrl import Xenctrl
from xenhost.native.xenstore import INTRODUCE_DOMAIN, RELEASE_DOMAIN, Xenstore, XenstoreError

_log = structlog.get_logger()

_LOOK_INTERVAL: Final = 0.02
"""Seconds between two looks at Xen's list, however many domains come and go."""
_CHANGE_INTERVAL: Final = 0.1
"""Seconds in which changes of one domain's devices become one event."""
_RETRY: Final = 1.0
_QUEUE: Final = 8192
"""Different changed paths that may wait; beyond that readers are told to look at everything."""


class Watcher:
    """Knows which domains there are, and publishes what happens to them."""

    def __init__(self, xs: Xenstore, xen: Hypercalls, fanout: Fanout, clock: Clock) -> None:
        self._xs = xs
        self._xen = xen
        self._fanout = fanout
        self._clock = clock
        self._seen: dict[DomId, Seen] = {}
        self._resumed: set[DomId] = set()
        """Whose last stop is over, and may be followed by another just like it."""
        self._look = asyncio.Event()
        self._changed: set[DomId] = set()
        self._change = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Look once, then follow. What exists now is no event."""
        self._seen = seen(await self._xen.run(Xenctrl.domains))
        self._tasks = [
            asyncio.create_task(self._follow(INTRODUCE_DOMAIN, self._lifecycle), name="watch introduce"),
            asyncio.create_task(self._follow(RELEASE_DOMAIN, self._lifecycle), name="watch release"),
            asyncio.create_task(self._follow(_below("vbd"), self._device), name="watch vbd"),
            asyncio.create_task(self._follow(_below("vif"), self._device), name="watch vif"),
            asyncio.create_task(self._look_again(), name="look at domains"),
            asyncio.create_task(self._report_changes(), name="report device changes"),
        ]

    async def close(self) -> None:
        """Stop following. Idempotent."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def made(self, domid: DomId, vm: VmId) -> None:
        """We made a domain. Xenstored tells nothing of it before it is introduced."""
        if domid not in self._seen:
            self._seen[domid] = Seen(vm)
            self._fanout.publish(DomainEvent(DomainEventKind.APPEARED, domid, vm))

    def vm(self, domid: DomId) -> VmId | None:
        """Whose domain it is, as far as we have seen."""
        seen_domain = self._seen.get(domid)
        return seen_domain.vm if seen_domain is not None else None

    def look(self) -> None:
        """Something happened that xenstored may tell nothing of: look at Xen's list soon."""
        self._look.set()

    def resumed(self, domid: DomId) -> None:
        """We let a domain go on that had stopped. Xenstored tells nothing of it."""
        self._resumed.add(domid)
        self._look.set()

    # Each runs as one task

    async def _follow(self, path: str, on_event: Callable[[str], None]) -> None:
        while True:
            try:
                async with self._xs.watch(path, limit=_QUEUE) as watch:
                    async for event in watch:
                        if event.lost:
                            self._fanout.publish(RESYNC)
                            self._look.set()
                        else:
                            on_event(event.path)
            except XenstoreError as error:
                _log.warning("a watch failed; trying again", path=path, error=str(error))
            await self._clock.sleep(_RETRY)
            self._fanout.publish(RESYNC)

    def _lifecycle(self, _: str) -> None:
        self._look.set()

    def _device(self, path: str) -> None:
        domid = changed_domain(path)
        if domid is not None and domid in self._seen:
            self._changed.add(domid)
            self._change.set()

    async def _look_again(self) -> None:
        while True:
            await self._look.wait()
            self._look.clear()
            resumed, self._resumed = self._resumed, set()
            try:
                now = seen(await self._xen.run(Xenctrl.domains))
            except NativeError as error:
                _log.warning("Xen did not list its domains; trying again", error=str(error))
                await self._clock.sleep(_RETRY)
                self._resumed |= resumed
                self._look.set()
                continue
            before, self._seen = going_on(self._seen, resumed), now
            for event in changes(before, now):
                self._fanout.publish(event)
            await self._clock.sleep(_LOOK_INTERVAL)

    async def _report_changes(self) -> None:
        while True:
            await self._change.wait()
            await self._clock.sleep(_CHANGE_INTERVAL)
            self._change.clear()
            changed, self._changed = self._changed, set()
            for domid in sorted(changed & self._seen.keys()):
                self._fanout.publish(DomainEvent(DomainEventKind.CHANGED, domid, self._seen[domid].vm))


def _below(kind: str) -> str:
    return f"{paths.HOMES}/0/backend/{kind}"
