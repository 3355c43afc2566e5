"""Devices of simulated domains: the device verbs of the port."""

from collections.abc import Collection, Sequence
from typing import Final

from xenhost.core.devices import DeviceClass, DeviceState, DeviceStatus, Vbd, VbdMode, VbdType, Vif
from xenhost.core.errors import DeviceDetachRejected, DeviceDetachTimeout, OperationNotAllowed
from xenhost.core.ids import DevId, DomId
from xenhost.drivers.network.vif_port import check_same_mac, vif_port
from xenhost.drivers.sim.checks import check_bridge, check_function, check_source, functions
from xenhost.drivers.sim.domain import SimDevice
from xenhost.drivers.sim.faults import Killed, When
from xenhost.drivers.sim.life import Life


class SimDevices:
    """Plugs and unplugs, with the port's promises."""

    def __init__(self, life: Life) -> None:
        self._life: Final = life
        self._world: Final = life.world

    async def plug_vbd(self, domid: DomId, vbd: Vbd) -> None:
        """Check its path (if so configured) and take a loop device for a file."""
        await self._life.reach("plug_vbd", When.BEFORE)
        domain = self._life.managed(domid)
        if self._world.device(domain, DeviceClass.VBD, vbd.devid) is not None:
            return
        if self._world.config.check_paths:
            await check_source(self._world, domain, vbd)
        device = SimDevice(DeviceClass.VBD, vbd.devid, source=vbd.source)
        device.writable = vbd.mode is VbdMode.RW
        device.removable = vbd.type is VbdType.CD
        await self._plug("plug_vbd", domid, device)

    async def unplug_vbd(self, domid: DomId, devid: DevId, force: bool, within: float) -> None:
        """The guest answers as its manners are."""
        await self._unplug("unplug_vbd", domid, DeviceClass.VBD, devid, force, within)

    async def change_medium(self, domid: DomId, vbd: Vbd) -> None:
        """Take the old one out, then put the new one in."""
        await self._life.reach("change_medium", When.BEFORE)
        domain = self._life.managed(domid)
        old = self._world.device(domain, DeviceClass.VBD, vbd.devid)
        if old is None or not old.removable:
            message = f"{vbd.device} is not a plugged CD drive"
            raise OperationNotAllowed(message, reason_text=message)
        if old.source == vbd.source:
            return
        self._world.change_source(domain, old, None)
        if self._world.config.check_paths:
            await check_source(self._world, domain, vbd)
        await self._life.reach("change_medium", When.DURING)
        domain = self._life.managed(domid)
        if self._world.device(domain, DeviceClass.VBD, vbd.devid) is old:
            self._world.change_source(domain, old, vbd.source)
            try:
                await self._life.reach("change_medium", When.AFTER)
            except Killed:
                raise
            except BaseException:
                self._world.change_source(domain, old, None)
                raise

    async def plug_vif(self, domid: DomId, vif: Vif) -> None:
        """Check that the bridge is one of the configured ones, or that nobody else has the virtual function."""
        await self._life.reach("plug_vif", When.BEFORE)
        domain = self._life.managed(domid)
        if self._world.device(domain, DeviceClass.VIF, vif.devid) is not None:
            return
        if vif.function:
            check_function(self._world, domain, vif)
        else:
            await self._connect(domid, vif)
        device = SimDevice(DeviceClass.VIF, vif.devid, bridge=vif.bridge, mac=vif.mac, locking=vif.locking.value)
        device.function = vif.function
        await self._plug("plug_vif", domid, device)

    async def functions(self) -> Collection[str]:
        """Those of half plugged VIFs too."""
        await self._life.reach("functions", When.BEFORE)
        return functions(self._world)

    async def update_vif(self, domid: DomId, vif: Vif) -> None:
        """Check the bridge, and that it is the same card."""
        await self._life.reach("update_vif", When.BEFORE)
        domain = self._life.managed(domid)
        device = domain.devices.get((DeviceClass.VIF, vif.devid))
        if device is None or not device.ready:
            return
        check_same_mac(device.mac, vif)
        await self._connect(domid, vif)
        await self._life.reach("update_vif", When.DURING)
        device.bridge, device.locking = vif.bridge, vif.locking.value
        self._world.changed(domain)
        await self._life.reach("update_vif", When.AFTER)

    async def unplug_vif(self, domid: DomId, devid: DevId, force: bool, within: float) -> None:
        """The guest answers as its manners are."""
        await self._unplug("unplug_vif", domid, DeviceClass.VIF, devid, force, within)

    async def _connect(self, domid: DomId, vif: Vif) -> None:
        """To the simulated switch, if there is one; else to one of the bridges of the configuration."""
        if self._world.switch is None:
            check_bridge(self._world.config, vif)
        else:
            await self._world.switch.connect_vif(vif_port(f"vif{domid}.{vif.devid}", vif))

    async def devices(self, domid: DomId) -> Sequence[DeviceStatus]:
        """Those that are plugged, in the order of plugging."""
        await self._life.reach("devices", When.BEFORE)
        domain = self._world.domains.get(domid)
        if domain is None or not domain.in_xen:
            return []
        return [device.status() for device in domain.devices.values() if device.ready]

    async def _plug(self, verb: str, domid: DomId, device: SimDevice) -> None:
        domain = self._life.managed(domid)
        half = domain.devices.get((device.cls, device.devid))
        if half is not None:
            self._world.detach(domain, half)
        self._world.attach(domain, device)
        try:
            await self._life.reach(verb, When.DURING)
            await self._life.sleep(self._world.config.delays.plug)
            domain = self._life.managed(domid)
            device.ready = True
            self._world.changed(domain)
            if domain.runs:
                self._world.guest(domid).connect()
            await self._life.reach(verb, When.AFTER)
        except Killed:
            raise
        except BaseException:
            if not self._life.dead and domain.devices.get((device.cls, device.devid)) is device:
                self._world.detach(domain, device)
                self._world.changed(domain)
                self._world.save_soon()
            raise

    async def _unplug(
        self, verb: str, domid: DomId, cls: DeviceClass, devid: DevId, force: bool, within: float
    ) -> None:
        await self._life.reach(verb, When.BEFORE)
        domain = self._world.domains.get(domid)
        if domain is None or not domain.in_xen:
            return
        device = self._life.managed(domid).devices.get((cls, devid))
        if device is None:
            return
        if device.ready and not force:
            await self._release(domid, device, within)
        if domain.devices.get((cls, devid)) is device:
            await self._life.reach(verb, When.DURING)
            self._world.detach(domain, device)
            self._world.changed(domain)
        await self._life.reach(verb, When.AFTER)

    async def _release(self, domid: DomId, device: SimDevice, within: float) -> None:
        """Ask the guest to let it go. A device that stays is as it was before."""
        domain = self._life.managed(domid)
        before, device.state = device.state, DeviceState.DETACHING
        if before is DeviceState.DETACHING:
            before = DeviceState.ATTACHED
        self._world.changed(domain)
        kind, name = device.cls.upper(), f"{device.cls} {device.devid}"
        try:
            answered = await self._life.ask(
                domid,
                lambda at: at.shutdown is not None or (at.runs and (at.manners.lets_go or bool(at.manners.refusal))),
                self._world.config.delays.release,
                within,
            )
            if not answered:
                raise DeviceDetachTimeout(
                    f"the guest did not release {name} within {within:g} s; a forced unplug does not ask it",
                    type=kind,
                    ref=str(device.devid),
                )
            refusal = domain.manners.refusal
            if refusal and domain.shutdown is None:
                raise DeviceDetachRejected(
                    f"the guest refuses to release {name}: {refusal}",
                    type=kind,
                    ref=str(device.devid),
                    msg=refusal,
                )
        except BaseException:
            if not self._life.dead:
                device.state = before
                self._world.changed(domain)
                self._world.save_soon()
            raise
