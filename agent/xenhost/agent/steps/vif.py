"""Steps on virtual network interfaces."""

import contextlib
from dataclasses import dataclass, replace
from typing import ClassVar

from xenhost.agent.steps.base import PORT_SECONDS, BaseStep, domid_of
from xenhost.core.devices import DeviceClass, Vif, VifLocking
from xenhost.core.errors import DomainGone
from xenhost.core.ids import DevId
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
        """Return when its backend is ready."""
        domid = domid_of(work)
        await work.hypervisor.plug_vif(domid, effective(self.vif, await work.networks.ready(self.vif.bridge)))

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
        await self._become(self.vif, work)

    async def undo(self, work: Work) -> None:
        """As it was, unless the domain is gone."""
        with contextlib.suppress(DomainGone):
            await self._become(self.before, work)

    async def _become(self, vif: Vif, work: Work) -> None:
        if work.domid is not None:
            network = await work.networks.ready(vif.bridge)
            await work.hypervisor.update_vif(work.domid, effective(vif, network))


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
        if work.domid is not None:
            await work.hypervisor.unplug_vif(work.domid, self.devid, self.force, self.within)

    async def happened(self, work: Work) -> bool:
        """Is it gone?"""
        if work.domid is None:
            return True
        devices = await work.hypervisor.devices(work.domid)
        return not any(device.cls is DeviceClass.VIF and device.devid == self.devid for device in devices)
