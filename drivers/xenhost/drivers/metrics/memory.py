"""Memory of the host and of VMs, as Xen counts it."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from xenhost.core.metrics import HOST, Owner, Reading, Source
from xenhost.core.ports.metrics import MeteredMemory, MeteredVm
from xenhost.core.units import KIB
from xenhost.drivers.metrics import catalog
from xenhost.drivers.metrics.shapes import Shapes
from xenhost.drivers.metrics.xen_calls import XenCalls
from xenhost.native.xen_types import PAGE_SIZE


class MemoryMeter:
    """memory_total_kib, memory_free_kib, memory_reclaimed* of the host; memory* of VMs that are not paused."""

    name: Final = "memory"

    def __init__(self, xen: XenCalls) -> None:
        self._xen: Final = xen
        self._shapes: Final = Shapes()
        self._agents: set[tuple[str, int]] = set()
        """Domains in which a guest agent has told once what is free: they keep that source."""

    def read(self, now: float, vms: Sequence[MeteredVm]) -> Sequence[Reading]:
        """Two hypercalls."""
        domains = {load.domid: load for load in self._xen.loads(now).domains}
        machine = self._xen.xen().physinfo()
        readings, reclaimed, possible = [], 0, 0
        agents: set[tuple[str, int]] = set()
        for vm in vms:
            domain, memory = domains.get(vm.domid), vm.memory
            agent = (vm.uuid, vm.domid) in self._agents or (memory is not None and not math.isnan(memory.internal_free))
            if agent:
                agents.add((vm.uuid, vm.domid))
            if domain is None or domain.paused:
                continue
            if memory is not None:
                reclaimed += max(0, memory.dynamic_max - memory.target)
                possible += max(0, memory.target - memory.dynamic_min)
            values = (float(domain.pages * PAGE_SIZE), *_told(memory, agent))
            readings.append(Reading(now, self._sources(vm.uuid, memory is not None, agent), values))
        self._agents = agents
        self._shapes.keep({vm.uuid for vm in vms})
        host = (machine.total_memory / KIB, machine.free_memory / KIB, float(reclaimed), float(possible))
        return [Reading(now, self._shapes.of(HOST, None, _host_sources), host), *readings]

    def _sources(self, uuid: str, told: bool, agent: bool) -> tuple[Source, ...]:
        owner = self._shapes.vm(uuid)
        return self._shapes.of(owner, (told, agent), lambda: _vm_sources(owner, told, agent))


def _told(memory: MeteredMemory | None, agent: bool) -> tuple[float, ...]:
    target = () if memory is None else (float(memory.target),)
    if not agent:
        return target
    return *target, math.nan if memory is None else memory.internal_free / KIB


def _host_sources() -> Iterator[Source]:
    for kind in (
        *(catalog.MEMORY_TOTAL, catalog.MEMORY_FREE),
        *(catalog.MEMORY_RECLAIMED, catalog.MEMORY_RECLAIMED_MAX),
    ):
        yield kind.source()


def _vm_sources(owner: Owner, told: bool, agent: bool) -> Iterator[Source]:
    yield catalog.VM_MEMORY.source(owner)
    if told:
        yield catalog.VM_MEMORY_TARGET.source(owner)
    if agent:
        yield catalog.VM_INTERNAL_FREE.source(owner)
