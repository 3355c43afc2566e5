"""Steps on virtual network interfaces."""

from dataclasses import dataclass
from typing import ClassVar

from xenhost.agent.steps.base import PORT_SECONDS, BaseStep, domid_of
from xenhost.core.devices import DeviceClass, Vif
from xenhost.core.ids import DevId
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
        await work.hypervisor.plug_vif(domid_of(work), self.vif)

    async def undo(self, work: Work) -> None:
        """Take it away without asking the guest."""
        if work.domid is not None:
            await work.hypervisor.unplug_vif(work.domid, self.vif.devid, force=True, within=0.0)


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
