"""An attached SR that is a directory of images."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from xenhost.core.ports.storage import Progress
from xenhost.core.storage import (
    AttachMode,
    Backend,
    Bitmap,
    Chore,
    Health,
    IoLimits,
    NewSnapshot,
    NewVdi,
    ScanReport,
    SrId,
    SrStat,
    Vdi,
    VdiChange,
    VdiId,
)
from xenhost.core.storage_errors import SrBackendFailure, SrNotEmpty, backend_failure
from xenhost.sm.context import SmContext
from xenhost.sm.directory.activation import Activation
from xenhost.sm.directory.folder import LOCK, MARKER, RESERVE, Folder
from xenhost.sm.directory.hosts import HostLocks
from xenhost.sm.directory.lane import Lane
from xenhost.sm.directory.merging import Merging
from xenhost.sm.directory.snapshots import Snapshots
from xenhost.sm.directory.store import Store
from xenhost.sm.directory.tracking import Tracking
from xenhost.sm.directory.vdis import Vdis

Release = Callable[[], Awaitable[None]]
"""Unmounts, and what else undoes the attach."""


async def _nothing() -> None:
    pass


class DirectorySr:
    """The `Sr` port on a directory. Attach it with `open`."""

    def __init__(
        self,
        sr: SrId,
        root: Path,
        context: SmContext,
        *,
        shared: bool = False,
        release: Release = _nothing,
        wipe: Release = _nothing,
        lane: Lane | None = None,
        folder: Folder | None = None,
        image_locks: bool = True,
        read_caching: bool = True,
    ) -> None:
        """`release` undoes the attach, `wipe` what `create` made beyond the directory (after `release`).

        `image_locks` as `Layer.locks`, `read_caching` as there.
        """
        store = Store(sr, folder or Folder(root), context, shared, lane, image_locks, read_caching)
        self._store = store
        self._release = release
        self._wipe = wipe
        self._hosts = HostLocks(store)
        self._tracking = Tracking(store)
        self._vdis = Vdis(store, self._tracking, self._hosts)
        self._snapshots = Snapshots(store, self._tracking, self._hosts)
        self._activation = Activation(store, self._tracking, self._hosts)
        self._merging = Merging(store, self._tracking, self._hosts)

    async def open(self) -> "DirectorySr":
        """Take over what is there. Raises SrBackendFailure 47 if the directory is not this SR's."""
        store = self._store
        await store.run(self._prepare)
        await self._hosts.open()
        await self._activation.recover()
        await self._merging.finish()
        return self

    def _prepare(self) -> None:
        """An SR that another toolstack made has no marker; an empty directory without one is no SR."""
        store = self._store
        if store.folder.marked() is None:
            tree, _ = store.catalog.load()
            if not any(True for _ in tree.vdis()):
                store.folder.verify(store.sr)
            store.folder.mark(store.sr)
        store.folder.verify(store.sr)
        if not store.shared:
            store.folder.clear_temporary()
            store.folder.hold_reserve()

    # The repository

    async def detach(self) -> None:
        """`Sr.detach`."""
        for merge in list(self._store.merges):
            await merge.stop()
        await self._hosts.close()
        self._store.lane.close()
        await self._release()

    async def destroy(self) -> None:
        """`Sr.destroy`."""
        store = self._store
        async with store.editing(reload=True) as tree:
            held = [record.id for record in tree.vdis()] + list(tree.bad_records)
            if held:
                raise SrNotEmpty(f"SR {store.sr} holds {len(held)} VDIs, such as {held[0]}; destroy them first")
            await store.run(self._clear)
        await self.detach()
        await self._wipe()

    def _clear(self) -> None:
        """Everything that is ours, the marker last; what is not ours stays."""
        store = self._store
        for record in list(store.tree.records.values()):
            for name in record.owns:
                if name in store.tree.images:
                    store.discard(name)
            store.folder.remove(record.id + ".vdi")
        for name in [name for name in store.tree.images if store.tree.ours(name)]:
            store.discard(name)
        for found in store.folder.list():
            if found.name.startswith(".xenhost-") and found.name not in (MARKER, LOCK, RESERVE):
                store.folder.remove(found.name)
        for name in (RESERVE, LOCK, MARKER):
            store.folder.remove(name)

    async def scan(self) -> ScanReport:
        """`Sr.scan`."""
        store = self._store
        try:
            async with store.editing(reload=True) as tree:
                found = [store.view(record) for record in tree.vdis()]
                found += [store.bad_view(vdi, problem) for vdi, problem in tree.bad_records.items()]
                return ScanReport(tuple(found), store.ignored)
        except SrBackendFailure as failure:
            if failure.number in (37, 47):
                raise
            raise backend_failure(40, f"SR {store.sr} cannot be scanned: {failure}") from failure

    async def stat(self) -> SrStat:
        """`Sr.stat`."""
        store = self._store
        virtual = sum(store.view(record).virtual_size for record in store.tree.vdis())

        def look() -> tuple[int, int]:
            store.folder.verify(store.sr)
            space = store.folder.space()
            return space.size, space.size - space.free

        try:
            size, used = await store.run(look)
        except SrBackendFailure as failure:
            return SrStat(0, 0, virtual, Health.UNREACHABLE, str(failure))
        doubt = store.tree.doubt()
        problem = f"no space is reclaimed while something may be needed that cannot be read: {doubt}" if doubt else ""
        return SrStat(size, used, virtual, Health.HEALTHY, problem)

    async def update(self, name: str, description: str) -> None:
        """`Sr.update`: an image directory has no place for them."""

    # VDIs

    async def create_vdi(self, new: NewVdi) -> Vdi:
        """`Sr.create_vdi`."""
        return await self._vdis.create(new)

    async def introduce_vdi(self, vdi: VdiId, location: str, sm_config: Mapping[str, str]) -> Vdi:
        """`Sr.introduce_vdi`."""
        return await self._vdis.introduce(vdi, location, sm_config)

    async def destroy_vdi(self, vdi: VdiId) -> None:
        """`Sr.destroy_vdi`."""
        await self._vdis.destroy(vdi)

    async def stat_vdi(self, vdi: VdiId) -> Vdi:
        """`Sr.stat_vdi`."""
        return await self._vdis.stat(vdi)

    async def update_vdi(self, vdi: VdiId, change: VdiChange) -> Vdi:
        """`Sr.update_vdi`."""
        return await self._vdis.update(vdi, change)

    async def resize_vdi(self, vdi: VdiId, size: int) -> Vdi:
        """`Sr.resize_vdi`."""
        return await self._vdis.resize(vdi, size)

    async def snapshot_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        """`Sr.snapshot_vdi`."""
        return await self._snapshots.take(vdi, new, snapshot=True)

    async def clone_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        """`Sr.clone_vdi`."""
        return await self._snapshots.take(vdi, new, snapshot=False)

    async def revert_vdi(self, vdi: VdiId, snapshot: VdiId) -> Vdi:
        """`Sr.revert_vdi`."""
        return await self._snapshots.revert(vdi, snapshot)

    # Datapath

    async def attach_vdi(self, vdi: VdiId, mode: AttachMode) -> None:
        """`Sr.attach_vdi`."""
        await self._activation.attach(vdi, mode)

    async def activate_vdi(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        """`Sr.activate_vdi`."""
        return await self._activation.activate(vdi, mode, limits)

    async def deactivate_vdi(self, vdi: VdiId) -> None:
        """`Sr.deactivate_vdi`."""
        await self._activation.deactivate(vdi)

    async def detach_vdi(self, vdi: VdiId) -> None:
        """`Sr.detach_vdi`: attaching prepared nothing."""

    async def active_vdis(self) -> Mapping[VdiId, AttachMode]:
        """`Sr.active_vdis`."""
        return self._activation.active()

    # Changed block tracking

    async def enable_cbt(self, vdi: VdiId) -> Vdi:
        """`Sr.enable_cbt`."""
        return await self._tracking.enable(vdi)

    async def disable_cbt(self, vdi: VdiId) -> Vdi:
        """`Sr.disable_cbt`."""
        return await self._tracking.disable(vdi)

    async def destroy_vdi_data(self, vdi: VdiId) -> Vdi:
        """`Sr.destroy_vdi_data`."""
        return await self._tracking.destroy_data(vdi)

    async def changed_blocks(self, older: VdiId, newer: VdiId) -> Bitmap:
        """`Sr.changed_blocks`."""
        return await self._tracking.changed(older, newer)

    # Upkeep

    async def chores(self) -> Sequence[Chore]:
        """`Sr.chores`."""
        return await self._merging.chores()

    async def perform(self, chore: Chore, progress: Progress, bytes_per_second: int) -> None:
        """`Sr.perform`."""
        await self._merging.perform(chore, progress, bytes_per_second)
