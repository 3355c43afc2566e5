"""The device verbs of the Xen driver."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from xenhost.core.devices import DeviceClass, DeviceStatus, Source, SourceKind, Vbd, Vif
from xenhost.core.ids import DevId, DomId
from xenhost.core.ports.network import VifSwitch
from xenhost.drivers.xen import paths
from xenhost.drivers.xen.devices.functions import Functions
from xenhost.drivers.xen.devices.kernel import KernelEvents, Settling
from xenhost.drivers.xen.devices.pci_bus import PciBus
from xenhost.drivers.xen.devices.records import DeviceRecord, VbdRecord, VifRecord, decode, status
from xenhost.drivers.xen.devices.vbd import MediumChanger, Vbds
from xenhost.drivers.xen.devices.vif import Vifs
from xenhost.drivers.xen.devices.wiring import Patience, Wiring, completed
from xenhost.drivers.xen.devices.xenbus import ASKABLE, parse_state
from xenhost.drivers.xen.hypercalls import Hypercalls
from xenhost.native.xenstore import Xenstore


class Devices:
    """Devices of the domains that are ours. Several may be worked on at once, also of one domain that is being built.

    The contract of each verb is in xenhost.core.ports.hypervisor.Hypervisor, except that errors of xenstore pass.
    """

    def __init__(
        self,
        xs: Xenstore,
        switch: VifSwitch,
        *,
        emulators: MediumChanger | None = None,
        kernel: Settling | None = None,
        patience: Patience | None = None,
        xen: Hypercalls | None = None,
    ) -> None:
        self._xs: Final = xs
        self._kernel: Final = kernel or KernelEvents(xs)
        self._wiring: Final = Wiring(xs, self._kernel, switch, patience or Patience())
        self._vbds: Final = Vbds(self._wiring, emulators)
        self._vifs: Final = Vifs(self._wiring)
        self._functions: Final = Functions(self._wiring, xen or Hypercalls(), PciBus())

    async def open(self) -> None:
        """Connect to dom0's kernel. Raises ConnectionLost. The xenstore client is connected already."""
        await self._kernel.open()

    async def close(self) -> None:
        """Let go of the kernel; devices stay as they are. Idempotent."""
        await self._kernel.close()

    async def plug_vbd(self, domid: DomId, vbd: Vbd) -> None:
        """See Hypervisor."""
        await self._vbds.plug(domid, vbd)

    async def change_medium(self, domid: DomId, vbd: Vbd) -> None:
        """See Hypervisor."""
        await self._vbds.change_medium(domid, vbd)

    async def plug_vif(self, domid: DomId, vif: Vif) -> None:
        """See Hypervisor."""
        await (self._functions if vif.function else self._vifs).plug(domid, vif)

    async def update_vif(self, domid: DomId, vif: Vif) -> None:
        """See Hypervisor."""
        await self._vifs.update(domid, vif)

    async def unplug_vbd(self, domid: DomId, devid: DevId, force: bool, within: float) -> None:
        """See Hypervisor."""
        await self._unplug(domid, DeviceClass.VBD, devid, force, within)

    async def unplug_vif(self, domid: DomId, devid: DevId, force: bool, within: float) -> None:
        """See Hypervisor."""
        await self._unplug(domid, DeviceClass.VIF, devid, force, within)

    async def devices(self, domid: DomId) -> Sequence[DeviceStatus]:
        """See Hypervisor."""
        records = await self._records(domid)
        ends = [paths.backend(record.domid, record.cls, record.devid) for record in records]
        found = await self._xs.read_many([f"{end}/{key}" for end in ends for key in ("state", "hotplug-status")])
        return [
            shown
            for record, state, hotplug in zip(records, found[::2], found[1::2], strict=True)
            if (shown := status(record, parse_state(state), hotplug == b"connected"))
        ]

    async def teardown(self, domid: DomId) -> None:
        """Take away every device of a domain, alive, dying or forgotten by Xen. Never waits for the guest.

        Idempotent. Raises DeviceDetachTimeout if dom0's kernel does not let go in time, DeviceAttachFailed if a virtual
        function cannot be given back to dom0; then call it again.
        """
        functions, others = _parted(await self._records(domid))
        if others:
            await self._wiring.remove(others)
        await self._functions.remove(functions)
        await self._xs.rm_many([paths.backends(domid, cls) for cls in DeviceClass])

    async def functions_of(self, domid: DomId) -> Mapping[DevId, str]:
        """PCI addresses of a domain's virtual functions."""
        return {record.devid: record.vif.function for record in _parted(await self._records(domid))[0]}

    async def disconnect_functions(self, domid: DomId) -> None:
        """Stop its virtual functions, before the end of a domain that runs no more. Raises DeviceDetachTimeout."""
        await self._functions.disconnect(_parted(await self._records(domid))[0])

    async def functions(self) -> Collection[str]:
        """See Hypervisor."""
        domids = [DomId(int(name)) for name in await self._xs.ls(paths.RECORDS) if name.isdigit()]
        records = await asyncio.gather(*(self._records(domid) for domid in domids))
        return {record.vif.function for found in records for record in _parted(found)[0]}

    # For the emulator of an HVM guest

    async def media(self, domid: DomId) -> Mapping[DevId, Source]:
        """What is in each plugged VBD, a block device or a CD image; empty drives are not there."""
        records = [record for record in await self._records(domid) if isinstance(record, VbdRecord)]
        return {
            record.devid: replace(record.vbd.source, kind=SourceKind.BLOCK, path=record.device)
            if record.device
            else record.vbd.source
            for record in records
            if record.vbd.source.kind is not SourceKind.EMPTY
        }

    async def join_emulated(self, domid: DomId, vifs: Sequence[Vif]) -> None:
        """Put the taps of emulated network cards on their bridges. Raises DeviceAttachFailed."""
        await self._vifs.join_emulated(domid, vifs)

    async def _unplug(self, domid: DomId, cls: DeviceClass, devid: DevId, force: bool, within: float) -> None:
        seen = await self._wiring.look(domid, cls, devid)
        if seen.record is None:
            return
        closed = False
        if not force and seen.record.backend and seen.backend in ASKABLE:
            await self._wiring.ask(seen.record, within)
            closed = True
        # From here on it goes, whoever loses patience: half a device is of no use to anybody.
        if isinstance(seen.record, VifRecord) and seen.record.vif.function:
            await completed(self._functions.remove([seen.record]))
        else:
            await completed(self._wiring.remove([seen.record], closed=closed))

    async def _records(self, domid: DomId) -> list[DeviceRecord]:
        """Our records of a domain's devices."""
        listings = await self._xs.ls_many([paths.record_class(domid, cls) for cls in DeviceClass])
        places = [
            (cls, DevId(int(name)))
            for cls, names in zip(DeviceClass, listings, strict=True)
            if isinstance(names, list)
            for name in names
        ]
        values = await self._xs.read_many([paths.record_device(domid, cls, devid) for cls, devid in places])
        return [
            decode(domid, cls, devid, value)
            for (cls, devid), value in zip(places, values, strict=True)
            if isinstance(value, bytes) and value
        ]


def _parted(records: Sequence[DeviceRecord]) -> tuple[list[VifRecord], list[DeviceRecord]]:
    """Those of virtual functions, and the others."""
    functions = [record for record in records if isinstance(record, VifRecord) and record.vif.function]
    return functions, [record for record in records if record not in functions]
