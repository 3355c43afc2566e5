"""The device verbs of the Xen driver."""

from collections.abc import Sequence
from typing import Final

from xenhost.core.devices import DeviceClass, DeviceStatus, Vbd, Vif
from xenhost.core.ids import DevId, DomId
from xenhost.drivers.xen import paths
from xenhost.drivers.xen.devices.kernel import Settling
from xenhost.drivers.xen.devices.records import DeviceRecord, VbdRecord, decode, status
from xenhost.drivers.xen.devices.vbd import Vbds
from xenhost.drivers.xen.devices.vif import Vifs
from xenhost.drivers.xen.devices.wiring import Patience, Wiring, completed
from xenhost.drivers.xen.devices.xenbus import XenbusState, parse_state, xenstore_failures
from xenhost.native.xenstore import Xenstore

_ASKABLE: Final = frozenset(XenbusState) - {
    XenbusState.UNKNOWN,
    XenbusState.INITIALISING,
    XenbusState.INIT_WAIT,
    XenbusState.CLOSED,
}
"""Backends in these states have, or had just now, a frontend to talk to."""


class Devices:
    """Devices of the domains that are ours. Several may be worked on at once, also of one domain that is being built.

    The contract of each verb is in xenhost.core.ports.hypervisor.Hypervisor. `kernel` is to be open while it is used.
    """

    def __init__(self, xs: Xenstore, kernel: Settling, patience: Patience = Patience()) -> None:  # noqa: B008  # frozen
        self._xs: Final = xs
        self._wiring: Final = Wiring(xs, kernel, patience)
        self._vbds: Final = Vbds(self._wiring)
        self._vifs: Final = Vifs(self._wiring)

    async def plug_vbd(self, domid: DomId, vbd: Vbd, *, emulated: bool = False) -> None:
        """See Hypervisor. `emulated`: an emulator serves the CD drives of this guest, so they get no backend."""
        with xenstore_failures():
            await self._vbds.plug(domid, vbd, emulated=emulated)

    async def change_medium(self, domid: DomId, vbd: Vbd, *, emulated: bool = False) -> None:
        """See Hypervisor. `emulated`: only the record is changed; the caller has told the emulator before."""
        with xenstore_failures():
            await self._vbds.change_medium(domid, vbd, emulated=emulated)

    async def plug_vif(self, domid: DomId, vif: Vif) -> None:
        """See Hypervisor."""
        with xenstore_failures():
            await self._vifs.plug(domid, vif)

    async def unplug_vbd(self, domid: DomId, devid: DevId, force: bool, within: float) -> None:
        """See Hypervisor."""
        await self._unplug(domid, DeviceClass.VBD, devid, force, within)

    async def unplug_vif(self, domid: DomId, devid: DevId, force: bool, within: float) -> None:
        """See Hypervisor."""
        await self._unplug(domid, DeviceClass.VIF, devid, force, within)

    async def backing_device(self, domid: DomId, devid: DevId) -> str:
        """The block device in dom0 that holds the data of a plugged VBD, for emulator and boot loader; may be empty."""
        with xenstore_failures():
            record = (await self._wiring.look(domid, DeviceClass.VBD, devid)).record
        return record.device if isinstance(record, VbdRecord) else ""

    async def devices(self, domid: DomId) -> Sequence[DeviceStatus]:
        """See Hypervisor."""
        with xenstore_failures():
            records = await self._records(domid)
            ends = [paths.backend(record.domid, record.cls, record.devid) for record in records]
            found = await self._xs.read_many([f"{end}/{key}" for end in ends for key in ("state", "hotplug-status")])
        statuses = []
        for record, state, connected in zip(records, found[::2], found[1::2], strict=True):
            known = connected if isinstance(connected, bytes) else None
            statuses.append(status(record, parse_state(state), known))
        return statuses

    async def remove_all(self, domid: DomId) -> None:
        """Take away every device of a domain, alive or not; for its destruction. Never waits for the guest.

        Idempotent. Raises DeviceDetachTimeout if dom0's kernel does not let go of some; then call it again.
        """
        with xenstore_failures():
            records = await self._records(domid)
            if records:
                await self._wiring.remove(records)
            await self._xs.rm_many([paths.backends(domid, cls) for cls in DeviceClass])

    async def _unplug(self, domid: DomId, cls: DeviceClass, devid: DevId, force: bool, within: float) -> None:
        with xenstore_failures():
            seen = await self._wiring.look(domid, cls, devid)
            if seen.record is None:
                return
            if not force and seen.record.backend and seen.backend in _ASKABLE:
                await self._wiring.ask(seen.record, within)
            # From here on it goes, whoever loses patience: half a device is of no use to anybody.
            await completed(self._wiring.remove([seen.record]))

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
            if isinstance(value, bytes)
        ]
