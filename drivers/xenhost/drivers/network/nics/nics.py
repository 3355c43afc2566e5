"""The network cards of this host: the port `Nics`, by netlink, ethtool and sysfs."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

import structlog

from xenhost.core.errors import InternalError
from xenhost.core.network import Nic, NicSettings, Problem, SriovEnabled, VfSettings, VirtualFunction
from xenhost.core.network_errors import SriovFailed
from xenhost.drivers.network.nics import links, settings
from xenhost.drivers.network.nics.census import Census, Snapshot
from xenhost.drivers.network.nics.links import LinkEvent
from xenhost.drivers.network.nics.monitor import LinkMonitor
from xenhost.drivers.network.nics.places import Places
from xenhost.drivers.network.nics.sriov import Sriov

SETTLE: Final = 0.1
"""Seconds that changes of links are gathered before they are looked at."""
LOOK_SECONDS: Final = 15.0
CONFIGURE_SECONDS: Final = 60.0
SRIOV_SECONDS: Final = 110.0
"""Longest waits. What hangs in the kernel is left there."""
RETRY_SECONDS: Final = 10.0
"""Until the next look after one that failed."""
_log = structlog.get_logger()
T = TypeVar("T")


class HostNics:
    """Network cards of the network namespace that `open` is called in. All in one event loop."""

    def __init__(self, places: Places, settle: float = SETTLE) -> None:
        self._census = Census(places)
        self._sriov = Sriov(places)
        self._settle = settle
        self._monitor = LinkMonitor(self._heard, self._lost)
        self._watchers: list[Callable[[str], None]] = []
        self._seen = Snapshot({}, frozenset(), {})
        self._changed: dict[int, LinkEvent] = {}
        self._missed = False
        self._open = False
        self._looking = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._looker: ThreadPoolExecutor | None = None
        self._workers: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        """Begin to listen, and look at what is there. Raises InternalError."""
        self._looker = ThreadPoolExecutor(1, "xh-nics-look")
        self._workers = ThreadPoolExecutor(4, "xh-nics")
        try:
            self._monitor.open()
        except OSError as error:
            raise InternalError(f"changes of network cards cannot be heard of: {error}", message=str(error)) from error
        await self._look()
        self._open = True

    async def close(self) -> None:
        """Stop listening; nothing changes."""
        self._open = False
        self._monitor.close()
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._timer = self._task = None
        for pool in (self._looker, self._workers):
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=True)
        self._looker = self._workers = None

    async def scan(self) -> Sequence[Nic]:
        """Look at everything again. Cards by position; last those without, as their address is another card's too.

        Raises InternalError (the kernel does not answer).
        """
        await self._look()
        cards = [self._seen.nics[device] for device in self._seen.cards]
        return sorted(cards, key=lambda nic: (nic.position < 0, nic.position, nic.device))

    def get(self, device: str) -> Nic | None:
        """A card, a bond of cards or a virtual function as last seen."""
        return self._seen.nics.get(device)

    def watch(self, on_change: Callable[[str], None]) -> None:
        """Call it when a card, a bond of cards or a virtual function came, went or changed."""
        self._watchers.append(on_change)

    async def configure(self, wanted: Mapping[str, NicSettings]) -> Sequence[Problem]:
        """Each interface by itself: what is refused keeps nothing else back."""
        done: dict[str, Sequence[Problem]] = {}
        call = partial(settings.configure_all, dict(wanted), done)
        future = asyncio.get_running_loop().run_in_executor(self._workers, call)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONFIGURE_SECONDS):
                await future
        found = [problem for device in wanted for problem in done.get(device, ())]
        silent = [device for device in wanted if device not in done]
        found += [Problem(device, f"{device} is not set after {CONFIGURE_SECONDS:.0f} s") for device in silent]
        if self._seen.nics.keys() & wanted.keys():
            await self._look()  # so that the caller sees what it has done
        return found

    async def enable_sriov(self, device: str) -> SriovEnabled:
        """By a parameter of its driver if /etc/modprobe.d has one, else by sysfs; or they had been made by hand."""
        enabled = await self._sriov_call(device, partial(self._sriov.enable, device))
        await self._look()  # the kernel tells of the functions, but not of their card
        return enabled

    async def disable_sriov(self, device: str, mode: str) -> None:
        """With mode modprobe: for all cards of the driver, from the next start of the host."""
        await self._sriov_call(device, partial(self._sriov.disable, device, mode))
        await self._look()

    async def virtual_functions(self, device: str) -> Sequence[VirtualFunction]:
        """By number. Raises SriovFailed (no such card)."""
        return await self._sriov_call(device, partial(self._sriov.virtual_functions, device))

    async def configure_vf(self, device: str, number: int, settings: VfSettings) -> None:
        """An empty address leaves what it has. Raises SriovFailed."""
        await self._sriov_call(device, partial(self._sriov.configure_vf, device, number, settings))

    async def _sriov_call(self, device: str, call: Callable[[], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._workers, call)
        try:
            async with asyncio.timeout(SRIOV_SECONDS):
                return await future
        except TimeoutError:
            message = f"{device} has not answered in {SRIOV_SECONDS:.0f} s"
            raise SriovFailed(message, device=device, message=message) from None

    # what the kernel tells

    def _heard(self, event: LinkEvent) -> None:
        if event.link.kind in links.MADE:
            return  # some hundred networks come up at once, and looking at each waits for the kernel's lock on links
        if not event.gone and self._seen.others.get(event.link.index) == event.link.name:
            return
        self._changed[event.link.index] = event
        self._soon()

    def _lost(self) -> None:
        self._missed = True
        self._soon()

    def _soon(self, seconds: float | None = None) -> None:
        if self._timer is None:
            wait = self._settle if seconds is None else seconds
            self._timer = asyncio.get_running_loop().call_later(wait, self._settled)

    def _settled(self) -> None:
        self._timer = None
        if self._task is None:
            self._task = asyncio.create_task(self._catch_up())

    async def _catch_up(self) -> None:
        try:
            while self._changed or self._missed:
                await self._look(everything=self._missed)
        except InternalError as error:
            _log.error("changes of network cards are not known", why=str(error))
            self._soon(RETRY_SECONDS)
        finally:
            self._task = None

    async def _look(self, everything: bool = True) -> None:
        """Look at all links, or those that events were about. Raises InternalError."""
        async with self._looking:
            changed, self._changed = self._changed, {}
            if everything:
                self._missed = False
            look = self._census.take if everything else partial(self._census.update, list(changed.values()))
            future = asyncio.get_running_loop().run_in_executor(self._looker, look)
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    self._see(await future)
            except (OSError, TimeoutError) as error:
                self._missed = True
                why = str(error) or f"no answer in {LOOK_SECONDS:.0f} s"
                raise InternalError(f"the network cards cannot be looked at: {why}", message=why) from error

    def _see(self, now: Snapshot) -> None:
        before, self._seen = self._seen, now
        if not self._open:
            return
        for device in sorted(before.nics.keys() | now.nics.keys()):
            if before.nics.get(device) != now.nics.get(device):
                for watcher in self._watchers:
                    watcher(device)
