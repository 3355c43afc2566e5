"""VIFs that are virtual functions (SR-IOV): PCI devices that guests drive.

Xen-pciback keeps them from dom0 meanwhile. A PV guest reaches them through it, on one PCI bus with all its functions;
an HVM guest through its emulator, which is started with them. What a VIF has is in our record before the function is
taken from dom0, and the record goes when dom0 has it back.

Sources: xen/include/public/io/pciif.h; linux drivers/xen/xen-pciback/xenbus.c; libxl_pci.c for what is asked of Xen.
"""

import asyncio
import errno
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from xenhost.core.devices import DeviceClass, Vif, checked_vif
from xenhost.core.errors import DeviceAlreadyAttached, DeviceAttachFailed
from xenhost.core.ids import DomId
from xenhost.core.units import MIB
from xenhost.core.vm import VmType
from xenhost.drivers.network.vif_port import check_can_have_function
from xenhost.drivers.xen import paths
from xenhost.drivers.xen.devices import nodes
from xenhost.drivers.xen.devices.pci_bus import PciBus, PciResources, number_of
from xenhost.drivers.xen.devices.records import VifRecord
from xenhost.drivers.xen.devices.wiring import Wiring, completed
from xenhost.drivers.xen.devices.xenbus import XenbusState, changes, guest_text, parse_state
from xenhost.drivers.xen.hypercalls import Hypercalls
from xenhost.native.xen_types import PAGE_SIZE
from xenhost.native.xenctrl import Xenctrl, XenctrlError
from xenhost.native.xenstore import Batch, Transaction

_QUARANTINE: Final = 0x7FF1
"""DOMID_IO: Xen keeps a device there after it was with a guest, until it is given to somebody."""
_NOT_THERE: Final = frozenset({errno.ESRCH, errno.ENODEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
"""How Xen says that a domain or its device is gone, or that there is no IOMMU."""


class Functions:
    """Gives functions to domains, and takes them back."""

    def __init__(self, wiring: Wiring, xen: Hypercalls, bus: PciBus) -> None:
        self._wiring: Final = wiring
        self._xen: Final = xen
        self._bus: Final = bus
        self._writing: Final = asyncio.Lock()

    async def plug(self, domid: DomId, vif: Vif) -> None:
        """See Hypervisor.plug_vif."""
        vif = checked_vif(vif)
        try:
            number = number_of(vif.function)
        except ValueError as error:
            raise _failed(vif, str(error)) from error
        record = VifRecord(domid, vif)
        seen = await self._wiring.place(domid, DeviceClass.VIF, vif.devid)
        assert seen.guest is not None
        check_can_have_function(vif, seen.guest)
        if isinstance(seen.record, VifRecord) and seen.record.given:
            if seen.record.vif == vif:
                return
            raise DeviceAlreadyAttached(f"VIF {vif.devid} is plugged already", device=str(vif.devid))
        if not (await self._xen.run(Xenctrl.physinfo)).directio:
            raise _failed(vif, "this host has no IOMMU, without which a guest with a PCI device could reach all memory")
        if isinstance(seen.record, VifRecord):  # an earlier try was cut short
            await completed(self.remove([seen.record]))
        if await asyncio.to_thread(self._bus.is_kept, vif.function):
            raise _failed(vif, f"somebody else has given {vif.function} to xen-pciback")
        async with self._wiring.attaching(record, lambda: self.remove([record])):
            await self._wiring.xs.apply(nodes.record_batch(record))
            try:
                await completed(asyncio.to_thread(self._bus.seize, vif.function))
                resources = await asyncio.to_thread(self._bus.resources, vif.function)
            except (OSError, ValueError) as error:
                raise _failed(vif, f"{vif.function} cannot be taken from dom0: {error}") from error
            if seen.guest is VmType.PV:
                await self._check_memory(domid, vif, resources)
            try:
                await self._xen.run(_permit, domid, resources, True)
                await self._xen.run(Xenctrl.assign_device, domid, number)
            except XenctrlError as error:
                raise _failed(vif, f"Xen does not give {vif.function} to domain {domid}: {error}") from error
            if seen.guest is VmType.PV:
                await self._export(domid, vif)
            await self._wiring.xs.apply(nodes.record_batch(replace(record, given=True)))

    async def disconnect(self, records: Sequence[VifRecord]) -> None:
        """Take the PCI bus of a domain away, whatever its guest thinks of it. Raises DeviceDetachTimeout.

        Of all its functions: a domain that loses one is about to go. Xen-pciback resets them. An HVM guest has no such
        bus, and no emulator any more.
        """
        for domid in {record.domid for record in records}:
            batch = Batch()
            for path in (paths.frontends(domid, nodes.PCI), paths.backends(domid, nodes.PCI)):
                batch.rm(path)
            await self._wiring.let_go([record for record in records if record.domid == domid], batch)

    async def release(self, records: Sequence[VifRecord]) -> None:
        """Give functions back to dom0, and forget them. Of domains that do not run.

        Idempotent. Raises DeviceAttachFailed if one cannot be given back: its record then stays.
        """
        for record in records:
            function = record.vif.function
            try:
                resources = await asyncio.to_thread(self._bus.resources, function)
                await self._xen.run(_revoke, record.domid, number_of(function), resources)
                await completed(asyncio.to_thread(self._bus.release, function))
            except FileNotFoundError:
                pass  # the function is gone, with its card
            except (OSError, ValueError) as error:
                raise _failed(record.vif, f"{function} cannot be given back to dom0: {error}") from error
            await self._wiring.forget([record])

    async def remove(self, records: Sequence[VifRecord]) -> None:
        """Both of it."""
        await self.disconnect(records)
        await self.release(records)

    async def _check_memory(self, domid: DomId, vif: Vif, resources: PciResources) -> None:
        """A PV guest finds its devices at the host's addresses, where it must not have memory of its own."""
        info = await self._xen.run(Xenctrl.domain, domid)
        lowest = min((first * PAGE_SIZE for first, _ in resources.frames), default=None)
        if info is not None and lowest is not None and info.max_memory > lowest:
            raise _failed(
                vif, f"{vif.function} is at {lowest:#x}: a PV guest that has it can have {lowest // MIB} MiB of memory"
            )

    async def _export(self, domid: DomId, vif: Vif) -> None:
        """Put it on the guest's PCI bus, and return when xen-pciback has done so. Raises DeviceAttachFailed."""
        xs, mine = self._wiring.xs, paths.backend(domid, nodes.PCI, nodes.PCI_BUS)
        async with self._writing:  # not to conflict with ourselves
            count = int(await xs.get_str(f"{mine}/num_devs") or 0)
            batch = nodes.pci_batch(domid, count, vif.function)

            async def write(tx: Transaction) -> None:
                await tx.apply(batch)

            await xs.transact(write)
        place, error = f"{mine}/state-{count}", f"{nodes.backend_error(domid, nodes.PCI, nodes.PCI_BUS)}/error"
        async with changes(xs, place, error) as changed:
            while True:
                changed.clear()
                state, why = await xs.read_many([place, error])
                if parse_state(state) is XenbusState.INITIALISED:
                    return
                if refusal := guest_text(why):
                    raise _failed(vif, f"xen-pciback: {refusal}")
                await changed.wait()


def _permit(xen: Xenctrl, domid: DomId, resources: PciResources, allow: bool) -> None:
    for first, count in resources.ports:
        xen.permit_ports(domid, first, count, allow)
    for first, count in resources.frames:
        xen.permit_frames(domid, first, count, allow)
    if resources.irq:
        xen.permit_irq(domid, resources.irq, allow)


def _revoke(xen: Xenctrl, domid: DomId, number: int, resources: PciResources) -> None:
    """A domain that is gone has nothing any more; out of the quarantine a device can be of use to dom0."""
    calls: tuple[Callable[[], None], ...] = (
        partial(xen.deassign_device, domid, number),
        partial(xen.deassign_device, _QUARANTINE, number),
        partial(_permit, xen, domid, resources, False),
    )
    for call in calls:
        try:
            call()
        except XenctrlError as error:
            if error.errno not in _NOT_THERE:
                raise


def _failed(vif: Vif, message: str) -> DeviceAttachFailed:
    return DeviceAttachFailed(f"VIF {vif.devid} cannot be attached: {message}", device=str(vif.devid), msg=message)
