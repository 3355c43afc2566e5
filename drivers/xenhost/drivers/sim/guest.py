"""What the guest of a simulated domain does: by itself, when asked, and when a test tells it to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from xenhost.core.devices import DeviceClass, DeviceState
from xenhost.core.ids import device_name
from xenhost.core.ports.hypervisor import DomainEventKind
from xenhost.core.units import MIB
from xenhost.core.vm import ShutdownReason, VmType
from xenhost.drivers.sim.console import SimConsole
from xenhost.drivers.sim.domain import SimDevice, SimDomain

if TYPE_CHECKING:
    from xenhost.drivers.sim.world import World

HANG_UP_SECONDS: Final = 0.1
"""Between a word of farewell on the console and the end."""


class Guest:
    """A hand inside one guest. Cheap; make one whenever needed."""

    def __init__(self, world: World, domain: SimDomain) -> None:
        self._world: Final = world
        self._domain: Final = domain

    # By itself

    def poweroff(self) -> None:
        """It shuts itself down."""
        self.stop(ShutdownReason.POWEROFF)

    def reboot(self) -> None:
        """It asks for a reboot by stopping with that reason."""
        self.stop(ShutdownReason.REBOOT)

    def crash(self) -> None:
        """It panics."""
        self.stop(ShutdownReason.CRASH)

    def stop(self, reason: ShutdownReason) -> None:
        """It stops, for any reason. Nothing happens if it does not run."""
        domain = self._domain
        if domain.in_xen and domain.built and domain.shutdown is None and not domain.dying:
            domain.shutdown, domain.stopping = reason, None
            self.account()
            self._world.changed(domain, DomainEventKind.STOPPED)
            self._world.save_soon()

    def lose_emulator(self) -> None:
        """Its device model dies."""
        if self._domain.emulator:
            self._domain.emulator = False
            self._world.changed(self._domain, DomainEventKind.EMULATOR_LOST)
            self._world.save_soon()

    # Its manners

    def refuse_unplug(self, message: str = "Device in use; refusing to close") -> None:
        """It refuses to let devices go, with those words (Linux' own by default). Empty: it agrees again."""
        self._domain.manners.refusal = message
        self._world.changed(self._domain)

    def silent(self) -> None:
        """It answers nothing any more: no shutdown, no unplug, no new devices."""
        manners = self._domain.manners
        manners.acknowledges = manners.lets_go = manners.connects = False

    def talkative(self) -> None:
        """It answers everything again, also what it was asked meanwhile and is still wanted."""
        manners = self._domain.manners
        manners.acknowledges = manners.lets_go = manners.connects = manners.stops = True
        self._world.changed(self._domain)
        self.connect()

    def never_stop(self) -> None:
        """It acknowledges requests to shut down, and then hangs."""
        self._domain.manners.stops = False

    def without_pv_drivers(self) -> None:
        """It knows nothing of Xen (HVM)."""
        manners = self._domain.manners
        manners.pv_drivers = manners.connects = False

    def tell(self, nodes: Mapping[str, str]) -> None:
        """It writes such nodes from now on, besides the usual ones."""
        self._domain.manners.tells = dict(nodes)
        self._world.changed(self._domain)

    # When asked

    def acknowledge(self, reason: ShutdownReason) -> None:
        """It has read the request, and will stop."""
        self._domain.stopping = reason
        self._world.changed(self._domain)
        self.resume()

    def connect(self) -> None:
        """It connects the frontends that wait for it."""
        for device in tuple(self._domain.devices.values()):
            if device.ready and device.state is DeviceState.ATTACHING:
                self._world.later(self._world.config.delays.connect, partial(self._connected, device))

    def follow_targets(self) -> None:
        """Its balloon and its vCPUs follow what they were told."""
        self._world.later(self._world.config.delays.balloon, self._followed)

    def wake(self) -> None:
        """It had suspended, and goes on; that its device model has died meanwhile is told now."""
        domain = self._domain
        domain.shutdown = domain.stopping = None
        lost = domain.type is VmType.HVM and not domain.emulator
        self._world.changed(domain, DomainEventKind.EMULATOR_LOST if lost else DomainEventKind.CHANGED)
        self.resume()

    def resume(self) -> None:
        """It runs (again): do what it was asked meanwhile."""
        domain = self._domain
        if not domain.runs:
            return
        if domain.running_since is None:
            domain.running_since = self._world.clock.now()
        self.connect()
        self.follow_targets()
        if domain.stopping is not None and domain.manners.stops:
            reason = domain.stopping
            self._world.later(self._world.config.delays.stop, lambda: self._stopped(reason))

    def console(self) -> SimConsole:
        """A serial console of it, not yet open."""
        domain = self._domain
        banner = (
            f"xenhost simulated guest, {domain.type.upper()}, domain {domain.domid}\n"
            f"{domain.vcpus_online} vCPU, {domain.memory // MIB} MiB, "
            f"{len(domain.devices)} devices; type help\n\n"
        )
        return SimConsole(
            domain.name,
            banner,
            {
                "uname": lambda: f"SimOS {domain.name} 1.0 {domain.type}\n",
                "uptime": self._uptime,
                "free": lambda: f"{domain.memory // MIB} MiB\n",
                "nproc": lambda: f"{domain.vcpus_online}\n",
                "devices": self._device_list,
                "poweroff": lambda: self._farewell(ShutdownReason.POWEROFF),
                "reboot": lambda: self._farewell(ShutdownReason.REBOOT),
                "crash": lambda: self._farewell(ShutdownReason.CRASH),
            },
        )

    def _uptime(self) -> str:
        since = self._domain.running_since
        return f"up {0 if since is None else self._world.clock.now() - since:.1f} s\n"

    def _device_list(self) -> str:
        lines = []
        for device in self._domain.devices.values():
            name = device_name(device.devid) if device.cls is DeviceClass.VBD else str(device.devid)
            lines.append(f"{device.cls} {name} {device.state}\n")
        return "".join(lines)

    def _farewell(self, reason: ShutdownReason) -> str:
        # Stopping hangs the terminal up, which discards what was not read yet.
        self._world.later(HANG_UP_SECONDS, lambda: self.stop(reason))
        return f"{reason}\n"

    def account(self) -> None:
        """It has stopped running: settle its CPU time."""
        domain = self._domain
        domain.cpu_time_ns = domain.view(self._world.clock.now()).cpu_time_ns
        domain.running_since = None

    def _connected(self, device: SimDevice) -> None:
        domain = self._domain
        plugged = domain.devices.get((device.cls, device.devid)) is device
        if plugged and domain.runs and domain.manners.connects and device.state is DeviceState.ATTACHING:
            device.state = DeviceState.ATTACHED
            self._world.changed(domain)

    def _followed(self) -> None:
        domain = self._domain
        if not domain.runs or not domain.manners.pv_drivers:
            return
        memory = min(domain.memory_target, domain.memory + max(0, self._world.memory_free))
        if (memory, domain.vcpus_target) != (domain.memory, domain.vcpus_online):
            self._world.claim(domain, domain.claimed + memory - domain.memory)
            domain.memory, domain.vcpus_online = memory, domain.vcpus_target
            self._world.changed(domain)

    def _stopped(self, reason: ShutdownReason) -> None:
        if self._domain.runs and self._domain.stopping is reason:
            self.stop(reason)
