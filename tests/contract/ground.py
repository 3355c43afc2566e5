"""What the contract suite of the hypervisor port stands on: a host, things on it, and a hand inside its guests."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from xenhost.core.devices import DeviceClass, DeviceState, DeviceStatus, Source, SourceKind, Vbd, VbdMode, VbdType, Vif
from xenhost.core.ids import DevId, DomId, parse_device
from xenhost.core.ports.hypervisor import DomainEvent, DomainEventKind, Hypervisor
from xenhost.core.vm import VmSpec

XVDA = parse_device("xvda")[0]
XVDB = parse_device("xvdb")[0]
XVDC = parse_device("xvdc")[0]
NIC0 = DevId(0)
MAC = "00:16:3e:5e:00:01"


class GuestHand(Protocol):
    """What a test can make a guest of `Ground` do. The guest runs when these are called."""

    async def is_up(self, domid: DomId) -> None:
        """Return when it has booted far enough to cooperate."""
        ...

    async def use_vcpus(self, domid: DomId, online: int) -> None:
        """What the guest's user space has to do so that vCPUs that were offered are used; maybe nothing."""
        ...

    async def poweroff(self, domid: DomId) -> None:
        """It shuts itself down."""
        ...

    async def crash(self, domid: DomId) -> None:
        """It panics."""
        ...

    async def hold_disk(self, domid: DomId, devid: DevId) -> None:
        """It uses that disk, and so refuses to let it go."""
        ...

    async def tell(self, domid: DomId, path: str, value: str) -> None:
        """Its agent writes a node below its home. Only of a `guest_spec`."""
        ...

    async def fall_silent(self, domid: DomId) -> None:
        """It answers nothing any more."""
        ...


@dataclass(frozen=True, slots=True)
class Ground:
    """One host for one promise. Made by the binding, torn down by it with everything on it."""

    hypervisor: Hypervisor
    """Open."""
    restart: Callable[[], Awaitable[Hypervisor]]
    """A second driver on the same host, open, as after a restart of the agent; the binding closes it."""
    idle_spec: Callable[[], VmSpec]
    """A VM with a new UUID and no devices, whose domain is never unpaused."""
    guest_spec: Callable[[], VmSpec]
    """A VM with a new UUID and no devices, with two vCPUs, whose guest boots and cooperates."""
    simple_spec: Callable[[], VmSpec]
    """The same, of a guest that need not know devices, vCPUs and ballooning: it boots, and obeys requests to stop."""
    hand: GuestHand
    foreign: Callable[[], AbstractAsyncContextManager[DomId]]
    """A domain that somebody else made."""
    leaks: Callable[[], Awaitable[list[str]]]
    """What is left on the host that belongs to no domain, in words."""
    file: str
    other_file: str
    block: str
    image: str
    """A CD image."""
    bridge: str
    patience: float
    """Seconds in which anything that works has worked."""
    short: float
    """Seconds worth waiting for something that does not come."""
    deviations: Mapping[str, str] = field(default_factory=dict)
    """Promises that this host cannot show: name and why."""

    async def made(self, vm: VmSpec) -> DomId:
        """A built, paused domain."""
        domid = await self.hypervisor.create_domain(vm)
        await self.hypervisor.build_domain(domid, vm)
        return domid

    async def booted(self, vm: VmSpec, *, vbds: tuple[Vbd, ...] = (), vifs: tuple[Vif, ...] = ()) -> DomId:
        """A running guest that is up and has connected its devices."""
        domid = await self.made(vm)
        for vbd in vbds:
            await self.hypervisor.plug_vbd(domid, vbd)
        for vif in vifs:
            await self.hypervisor.plug_vif(domid, vif)
        await self.hypervisor.start_device_model(domid, vm)
        await self.hypervisor.unpause_domain(domid)
        for cls, devid in [(DeviceClass.VBD, each.devid) for each in vbds] + [
            (DeviceClass.VIF, each.devid) for each in vifs
        ]:
            await self.in_state(domid, cls, devid, DeviceState.ATTACHED)
        await self.hand.is_up(domid)
        return domid

    async def in_state(self, domid: DomId, cls: DeviceClass, devid: DevId, state: DeviceState) -> None:
        """Wait until the device is in that state."""

        async def is_in() -> bool:
            status = await self.status(domid, cls, devid)
            return status is not None and status.state is state

        await self.eventually(is_in, f"{cls} {devid} is {state}")

    async def status(self, domid: DomId, cls: DeviceClass, devid: DevId) -> DeviceStatus | None:
        """The device as the driver shows it."""
        for status in await self.hypervisor.devices(domid):
            if (status.cls, status.devid) == (cls, devid):
                return status
        return None

    async def eventually(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait until it holds."""
        try:
            async with asyncio.timeout(self.patience):
                while not await holds():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"never came true within {self.patience:g} s: {what}") from None

    def disk(self, devid: DevId = XVDA, path: str = "", mode: VbdMode = VbdMode.RW) -> Vbd:
        """A disk on a file."""
        return Vbd(devid, Source(SourceKind.FILE, path or self.file), mode)

    def drive(self, source: Source | None = None) -> Vbd:
        """A CD drive, by default empty."""
        return Vbd(XVDC, source or Source(SourceKind.EMPTY), VbdMode.RO, VbdType.CD)

    def nic(self, devid: DevId = NIC0, bridge: str = "") -> Vif:
        """A network card."""
        return Vif(devid, MAC[:-1] + str(devid), bridge or self.bridge)


@dataclass(slots=True)
class Heard:
    """The events of one subscription, collected by a task."""

    events: list[DomainEvent] = field(default_factory=list)

    async def listen(self, hypervisor: Hypervisor) -> None:
        """Collect until cancelled or the driver is closed."""
        async for event in hypervisor.events():
            self.events.append(event)

    def has(self, kind: DomainEventKind, domid: DomId) -> bool:
        """Did that happen?"""
        return any(event.kind is kind and event.domid == domid for event in self.events)
