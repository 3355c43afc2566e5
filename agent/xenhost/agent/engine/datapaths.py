"""Letting VDIs go that no VBD uses any more: what an operation could not, or an earlier agent did not.

Goes by state: whatever storage has connected for a VBD that neither its VM's specification, nor its domain, nor an
operation under way knows of is disconnected, and tried again until that works.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from xenhost.agent.inventory.inventory import Inventory
from xenhost.agent.steps.patience import before
from xenhost.agent.steps.vdi import datapath_of, datapath_prefix
from xenhost.core.clock import Clock
from xenhost.core.devices import DeviceClass, SourceKind
from xenhost.core.errors import XenhostError
from xenhost.core.ids import DomId, VmId
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.ports.storage import Datapaths

RETRY_SECONDS: Final = 60.0
"""Pause before what could not be let go is tried again."""


class DatapathSweeper:
    """One task. Idle unless told that something is left over."""

    def __init__(self, hypervisor: Hypervisor, storage: Datapaths, inventory: Inventory, clock: Clock) -> None:
        self._hypervisor: Final = hypervisor
        self._storage: Final = storage
        self._inventory: Final = inventory
        self._clock: Final = clock
        self._log: Final = structlog.get_logger("xenhost.engine")
        self._wake: Final = asyncio.Event()
        self.is_lost: Callable[[VmId], bool] = lambda vm: False
        """VMs whose specification cannot be read: their datapaths are nobody's to touch."""

    def look(self) -> None:
        """Something may be left over."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while not await self.sweep():
                await before(self._clock, RETRY_SECONDS, self._wake.wait())
                self._wake.clear()

    async def sweep(self) -> bool:
        """Let go what nobody uses. Is nothing left to do? What an operation works on is looked at later."""
        done = True
        for datapath in list(self._storage.datapaths()):
            vm = _vm_of(datapath)
            if vm is None or self.is_lost(vm):
                continue
            if self._is_busy(vm):
                done = False
                continue
            try:
                if await self._is_unused(datapath, vm):
                    self._log.warning("disconnecting a VDI that no VBD uses", datapath=datapath)
                    await self._storage.disconnect(datapath)
            except XenhostError as error:
                self._log.warning("a VDI cannot be disconnected yet", datapath=datapath, error=str(error))
                done = False
        return done

    async def _is_unused(self, datapath: str, vm: VmId) -> bool:
        """Certainly? The answer holds until the next await."""
        record = self._inventory.get(vm)
        if record is None:  # deleted; or a domain of it is still to be destroyed
            domains = await self._hypervisor.domains()
            return not any(domain.vm == vm for domain in domains) and self._inventory.get(vm) is None
        if record.attention:
            return False
        if record.domid is None:
            return True
        wanted = {datapath_of(vm, vbd.devid) for vbd in record.spec.vbds if vbd.source.kind is SourceKind.VDI}
        return (
            datapath not in wanted and not await self._is_plugged(datapath, vm, record.domid) and not self._is_busy(vm)
        )

    def _is_busy(self, vm: VmId) -> bool:
        record = self._inventory.get(vm)
        return record is not None and record.busy is not None

    async def _is_plugged(self, datapath: str, vm: VmId, domid: DomId) -> bool:
        """Has the domain something in that place? A drive counts only with a medium in it."""
        devices = await self._hypervisor.devices(domid)
        return any(
            device.cls is DeviceClass.VBD
            and datapath_of(vm, device.devid) == datapath
            and (device.source is None or device.source.kind is not SourceKind.EMPTY)
            for device in devices
        )


def _vm_of(datapath: str) -> VmId | None:
    """The VM of a datapath of ours; None: it is somebody else's, such as a copy."""
    match datapath.split("/"):
        case ["vbd", vm, device] if datapath == datapath_prefix(VmId(vm)) + device:
            return VmId(vm)
    return None
