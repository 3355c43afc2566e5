"""Snapshots, clones, and going back to a snapshot.

A snapshot is a second sidecar that names the same image. Whoever finds its image named by others too lays a new one
over it before it writes; an active VDI does so at once, for its guest goes on writing.
"""

import asyncio
from dataclasses import replace

from xenhost.core.errors import OperationNotAllowed, XenhostError
from xenhost.core.storage import AttachMode, NewSnapshot, OnBoot, Vdi, VdiId
from xenhost.core.storage_errors import VdiIncompatibleType, VdiInUse, VdiReadonly, backend_failure
from xenhost.sm.directory.hosts import HostLocks
from xenhost.sm.directory.overlays import check_depth, layer, put_overlay
from xenhost.sm.directory.record import VdiRecord
from xenhost.sm.directory.store import SIDECAR_SPACE, Store, unbroken
from xenhost.sm.directory.tracking import Tracking


class Snapshots:
    """The verbs that make VDIs of VDIs."""

    def __init__(self, store: Store, tracking: Tracking, hosts: HostLocks) -> None:
        self._store = store
        self._tracking = tracking
        self._hosts = hosts

    async def take(self, vdi: VdiId, new: NewSnapshot, *, snapshot: bool) -> Vdi:
        """`Sr.snapshot_vdi` and `Sr.clone_vdi`."""
        store = self._store
        async with store.editing() as tree:  # merges go on: none of them is about an image that is written to
            existing = tree.find(new.id)
            if existing is not None and new.id in tree.records:
                return store.view(existing)
            if existing is not None or new.id in tree.bad_records:
                raise backend_failure(43, f"there is something named {new.id} on SR {store.sr}, and it is no snapshot")
            record = store.record(vdi)
            if not record.image:
                raise VdiIncompatibleType(f"the data of VDI {vdi} was destroyed", vdi=vdi, type=record.type)
            chain = store.chain(record)
            check_depth(store, chain)
            copy = VdiRecord(
                new.id,
                record.image,
                name=new.name or record.name,
                description=new.description or record.description,
                type=record.type,
                read_only=snapshot,
                is_a_snapshot=snapshot,
                snapshot_of=vdi if snapshot else None,
                snapshot_time=new.time if snapshot else None,
                on_boot=OnBoot.PERSIST,
                cbt=snapshot and record.cbt,
                cbt_images=record.cbt_images if snapshot and record.cbt else (),
                cbt_problem=record.cbt_problem if snapshot else "",
                sm_config=record.sm_config,
                owns=left.owns if (left := tree.records.get(new.id)) else (),
            )
            if self._writing(vdi):
                if record.scratch:
                    text = f"VDI {vdi} is reset on boot; while it is in use there is nothing worth a snapshot"
                    raise OperationNotAllowed(text, reason_text=text)
                await unbroken(asyncio.create_task(self._take_active(record, copy)))
            else:
                await self._hosts.refuse_foreign(vdi, AttachMode.RO, "snapshot")
                await store.run(lambda: self._take_inactive(record, copy))
            return store.view(store.record(new.id))

    def _writing(self, vdi: VdiId) -> bool:
        if self._store.uses.plain.get(vdi) is AttachMode.RW:
            text = f"VDI {vdi} is raw and in use without an image server; stop its VM for a snapshot, or use qcow2"
            raise VdiInUse(text, vdi=vdi, operation="snapshot")
        opened = self._store.images.chain(vdi)
        return opened is not None and opened.mode is AttachMode.RW

    def _take_inactive(self, record: VdiRecord, copy: VdiRecord) -> None:
        store = self._store
        store.require(SIDECAR_SPACE)
        if record.id not in store.tree.records:
            store.save(record)  # a foreign file: from here on it is the VDI's, whatever else is on it
        if copy.cbt:
            self._hand_on(record, copy, ())
        else:
            store.save(copy)

    def _hand_on(self, record: VdiRecord, copy: VdiRecord, tracked: tuple[str, ...]) -> None:
        store = self._store
        self._tracking.copy_log(record.id, copy.id)
        store.save(copy)
        self._tracking.hand_on(record, copy)
        store.save(replace(record, cbt_images=tracked))

    async def _take_active(self, record: VdiRecord, copy: VdiRecord) -> None:
        """First the overlay and the VDI's sidecar: whoever finds the server a step behind lets it follow."""
        store = self._store
        moved = await store.run(lambda: put_overlay(store, record))
        try:
            if copy.cbt:
                await store.run(lambda: self._hand_on(moved, copy, (moved.image,)))
            else:
                await store.run(lambda: store.save(copy))
            await store.images.snapshot(record.id, layer(store, store.tree.images[moved.image]))
        except XenhostError:
            opened = store.images.chain(record.id)
            if opened is None or opened.layers[0].path != str(store.folder.path(moved.image)):
                await store.run(lambda: self._take_back(record, copy, moved))
            raise

    def _take_back(self, record: VdiRecord, copy: VdiRecord, moved: VdiRecord) -> None:
        store = self._store
        if copy.id in store.tree.records:
            self._tracking.forget(copy)
            store.forget(copy)
        current = store.tree.records.get(record.id, record)
        tracked = tuple(name for name in current.cbt_images if name != moved.image)
        store.save(replace(record, cbt_images=tuple(dict.fromkeys((*record.cbt_images, *tracked)))))
        store.drop_unneeded(moved.image)

    async def revert(self, vdi: VdiId, snapshot: VdiId) -> Vdi:
        """`Sr.revert_vdi`."""
        store = self._store
        async with store.editing(vdi):
            record, source = store.record(vdi), store.record(snapshot)
            if store.active(vdi):
                raise VdiInUse(f"VDI {vdi} is in use on this host", vdi=vdi, operation="revert")
            if record.is_a_snapshot:
                raise VdiReadonly(f"VDI {vdi} is a snapshot itself", vdi=vdi)
            if not source.image or not record.image:
                gone = source if not source.image else record
                raise VdiIncompatibleType(f"the data of VDI {gone.id} was destroyed", vdi=gone.id, type=gone.type)
            store.chain(source)
            await self._hosts.refuse_foreign(vdi, AttachMode.RW, "revert")

            def write() -> Vdi:
                if snapshot not in store.tree.records:
                    store.save(source)
                if record.image != source.image:
                    new = replace(record, image=source.image)
                    if record.cbt:
                        self._tracking.reverted(new, snapshot, store.tree.images[source.image].size)
                    else:
                        store.save(new)
                    store.drop_unneeded(record.image)
                return store.view(store.record(vdi))

            return await store.run(write)
