"""Steps on virtual block devices."""

from dataclasses import dataclass, replace
from typing import ClassVar

from xenhost.agent.steps.base import PORT_SECONDS, BaseStep, domid_of
from xenhost.agent.steps.vdi import resolved
from xenhost.core.devices import DeviceClass, Source, SourceKind, Vbd
from xenhost.core.ids import DevId, device_name
from xenhost.core.steps import Work
from xenhost.core.storage_errors import VdiNotAvailable


@dataclass(frozen=True, slots=True)
class PlugVbd(BaseStep):
    """Connect a VBD."""

    kind: ClassVar[str] = "vbd.plug"
    weight: ClassVar[int] = 2
    vbd: Vbd

    @property
    def deadline(self) -> float:
        """The driver gives up before."""
        return 300.0

    def text(self, work: Work) -> str:
        """For humans."""
        return f"plugging {self.vbd.device}"

    async def apply(self, work: Work) -> None:
        """Return when its backend is ready."""
        await work.hypervisor.plug_vbd(domid_of(work), resolved(work, self.vbd))

    async def undo(self, work: Work) -> None:
        """Take it away without asking the guest."""
        if work.domid is not None:
            await work.hypervisor.unplug_vbd(work.domid, self.vbd.devid, force=True, within=0.0)


@dataclass(frozen=True, slots=True)
class UnplugVbd(BaseStep):
    """Disconnect a VBD."""

    kind: ClassVar[str] = "vbd.unplug"
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
        return f"unplugging {device_name(self.devid)}"

    async def apply(self, work: Work) -> None:
        """Clean: the guest may refuse."""
        if work.domid is not None:
            await work.hypervisor.unplug_vbd(work.domid, self.devid, self.force, self.within)

    async def happened(self, work: Work) -> bool:
        """Is it gone?"""
        return await _source(work, self.devid) is None


@dataclass(frozen=True, slots=True)
class ChangeMedium(BaseStep):
    """Put a medium into an empty drive, or take it out."""

    kind: ClassVar[str] = "vbd.medium"
    weight: ClassVar[int] = 2
    vbd: Vbd
    """With the source it is to have."""

    def text(self, work: Work) -> str:
        """For humans."""
        verb = "ejecting the medium of" if self.vbd.source.kind is SourceKind.EMPTY else "inserting a medium into"
        return f"{verb} {self.vbd.device}"

    async def apply(self, work: Work) -> None:
        """Change it."""
        await work.hypervisor.change_medium(domid_of(work), resolved(work, self.vbd))

    async def undo(self, work: Work) -> None:
        """Leave the drive empty after an insertion. An ejection is not undone: it has happened, or it has not."""
        if self.vbd.source.kind is SourceKind.EMPTY:
            return
        if work.domid is not None and await _source(work, self.vbd.devid) is not None:
            await work.hypervisor.change_medium(work.domid, replace(self.vbd, source=Source(SourceKind.EMPTY)))

    async def happened(self, work: Work) -> bool:
        """Is the drive as it should be?"""
        found = await _source(work, self.vbd.devid)
        try:
            return found == resolved(work, self.vbd).source
        except VdiNotAvailable:
            return False


async def _source(work: Work, devid: DevId) -> Source | None:
    """What is in a plugged VBD; None if it is not plugged."""
    if work.domid is None:
        return None
    for device in await work.hypervisor.devices(work.domid):
        if device.cls is DeviceClass.VBD and device.devid == devid:
            return device.source or Source(SourceKind.EMPTY)
    return None
