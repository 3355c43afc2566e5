"""Making, changing and removing VDIs on LVM. Each change is one commit of LVM's metadata, record included."""

from dataclasses import replace
from typing import Final

from xenhost.core.errors import InvalidValue
from xenhost.core.storage import NewSnapshot, NewVdi, OnBoot, Vdi, VdiChange, VdiId, VdiType
from xenhost.core.storage_errors import (
    SrFull,
    SrOperationNotSupported,
    VdiIncompatibleType,
    VdiTooSmall,
    backend_failure,
)
from xenhost.core.units import TIB, human_size
from xenhost.sm.lvm import device, names
from xenhost.sm.lvm.activation import Activation
from xenhost.sm.lvm.catalog import Entry
from xenhost.sm.lvm.record import VdiRecord, tags
from xenhost.sm.lvm.report import Volume
from xenhost.sm.lvm.store import Store

EXISTS: Final = 43
CREATE: Final = 78
DELETE: Final = 80
CLONE: Final = 81
SNAPSHOT: Final = 82
RESIZE: Final = 110
UPDATE: Final = 181
MAX_SIZE: Final = 1024 * TIB


class Vdis:
    """The verbs that change VDIs of one SR."""

    def __init__(self, store: Store, activation: Activation) -> None:
        self._store = store
        self._activation = activation

    async def create(self, new: NewVdi) -> Vdi:
        """See the port."""
        store = self._store
        store.writable()
        size = self._checked_size(new.virtual_size)
        known = store.entries.get(new.id)
        if known is not None and not known.problem and known.volume.size == size:
            return known.vdi()
        if known is not None:
            raise backend_failure(EXISTS, f"there is a VDI {new.id} of another size already")
        if store.pool is None:
            return await self._create_plain(new, size)
        record = VdiRecord.of_new(new, unfinished=False)
        name = names.data_volume(new.id)
        with store.told(CREATE, f"VDI {new.id} cannot be made"):
            async with store.lock:
                await store.room(store.pool)
                await store.group.create_thin(name, size, tags(record))
                entry = self._keep(new.id, name, size, record)
        return entry.vdi()

    async def _create_plain(self, new: NewVdi, size: int) -> Vdi:
        """A plain volume holds old data until it is zeroed; until then it is no VDI."""
        store = self._store
        record = VdiRecord.of_new(new, unfinished=True)
        name = names.data_volume(new.id)
        with store.told(CREATE, f"VDI {new.id} cannot be made"):
            async with store.lock:
                await store.group.remove(name)
                free = (await store.info()).free
                if size > free:
                    raise SrFull(
                        f"a VDI of {human_size(size)} does not fit: SR {store.sr} has {human_size(free)} left",
                        requested=str(size),
                        maximum=str(free),
                    )
                await store.group.create_plain(name, size, tags(record))
            try:
                await self._zero(name, 0, size)
            except BaseException:
                async with store.lock:
                    await store.group.remove(name)
                raise
            async with store.lock:
                finished = replace(record, unfinished=False)
                await store.group.retag(name, tags(record), tags(finished))
                entry = self._keep(new.id, name, size, finished)
        return entry.vdi(size)

    async def destroy(self, vdi: VdiId) -> None:
        """See the port."""
        store = self._store
        store.writable()
        if vdi not in store.entries:
            await store.refresh()
        entry = store.entries.get(vdi)
        if entry is None:
            return
        self._activation.require_inactive(vdi, "destroy")
        with store.told(DELETE, f"VDI {vdi} cannot be deleted"):
            async with store.lock:
                if entry.generation or not entry.has_data:
                    # A volume left by a verb that did not end must not come back as the VDI.
                    for volume in await store.group.volumes():
                        parsed = names.parse_volume(volume.name)
                        if parsed is not None and parsed[0] == vdi and volume.name != entry.volume.name:
                            await store.group.remove(volume.name)
                await store.group.remove(entry.volume.name)
                store.entries.pop(vdi, None)

    async def update(self, vdi: VdiId, change: VdiChange) -> Vdi:
        """See the port."""
        store = self._store
        store.writable()
        if change.on_boot is OnBoot.RESET:
            raise SrOperationNotSupported(f"SR {store.sr} cannot reset a VDI at boot", sr=store.sr)
        entry = await store.usable(vdi)
        return (await self.rerecord(entry, entry.record.changed(change))).vdi()

    async def rerecord(self, entry: Entry, record: VdiRecord) -> Entry:
        """Exchange the record of a VDI."""
        store = self._store
        with store.told(UPDATE, f"VDI {entry.id} cannot be changed", entry.id):
            async with store.lock:
                new = tags(record)
                await store.group.retag(entry.volume.name, tags(entry.record), new)
                changed = replace(entry, record=record, volume=replace(entry.volume, tags=new))
                store.entries[entry.id] = changed
        return changed

    async def resize(self, vdi: VdiId, size: int) -> Vdi:
        """See the port."""
        store = self._store
        store.writable()
        entry = await self._with_data(vdi)
        old, new = entry.volume.size, self._checked_size(size)
        if size < old and new < old:
            raise VdiTooSmall(
                f"VDI {vdi} has {old} bytes; it can grow, not shrink to {size}", vdi=vdi, minimum_size=str(old)
            )
        if store.pool is None and (new > old or entry.record.zeroed_from):
            return await self._resize_plain(entry, new)
        if new > old:
            with store.told(RESIZE, f"VDI {vdi} cannot be resized", vdi):
                async with store.lock:
                    await store.group.extend(entry.volume.name, new)
                    entry = replace(entry, volume=replace(entry.volume, size=new))
                    store.entries[vdi] = entry
        await self._activation.resized(entry)
        return entry.vdi()

    async def _resize_plain(self, entry: Entry, size: int) -> Vdi:
        """What is added holds old data of others until it is zeroed, which the record says."""
        store = self._store
        begin = entry.record.zeroed_from or entry.volume.size
        with store.told(RESIZE, f"VDI {entry.id} cannot be resized", entry.id):
            free = (await store.info()).free
            more = size - entry.volume.size
            if more > free:
                raise SrFull(
                    f"{human_size(more)} more do not fit: SR {store.sr} has {human_size(free)} left",
                    requested=str(more),
                    maximum=str(free),
                )
            entry = await self.rerecord(entry, replace(entry.record, zeroed_from=begin))
            async with store.lock:
                if size > entry.volume.size:
                    await store.group.extend(entry.volume.name, size)
                entry = replace(entry, volume=replace(entry.volume, size=size))
                store.entries[entry.id] = entry
            await self._zero(entry.volume.name, begin, size, self._activation.active(entry.id))
            entry = await self.rerecord(entry, replace(entry.record, zeroed_from=0))
        await self._activation.resized(entry)
        return entry.vdi(size)

    async def snapshot(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        """See the port."""
        entry = await self._copy(vdi, new, True)
        return entry.vdi()

    async def clone(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        """See the port."""
        entry = await self._copy(vdi, new, False)
        return entry.vdi()

    async def _copy(self, vdi: VdiId, new: NewSnapshot, is_snapshot: bool) -> Entry:
        store = self._store
        what = "snapshot" if is_snapshot else "clone"
        store.writable()
        pool = store.thin(what)
        if (known := store.entries.get(new.id)) is not None:
            return known
        origin = await self._with_data(vdi)
        record = origin.record.snapshot(vdi, new) if is_snapshot else origin.record.clone(new)
        name = names.data_volume(new.id)
        number = SNAPSHOT if is_snapshot else CLONE
        with store.told(number, f"a {what} of VDI {vdi} cannot be made", vdi):
            async with store.lock:
                await store.room(pool)
                await store.group.snapshot(name, origin.volume.name, tags(record))
                return self._keep(new.id, name, origin.volume.size, record)

    async def revert(self, vdi: VdiId, snapshot: VdiId) -> Vdi:
        """See the port. The next generation of the VDI appears in one commit; the one before is removed after it."""
        store = self._store
        store.writable()
        pool = store.thin("revert")
        entry, origin = await self._with_data(vdi), await self._with_data(snapshot)
        self._activation.require_inactive(vdi, "revert_to")
        generation = entry.generation + 1
        name = names.data_volume(vdi, generation)
        with store.told(SNAPSHOT, f"VDI {vdi} cannot be reverted", snapshot):
            async with store.lock:
                await store.room(pool)
                await store.group.snapshot(name, origin.volume.name, tags(entry.record))
                reverted = self._keep(vdi, name, origin.volume.size, entry.record, generation)
                await store.group.remove(entry.volume.name)
        return reverted.vdi()

    async def _with_data(self, vdi: VdiId) -> Entry:
        entry = await self._store.usable(vdi)
        if not entry.has_data:
            raise VdiIncompatibleType(
                f"the data of VDI {vdi} is destroyed; only what changed is known", vdi=vdi, type=VdiType.CBT_METADATA
            )
        return entry

    async def _zero(self, name: str, begin: int, end: int, keep_active: bool = False) -> None:
        """Zero a part of a plain volume. Takes as long as the disk does."""
        store = self._store
        async with store.lock:
            await store.group.activate(name)
        try:
            await device.zero(store.group.path(name), begin, end)
        except OSError as error:
            raise backend_failure(CREATE, f"volume {name} cannot be zeroed: {error.strerror}") from error
        finally:
            if not keep_active:
                async with store.lock:
                    await store.group.deactivate(name)

    def _keep(self, vdi: VdiId, name: str, size: int, record: VdiRecord, generation: int = 0) -> Entry:
        pool = names.POOL if self._store.pool is not None else ""
        volume = Volume(name, size, False, False, False, tags(record), pool, None, None)
        entry = self._store.entries[vdi] = Entry(vdi, record, volume, generation, True)
        return entry

    def _checked_size(self, size: int) -> int:
        if not 0 < size <= MAX_SIZE:
            raise InvalidValue(
                f"a VDI on LVM has 1 byte to {human_size(MAX_SIZE)}, not {size}", field="virtual_size", value=str(size)
            )
        return self._store.round(size)
