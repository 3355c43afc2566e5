"""The datapath of VDIs on LVM: their devices, and with limits an image server on top."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from xenhost.core.storage import AttachMode, Backend, BackendKind, IoLimits, VdiId, VdiType
from xenhost.core.storage_errors import (
    VdiIncompatibleType,
    VdiInUse,
    VdiReadonly,
    backend_failure,
)
from xenhost.sm.datapath.port import Layer
from xenhost.sm.lvm import device
from xenhost.sm.lvm.catalog import Entry
from xenhost.sm.lvm.store import Store

UNAVAILABLE: Final = 46


class Activation:
    """Which VDIs of one SR are active here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._modes: dict[VdiId, AttachMode] = {}

    def active(self, vdi: VdiId) -> bool:
        """Is it?"""
        return vdi in self._modes

    def require_inactive(self, vdi: VdiId, operation: str) -> None:
        """Raises VdiInUse."""
        if vdi in self._modes:
            raise VdiInUse(f"VDI {vdi} is active on this host", vdi=vdi, operation=operation)

    async def find(self) -> Mapping[VdiId, AttachMode]:
        """Those that are active, whoever did it: `entries` are fresh."""
        found = {}
        for entry in list(self._store.entries.values()):
            if entry.volume.active and entry.has_data:
                found[entry.id] = await self._mode(entry)
        self._modes = dict(found)
        return found

    async def _mode(self, entry: Entry) -> AttachMode:
        chain = self._store.context.images.chain(entry.id)
        if chain is not None:
            return chain.mode
        try:
            read_only = await asyncio.to_thread(device.is_read_only, self._store.path(entry))
        except OSError:
            return AttachMode.RW  # It went meanwhile, or does not answer: what asks for more care.
        return AttachMode.RO if read_only else AttachMode.RW

    async def attach(self, vdi: VdiId, mode: AttachMode) -> Entry:
        """See the port."""
        entry = await self._store.usable(vdi)
        if not entry.has_data:
            raise VdiIncompatibleType(
                f"the data of VDI {vdi} is destroyed; it cannot be attached", vdi=vdi, type=VdiType.CBT_METADATA
            )
        if mode is AttachMode.RW and entry.record.read_only:
            raise VdiReadonly(f"VDI {vdi} is read-only", vdi=vdi)
        return entry

    async def activate(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        """See the port."""
        store = self._store
        entry = await self.attach(vdi, mode)
        path = store.path(entry)
        with store.told(UNAVAILABLE, f"VDI {vdi} cannot be activated", vdi):
            if self._modes.get(vdi) is not mode:
                async with store.lock:
                    await store.group.activate(entry.volume.name)
                try:
                    await asyncio.to_thread(device.set_read_only, path, mode is AttachMode.RO)
                except OSError as error:
                    raise backend_failure(UNAVAILABLE, f"{path} cannot be opened: {error.strerror}") from error
                self._modes[vdi] = mode
        images = store.context.images
        if limits or images.chain(vdi) is not None:
            # Whoever uses the image server goes on using it, though there may be no limits any more.
            return await images.open(vdi, [Layer(path, "raw")], mode, limits)
        return (Backend(BackendKind.BLOCK, path),)

    async def deactivate(self, vdi: VdiId) -> None:
        """See the port."""
        store = self._store
        await store.context.images.close(vdi)
        entry = store.entries.get(vdi)
        if entry is not None:
            with store.told(UNAVAILABLE, f"VDI {vdi} cannot be deactivated", None):
                async with store.lock:
                    await store.group.deactivate(entry.volume.name)
        self._modes.pop(vdi, None)

    async def resized(self, entry: Entry) -> None:
        """Tell its image server of a new size."""
        if self._store.context.images.chain(entry.id) is not None:
            await self._store.context.images.resize(entry.id, entry.volume.size)
