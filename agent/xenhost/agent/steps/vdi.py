"""Steps on the datapaths of VBDs that a VDI backs.

What cannot be let go now never holds a VM up: the engine lets it go later (engine/datapaths.py).
"""

import contextlib
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from xenhost.agent.steps.base import BaseStep
from xenhost.core.devices import IoLimits, SourceKind, Vbd, VbdMode
from xenhost.core.errors import XenhostError
from xenhost.core.ids import DevId, DomId, VmId, device_name
from xenhost.core.steps import Work
from xenhost.core.storage import AttachMode, VdiId
from xenhost.core.storage_errors import VdiNotAvailable

CONNECT_SECONDS: Final = 300.0
"""Storage gives up before: servers that do not answer have deadlines of their own."""


@dataclass(frozen=True, slots=True)
class ConnectVdi(BaseStep):
    """Attach and activate the VDI of a VBD, so that it can be plugged."""

    kind: ClassVar[str] = "vdi.connect"
    weight: ClassVar[int] = 2
    vbd: Vbd

    @property
    def deadline(self) -> float:
        """For a slow server."""
        return CONNECT_SECONDS

    def text(self, work: Work) -> str:
        """For humans."""
        return f"connecting the VDI of {self.vbd.device}"

    async def apply(self, work: Work) -> None:
        """Storage remembers it."""
        mode = AttachMode.RO if self.vbd.mode is VbdMode.RO else AttachMode.RW
        datapath = datapath_of(work.spec.id, self.vbd.devid)
        await work.storage.connect(datapath, VdiId(self.vbd.source.path), mode, self.vbd.limits)

    async def undo(self, work: Work) -> None:
        """Let it go."""
        await let_go(work, datapath_of(work.spec.id, self.vbd.devid))


@dataclass(frozen=True, slots=True)
class DisconnectVdi(BaseStep):
    """Let the VDI of a VBD go that is not plugged any more."""

    kind: ClassVar[str] = "vdi.disconnect"
    devid: DevId

    @property
    def deadline(self) -> float:
        """For a slow server."""
        return CONNECT_SECONDS

    def text(self, work: Work) -> str:
        """For humans."""
        return f"disconnecting the VDI of {device_name(self.devid)}"

    async def apply(self, work: Work) -> None:
        """Now, or later."""
        await let_go(work, datapath_of(work.spec.id, self.devid))


@dataclass(frozen=True, slots=True)
class DisconnectVdis(BaseStep):
    """Let all VDIs of a VM go whose domain is destroyed."""

    kind: ClassVar[str] = "vdi.disconnect_all"
    domid: DomId

    @property
    def deadline(self) -> float:
        """For a slow server."""
        return CONNECT_SECONDS

    def text(self, work: Work) -> str:
        """For humans."""
        return "disconnecting the VDIs"

    async def apply(self, work: Work) -> None:
        """Whatever the specification says by now.

        Not if the VM has another domain: then this is done again after a crash, and the restart was under way already.
        """
        for domain in await work.hypervisor.domains():
            if domain.vm == work.spec.id and domain.domid != self.domid:
                work.unreleased = True
                return
        prefix = datapath_prefix(work.spec.id)
        for datapath in [each for each in work.storage.datapaths() if each.startswith(prefix)]:
            await let_go(work, datapath)


@dataclass(frozen=True, slots=True)
class LimitVdi(BaseStep):
    """Change what a guest may do with the VDI of a plugged VBD."""

    kind: ClassVar[str] = "vdi.limit"
    devid: DevId
    limits: IoLimits
    before: IoLimits
    """Those it had."""

    @property
    def deadline(self) -> float:
        """For a slow server."""
        return CONNECT_SECONDS

    def text(self, work: Work) -> str:
        """For humans."""
        return f"changing the limits of {device_name(self.devid)}"

    async def apply(self, work: Work) -> None:
        """It counts at once."""
        await work.storage.limit(datapath_of(work.spec.id, self.devid), self.limits)

    async def undo(self, work: Work) -> None:
        """Those it had before, unless the VDI is not used any more."""
        with contextlib.suppress(VdiNotAvailable):
            await work.storage.limit(datapath_of(work.spec.id, self.devid), self.before)


def datapath_prefix(vm: VmId) -> str:
    """What the names of all datapaths of a VM begin with."""
    return f"vbd/{vm}/"


def image_datapath(vm: VmId) -> str:
    """The name of the datapath of the VM's suspend image."""
    return datapath_prefix(vm) + "suspend"


def datapath_of(vm: VmId, devid: DevId) -> str:
    """The name of a VBD's datapath."""
    return datapath_prefix(vm) + device_name(devid)


def resolved(work: Work, vbd: Vbd) -> Vbd:
    """The VBD as the hypervisor takes it, with what its datapath leads to. Raises VdiNotAvailable if it has none."""
    if vbd.source.kind is not SourceKind.VDI:
        return vbd
    source = work.storage.source(datapath_of(work.spec.id, vbd.devid))
    if source is None:
        raise VdiNotAvailable(
            f"VDI {vbd.source.path} of {vbd.device} of VM {work.spec.id} is not connected", vdi=vbd.source.path
        )
    return replace(vbd, source=source, limits=IoLimits())


async def let_go(work: Work, datapath: str) -> None:
    """Disconnect it, now or later."""
    try:
        await work.storage.disconnect(datapath)
    except XenhostError:  # the engine tries it again, and reports what it fails with
        work.unreleased = True
