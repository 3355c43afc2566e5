"""The thread that samples: every five seconds, on a grid that nothing shifts."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import structlog

from xenhost.agent.metrics.grid import Grid
from xenhost.agent.metrics.metered import Metered
from xenhost.agent.metrics.plugins.owners import KnownOwners
from xenhost.agent.metrics.plugins.table import PluginTable
from xenhost.core.clock import Clock
from xenhost.core.metrics import Reading
from xenhost.core.ports.metrics import Meter
from xenhost.rrd.store import Store

Log = structlog.typing.FilteringBoundLogger

PLUGIN_SECONDS: Final = 1.0
"""For which a tick waits for plugins; what comes later is in the next one."""
PLUGINS: Final = "plugins"
MINUTE: Final = 12
"""Ticks between two writes of the archives."""


class Sampler:
    """`run` is for a thread of its own; `stop` and `next_tick` are for others."""

    def __init__(
        self,
        meters: Sequence[Meter],
        plugins: PluginTable,
        metered: Metered,
        store: Store,
        save: Callable[[], None],
        clock: Clock,
        log: Log,
    ) -> None:
        """`save` is called each minute, and must only ask for it."""
        self._meters: Final = meters
        self._plugins: Final = plugins
        self._metered: Final = metered
        self._store: Final = store
        self._save: Final = save
        self._clock: Final = clock
        self._log: Final = log
        self._owners: Final = KnownOwners()
        self._stopping: Final = threading.Event()
        self._grid: Final = Grid(clock)
        self._failing: set[str] = set()
        self._reading: Future[None] | None = None
        self.ticks = 0
        self.overruns = 0
        self.last_seconds = 0.0
        """What the last tick took."""

    def next_tick(self) -> float:
        """Seconds until the next one; negative: it is overdue."""
        return self._grid.left()

    def stop(self) -> None:
        """End `run` soon."""
        self._stopping.set()

    def run(self) -> None:
        """Until `stop`."""
        with ThreadPoolExecutor(1, "plugins") as pool:
            self._grid.lay()
            while not self._stopping.wait(max(self._grid.left(), 0.0)):
                begun = self._clock.monotonic()
                self._tick(pool)
                self.last_seconds = self._clock.monotonic() - begun
                self._counted(self._grid.advance())
            self._stopping.clear()

    def _tick(self, pool: ThreadPoolExecutor) -> None:
        if self._reading is None or self._reading.done():
            self._reading = pool.submit(self._plugins.read)
        now = self._clock.now()
        readings: list[Reading] = []
        vms = self._metered.vms()
        for meter in self._meters:
            try:
                readings += meter.read(now, vms)
            except OSError as error:
                self._cannot(meter.name, str(error))
            except Exception:  # noqa: BLE001 - a fault of one meter stops no other
                self._faulty(meter.name)
            else:
                self._failing.discard(meter.name)
        try:
            readings += self._brought(readings)
        except Exception:  # noqa: BLE001 - nor does one of plugins
            self._faulty(PLUGINS)
        else:
            self._failing.discard(PLUGINS)
        self._store.tick(now, readings)
        self.ticks += 1
        if self.ticks % MINUTE == 0:
            self._save()

    def _brought(self, own: Sequence[Reading]) -> Sequence[Reading]:
        """What plugins have."""
        assert self._reading is not None
        try:
            self._reading.result(PLUGIN_SECONDS)
        except TimeoutError:
            self._log.debug("plugins are late")
        return self._owners.known(own, self._plugins.take(), self._metered.srs())

    def _faulty(self, source: str) -> None:
        if source not in self._failing:
            self._failing.add(source)
            self._log.exception("internal error", source=source)

    def _cannot(self, meter: str, reason: str) -> None:
        if meter not in self._failing:
            self._failing.add(meter)
            self._log.warning("cannot be metered", meter=meter, reason=reason)

    def _counted(self, missed: int) -> None:
        if missed:
            self.overruns += missed
            self._log.warning("ticks were missed", missed=missed, seconds=round(self.last_seconds, 3))
