"""The sampler's tick: no source stops the others."""

import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import structlog

from unit.rrd.store_kit import HOST_UUID, gauge
from xenhost.agent.metrics.metered import Metered
from xenhost.agent.metrics.plugins.table import PluginTable
from xenhost.agent.metrics.sampler import Sampler
from xenhost.core.metrics import HOST, Reading, Source
from xenhost.core.ports.metrics import MeteredVm
from xenhost.rrd.sdk import encode
from xenhost.rrd.store import Store
from xenhost.system.clock import SystemClock

LOG = structlog.get_logger("test")
NOTHING: Any = SimpleNamespace()


class OneMeter:
    """Says 1, or fails."""

    def __init__(self, name: str, fault: Exception | None = None) -> None:
        self.name = name
        self._sources: tuple[Source, ...] = (gauge(name),)
        self._fault = fault

    def read(self, now: float, vms: Sequence[MeteredVm]) -> Sequence[Reading]:
        """See the port."""
        if self._fault is not None:
            raise self._fault
        return [Reading(now, self._sources, (1.0,))]


class FastClock(SystemClock):
    """A tick is always due, ten slots after the one before."""

    def __init__(self) -> None:
        self._time = 0.0

    def monotonic(self) -> float:
        """Grows whenever it is asked."""
        self._time += 1.0
        return self._time


class BrokenTable(PluginTable):
    """A fault of ours in what plugins bring."""

    def take(self) -> dict[str, Reading]:
        """Never anything."""
        raise LookupError("a fault")


def ticked(meters: Sequence[OneMeter], plugins: PluginTable) -> Store:
    """A store after three ticks."""
    clock = FastClock()
    store = Store(HOST_UUID, clock.now())
    store.load(HOST)
    sampler = Sampler(meters, plugins, Metered(NOTHING, NOTHING), store, lambda: None, clock, LOG)
    thread = threading.Thread(target=sampler.run)
    thread.start()
    waiting = threading.Event()
    for _ in range(500):
        if sampler.ticks >= 3 or not thread.is_alive():
            break
        waiting.wait(0.02)
    sampler.stop()
    thread.join(10)
    assert sampler.ticks >= 3
    return store


def test_a_meter_with_a_fault_stops_no_other_and_no_plugin(tmp_path: Path) -> None:
    (tmp_path / "fan").write_bytes(encode([(gauge("fan"), 5.0)], 1.7e9))
    meters = [OneMeter("disks", ValueError("a fault")), OneMeter("links", OSError("gone")), OneMeter("cpu")]
    store = ticked(meters, PluginTable(tmp_path, FastClock(), LOG))
    assert {each.name for each in store.sources(HOST)} == {"cpu", "fan"}


def test_a_fault_with_plugins_stops_no_meter(tmp_path: Path) -> None:
    store = ticked([OneMeter("cpu")], BrokenTable(tmp_path, FastClock(), LOG))
    assert store.query(HOST, "cpu") == 1.0
