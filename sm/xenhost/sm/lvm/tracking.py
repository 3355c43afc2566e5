"""Changed block tracking on a thin pool: what two VDIs map is compared; nothing has to be recorded meanwhile."""

import asyncio
from dataclasses import replace
from typing import Final

from xenhost.core.storage import Bitmap, Vdi, VdiId, VdiType
from xenhost.core.storage_errors import VdiIncompatibleType, VdiNoCbtMetadata, backend_failure
from xenhost.sm.lvm import device, names
from xenhost.sm.lvm.activation import Activation
from xenhost.sm.lvm.catalog import Entry
from xenhost.sm.lvm.mapping import Mapping, changes, load, stored_size
from xenhost.sm.lvm.pool import ThinPool
from xenhost.sm.lvm.record import tags
from xenhost.sm.lvm.store import Store
from xenhost.sm.lvm.tool import LvmError
from xenhost.sm.lvm.vdis import Vdis

INCONSISTENT: Final = 459
NOT_RELATED: Final = 460
_HEADER: Final = 4096


class Tracking:
    """The CBT verbs of one SR."""

    def __init__(self, store: Store, vdis: Vdis, activation: Activation) -> None:
        self._store = store
        self._vdis = vdis
        self._activation = activation

    async def enable(self, vdi: VdiId, enabled: bool) -> Vdi:
        """Switch it on or off: a snapshot can be compared if it was on when it was made."""
        self._store.writable()
        self._store.thin("changed block tracking")
        entry = await self._store.usable(vdi)
        if entry.record.cbt == enabled:
            return entry.vdi()
        return (await self._vdis.rerecord(entry, replace(entry.record, cbt=enabled))).vdi()

    async def changed(self, older: VdiId, newer: VdiId) -> Bitmap:
        """See the port."""
        store = self._store
        pool = store.thin("changed block tracking")
        first, second = await store.usable(older), await store.usable(newer)
        for entry in (first, second):
            if not entry.record.cbt:
                raise VdiNoCbtMetadata(
                    f"VDI {entry.id} has no changed block tracking, or had none when it was made", vdi=entry.id
                )
        if not _follows(first, second):
            raise backend_failure(
                NOT_RELATED,
                f"VDI {newer} is neither the VDI that {older} is a snapshot of, nor a later snapshot of that",
            )
        with store.told(INCONSISTENT, f"what changed between VDIs {older} and {newer} is not known"):
            left, right = await self._mappings(pool, first, second)
            return await asyncio.to_thread(changes, left, right)

    async def destroy_data(self, vdi: VdiId) -> Vdi:
        """See the port. The mapping is kept, complete, before the data goes; then an attach completes the rest."""
        store = self._store
        store.writable()
        pool = store.thin("changed block tracking")
        entry = await store.usable(vdi)
        if not entry.has_data:
            await self._remove_data(vdi)
            return entry.vdi()
        if not entry.record.cbt:
            raise VdiNoCbtMetadata(f"VDI {vdi} has no changed block tracking: all of it would be lost", vdi=vdi)
        if entry.record.snapshot_of is None:
            raise VdiIncompatibleType(f"VDI {vdi} is no snapshot", vdi=vdi, type=entry.record.type)
        self._activation.require_inactive(vdi, "data_destroy")
        with store.told(INCONSISTENT, f"what VDI {vdi} maps cannot be kept"):
            (mapping,) = await self._mappings(pool, entry)
            kept = await self._store_mapping(entry, mapping)
        await self._remove_data(vdi)
        return kept.vdi()

    async def _store_mapping(self, entry: Entry, mapping: Mapping) -> Entry:
        """Write it to a volume that counts only when it is complete."""
        store = self._store
        data = await asyncio.to_thread(mapping.store)
        record = replace(
            entry.record, type=VdiType.CBT_METADATA, virtual_size=entry.volume.size, read_only=True, unfinished=True
        )
        name = names.map_volume(entry.id)
        async with store.lock:
            await store.group.remove(name)
            await store.group.create_thin(name, store.round(len(data)), tags(record))
            await store.group.activate(name)
            try:
                await asyncio.to_thread(device.write, store.group.path(name), data)
            except OSError as error:
                raise LvmError(f"volume {name} cannot be written: {error.strerror}") from error
            finally:
                await store.group.deactivate(name)
            await store.group.retag(name, tags(record), tags(replace(record, unfinished=False)))
            volume = await store.group.volume(name)
            kept = Entry(entry.id, replace(record, unfinished=False), volume, 0, False)
            store.entries[entry.id] = kept
        return kept

    async def _remove_data(self, vdi: VdiId) -> None:
        store = self._store
        with store.told(INCONSISTENT, f"the data of VDI {vdi} cannot be removed"):
            async with store.lock:
                for volume in await store.group.volumes():
                    parsed = names.parse_volume(volume.name)
                    if parsed is not None and parsed[0] == vdi and parsed[2]:
                        await store.group.remove(volume.name)

    async def _mappings(self, pool: ThinPool, *entries: Entry) -> list[Mapping]:
        live = [await self._store.reread(entry.id) for entry in entries if entry.has_data]
        asked = [(entry.volume.thin_id, entry.volume.size) for entry in live]
        found = iter(await pool.mappings([(thin_id, size) for thin_id, size in asked if thin_id is not None]))
        if None in (thin_id for thin_id, _ in asked):
            raise LvmError("a volume is not in the thin pool")
        return [next(found) if entry.has_data else await self._load(entry) for entry in entries]

    async def _load(self, entry: Entry) -> Mapping:
        store = self._store
        async with store.lock:
            await store.group.activate(entry.volume.name)
            try:
                path = store.path(entry)
                header = await asyncio.to_thread(device.read, path, _HEADER)
                size = min(stored_size(header), entry.volume.size)
                return load(await asyncio.to_thread(device.read, path, size))
            except OSError as error:
                raise LvmError(f"{entry.volume.name} cannot be read: {error.strerror}") from error
            finally:
                await store.group.deactivate(entry.volume.name)


def _follows(older: Entry, newer: Entry) -> bool:
    """Is one a snapshot, and the other its VDI or a later snapshot of that?"""
    origin = older.record.snapshot_of
    if origin is None or origin == newer.id:
        return origin is not None
    times = older.record.snapshot_time or 0.0, newer.record.snapshot_time or 0.0
    return newer.record.snapshot_of == origin and times[0] <= times[1]
