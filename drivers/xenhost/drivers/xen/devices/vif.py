"""Virtual network interfaces: netback, joined to dom0's switch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from xenhost.core.devices import DeviceClass, Vif, checked_vif
from xenhost.core.errors import DeviceAlreadyAttached, DeviceAttachFailed
from xenhost.core.ids import DomId
from xenhost.drivers.network.vif_port import check_same_mac, vif_port
from xenhost.drivers.xen.devices import nodes
from xenhost.drivers.xen.devices.records import VifRecord, encode, path_of
from xenhost.drivers.xen.devices.wiring import Seen, Wiring, completed
from xenhost.drivers.xen.devices.xenbus import TAKEN, XenbusState
from xenhost.native.xenstore import Batch

_LINKS: Final = Path("/sys/class/net")


class Vifs:
    """Plugs VIFs."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring: Final = wiring

    async def plug(self, domid: DomId, vif: Vif) -> None:
        """See Hypervisor.plug_vif."""
        vif = checked_vif(vif)
        record = VifRecord(domid, vif)
        seen = await self._wiring.place(domid, DeviceClass.VIF, vif.devid)
        if self._is_plugged(seen, vif):
            return
        if seen.record is not None or seen.backend is not XenbusState.UNKNOWN:
            await completed(self._wiring.remove([record]))
        keys = nodes.vif_backend(domid, vif), nodes.vif_frontend(domid, vif)
        async with self._wiring.attaching(record, lambda: self._wiring.remove([record])):
            await self._wiring.create(record, *keys)  # netback makes its interface while it is probed
            try:
                await self._wiring.switch.connect_vif(vif_port(record.interface, vif))
            except DeviceAttachFailed as error:
                await self._retry(record, error)
            status = f"{nodes.backend_path(record)}/hotplug-status"
            batch = Batch()
            if vif.ipv4.address or vif.ipv6.address:
                nodes.guest_addresses(batch, domid, vif)
            await self._wiring.xs.apply(batch.write(status, "connected"))

    async def update(self, domid: DomId, vif: Vif) -> None:
        """See Hypervisor.update_vif. Our record comes first, so that what is begun is found again."""
        vif = checked_vif(vif)
        seen = await self._wiring.place(domid, DeviceClass.VIF, vif.devid)
        old = seen.record
        if not isinstance(old, VifRecord) or not seen.connected:
            return
        check_same_mac(old.vif.mac, vif)
        record = VifRecord(domid, vif)
        ports = [vif_port(record.interface, vif)]
        if (_LINKS / record.tap).exists():
            ports.append(vif_port(record.tap, vif))
        for port in ports:
            await self._wiring.switch.connect_vif(port)
        batch = Batch().write(path_of(record), encode(record))
        await self._wiring.xs.apply(nodes.change_vif(batch, record, old.vif))

    async def join_emulated(self, domid: DomId, vifs: Sequence[Vif]) -> None:
        """Put the taps of a guest's emulated cards on the switch. A tap that has vanished (the guest has switched its
        emulated cards off) is no error. Raises DeviceAttachFailed if there is no such bridge."""
        for vif in vifs:
            seen = await self._wiring.look(domid, DeviceClass.VIF, vif.devid)
            record = seen.record if isinstance(seen.record, VifRecord) else VifRecord(domid, checked_vif(vif))
            try:
                await self._wiring.switch.connect_vif(vif_port(record.tap, record.vif))
            except DeviceAttachFailed:
                if (_LINKS / record.tap).exists():
                    raise
                await self._wiring.switch.disconnect_vif(record.tap)

    def _is_plugged(self, seen: Seen, vif: Vif) -> bool:
        """Whether it is plugged as wanted. Raises DeviceAlreadyAttached if another one is plugged there."""
        record = seen.record
        if not isinstance(record, VifRecord) or not seen.connected or seen.backend not in TAKEN or seen.error:
            return False
        if record.vif != vif:
            raise DeviceAlreadyAttached(
                f"VIF {vif.devid} is plugged with other settings; unplug it first", device=str(vif.devid)
            )
        return True

    async def _retry(self, record: VifRecord, error: DeviceAttachFailed) -> None:
        """The interface could not be joined: perhaps netback's module is only just being loaded, or has refused."""
        seen = await self._wiring.taken(record)
        if seen.backend not in TAKEN:
            why = f"netback: {seen.error or 'no reason given'}"
            raise DeviceAttachFailed(
                f"VIF {record.devid} cannot be attached: {why}", device=str(record.devid), msg=why
            ) from error
        await self._wiring.switch.connect_vif(vif_port(record.interface, record.vif))
