"""Virtual block devices: blkback on a block device, or on a loop device over a file.

blkback cannot change a medium. So an empty drive of a PV or PVH guest is a record and nothing else, inserting a medium
plugs a read-only CD device and ejecting it unplugs that: the guest sees the device come and go. (libxl refuses media
changes of such guests altogether.) The drives of an HVM guest are its emulator's: here they only have a record.
"""

import asyncio
import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol
from weakref import WeakValueDictionary

from xenhost.core.devices import DeviceClass, Source, SourceKind, Vbd, VbdType, checked_vbd
from xenhost.core.errors import (
    DeviceAlreadyAttached,
    DeviceAttachFailed,
    DeviceAttachTimeout,
    DeviceDetachRejected,
    DeviceDetachTimeout,
    VbdNotRemovableMedia,
)
from xenhost.core.ids import DevId, DomId
from xenhost.core.vm import VmType
from xenhost.drivers.xen.devices import loop, nodes
from xenhost.drivers.xen.devices.medium import Medium, open_medium
from xenhost.drivers.xen.devices.records import VbdRecord
from xenhost.drivers.xen.devices.uevents import Uevents
from xenhost.drivers.xen.devices.wiring import Seen, Wiring, completed
from xenhost.drivers.xen.devices.xenbus import ASKABLE, TAKEN, XenbusState
from xenhost.drivers.xen.emulator.command_line import ide_position

EJECT_WITHIN: Final = 5.0
"""Seconds a guest has to let go of a medium; then it is taken away."""


class MediumChanger(Protocol):
    """The emulators of HVM guests, as far as VBDs need them."""

    async def change_medium(self, domid: DomId, devid: DevId, path: str | None) -> None:
        """Put that file or block device into an emulated drive, None to eject. Raises DeviceAttachFailed."""
        ...


class Vbds:
    """Plugs VBDs and changes their media."""

    def __init__(self, wiring: Wiring, emulators: MediumChanger | None, sysfs: Path = Path("/sys")) -> None:
        self._sysfs: Final = sysfs
        self._wiring: Final = wiring
        self._emulators: Final = emulators
        self._opening: Final = WeakValueDictionary[str, asyncio.Lock]()
        """By file: a second guest is refused what the first has, which can be seen only when blkback has opened it."""

    async def plug(self, domid: DomId, vbd: Vbd) -> None:
        """See Hypervisor.plug_vbd."""
        vbd = checked_vbd(vbd)
        if nodes.is_too_long(vbd):
            raise _failure(vbd, "the path is longer than 2048 bytes")
        seen = await self._wiring.place(domid, DeviceClass.VBD, vbd.devid)
        if await self._is_plugged(seen, vbd):
            return
        await self._clean(domid, vbd, seen)
        if vbd.source.kind is SourceKind.EMPTY or _is_emulated(seen, vbd):
            await _tried(vbd)
            await self._wiring.xs.apply(nodes.record_batch(VbdRecord(domid, vbd, backend=False)))
        else:
            await self._attach(domid, vbd)

    async def change_medium(self, domid: DomId, vbd: Vbd) -> None:
        """See Hypervisor.change_medium."""
        vbd = checked_vbd(vbd)
        if vbd.type is not VbdType.CD:
            raise VbdNotRemovableMedia(f"{vbd.device} is a disk; only a CD drive has media", vbd=vbd.device)
        seen = await self._wiring.place(domid, DeviceClass.VBD, vbd.devid)
        if await self._is_plugged(seen, vbd):
            return
        if isinstance(seen.record, VbdRecord) and seen.record.vbd.type is not VbdType.CD:
            raise VbdNotRemovableMedia(f"{vbd.device} is a disk; only a CD drive has media", vbd=vbd.device)
        empty = replace(vbd, source=Source(SourceKind.EMPTY))
        try:
            if _is_emulated(seen, vbd):
                await self._change_emulated(domid, vbd)
            else:
                if isinstance(seen.record, VbdRecord):
                    await self._eject(seen, seen.record)
                await self.plug(domid, vbd)
        except (DeviceAttachFailed, DeviceAttachTimeout):
            await self._wiring.xs.apply(nodes.record_batch(VbdRecord(domid, empty, backend=False)))
            raise

    async def _change_emulated(self, domid: DomId, vbd: Vbd) -> None:
        """Have the emulator change the medium. The record says what was asked for last."""
        await _tried(vbd)
        if self._emulators is not None:
            await self._emulators.change_medium(domid, vbd.devid, vbd.source.path or None)
        await self._wiring.xs.apply(nodes.record_batch(VbdRecord(domid, vbd, backend=False)))

    async def _eject(self, seen: Seen, record: VbdRecord) -> None:
        """Take the medium away; the guest is given a moment to let go by itself."""
        if record.backend and seen.backend in ASKABLE:
            with contextlib.suppress(DeviceDetachRejected, DeviceDetachTimeout):
                await self._wiring.ask(record, EJECT_WITHIN)
        await completed(self._wiring.remove([record]))

    async def _is_plugged(self, seen: Seen, vbd: Vbd) -> bool:
        """Whether it is plugged as wanted. Raises DeviceAlreadyAttached if something else is plugged there."""
        record = seen.record
        if not isinstance(record, VbdRecord):
            return False
        if not record.backend:
            return record.vbd == vbd
        if not seen.connected or seen.backend not in TAKEN or seen.error:
            return False
        if record.vbd != vbd:
            if vbd.type is VbdType.CD:
                return False
            raise DeviceAlreadyAttached(
                f"{vbd.device} is plugged with {record.vbd.source.path}; unplug it first", device=vbd.device
            )
        # Nobody may have held the loop device between a crash of ours and blkback's opening it.
        if record.loop and not await asyncio.to_thread(loop.backs, record.loop, vbd.source.path):
            return False
        await self._wiring.settle()
        again = await self._wiring.taken(record)
        return again.backend in TAKEN

    async def _clean(self, domid: DomId, vbd: Vbd, seen: Seen) -> None:
        """Remove what a plug that was cut short, or a guest that closed the device by itself, left behind."""
        if seen.record is not None:
            await completed(self._wiring.remove([seen.record]))
        elif seen.backend is not XenbusState.UNKNOWN:
            await completed(self._wiring.disconnect([VbdRecord(domid, vbd)]))

    async def _attach(self, domid: DomId, vbd: Vbd) -> None:
        file = await asyncio.to_thread(os.path.realpath, vbd.source.path)
        alone = self._opening.setdefault(file, asyncio.Lock())
        async with alone:
            await self._connect(domid, vbd)

    async def _connect(self, domid: DomId, vbd: Vbd) -> None:
        medium = await _opened(vbd)
        record = VbdRecord(domid, vbd, medium.loop, medium.loop_file)
        keys = nodes.vbd_backend(domid, vbd, medium.number), nodes.vbd_frontend(domid, vbd)
        async with self._wiring.attaching(record, lambda: self._undo(record, medium)):
            await self._wiring.create(record, *keys)  # now its driver was probed, and has watched physical-device
            if not self._is_open(record):
                await self._wiring.settle()  # now that watch has fired, and the driver has opened the device
                seen = await self._wiring.taken(record)
                if seen.backend not in TAKEN:
                    raise _failure(vbd, f"blkback: {seen.error or 'no reason given'}")
        medium.close()  # blkback has it

    def _is_open(self, record: VbdRecord) -> bool:
        """Whether blkback shows the device that it has opened: most often it has by now, and nothing more is to ask."""
        return (self._sysfs / f"bus/xen-backend/devices/vbd-{record.domid}-{record.devid}/physical_device").exists()

    async def _undo(self, record: VbdRecord, medium: Medium) -> None:
        """Leave nothing: no nodes before the loop device goes, as its number may soon be that of another file."""
        with Uevents() as uevents:
            try:
                await self._wiring.disconnect([record])
            finally:
                await asyncio.to_thread(medium.close)
            await self._wiring.freed([record], uevents)
        await self._wiring.forget([record])


def _is_emulated(seen: Seen, vbd: Vbd) -> bool:
    """Whether the VBD is a drive of the guest's emulator, and of nobody else."""
    return seen.guest is VmType.HVM and vbd.type is VbdType.CD and ide_position(vbd.devid) is not None


async def _opened(vbd: Vbd) -> Medium:
    """Open the medium in a thread. Cancelled: it is closed as soon as the system lets go of the thread."""
    opening = asyncio.get_running_loop().run_in_executor(None, open_medium, vbd)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_late)
        raise


async def _tried(vbd: Vbd) -> None:
    """Open the medium, only to tell now what is wrong with it."""
    if vbd.source.kind is not SourceKind.EMPTY:
        await asyncio.to_thread((await _opened(vbd)).close)


def _close_late(opening: "asyncio.Future[Medium]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _failure(vbd: Vbd, why: str) -> DeviceAttachFailed:
    return DeviceAttachFailed(f"{vbd.device} cannot be attached: {why}", device=vbd.device, msg=why)
