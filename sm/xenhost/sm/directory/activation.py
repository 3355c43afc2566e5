"""Making a VDI's bytes reachable, and stopping that."""

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from xenhost.core.ids import is_uuid
from xenhost.core.storage import AttachMode, Backend, BackendKind, IoLimits, OnBoot, VdiId, VdiType
from xenhost.core.storage_errors import SrBackendFailure, VdiIncompatibleType, VdiInUse, VdiReadonly
from xenhost.sm.datapath.port import Layer, OpenChain
from xenhost.sm.directory.convert import convert_chain
from xenhost.sm.directory.hosts import HostLocks
from xenhost.sm.directory.overlays import BITMAP, check_depth, layer, layers, make_overlay, put_overlay
from xenhost.sm.directory.record import VdiRecord
from xenhost.sm.directory.store import Store, names_of, unbroken
from xenhost.sm.directory.tracking import Tracking
from xenhost.sm.directory.tree import Image


class Activation:
    """The datapath verbs of one SR."""

    def __init__(self, store: Store, tracking: Tracking, hosts: HostLocks) -> None:
        self._store = store
        self._tracking = tracking
        self._hosts = hosts
        self._notes = store.context.run_dir / "plain" / store.sr
        """Which raw files the kernel was given; as these have no server, nothing else tells after a restart."""

    async def recover(self) -> None:
        """Take over what an earlier agent left active, and complete what it left half done."""
        store = self._store
        store.uses.plain.update(await asyncio.to_thread(self._read_notes))
        async with store.editing(reload=True) as tree:
            for left in [each for each in tree.records.values() if each.scratch and not store.active(each.id)]:
                if left.id not in await self._hosts.elsewhere():
                    await store.run(partial(self._drop_scratch, left))
        for vdi, opened in await self._servers():
            async with store.editing() as tree:
                record = tree.find(vdi)
                if record is not None:
                    await self._catch_up(record, opened)

    async def _servers(self) -> list[tuple[VdiId, OpenChain]]:
        """Those of this SR. After `Images.find`, which is called once for all SRs."""
        store = self._store
        found = []
        for vdi in [*store.tree.records, *(record.id for record in store.tree.vdis())]:
            opened = store.images.chain(vdi)
            if opened is not None and Path(opened.layers[0].path).parent == store.folder.root:
                found.append((vdi, opened))
        return list(dict(found).items())

    async def _catch_up(self, record: VdiRecord, opened: OpenChain) -> None:
        """A snapshot moved the sidecar to a new image, and the server did not follow yet: now it does."""
        store = self._store
        leaf = Path(opened.layers[0].path).name
        wanted = record.scratch or record.image
        if leaf == wanted:
            return
        image = store.tree.images.get(wanted)
        if image is not None and image.backing == leaf and opened.mode is AttachMode.RW:
            await store.images.snapshot(record.id, layer(store, image))
            return
        store.log.error("vdi_server_differs", vdi=record.id, open=leaf, wanted=wanted)

    async def attach(self, vdi: VdiId, mode: AttachMode) -> None:
        """`Sr.attach_vdi`."""
        async with self._store.editing():
            record = self._usable(vdi, mode)
            if not record.sharable:
                await self._hosts.refuse_foreign(vdi, mode, "attach")

    async def activate(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        """`Sr.activate_vdi`."""
        return await unbroken(asyncio.create_task(self._activate(vdi, mode, limits)))

    async def _activate(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        store = self._store
        if (again := await self._adapt(vdi, mode, limits)) is not None:
            return again
        await convert_chain(store, vdi)
        async with store.editing(vdi):
            record = self._usable(vdi, mode)
            if record.image:
                await store.run(lambda: store.refresh(record.image))
            chain = store.chain(record)
            await self._hosts.claim(vdi, mode, record.sharable)
            try:
                if self._is_plain(record, chain, mode, limits):
                    await asyncio.to_thread(self._note, vdi, mode)
                    store.uses.plain[vdi] = mode
                    return (self._file(chain[0]),)
                if mode is AttachMode.RW:
                    record, chain = await self._writable(record, chain)
                opening = layers(store, chain, vdi)
            except BaseException:
                await self._hosts.release(vdi)
                raise
            store.uses.opening[vdi] = names_of(chain)
        try:
            backends = await store.images.open(vdi, opening, mode, limits)
            if mode is AttachMode.RW and record.cbt:
                await self._record_changes(vdi, chain[0].name)
        except BaseException:
            store.uses.opening.pop(vdi, None)
            await self._stop(vdi)
            raise
        store.uses.opening.pop(vdi, None)
        return backends

    def _usable(self, vdi: VdiId, mode: AttachMode) -> VdiRecord:
        record = self._store.record(vdi)
        if record.type is VdiType.CBT_METADATA:
            raise VdiIncompatibleType(f"the data of VDI {vdi} was destroyed", vdi=vdi, type=record.type)
        if record.read_only and mode is AttachMode.RW:
            raise VdiReadonly(f"VDI {vdi} is read-only; clone it to write", vdi=vdi)
        self._store.chain(record)
        return record

    async def _adapt(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend] | None:
        """What is active already, with that mode and those limits; None: it is not active."""
        store = self._store
        opened = store.images.chain(vdi)
        plain = store.uses.plain.get(vdi)
        if opened is None and plain is None:
            return None
        async with store.editing():
            record = self._usable(vdi, mode)
            await self._hosts.claim(vdi, mode, record.sharable)
            if opened is None:
                return await self._adapt_plain(record, mode, limits)
            chain = list(opened.layers)
            if mode is AttachMode.RW and opened.mode is AttachMode.RO:
                image = store.chain(record)[0]
                if record.on_boot is OnBoot.RESET or not self._writes_in_place(record, image):
                    record, above = await self._writable(record, store.chain(record))
                    await store.images.snapshot(vdi, layer(store, above[0]))
                    chain.insert(0, layer(store, above[0]))
            backends = await store.images.open(vdi, chain, mode, limits)
        if mode is AttachMode.RW and record.cbt:
            await self._record_changes(vdi, record.image)
        return backends

    async def _adapt_plain(self, record: VdiRecord, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        store = self._store
        chain = store.chain(record)
        if not self._is_plain(record, chain, mode, limits):
            what = "with limits" if limits else "for writing"
            text = (
                f"raw VDI {record.id} is in use as a plain file and cannot be used {what} meanwhile; stop its VM first"
            )
            raise VdiInUse(text, vdi=record.id, operation="activate")
        await asyncio.to_thread(self._note, record.id, mode)
        store.uses.plain[record.id] = mode
        return (self._file(chain[0]),)

    def _is_plain(self, record: VdiRecord, chain: Sequence[Image], mode: AttachMode, limits: IoLimits) -> bool:
        """Can the kernel use the file as it is?"""
        if limits or len(chain) > 1 or chain[0].format != "raw":
            return False
        return mode is AttachMode.RO or (self._writes_in_place(record, chain[0]) and record.on_boot is OnBoot.PERSIST)

    def _writes_in_place(self, record: VdiRecord, image: Image) -> bool:
        return image.format != "vhd" and self._store.tree.exclusive(image.name, record.id)

    def _file(self, image: Image) -> Backend:
        return Backend(BackendKind.FILE, str(self._store.folder.path(image.name)))

    async def _writable(self, record: VdiRecord, chain: tuple[Image, ...]) -> tuple[VdiRecord, tuple[Image, ...]]:
        """A leaf that only this VDI has."""
        store = self._store
        leaf = chain[0]
        if record.on_boot is OnBoot.RESET:
            return await store.run(lambda: self._put_scratch(record, chain))
        if self._writes_in_place(record, leaf):
            if leaf.name in record.cbt_images and BITMAP not in leaf.bitmaps:
                record = await self._tracking.broken(record, f"{leaf.name} was not closed properly")
            return record, chain
        check_depth(store, chain)
        moved = await store.run(lambda: put_overlay(store, record))
        return moved, (store.tree.images[moved.image], *chain)

    def _put_scratch(self, record: VdiRecord, chain: tuple[Image, ...]) -> tuple[VdiRecord, tuple[Image, ...]]:
        store = self._store
        old = record.scratch
        if old:
            record = store.save(replace(record, scratch=""))
            store.drop_unneeded(old)
        if record.id not in store.tree.records:
            record = store.save(record)
        scratch = make_overlay(store, chain[0])
        return store.save(replace(record, scratch=scratch.name)), (scratch, *chain)

    async def _record_changes(self, vdi: VdiId, leaf: str) -> None:
        """Before anybody can write: the leaf records what changes from here on."""
        store = self._store
        async with store.editing():
            record = store.record(vdi)
            if not record.cbt or leaf in record.cbt_images:
                return
            await store.images.remove_bitmap(vdi, BITMAP)
            await store.images.add_bitmap(vdi, BITMAP)
            new = replace(record, cbt_images=(*record.cbt_images, leaf))
            await store.run(lambda: store.save(new))

    async def deactivate(self, vdi: VdiId) -> None:
        """`Sr.deactivate_vdi`."""
        await unbroken(asyncio.create_task(self._deactivate(vdi)))

    async def _deactivate(self, vdi: VdiId) -> None:
        if not self._store.active(vdi) and not self._store.shared:
            record = self._store.tree.records.get(vdi)
            if record is None or not record.scratch:
                return
        await self._stop(vdi)

    async def _stop(self, vdi: VdiId) -> None:
        """Close what is open, whether or not the SR answers."""
        try:
            await self._close(vdi)
        except SrBackendFailure:
            await self._store.images.close(vdi)
            raise

    async def _close(self, vdi: VdiId) -> None:
        """A merge that its server does ends first, for the server ends with it."""
        store = self._store
        async with store.editing(vdi) as tree:
            await store.images.close(vdi)
            record = tree.find(vdi)
            if vdi in store.uses.plain:
                if record is not None:
                    await store.run(lambda: store.folder.flush(record.image))
                await asyncio.to_thread(self._forget_note, vdi)
                del store.uses.plain[vdi]
            if record is not None:
                await store.run(lambda: self._after_close(record))
            await self._hosts.release(vdi)

    def _after_close(self, record: VdiRecord) -> None:
        store = self._store
        if record.image:
            store.refresh(record.image)
        if record.scratch:
            self._drop_scratch(record)

    def _drop_scratch(self, record: VdiRecord) -> None:
        self._store.save(replace(record, scratch=""))
        self._store.drop_unneeded(record.scratch)

    def active(self) -> Mapping[VdiId, AttachMode]:
        """`Sr.active_vdis`."""
        store = self._store
        found = dict(store.uses.plain)
        for record in store.tree.vdis():
            opened = store.images.chain(record.id)
            if opened is not None and _within(opened.layers, store.folder.root):
                found[record.id] = opened.mode
        return found

    def _note(self, vdi: VdiId, mode: AttachMode) -> None:
        self._notes.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = self._notes / f".{vdi}"
        new.write_text(mode.value)
        os.replace(new, self._notes / vdi)

    def _forget_note(self, vdi: VdiId) -> None:
        (self._notes / vdi).unlink(missing_ok=True)

    def _read_notes(self) -> dict[VdiId, AttachMode]:
        found = {}
        with contextlib.suppress(FileNotFoundError):
            for path in self._notes.iterdir():
                if is_uuid(path.name):
                    found[VdiId(path.name)] = AttachMode(path.read_text().strip())
        return found


def _within(opened: Sequence[Layer], root: Path) -> bool:
    return Path(opened[0].path).parent == root
