"""The hypervisor port on a simulated host. See `xenhost.core.ports.hypervisor` for what each verb promises."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Final

from xenhost.core.devices import DeviceStatus, Vbd, Vif
from xenhost.core.errors import (
    DomainBuildFailed,
    DomainExists,
    EmulatorFailed,
    HostNotEnoughFreeMemory,
    InternalError,
    InvalidValue,
    OperationNotAllowed,
    ShutdownNotAcknowledged,
)
from xenhost.core.guest_metrics import GuestData
from xenhost.core.host import HostInfo, PciDevice
from xenhost.core.ids import DevId, DomId
from xenhost.core.memory import plan_memory
from xenhost.core.ports.hypervisor import Console, DomainEvent, DomainEventKind
from xenhost.core.vm import Domain, ShutdownReason, VmSpec, VmType
from xenhost.drivers.network.vif_port import check_memory_for_functions
from xenhost.drivers.sim.checks import check_kernel
from xenhost.drivers.sim.console import SimConsole
from xenhost.drivers.sim.devices import SimDevices
from xenhost.drivers.sim.domain import SimDomain
from xenhost.drivers.sim.faults import Killed, When
from xenhost.drivers.sim.guest_data import guest_data
from xenhost.drivers.sim.images import read_image, restore_image, write_image
from xenhost.drivers.sim.life import Life, exists
from xenhost.drivers.sim.pci_devices import pci_devices
from xenhost.drivers.sim.screens import SimScreens
from xenhost.drivers.sim.subscriptions import Subscriptions
from xenhost.drivers.sim.world import World


class SimHypervisor:
    """One life of the driver. A new one on the same world is what a restarted agent is to Xen."""

    def __init__(self, world: World, owns_world: bool = False) -> None:
        self._world: Final = world
        self._owns_world: Final = owns_world
        self._events: Final = Subscriptions()
        self._consoles: dict[DomId, SimConsole] = {}
        self._screens: Final = SimScreens(world.screens)
        self._life: Final = Life(world, self._let_go)
        self._devices: Final = SimDevices(self._life)

    @property
    def world(self) -> World:
        """What it shows; for its meters."""
        return self._world

    # Life of the driver itself

    async def open(self) -> None:
        """Read the store, if the world has one. Raises HypervisorUnavailable if it is damaged."""
        await self._life.reach("open", When.BEFORE)
        await self._world.load()
        self._world.listeners.add(self._heard)
        await self._life.reach("open", When.AFTER)

    async def close(self) -> None:
        """End subscriptions and consoles; the world stays, unless it was made for this driver alone."""
        self._let_go()
        await self._screens.close()
        if self._owns_world:
            await self._world.close()

    def kill(self) -> None:
        """As `kill -9` of the agent: from now on nothing that this object does reaches the world."""
        self._life.kill()

    # Host

    async def host(self) -> HostInfo:
        """The simulated machine, with the kernel of this one."""
        await self._life.reach("host", When.BEFORE)
        config = self._world.config
        return HostInfo(
            name=config.name,
            hypervisor="sim",
            version="1.0",
            capabilities=("xen-3.0-x86_64", "hvm-3.0-x86_64"),
            cpus=config.cpus,
            cpu_khz=2_000_000,
            cores_per_socket=config.cpus,
            threads_per_core=1,
            numa_nodes=1,
            memory_total=config.memory_total,
            memory_free=self._world.memory_free,
            kernel=os.uname().release,
        )

    async def pci_devices(self) -> Sequence[PciDevice]:
        """A screen, a disk controller, and the simulated network cards."""
        await self._life.reach("pci_devices", When.BEFORE)
        return pci_devices(self._world.config.cards)

    # Domains

    async def domains(self) -> Sequence[Domain]:
        """All of them, by number."""
        await self._life.reach("domains", When.BEFORE)
        now = self._world.clock.now()
        return [domain.view(now) for _, domain in sorted(self._world.domains.items()) if domain.in_xen]

    async def domain(self, domid: DomId) -> Domain | None:
        """One of them."""
        await self._life.reach("domain", When.BEFORE)
        domain = self._world.domains.get(domid)
        return domain.view(self._world.clock.now()) if domain is not None and domain.in_xen else None

    async def create_domain(self, vm: VmSpec, functions: bool = False) -> DomId:
        """Claim the memory it will need, at once, so that two starts cannot both believe there is enough."""
        await self._life.reach("create_domain", When.BEFORE)
        await self._life.sleep(self._world.config.delays.create)
        for domain in self._world.of_vm(vm.id):
            if domain.managed and not domain.built and not domain.dying:
                return domain.domid
            if not domain.managed or not domain.dying:
                raise exists(domain)
        if functions:
            check_memory_for_functions(vm)
        footprint = plan_memory(vm).footprint
        free = self._world.memory_free
        if footprint > free:
            raise HostNotEnoughFreeMemory(
                f"VM {vm.name} needs {footprint} bytes of memory, {free} are free",
                needed=str(footprint),
                available=str(free),
            )
        domain = SimDomain(self._world.new_domid(), vm.id, vm.type, vm.name)
        domain.xenstore_data = dict(vm.xenstore_data)
        domain.vcpus_max = vm.vcpus.maximum
        self._world.add(domain, footprint)
        await self._life.reach("create_domain", When.DURING)
        await self._life.reach("create_domain", When.AFTER)
        return domain.domid

    async def build_domain(self, domid: DomId, vm: VmSpec) -> None:
        """Check that the kernel exists; then it has its memory."""
        await self._life.reach("build_domain", When.BEFORE)
        domain = self._life.managed(domid)
        if domain.built:
            return
        _spoil(domain, vm, "build")
        await self._life.reach("build_domain", When.DURING)
        if self._world.config.check_paths:
            await check_kernel(vm)
        await self._life.sleep(self._world.config.delays.build)
        domain = self._life.managed(domid)
        domain.memory = domain.memory_target = vm.memory.dynamic_max
        domain.vcpus_online = domain.vcpus_target = vm.vcpus.at_startup
        await self._filled("build_domain", domain, vm)

    async def _filled(self, verb: str, domain: SimDomain, vm: VmSpec) -> None:
        domain.memory_max = plan_memory(vm).build_max
        self._schedule(domain, vm)
        domain.built, domain.spoiled = True, False
        self._world.changed(domain)
        try:
            await self._life.reach(verb, When.AFTER)
        except Killed:
            raise
        except BaseException:
            domain.built, domain.spoiled = False, True
            raise

    async def start_device_model(self, domid: DomId, vm: VmSpec) -> None:
        """Nothing but a flag."""
        await self._life.reach("start_device_model", When.BEFORE)
        domain = self._life.managed(domid)
        if vm.type is not VmType.HVM or domain.emulator:
            return
        if not domain.built:
            message = "the domain is not built"
            raise EmulatorFailed(f"cannot start the emulator: {message}", vm=vm.id, name="sim", msg=message)
        await self._life.sleep(self._world.config.delays.emulator)
        domain = self._life.managed(domid)
        domain.emulator = True
        self._world.changed(domain)
        try:
            await self._life.reach("start_device_model", When.AFTER)
        except Killed:
            raise
        except BaseException:
            domain.emulator = False
            raise

    async def pause_domain(self, domid: DomId) -> None:
        """The guest answers nothing while paused."""
        await self._life.reach("pause_domain", When.BEFORE)
        domain = self._life.managed(domid)
        if not domain.paused:
            self._world.guest(domid).account()
            domain.paused = True
            self._world.changed(domain)
        await self._life.reach("pause_domain", When.AFTER)

    async def unpause_domain(self, domid: DomId) -> None:
        """The guest boots, or goes on."""
        await self._life.reach("unpause_domain", When.BEFORE)
        domain = self._life.managed(domid)
        if not domain.built:
            message = "the domain is not built; there is nothing to run"
            raise OperationNotAllowed(message, reason_text=message)
        if domain.paused:
            domain.paused = False
            self._world.changed(domain)
            self._world.guest(domid).resume()
        await self._life.reach("unpause_domain", When.AFTER)

    async def request_shutdown(self, domid: DomId, reason: ShutdownReason, ack_within: float) -> None:
        """The guest answers as its manners are."""
        await self._life.reach("request_shutdown", When.BEFORE)
        if reason not in {ShutdownReason.POWEROFF, ShutdownReason.REBOOT, ShutdownReason.SUSPEND}:
            raise InvalidValue("a guest can be asked for poweroff, reboot or suspend", field="reason", value=reason)
        domain = self._life.managed(domid)
        guest = self._world.guest(domid)
        if domain.shutdown is None and domain.type is VmType.HVM and not domain.manners.pv_drivers and domain.built:
            guest.stop(reason)
        delay = self._world.config.delays.acknowledge
        answered = await self._life.ask(
            domid, lambda at: at.shutdown is not None or (at.runs and at.manners.acknowledges), delay, ack_within
        )
        if not answered:
            raise ShutdownNotAcknowledged(
                f"the guest did not acknowledge the request within {ack_within:g} s; shut it down hard", vm=domain.vm
            )
        if domain.shutdown is None:
            guest.acknowledge(reason)
        await self._life.reach("request_shutdown", When.AFTER)

    async def wait_stopped(self, domid: DomId) -> ShutdownReason | None:
        """Wakes up only when that domain changes."""
        await self._life.reach("wait_stopped", When.BEFORE)
        while True:
            domain = self._world.domains.get(domid)
            if domain is None or not domain.in_xen:
                return None
            if domain.shutdown is not None:
                return domain.shutdown
            await self._world.pulse(domid, None)
            self._life.check_alive()

    async def destroy_domain(self, domid: DomId) -> None:
        """First Xen forgets it, then what we made for it goes."""
        await self._life.reach("destroy_domain", When.BEFORE)
        domain = self._world.domains.get(domid)
        if domid == 0:
            raise DomainExists("domain 0 is the host itself", vm="", domid="0")
        if domain is None:
            return
        if not domain.managed:
            raise exists(domain)
        if domain.in_xen:
            domain.dying = True
            self._world.changed(domain)
            await self._life.sleep(self._world.config.delays.destroy)
            if domain.in_xen:
                self._world.forget(domain)
        await self._life.reach("destroy_domain", When.DURING)
        if self._world.domains.get(domid) is domain:
            self._world.remove(domain)
        await self._life.reach("destroy_domain", When.AFTER)

    # Suspended guests

    async def save_domain(self, domid: DomId, fd: int, progress: Callable[[int], None]) -> None:
        """A line of JSON."""
        await self._life.reach("save_domain", When.BEFORE)
        domain = self._life.managed(domid)
        if domain.shutdown is not ShutdownReason.SUSPEND:
            message = f"the guest of domain {domid} has not suspended"
            raise InternalError(message, message=message)
        progress(50)
        await self._life.reach("save_domain", When.DURING)
        await asyncio.to_thread(write_image, fd, domain)
        progress(100)
        await self._life.reach("save_domain", When.AFTER)

    async def restore_domain(self, domid: DomId, vm: VmSpec, fd: int, progress: Callable[[int], None]) -> None:
        """The guest is told from one that was built by what it remembers."""
        await self._life.reach("restore_domain", When.BEFORE)
        domain = self._life.managed(domid)
        if domain.built:
            return
        _spoil(domain, vm, "restore")
        await self._life.reach("restore_domain", When.DURING)
        record = await asyncio.to_thread(read_image, fd, vm)
        progress(100)
        domain = self._life.managed(domid)
        restore_image(domain, record)
        await self._filled("restore_domain", domain, vm)

    async def resume_domain(self, domid: DomId) -> None:
        """Its request to suspend is forgotten."""
        await self._life.reach("resume_domain", When.BEFORE)
        domain = self._life.managed(domid)
        if domain.shutdown is ShutdownReason.SUSPEND:
            self._world.guest(domid).wake()
        await self._life.reach("resume_domain", When.AFTER)

    # Running adjustments

    async def set_vcpus(self, domid: DomId, online: int) -> None:
        """The guest follows when it runs."""
        await self._life.reach("set_vcpus", When.BEFORE)
        domain = self._life.managed(domid)
        if not 1 <= online <= domain.vcpus_max:
            raise InvalidValue(
                f"{online} vCPUs online; it must be 1 to {domain.vcpus_max}", field="vcpus", value=str(online)
            )
        domain.vcpus_target = online
        self._world.changed(domain)
        self._world.guest(domid).follow_targets()
        await self._life.reach("set_vcpus", When.AFTER)

    async def set_scheduling(self, domid: DomId, vm: VmSpec) -> None:
        """Kept; nothing is scheduled here."""
        await self._life.reach("set_scheduling", When.BEFORE)
        domain = self._life.managed(domid)
        self._schedule(domain, vm)
        self._world.changed(domain)
        await self._life.reach("set_scheduling", When.AFTER)

    async def set_memory_target(self, domid: DomId, target: int) -> None:
        """The guest follows when it runs, as far as the host has memory."""
        await self._life.reach("set_memory_target", When.BEFORE)
        domain = self._life.managed(domid)
        if not 0 < target <= max(domain.memory_max, domain.memory):
            raise InvalidValue(
                f"memory target is {target} bytes; it must be at most {domain.memory_max}",
                field="memory",
                value=str(target),
            )
        domain.memory_target = target
        self._world.changed(domain)
        self._world.guest(domid).follow_targets()
        await self._life.reach("set_memory_target", When.AFTER)

    async def set_vm_data(self, domid: DomId, data: Mapping[str, str]) -> None:
        """Kept."""
        await self._life.reach("set_vm_data", When.BEFORE)
        domain = self._life.managed(domid)
        domain.xenstore_data = dict(data)
        self._world.changed(domain)
        await self._life.reach("set_vm_data", When.AFTER)

    # Devices

    async def plug_vbd(self, domid: DomId, vbd: Vbd) -> None:
        """Check its path (if so configured) and take a loop device for a file."""
        await self._devices.plug_vbd(domid, vbd)

    async def unplug_vbd(self, domid: DomId, devid: DevId, force: bool, within: float) -> None:
        """The guest answers as its manners are."""
        await self._devices.unplug_vbd(domid, devid, force, within)

    async def change_medium(self, domid: DomId, vbd: Vbd) -> None:
        """Take the old one out, then put the new one in."""
        await self._devices.change_medium(domid, vbd)

    async def plug_vif(self, domid: DomId, vif: Vif) -> None:
        """Check that the bridge is one of the configured ones."""
        await self._devices.plug_vif(domid, vif)

    async def update_vif(self, domid: DomId, vif: Vif) -> None:
        """Another bridge, other rules."""
        await self._devices.update_vif(domid, vif)

    async def unplug_vif(self, domid: DomId, devid: DevId, force: bool, within: float) -> None:
        """The guest answers as its manners are."""
        await self._devices.unplug_vif(domid, devid, force, within)

    async def functions(self) -> Collection[str]:
        """See SimDevices."""
        return await self._devices.functions()

    async def devices(self, domid: DomId) -> Sequence[DeviceStatus]:
        """Those that are plugged, in the order of plugging."""
        return await self._devices.devices(domid)

    # Consoles and events

    async def console(self, domid: DomId) -> Console:
        """Made when first asked for: thousands of guests do not need thousands of terminals."""
        await self._life.reach("console", When.BEFORE)
        domain = self._life.managed(domid)
        if not domain.built or domain.dying:
            return Console("", "")
        if (console := self._consoles.get(domid)) is None:
            console = self._consoles[domid] = self._world.guest(domid).console()
            console.open()
        return Console(console.path, await self._screens.of(domain) if domain.emulator else "")

    async def guest_data(self, domid: DomId) -> AsyncIterator[GuestData]:
        """As soon as the domain changes."""
        last: GuestData | None = None
        while (domain := self._world.domains.get(domid)) is not None and domain.in_xen and not self._life.dead:
            data = guest_data(domain)
            if data != last:
                last = data
                yield data
            await self._world.pulse(domid, None)

    def events(self) -> AsyncIterator[DomainEvent]:
        """From this call on, until the driver is closed."""
        return self._events.subscribe()

    # Inside

    def _schedule(self, domain: SimDomain, vm: VmSpec) -> None:
        for cpus in vm.vcpus.affinity:
            if any(cpu >= self._world.config.cpus for cpu in cpus):
                raise InvalidValue(
                    f"this host has CPUs 0 to {self._world.config.cpus - 1}",
                    field="vcpus.affinity",
                    value=str(cpus),
                )
        domain.weight, domain.cap, domain.affinity = vm.vcpus.weight, vm.vcpus.cap, vm.vcpus.affinity

    def _heard(self, event: DomainEvent) -> None:
        self._events.publish(event)
        if event.kind in {DomainEventKind.GONE, DomainEventKind.STOPPED, DomainEventKind.EMULATOR_LOST}:
            self._screens.hang_up(event.domid)
        over = event.kind in {DomainEventKind.GONE, DomainEventKind.STOPPED}
        if over and (console := self._consoles.pop(event.domid, None)):
            console.close()

    def _let_go(self) -> None:
        self._world.listeners.discard(self._heard)
        self._events.close()
        while self._consoles:
            self._consoles.popitem()[1].close()
        self._screens.hang_up_all()


def _spoil(domain: SimDomain, vm: VmSpec, function: str) -> None:
    """From here on it is half built. Raises DomainBuildFailed if it was before."""
    if domain.spoiled:
        message = "an earlier build of this domain was cut short; destroy it"
        raise DomainBuildFailed(message, vm=vm.id, function=function, msg=message)
    domain.spoiled = True
