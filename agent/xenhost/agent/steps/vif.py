"""Steps on virtual network interfaces."""

import contextlib
from dataclasses import dataclass, replace
from typing import ClassVar

from xenhost.agent.steps.base import PORT_SECONDS, BaseStep, domid_of
from xenhost.core.devices import DeviceClass, Vif, VifLocking
from xenhost.core.errors import DomainGone, OperationNotAllowed
from xenhost.core.ids import DevId, DomId
from xenhost.core.network import VifNetwork
from xenhost.core.steps import Work


@dataclass(frozen=True, slots=True)
class PlugVif(BaseStep):
    """Connect a VIF."""

    kind: ClassVar[str] = "vif.plug"
    weight: ClassVar[int] = 2
    vif: Vif

    @property
    def deadline(self) -> float:
        """The driver gives up before."""
        return 300.0

    def text(self, work: Work) -> str:
        """For humans."""
        return f"plugging VIF {self.vif.devid}"

    async def apply(self, work: Work) -> None:
        """Return when its backend is ready, or the guest has its virtual function."""
        domid = domid_of(work)
        if work.networks.has_functions(self.vif.bridge):
            await self._pass_through(domid, work)
        else:
            await work.hypervisor.plug_vif(domid, effective(self.vif, await work.networks.ready(self.vif.bridge)))

    async def _pass_through(self, domid: DomId, work: Work) -> None:
        domain = await work.hypervisor.domain(domid)
        if domain is not None and (domain.cpu_time_ns or not domain.paused):
            raise not_while_running(self.vif.devid)
        devices = await work.hypervisor.devices(domid)
        if any(device.cls is DeviceClass.VIF and device.devid == self.vif.devid for device in devices):
            return
        async with work.networks.function(self.vif, work.hypervisor.functions) as vif:
            await work.hypervisor.plug_vif(domid, vif)

    async def undo(self, work: Work) -> None:
        """Take it away without asking the guest."""
        if work.domid is not None:
            await work.hypervisor.unplug_vif(work.domid, self.vif.devid, force=True, within=0.0)


@dataclass(frozen=True, slots=True)
class ChangeVif(BaseStep):
    """Make a plugged VIF another one in the same place."""

    kind: ClassVar[str] = "vif.change"
    weight: ClassVar[int] = 2
    vif: Vif
    before: Vif

    @property
    def deadline(self) -> float:
        """Its new network may have to come up."""
        return 300.0

    def text(self, work: Work) -> str:
        """For humans."""
        return f"changing VIF {self.vif.devid}"

    async def apply(self, work: Work) -> None:
        """It counts at once."""
        if work.domid is not None and self._is_function(work):
            raise not_while_running(self.vif.devid)
        await self._become(self.vif, work)

    async def undo(self, work: Work) -> None:
        """As it was, unless the domain is gone."""
        with contextlib.suppress(DomainGone):
            if not self._is_function(work):
                await self._become(self.before, work)

    def _is_function(self, work: Work) -> bool:
        """Is it a virtual function, or would it be?"""
        return any(work.networks.has_functions(vif.bridge) for vif in (self.vif, self.before))

    async def _become(self, vif: Vif, work: Work) -> None:
        if work.domid is not None:
            network = await work.networks.ready(vif.bridge)
            await work.hypervisor.update_vif(work.domid, effective(vif, network))


def has_functions(work: Work) -> bool:
    """Are VIFs of the VM virtual functions?"""
    return any(work.networks.has_functions(vif.bridge) for vif in work.spec.vifs)


def not_while_running(devid: DevId) -> OperationNotAllowed:
    """Of a VIF that is a virtual function, or would be."""
    message = f"VIF {devid} is on an SR-IOV network and is plugged, unplugged or changed only while the VM is halted"
    return OperationNotAllowed(message, reason_text=message)


def effective(vif: Vif, network: VifNetwork) -> Vif:
    """The VIF with what its network gives to it."""
    locking = VifLocking(network.default_locking) if vif.locking is VifLocking.NETWORK_DEFAULT else vif.locking
    return replace(vif, locking=locking, carrier=vif.carrier and network.carrier, network=network.network)


@dataclass(frozen=True, slots=True)
class UnplugVif(BaseStep):
    """Disconnect a VIF."""

    kind: ClassVar[str] = "vif.unplug"
    weight: ClassVar[int] = 2
    waits: ClassVar[bool] = True
    devid: DevId
    force: bool
    within: float

    @property
    def deadline(self) -> float:
        """The time of the guest, and ours."""
        return self.within + PORT_SECONDS

    def text(self, work: Work) -> str:
        """For humans."""
        return f"unplugging VIF {self.devid}"

    async def apply(self, work: Work) -> None:
        """Clean: the guest may refuse."""
        vif = work.spec.vif(self.devid)
        if work.domid is not None and vif is not None and work.networks.has_functions(vif.bridge):
            raise not_while_running(self.devid)
        if work.domid is not None:
            await work.hypervisor.unplug_vif(work.domid, self.devid, self.force, self.within)

    async def happened(self, work: Work) -> bool:
        """Is it gone?"""
        if work.domid is None:
            return True
        devices = await work.hypervisor.devices(work.domid)
        return not any(device.cls is DeviceClass.VIF and device.devid == self.devid for device in devices)
