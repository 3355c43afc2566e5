"""The simulated host itself: its domains, memory, loop devices. It outlives the driver, as Xen outlives an agent."""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from typing import Any, Final
from uuid import uuid4

from xenhost.core.clock import Clock
from xenhost.core.devices import DeviceClass, DeviceState, Source, SourceKind
from xenhost.core.ids import DevId, DomId, VmId
from xenhost.core.ports.hypervisor import DomainEvent, DomainEventKind
from xenhost.core.ports.network import VifSwitch
from xenhost.core.units import MIB
from xenhost.core.vm import VmType
from xenhost.drivers.sim.config import SimConfig
from xenhost.drivers.sim.domain import SimDevice, SimDomain
from xenhost.drivers.sim.faults import Faults
from xenhost.drivers.sim.guest import Guest
from xenhost.drivers.sim.store import WorldStore

MAX_DOMID: Final = 32751


class World:
    """What exists. Every change takes time that does not grow with the number of domains."""

    def __init__(self, clock: Clock, config: SimConfig | None = None, store: WorldStore | None = None) -> None:
        self.clock: Final = clock
        self.config: Final = config or SimConfig()
        self.faults: Final = Faults()
        self.switch: VifSwitch | None = None
        """Where VIFs are plugged in; None: on bridges that are only names."""
        self.domains: Final[dict[DomId, SimDomain]] = {}
        """Every domain, those that only left something behind (`in_xen` false) included."""
        self.listeners: Final[set[Callable[[DomainEvent], None]]] = set()
        self.memory_free = self.config.memory_total - self.config.memory_dom0
        self._store = store
        self.screens: Final = store.screens if store is not None else None
        """Where sockets of screens lie; None: anywhere."""
        self._write: asyncio.Future[None] | None = None
        self._loaded = store is None
        self._last_domid = 0
        self._by_vm: dict[VmId, set[DomId]] = {}
        self._loops: dict[int, str] = {}
        self._free_loops: list[int] = []
        self._next_loop = 0
        self._users: dict[str, dict[tuple[DomId, DevId], bool]] = {}
        self._pulses: dict[DomId, set[asyncio.Future[None]]] = {}
        self._unsaved: set[DomId] = set()
        self._saving = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    # Life

    async def load(self) -> None:
        """Read the store, once. Raises HypervisorUnavailable if it is damaged."""
        if self._loaded or self._store is None:
            return
        last, domains = await asyncio.to_thread(self._store.load)
        self._loaded = True
        self._last_domid = last
        for domain in domains:
            self._index(domain)
            self.memory_free -= domain.claimed
            for device in domain.devices.values():
                self._hold(domain, device)
                if device.state is DeviceState.DETACHING:
                    device.state = DeviceState.ATTACHED
        self._next_loop = max(self._loops, default=-1) + 1
        self._free_loops = sorted(set(range(self._next_loop)) - set(self._loops))
        for domain in domains:
            self.guest(domain.domid).resume()

    async def close(self) -> None:
        """Stop what guests are about to do, and wait for the store."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.sync()

    async def sync(self) -> None:
        """Return when everything that has happened so far is in the store; at once without a store."""
        if self._store is None:
            return
        async with self._saving:
            if self._write is not None:  # whoever began it may have been cancelled
                await asyncio.wait([self._write])
            if not self._unsaved:
                return
            records: dict[str, dict[str, Any] | None] = {"host": {"last_domid": self._last_domid}}
            for domid in self._unsaved:
                domain = self.domains.get(domid)
                records[f"domain-{domid}"] = None if domain is None else domain.to_json()
            self._unsaved.clear()
            self._write = asyncio.ensure_future(asyncio.to_thread(self._store.write, records))
            await asyncio.shield(self._write)

    # What tests do to it

    def guest(self, domid: DomId) -> Guest:
        """The hand inside that guest. Raises KeyError if there is no such domain."""
        return Guest(self, self.domains[domid])

    def add_foreign_domain(
        self,
        name: str = "foreign",
        vm: VmId | None = None,
        kind: VmType = VmType.PV,
        memory: int = 64 * MIB,
    ) -> DomId:
        """A running domain that somebody else started."""
        domain = SimDomain(self.new_domid(), vm or VmId(str(uuid4())), kind, name, managed=False, built=True)
        domain.paused, domain.running_since = False, self.clock.now()
        domain.memory = domain.memory_max = domain.memory_target = memory
        domain.vcpus_online = 1
        self.add(domain, memory)
        return domain.domid

    def leaks(self) -> list[str]:
        """What nobody owns any more, in words: leftovers of domains that are gone. Empty is right."""
        gone = [domain for domain in self.domains.values() if not domain.in_xen]
        return [f"records of domain {domain.domid}" for domain in gone] + [
            f"{device.cls} {device.devid} of domain {domain.domid}"
            for domain in gone
            for device in domain.devices.values()
        ]

    @property
    def loops(self) -> dict[int, str]:
        """Loop devices in use: number and file."""
        return dict(self._loops)

    # Domains

    def new_domid(self) -> DomId:
        """The next free number, as Xen counts them."""
        while True:
            self._last_domid = self._last_domid % MAX_DOMID + 1
            if DomId(self._last_domid) not in self.domains:
                return DomId(self._last_domid)

    def of_vm(self, vm: VmId) -> list[SimDomain]:
        """The domains in Xen with that handle."""
        return [self.domains[domid] for domid in sorted(self._by_vm.get(vm, ())) if self.domains[domid].in_xen]

    def add(self, domain: SimDomain, claimed: int) -> None:
        """A new domain that holds so many bytes."""
        self._index(domain)
        self.claim(domain, claimed)
        self.changed(domain, DomainEventKind.APPEARED)

    def claim(self, domain: SimDomain, claimed: int) -> None:
        """From now on the domain holds so many bytes."""
        self.memory_free -= claimed - domain.claimed
        domain.claimed = claimed

    def forget(self, domain: SimDomain) -> None:
        """Xen forgets the domain; what the driver made for it stays until it is removed."""
        domain.in_xen = False
        domain.emulator = False
        domain.memory = 0
        self.claim(domain, 0)
        self.changed(domain, DomainEventKind.GONE)

    def remove(self, domain: SimDomain) -> None:
        """The last record of it."""
        for device in list(domain.devices.values()):
            self.detach(domain, device)
        del self.domains[domain.domid]
        handles = self._by_vm[domain.vm]
        handles.discard(domain.domid)
        if not handles:
            del self._by_vm[domain.vm]
        self._unsaved.add(domain.domid)

    # Devices

    def attach(self, domain: SimDomain, device: SimDevice) -> None:
        """A device with its loop device."""
        if device.source is not None and device.source.kind is SourceKind.FILE:
            device.loop = self._new_loop()
        domain.devices[device.cls, device.devid] = device
        self._hold(domain, device)
        self._unsaved.add(domain.domid)

    def detach(self, domain: SimDomain, device: SimDevice) -> None:
        """Take it away, with its loop device."""
        self._release(domain, device)
        domain.devices.pop((device.cls, device.devid), None)
        self._unsaved.add(domain.domid)

    def change_source(self, domain: SimDomain, device: SimDevice, source: Source | None) -> None:
        """Another medium, or none, in a drive."""
        self._release(domain, device)
        device.source = source or Source(SourceKind.EMPTY)
        self.attach(domain, device)
        self.changed(domain)

    def users(self, path: str) -> dict[tuple[DomId, DevId], bool]:
        """The VBDs on that path, and whether each may write."""
        return self._users.get(path, {})

    # Changes

    def changed(self, domain: SimDomain, kind: DomainEventKind = DomainEventKind.CHANGED) -> None:
        """Something about the domain is different: tell whoever waits or listens."""
        self._unsaved.add(domain.domid)
        reason = domain.shutdown if kind is DomainEventKind.STOPPED else None
        for listener in tuple(self.listeners):
            listener(DomainEvent(kind, domain.domid, domain.vm, reason))
        for waiter in self._pulses.pop(domain.domid, ()):
            if not waiter.done():
                waiter.set_result(None)

    async def pulse(self, domid: DomId, within: float | None) -> None:
        """Return when that domain has changed, or after so many seconds."""
        waiter = asyncio.get_running_loop().create_future()
        self._pulses.setdefault(domid, set()).add(waiter)
        alarm = None if within is None else asyncio.ensure_future(self.clock.sleep(within))
        try:
            await asyncio.wait({waiter} if alarm is None else {waiter, alarm}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if alarm is not None:
                alarm.cancel()
            waiters = self._pulses.get(domid)
            if waiters is not None:
                waiters.discard(waiter)
                if not waiters:
                    del self._pulses[domid]

    def later(self, delay: float, act: Callable[[], None]) -> None:
        """Let a guest act after so many seconds: at once for none."""
        if delay <= 0:
            act()
        else:
            self._spawn(self._after(delay, act))

    def save_soon(self) -> None:
        """Bring what a guest did by itself to the store."""
        if self._store is not None and self._unsaved:
            self._spawn(self.sync())

    async def _after(self, delay: float, act: Callable[[], None]) -> None:
        await self.clock.sleep(delay)
        act()
        await self.sync()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _release(self, domain: SimDomain, device: SimDevice) -> None:
        if device.loop is not None and self._loops.pop(device.loop, None) is not None:
            heapq.heappush(self._free_loops, device.loop)
        device.loop = None
        if device.source is not None:
            users = self._users.get(device.source.path, {})
            users.pop((domain.domid, device.devid), None)
            if not users:
                self._users.pop(device.source.path, None)

    def _index(self, domain: SimDomain) -> None:
        self.domains[domain.domid] = domain
        self._by_vm.setdefault(domain.vm, set()).add(domain.domid)

    def _new_loop(self) -> int:
        if self._free_loops:
            return heapq.heappop(self._free_loops)
        self._next_loop += 1
        return self._next_loop - 1

    def _hold(self, domain: SimDomain, device: SimDevice) -> None:
        if device.source is None:
            return
        if device.loop is not None:
            self._loops[device.loop] = device.source.path
        if device.source.path:
            self._users.setdefault(device.source.path, {})[domain.domid, device.devid] = device.writable

    def device(self, domain: SimDomain, cls: DeviceClass, devid: DevId) -> SimDevice | None:
        """The device in that place, if it is plugged."""
        device = domain.devices.get((cls, devid))
        return device if device is not None and device.ready else None
