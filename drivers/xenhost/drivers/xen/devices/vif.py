"""Virtual network interfaces: netback, joined to a Linux bridge."""

import asyncio
import errno
import os
from collections.abc import Sequence
from typing import Final

from xenhost.core.devices import DeviceClass, Vif, checked_vif
from xenhost.core.errors import DeviceAlreadyAttached, DeviceAttachFailed
from xenhost.core.ids import DomId
from xenhost.drivers.network import bridge
from xenhost.drivers.xen.devices import nodes
from xenhost.drivers.xen.devices.records import VifRecord
from xenhost.drivers.xen.devices.wiring import Seen, Wiring, completed
from xenhost.drivers.xen.devices.xenbus import TAKEN, XenbusState
from xenhost.drivers.xen.emulator.command_line import tap_name
from xenhost.native.xenstore import Batch


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
        index = await _bridge_index(vif)
        keys = nodes.vif_backend(domid, vif), nodes.vif_frontend(domid, vif)
        async with self._wiring.attaching(record, lambda: self._wiring.remove([record])):
            await self._wiring.create(record, *keys)  # netback makes its interface while it is probed
            try:
                await asyncio.to_thread(bridge.join, record.interface, index, vif.mtu)
            except OSError as error:
                await self._retry(record, index, error)
            status = f"{nodes.backend_path(record)}/hotplug-status"
            await self._wiring.xs.apply(Batch().write(status, "connected"))

    async def join_emulated(self, domid: DomId, vifs: Sequence[Vif]) -> None:
        """Put the taps of a guest's emulated cards on the bridges. A tap that has vanished (the guest has switched its
        emulated cards off) is no error. Raises DeviceAttachFailed if there is no such bridge."""
        for vif in map(checked_vif, vifs):
            index = await _bridge_index(vif)
            tap = tap_name(domid, vif.devid)
            try:
                await asyncio.to_thread(bridge.join, tap, index, vif.mtu)
            except OSError as error:
                if error.errno != errno.ENODEV:
                    why = os.strerror(error.errno or errno.EIO).lower()
                    raise _failure(vif, f"{tap} cannot join {vif.bridge}: {why}") from error

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

    async def _retry(self, record: VifRecord, index: int, error: OSError) -> None:
        """The interface could not be joined: perhaps netback's module is only just being loaded, or has refused."""
        seen = await self._wiring.taken(record)
        if seen.backend not in TAKEN:
            raise _failure(record.vif, f"netback: {seen.error or 'no reason given'}") from error
        try:
            await asyncio.to_thread(bridge.join, record.interface, index, record.vif.mtu)
        except OSError as again:
            why = os.strerror(again.errno or errno.EIO).lower()
            raise _failure(record.vif, f"{record.interface} cannot join {record.vif.bridge}: {why}") from again


async def _bridge_index(vif: Vif) -> int:
    link = await asyncio.to_thread(bridge.find, vif.bridge)
    if link is None:
        raise _failure(vif, f"there is no bridge {vif.bridge} in dom0")
    if link.kind != "bridge":
        raise _failure(vif, f"{vif.bridge} is no Linux bridge")
    return link.index


def _failure(vif: Vif, why: str) -> DeviceAttachFailed:
    return DeviceAttachFailed(f"VIF {vif.devid} cannot be attached: {why}", device=str(vif.devid), msg=why)
