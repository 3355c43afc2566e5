"""Making, taking on, changing, growing and deleting VDIs."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from xenhost.core.errors import InvalidValue, ValueNotSupported
from xenhost.core.storage import AttachMode, NewVdi, Vdi, VdiChange, VdiId
from xenhost.core.storage_errors import (
    VdiInUse,
    VdiLocationMissing,
    VdiNotAvailable,
    VdiReadonly,
    VdiTooSmall,
    backend_failure,
)
from xenhost.core.units import KIB, TIB
from xenhost.sm.command import CommandError
from xenhost.sm.directory.hosts import HostLocks
from xenhost.sm.directory.overlays import file_node, layer, put_overlay
from xenhost.sm.directory.record import VdiRecord
from xenhost.sm.directory.store import Store
from xenhost.sm.directory.tracking import Tracking
from xenhost.sm.directory.tree import stem_and_format
from xenhost.sm.image import qcow2

MAX_SIZE: Final = 64 * TIB
_STEP: Final = 4 * KIB
_RESIZE_TIMEOUT: Final = 120.0


def rounded(size: int, what: str) -> int:
    """A size that a disk can have, at least as big. Raises InvalidValue."""
    if not 0 < size <= MAX_SIZE:
        raise InvalidValue(
            f"{what} of {size} bytes: 1 byte to {MAX_SIZE} are possible", field="virtual_size", value=str(size)
        )
    return -(-size // _STEP) * _STEP


class Vdis:
    """The verbs that concern one VDI as a whole."""

    def __init__(self, store: Store, tracking: Tracking, hosts: HostLocks) -> None:
        self._store = store
        self._tracking = tracking
        self._hosts = hosts

    async def create(self, new: NewVdi) -> Vdi:
        """`Sr.create_vdi`."""
        size = rounded(new.virtual_size, "a disk")
        form = _format(new.sm_config)
        store = self._store

        def make(owns: tuple[str, ...]) -> Vdi:
            store.require(qcow2.empty_size(size) if form == "qcow2" else 0)
            name = store.new_image(form)
            if form == "raw":
                store.folder.make_raw(name, size)
            else:
                store.folder.make(name, lambda path: qcow2.create(path, size))
            store.refresh(name)
            record = VdiRecord(
                new.id,
                name,
                name=new.name,
                description=new.description,
                type=new.type,
                sharable=new.sharable,
                read_only=new.read_only,
                sm_config=dict(new.sm_config),
                owns=owns,
            )
            return store.view(store.save(record))

        async with store.editing() as tree:
            left = tree.records.get(new.id)
            if left is None or not left.deleted:
                there = tree.find(new.id)
                if there is not None or new.id in tree.bad_records:
                    return self._again(new.id, size)
            return await store.run(lambda: make(left.owns if left else ()), size)

    def _again(self, vdi: VdiId, size: int) -> Vdi:
        there = self._store.view(self._store.record(vdi, managed=False))
        if there.virtual_size != size:
            raise backend_failure(43, f"VDI {vdi} exists, with {there.virtual_size} bytes and not {size}")
        return there

    async def introduce(self, vdi: VdiId, location: str, sm_config: Mapping[str, str]) -> Vdi:
        """`Sr.introduce_vdi`."""
        store = self._store
        async with store.editing(reload=True) as tree:
            record = tree.find(vdi)
            if record is not None and location in (vdi, record.image):
                return store.view(record)
            if record is not None:
                raise backend_failure(43, f"VDI {vdi} exists, and is not {location[:100]!r}")
            name = _plain_name(location)
            image = await store.run(lambda: store.refresh(name)) if name else None
            if image is None:
                text = (
                    f"there is no file {location[:100]!r} on SR {store.sr} that can be a VDI (.qcow2, .vhd, .raw, .img)"
                )
                raise VdiLocationMissing(text, sr=store.sr, location=location[:100])
            if image.problem:
                raise VdiNotAvailable(f"{name} cannot be used: {image.problem}", vdi=vdi)
            if tree.namers(name) or tree.children(name) or tree.ours(name):
                raise backend_failure(43, f"{name} belongs to a VDI already")
            new = VdiRecord(vdi, name, name=name, sm_config=dict(sm_config), owns=(name,))
            return await store.run(lambda: store.view(store.save(new)))

    async def destroy(self, vdi: VdiId) -> None:
        """`Sr.destroy_vdi`."""
        store = self._store

        def remove(record: VdiRecord) -> None:
            self._tracking.forget(record)
            store.forget(record)
            for name in (record.scratch, record.image, *record.cbt_images):
                if name:
                    store.drop_unneeded(name)

        async with store.editing(vdi) as tree:
            if store.active(vdi):
                raise VdiInUse(f"VDI {vdi} is in use on this host", vdi=vdi, operation="destroy")
            if vdi in tree.bad_records:
                return await store.run(lambda: store.forget(VdiRecord(vdi, "")))
            if tree.find(vdi) is None:
                return await store.run(lambda: self._tracking.clear(vdi))
            record = store.record(vdi)
            await self._hosts.refuse_foreign(vdi, AttachMode.RW, "destroy")
            return await store.run(lambda: remove(record))

    async def stat(self, vdi: VdiId) -> Vdi:
        """`Sr.stat_vdi`."""
        store = self._store
        async with store.editing() as tree:
            saved = await store.run(lambda: store.catalog.record(vdi))
            if isinstance(saved, VdiRecord):
                tree.put_record(saved)
            elif isinstance(saved, str):
                tree.put_bad_record(vdi, saved)
                return store.bad_view(vdi, saved)
            elif vdi in tree.records or vdi in tree.bad_records:
                tree.drop_record(vdi)
            for name in (f"{vdi}.{end}" for end in ("qcow2", "vhd", "raw", "img")):
                if saved is None and name not in tree.images:
                    await store.run(lambda name=name: store.refresh(name))  # type: ignore[misc]
            record = store.record(vdi, managed=False)
            if record.image:
                await store.run(lambda: store.refresh(record.image))
            return store.view(store.record(vdi, managed=False))

    async def update(self, vdi: VdiId, change: VdiChange) -> Vdi:
        """`Sr.update_vdi`."""
        store = self._store
        wanted = {
            key: value
            for key in ("name", "description", "read_only", "sharable", "on_boot")
            if (value := getattr(change, key)) is not None
        }
        async with store.editing():
            record = store.record(vdi)
            new = replace(record, **wanted)
            if new != record:
                await store.run(lambda: store.save(new))
            return store.view(new)

    async def resize(self, vdi: VdiId, size: int) -> Vdi:
        """`Sr.resize_vdi`."""
        store = self._store
        wanted = rounded(size, "a disk")
        async with store.editing(vdi) as tree:
            record = store.record(vdi)
            image = store.chain(record)[0] if record.image else None
            if image is None or record.is_a_snapshot:
                raise VdiReadonly(f"VDI {vdi} is a snapshot, which keeps its size", vdi=vdi)
            if wanted < image.size:
                text = f"VDI {vdi} has {image.size} bytes and cannot be made smaller, to {wanted}"
                raise VdiTooSmall(text, vdi=vdi, minimum_size=str(image.size))
            if wanted == image.size:
                return store.view(record)
            opened = store.images.chain(vdi)
            exclusive = tree.exclusive(image.name, vdi) and image.format != "vhd"
            if opened is not None:
                if opened.mode is not AttachMode.RW or record.scratch:
                    raise VdiInUse(f"VDI {vdi} is in use for reading only", vdi=vdi, operation="resize")
                await store.images.resize(vdi, wanted)
            elif exclusive and image.format == "raw":
                await store.run(lambda: store.folder.grow_raw(image.name, wanted), wanted - image.size)
            elif vdi in store.uses.plain:
                raise VdiInUse(f"VDI {vdi} is in use for reading only", vdi=vdi, operation="resize")
            else:
                await self._hosts.refuse_foreign(vdi, AttachMode.RW, "resize")
                if exclusive:
                    await self._resize_qcow2(image.name, wanted)
                else:
                    record = await store.run(lambda: put_overlay(store, record, size=wanted))
            await store.run(lambda: store.refresh(record.image))
            return store.view(record)

    async def _resize_qcow2(self, name: str, size: int) -> None:
        node = {
            "driver": "qcow2",
            "file": file_node(layer(self._store, self._store.tree.images[name])),
            "backing": None,  # an overlay is never shorter than what it lies on, so that has no part in it
        }
        try:
            await self._store.context.commands.run(
                "qemu-img", "resize", "-q", f"json:{json.dumps(node)}", str(size), timeout=_RESIZE_TIMEOUT
            )
        except CommandError as error:
            raise backend_failure(110, f"{name} cannot be resized: {error}") from error


def _format(sm_config: Mapping[str, str]) -> str:
    wanted = sm_config.get("image-format", "")
    if sm_config.get("type") == "raw":
        wanted = wanted or "raw"
    if wanted in ("", "qcow2", "raw"):
        return wanted or "qcow2"
    text = f"image-format {wanted!r:.40} cannot be made: qcow2 (the default) and raw can; VHDs are read"
    raise ValueNotSupported(text, field="sm_config:image-format", value=wanted[:40], reason_text="qcow2 or raw")


def _plain_name(untrusted_location: str) -> str:
    name = Path(untrusted_location).name
    _, form = stem_and_format(name)
    return name if form and name == untrusted_location and not name.startswith(".") else ""
