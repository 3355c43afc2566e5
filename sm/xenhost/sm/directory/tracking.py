"""Changed block tracking: which blocks of a VDI changed since an older one.

What changed since the parent that a VDI's log names is: the bits of the log, and the bitmaps of the images that its
record lists. So a snapshot hands both on by writing small files, and bitmaps are read only when they are asked for, or
about to be merged away.
"""

from dataclasses import replace
from typing import Final

from xenhost.core.storage import CBT_GRANULARITY, AttachMode, Bitmap, Vdi, VdiId, VdiType
from xenhost.core.storage_errors import (
    SrBackendFailure,
    VdiIncompatibleType,
    VdiInUse,
    VdiNoCbtMetadata,
    backend_failure,
)
from xenhost.sm.directory.catalog import CBT_LOG
from xenhost.sm.directory.cbtlog import MAX_BYTES, BadLog, CbtLog, pack, padded, parse, union
from xenhost.sm.directory.overlays import BITMAP, layers
from xenhost.sm.directory.record import VdiRecord
from xenhost.sm.directory.store import Store

MAX_STEPS: Final = 4096
"""Snapshots between two VDIs that are compared."""
_INCONSISTENT: Final = 459
_UNRELATED: Final = 460


class Tracking:
    """The verbs of changed block tracking, and what other verbs have to do for it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # Verbs

    async def enable(self, vdi: VdiId) -> Vdi:
        """`Sr.enable_cbt`."""
        store = self._store
        async with store.editing(vdi):
            record = store.record(vdi)
            if record.cbt:
                return store.view(record)
            image = store.chain(record)[0] if record.image else None
            if image is None or image.format == "raw" or vdi in store.uses.plain:
                kind = image.format if image else record.type
                text = f"changes of VDI {vdi} cannot be tracked, for it is {kind}; qcow2 can be"
                raise VdiIncompatibleType(text, vdi=vdi, type=kind)
            size = image.size
            await store.run(lambda: self._write(vdi, CbtLog(None, None, size, b"")))
            tracked: tuple[str, ...] = ()
            opened = store.images.chain(vdi)
            if opened is not None and opened.mode is AttachMode.RW:
                await store.images.remove_bitmap(vdi, BITMAP)
                await store.images.add_bitmap(vdi, BITMAP)
                tracked = (image.name,)
            new = replace(record, cbt=True, cbt_images=tracked, cbt_problem="")
            await store.run(lambda: store.save(new))
            return store.view(new)

    async def disable(self, vdi: VdiId) -> Vdi:
        """`Sr.disable_cbt`."""
        store = self._store
        async with store.editing(vdi):
            record = store.record(vdi)
            if not record.cbt and not record.cbt_problem:
                return store.view(record)
            new = replace(record, cbt=False, cbt_images=(), cbt_problem="")

            def write() -> None:
                store.save(new)
                self.forget(record)

            await store.run(write)
            if record.image in record.cbt_images and store.images.chain(vdi) is not None:
                await store.images.remove_bitmap(vdi, BITMAP)
            return store.view(new)

    async def destroy_data(self, vdi: VdiId) -> Vdi:
        """`Sr.destroy_vdi_data`."""
        store = self._store
        async with store.editing(vdi):
            record = store.record(vdi)
            if record.type is VdiType.CBT_METADATA:
                return store.view(record)
            if not record.is_a_snapshot or not record.cbt or self._read(vdi) is None:
                text = f"VDI {vdi} is no snapshot of a disk whose changes are tracked, so nothing would be left of it"
                raise VdiNoCbtMetadata(text, vdi=vdi)
            if store.active(vdi):
                raise VdiInUse(f"VDI {vdi} is in use on this host", vdi=vdi, operation="data_destroy")
            size = store.chain(record)[0].size
            record = await self.fold(record, record.cbt_images)
            new = replace(
                record, image="", type=VdiType.CBT_METADATA, size=size, owns=record.owns, cbt_images=record.cbt_images
            )

            def write() -> Vdi:
                store.save(new)
                store.drop_unneeded(record.image)
                return store.view(new)

            return await store.run(write)

    async def changed(self, older: VdiId, newer: VdiId) -> Bitmap:
        """`Sr.changed_blocks`."""
        store = self._store
        async with store.editing():
            store.record(older)
            record = store.record(newer)
            size = store.view(record).virtual_size
            bits = b""
            at: VdiId | None = newer
            for _ in range(MAX_STEPS):
                if at is None or at == older or at not in store.tree.records:
                    break
                record = store.record(at)
                log = await store.run(lambda record=record: self._log(record))  # type: ignore[misc]
                bits = union(bits, log.bits)
                for name in record.cbt_images:
                    bits = union(bits, await self._recorded(at, name))
                at = log.parent
            if at != older:
                text = f"it is not known what changed from VDI {older} to {newer}: the first is no tracked ancestor"
                raise backend_failure(_UNRELATED, text)
            return Bitmap(padded(bits, size), size)

    # What other verbs do for it

    def copy_log(self, old: VdiId, snapshot: VdiId) -> None:
        """The snapshot that is about to be knows what changed until now. Blocks; again without harm."""
        log = self._read(old)
        if log is not None and log.parent != snapshot:
            self._write(snapshot, CbtLog(log.parent, old, log.size, log.bits, log.consistent))

    def hand_on(self, old: VdiRecord, snapshot: VdiRecord) -> None:
        """What changes from now on is counted from the snapshot, which is saved. Blocks; again without harm.

        Before it, the VDI's log says all that changed since the parent of both: too much, and never too little.
        """
        log = self._read(old.id)
        if log is None or log.parent == snapshot.id:
            return
        if log.parent is not None and (above := self._read(log.parent)) is not None:
            self._write(log.parent, replace(above, child=snapshot.id))
        self._write(old.id, CbtLog(snapshot.id, None, log.size, b""))

    def forget(self, record: VdiRecord) -> None:
        """A VDI goes: what is known of its changes goes to its child. Blocks; again without harm."""
        store = self._store
        log = self._whole(record.id)
        if log is None:
            self.clear(record.id)
            return
        child = self._whole(log.child) if log.child is not None else None
        below = store.tree.records.get(log.child) if log.child is not None else None
        if child is not None and below is not None and child.parent == record.id:
            missing = tuple(name for name in record.cbt_images if name not in below.cbt_images)
            if missing:
                store.save(replace(below, cbt_images=(*missing, *below.cbt_images)))
            bits = union(child.bits, log.bits)
            self._write(below.id, replace(child, parent=log.parent, bits=bits, size=max(child.size, log.size)))
        if log.parent is not None and (above := self._whole(log.parent)) is not None and above.child == record.id:
            self._write(log.parent, replace(above, child=log.child))
        store.folder.remove(record.id + CBT_LOG)

    def reverted(self, record: VdiRecord, snapshot: VdiId, size: int) -> None:
        """A VDI has the content of its snapshot again: what differs from the newest one is what changed since the
        older one; or everything, if that is not known. Blocks."""
        log = self._read(record.id)
        if log is None:
            return
        bits, at, images = b"", log.parent, list[str]()
        for _ in range(MAX_STEPS):
            if at is None or at == snapshot:
                break
            step, above = self._read(at), self._store.tree.records.get(at)
            if step is None or above is None or not above.cbt:
                at = None
                break
            bits = union(bits, step.bits)
            images += above.cbt_images
            at = step.parent
        if at != snapshot:
            bits, images = b"\xff" * len(padded(b"", size)), []
        self._write(record.id, CbtLog(log.parent, log.child, size, bits))
        self._store.save(replace(record, cbt_images=tuple(dict.fromkeys(images))))

    async def fold(self, record: VdiRecord, names: tuple[str, ...]) -> VdiRecord:
        """Write what the bitmaps of these images hold into the log, and forget the images. Inside `Store.editing`.

        If one cannot be read, tracking of this VDI ends, and says why.
        """
        store = self._store
        names = tuple(name for name in record.cbt_images if name in names)
        if not names:
            return record
        bits = b""
        try:
            for name in names:
                bits = union(bits, await self._recorded(record.id, name))
        except SrBackendFailure as failure:
            return await self.broken(record, str(failure))
        new = replace(record, cbt_images=tuple(name for name in record.cbt_images if name not in names))

        if await store.run(lambda: self._whole(record.id)) is None:
            return await self.broken(record, "its log is gone")

        def write() -> VdiRecord:
            log = self._log(record)
            size = max(log.size, store.view(record).virtual_size)
            self._write(record.id, replace(log, bits=union(log.bits, bits), size=size))
            return store.save(new)

        return await store.run(write)

    async def broken(self, record: VdiRecord, why: str) -> VdiRecord:
        """Tracking was interrupted: never say `unchanged` of what may have changed. Inside `Store.editing`."""
        store = self._store
        problem = f"changed block tracking of VDI {record.id} was interrupted: {why}; enable it again"[:1000]
        store.log.warning("cbt_interrupted", vdi=record.id, problem=problem)
        new = replace(record, cbt=False, cbt_images=(), cbt_problem=problem)

        def write() -> VdiRecord:
            log = self._read(record.id)
            if log is not None:
                self._write(record.id, replace(log, consistent=False))
            return store.save(new)

        return await store.run(write)

    async def _recorded(self, vdi: VdiId, name: str) -> bytes:
        store = self._store
        image = store.tree.images.get(name)
        if image is None:
            raise backend_failure(_INCONSISTENT, f"{name}, which holds what changed in VDI {vdi}, is gone")
        path = str(store.folder.path(name))
        for user in store.images.users(path):
            opened = store.images.chain(user)
            if opened is not None and opened.mode is AttachMode.RW and opened.layers[0].path == path:
                return (await store.images.dirty_now(user, BITMAP)).bits
        image = await store.run(lambda: store.refresh(name))
        if image is None or BITMAP not in image.bitmaps:
            text = f"the bitmap of {name} is not whole, because what recorded it ended without storing it"
            raise backend_failure(_INCONSISTENT, text)
        bitmap = await store.images.dirty(layers(store, store.tree.chain(name), vdi), BITMAP)
        if bitmap.granularity != CBT_GRANULARITY:
            raise backend_failure(_INCONSISTENT, f"the bitmap of {name} has blocks of {bitmap.granularity} bytes")
        return bitmap.bits

    def _log(self, record: VdiRecord) -> CbtLog:
        log = self._read(record.id)
        if record.cbt_problem or (log is not None and not log.consistent):
            raise backend_failure(_INCONSISTENT, record.cbt_problem or f"the log of VDI {record.id} is not consistent")
        if log is None or not record.cbt:
            raise backend_failure(_UNRELATED, f"changed block tracking of VDI {record.id} is not enabled")
        return log

    def _read(self, vdi: VdiId) -> CbtLog | None:
        try:
            return parse(self._store.folder.read(vdi + CBT_LOG, MAX_BYTES))
        except FileNotFoundError:
            return None
        except BadLog as bad:
            raise backend_failure(_INCONSISTENT, f"what changed in VDI {vdi} is not known: {bad}") from bad

    def clear(self, vdi: VdiId) -> None:
        """Remove what a snapshot that never came to be has left. Blocks."""
        if self._store.folder.look(vdi + CBT_LOG) is not None:
            self._store.folder.remove(vdi + CBT_LOG)

    def _whole(self, vdi: VdiId) -> CbtLog | None:
        """The log of a VDI that goes, if it can be read: what cannot does not keep it from going."""
        try:
            return self._read(vdi)
        except SrBackendFailure:
            return None

    def _write(self, vdi: VdiId, log: CbtLog) -> None:
        self._store.folder.write(vdi + CBT_LOG, pack(log))
