"""An SR that a SMAPIv3 plugin serves."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Final

from xenhost.core.errors import InvalidValue, XenhostError
from xenhost.core.ports.storage import Progress
from xenhost.core.storage import (
    AttachMode,
    Backend,
    Bitmap,
    Capability,
    Chore,
    DriverInfo,
    Health,
    IoLimits,
    NewSnapshot,
    NewVdi,
    OnBoot,
    ScanReport,
    SrSpec,
    SrStat,
    Vdi,
    VdiChange,
    VdiId,
)
from xenhost.core.storage_errors import (
    SrBackendFailure,
    SrNotEmpty,
    SrOperationNotSupported,
    VdiInUse,
    VdiReadonly,
    VdiTooSmall,
    backend_failure,
)
from xenhost.sm.context import SmContext
from xenhost.sm.smapiv1.patience import unhurried
from xenhost.sm.smapiv3 import changes, volumes
from xenhost.sm.smapiv3.catalog import Catalog
from xenhost.sm.smapiv3.datapaths import Datapath, DatapathPlugins
from xenhost.sm.smapiv3.failures import bad_answer
from xenhost.sm.smapiv3.plugin import Plugin
from xenhost.sm.smapiv3.state import Configurations, SrState
from xenhost.sm.smapiv3.values import MAX_SIZE, SrRecord, Volume

_TRIES: Final = 3
_BETWEEN: Final = 1.0
_EXISTS: Final = 43


class V3Sr:
    """One SR. `handle` is what its plugin calls it."""

    def __init__(
        self,
        context: SmContext,
        plugin: Plugin,
        info: DriverInfo,
        datapaths: DatapathPlugins,
        spec: SrSpec,
        handle: str,
        state: SrState,
        answers: Configurations,
    ) -> None:
        self._context = context
        self._info = info
        self._sr = spec.id
        self._state = state
        self._answers = answers
        self._catalog = Catalog(plugin, spec.id, handle)
        self._datapath = Datapath(spec.id, datapaths, state, context.images)

    # The repository

    async def detach(self) -> None:
        """SR.detach."""
        await unhurried(self._leave("SR.detach"))

    async def destroy(self) -> None:
        """SR.destroy, of an empty one."""
        self._need(Capability.SR_DELETE)
        if found := await self._catalog.look():
            raise SrNotEmpty(f"SR {self._sr} holds {len(found)} VDIs; destroy them first")
        await unhurried(self._leave("SR.destroy"))
        await asyncio.to_thread(self._answers.drop, self._sr)

    async def _leave(self, method: str) -> None:
        await self._catalog.call(method)
        await asyncio.to_thread(self._state.clear)

    async def scan(self) -> ScanReport:
        """SR.ls of an SR that is healthy: only then it is all there is."""
        self._need(Capability.SR_SCAN)
        for left in range(_TRIES, -1, -1):
            record = await self._record()
            if record is None or record.health is Health.HEALTHY:
                break
            if record.health is not Health.UNREACHABLE or not left:
                text = f"SR {self._sr} is {record.health}: {record.problem or 'its plugin does not say why'}"
                raise SrBackendFailure(text, status=record.health, msg=text, detail="")
            await self._context.clock.sleep(_BETWEEN)
        found = await self._catalog.look()
        ids = {volume.key: id for id, volume in found.items()}
        vdis = [
            volumes.vdi_of(id, each, ids, self._info.type)
            if isinstance(each, Volume)
            else volumes.bad_vdi(id, each, self._info.type)
            for id, each in found.items()
        ]
        return ScanReport(tuple(vdis), self._catalog.ignored)

    async def stat(self) -> SrStat:
        """SR.stat, or what the last scan knows."""
        allocated = self._catalog.allocated()
        try:
            record = await self._record()
        except XenhostError as error:
            return SrStat(0, 0, allocated, Health.UNREACHABLE, str(error))
        if record is None:
            return SrStat(0, 0, allocated)
        used = max(0, record.total_space - record.free_space)
        return SrStat(record.total_space, used, allocated, record.health, record.problem)

    async def _record(self) -> SrRecord | None:
        if not self._catalog.can("SR.stat"):
            return None
        return self._catalog.reader("SR.stat").sr(await self._catalog.call("SR.stat"))

    async def update(self, name: str, description: str) -> None:
        """SR.set_name and SR.set_description, as far as they are there."""
        if self._catalog.can("SR.set_name"):
            await self._catalog.call("SR.set_name", new_name=name)
        if self._catalog.can("SR.set_description"):
            await self._catalog.call("SR.set_description", new_description=description)

    # VDIs

    async def create_vdi(self, new: NewVdi) -> Vdi:
        """Volume.create, and the keys xapi keeps with a volume."""
        self._need(Capability.VDI_CREATE)
        there = await self._catalog.known(new.id)
        if there is not None:
            if there.virtual_size < new.virtual_size:
                raise backend_failure(_EXISTS, f"there is a VDI {new.id} of {there.virtual_size} bytes already")
            return self._vdi(new.id, there)
        if not 0 < new.virtual_size <= MAX_SIZE:
            text = f"a VDI of {new.virtual_size} bytes: 1 to {MAX_SIZE} are right"
            raise InvalidValue(text, field="virtual_size", value=str(new.virtual_size))
        return await unhurried(self._making(self._create_vdi(new)))

    async def _making(self, work: Coroutine[object, object, Vdi]) -> Vdi:
        async with self._catalog.making():
            return await work

    async def _create_vdi(self, new: NewVdi) -> Vdi:
        answer = await self._catalog.call(
            "Volume.create",
            name=new.name,
            description=new.description,
            size=new.virtual_size,
            sharable=new.sharable,
        )
        volume = self._catalog.reader("Volume.create").volume(answer)
        keys = {volumes.TYPE: str(new.type)}
        keys |= {volumes.SM_CONFIG + key: value for key, value in new.sm_config.items()}
        if new.read_only:
            keys[volumes.READ_ONLY] = "true"
        async with self._catalog.undone_unless_finished(volume):
            if volume.virtual_size < new.virtual_size:
                size = volume.virtual_size
                raise bad_answer("Volume.create", f"{size} bytes were made of {new.virtual_size} asked for")
            return self._vdi(*await self._catalog.adopt(new.id, volume, keys))

    async def introduce_vdi(self, vdi: VdiId, location: str, sm_config: Mapping[str, str]) -> Vdi:
        """The volume with that key. Raises VdiLocationMissing."""
        volume = await self._catalog.by_location(location)
        return self._vdi(*await unhurried(self._catalog.adopt(vdi, volume, {})))

    async def destroy_vdi(self, vdi: VdiId) -> None:
        """Volume.destroy, of the VDI and of the copy it was booted from."""
        self._need(Capability.VDI_DELETE)
        if await self._datapath.attached(vdi) is not None:
            raise VdiInUse(f"VDI {vdi} is attached; detach it first", vdi=vdi, operation="destroy")
        volume = await self._catalog.find(vdi)
        if volume is None:
            return
        if temporary := volume.keys.get(volumes.CLONE_ON_BOOT):
            await self._catalog.destroy(vdi, temporary)
        await self._catalog.destroy(vdi, volume.key)
        self._catalog.forget(vdi)

    async def stat_vdi(self, vdi: VdiId) -> Vdi:
        """Volume.stat."""
        return self._vdi(vdi, await self._catalog.get(vdi))

    async def update_vdi(self, vdi: VdiId, change: VdiChange) -> Vdi:
        """Names by their own methods, the rest as keys."""
        volume = await self._catalog.get(vdi)
        if change.name is not None and change.name != volume.name:
            await self._catalog.call("Volume.set_name", vdi, key=volume.key, new_name=change.name)
        if change.description is not None and change.description != volume.description:
            await self._catalog.call("Volume.set_description", vdi, key=volume.key, new_description=change.description)
        if change.sharable is not None:
            await self._catalog.set_key(vdi, volume, volumes.SHARABLE, str(change.sharable).lower())
        if change.read_only is not None:
            await self._catalog.set_key(vdi, volume, volumes.READ_ONLY, "true" if change.read_only else None)
        if change.on_boot is not None:
            reset = change.on_boot is OnBoot.RESET
            if reset:
                self._need(Capability.VDI_RESET_ON_BOOT)
            await self._catalog.set_key(vdi, volume, volumes.ON_BOOT, str(OnBoot.RESET) if reset else None)
        return await self.stat_vdi(vdi)

    async def resize_vdi(self, vdi: VdiId, size: int) -> Vdi:
        """Volume.resize."""
        self._need(Capability.VDI_RESIZE)
        volume = await self._catalog.get(vdi)
        if size < volume.virtual_size:
            text = f"VDI {vdi} has {volume.virtual_size} bytes and cannot shrink to {size}"
            raise VdiTooSmall(text, vdi=vdi, minimum_size=str(volume.virtual_size))
        if size > volume.virtual_size:
            if await self._datapath.attached(vdi) is not None and not self._info.can(Capability.VDI_RESIZE_ONLINE):
                raise VdiInUse(
                    f"VDI {vdi} is in use, and its plugin cannot resize it meanwhile", vdi=vdi, operation="resize"
                )
            await self._catalog.call("Volume.resize", vdi, key=volume.key, new_size=size)
        return await self.stat_vdi(vdi)

    async def snapshot_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        """Volume.snapshot, marked as xapi marks snapshots."""
        self._need(Capability.VDI_SNAPSHOT)
        keys = {volumes.SNAPSHOT_TIME: volumes.time_text(new.time), volumes.IS_A_SNAPSHOT: "true"}
        return await self._derive("Volume.snapshot", vdi, new, keys)

    async def clone_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        """Volume.clone."""
        self._need(Capability.VDI_CLONE)
        return await self._derive("Volume.clone", vdi, new, {})

    async def _derive(self, method: str, vdi: VdiId, new: NewSnapshot, keys: dict[str, str]) -> Vdi:
        if (there := await self._catalog.known(new.id)) is not None:
            return self._vdi(new.id, there)
        origin = await self._catalog.get(vdi)
        if volumes.IS_A_SNAPSHOT in keys:
            keys[volumes.SNAPSHOT_OF] = origin.key
        keys[volumes.TYPE] = origin.keys.get(volumes.TYPE, "user")
        return await unhurried(self._making(self._derived(method, vdi, new, origin, keys)))

    async def _derived(self, method: str, vdi: VdiId, new: NewSnapshot, origin: Volume, keys: dict[str, str]) -> Vdi:
        volume = self._catalog.reader(method).volume(await self._catalog.call(method, vdi, key=origin.key))
        async with self._catalog.undone_unless_finished(volume):
            if volume.key == origin.key:
                raise bad_answer(method, "the new volume has the key of the old one")
            for key in volumes.OF_ONE_VOLUME - keys.keys():
                volume = await self._catalog.set_key(vdi, volume, key, None)
            id, volume = await self._catalog.adopt(new.id, volume, keys)
            if new.name and new.name != volume.name and self._catalog.can("Volume.set_name"):
                await self._catalog.call("Volume.set_name", id, key=volume.key, new_name=new.name)
                volume = replace(volume, name=new.name)
            if new.description and self._catalog.can("Volume.set_description"):
                await self._catalog.call("Volume.set_description", id, key=volume.key, new_description=new.description)
                volume = replace(volume, description=new.description)
            return self._vdi(id, volume)

    async def revert_vdi(self, vdi: VdiId, snapshot: VdiId) -> Vdi:
        """Volume.revert."""
        self._need(Capability.VDI_REVERT)
        volume, source = await self._catalog.get(vdi), await self._catalog.get(snapshot)
        if await self._datapath.attached(vdi) is not None:
            raise VdiInUse(f"VDI {vdi} is in use; detach it first", vdi=vdi, operation="revert")
        await unhurried(self._catalog.call("Volume.revert", vdi, snapshot=source.key, key=volume.key))
        return await self.stat_vdi(vdi)

    # Datapath

    async def attach_vdi(self, vdi: VdiId, mode: AttachMode) -> None:
        """Datapath.attach; of a VDI that is reset on boot, of a fresh copy."""
        volume = await self._catalog.get(vdi)
        if mode is AttachMode.RW and self._vdi(vdi, volume).read_only:
            raise VdiReadonly(f"VDI {vdi} is read-only; attach it so", vdi=vdi)
        if await self._datapath.attached(vdi) is not None:
            return
        reset = volume.keys.get(volumes.ON_BOOT) == OnBoot.RESET and mode is AttachMode.RW
        if reset:
            volume = await unhurried(self._fresh_copy(vdi, volume))
        await self._datapath.attach(vdi, volume, mode, volume.key if reset else "")

    async def _fresh_copy(self, vdi: VdiId, volume: Volume) -> Volume:
        if temporary := volume.keys.get(volumes.CLONE_ON_BOOT):
            await self._catalog.destroy(vdi, temporary)
        copy = self._catalog.reader("Volume.clone").volume(
            await self._catalog.call("Volume.clone", vdi, key=volume.key)
        )
        async with self._catalog.undone_unless_finished(copy):
            await self._catalog.set_key(vdi, volume, volumes.CLONE_ON_BOOT, copy.key)
        return copy

    async def activate_vdi(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        """Datapath.activate."""
        return await self._datapath.activate(vdi, mode, limits)

    async def deactivate_vdi(self, vdi: VdiId) -> None:
        """Datapath.deactivate."""
        await self._datapath.deactivate(vdi)

    async def detach_vdi(self, vdi: VdiId) -> None:
        """Datapath.detach, and the end of a copy that was made for this boot."""
        there = await self._datapath.attached(vdi)
        if there is None:
            return
        await self._datapath.detach(vdi)
        if there.temporary and (volume := await self._catalog.find(vdi)) is not None:
            await self._catalog.destroy(vdi, there.temporary)
            await self._catalog.set_key(vdi, volume, volumes.CLONE_ON_BOOT, None)

    async def active_vdis(self) -> Mapping[VdiId, AttachMode]:
        """Those that are active."""
        return await self._datapath.active()

    # Changed block tracking

    async def enable_cbt(self, vdi: VdiId) -> Vdi:
        """Volume.enable_cbt."""
        return await self._simple("Volume.enable_cbt", vdi)

    async def disable_cbt(self, vdi: VdiId) -> Vdi:
        """Volume.disable_cbt."""
        return await self._simple("Volume.disable_cbt", vdi)

    async def destroy_vdi_data(self, vdi: VdiId) -> Vdi:
        """Volume.data_destroy, and the type that xapi gives such a volume."""
        found = await self._simple("Volume.data_destroy", vdi)
        volume = await self._catalog.get(vdi)
        await self._catalog.set_key(vdi, volume, volumes.TYPE, "cbt_metadata")
        return await self.stat_vdi(found.id)

    async def _simple(self, method: str, vdi: VdiId) -> Vdi:
        self._need(Capability.VDI_CONFIG_CBT)
        volume = await self._catalog.get(vdi)
        await unhurried(self._catalog.call(method, vdi, key=volume.key))
        return await self.stat_vdi(vdi)

    async def changed_blocks(self, older: VdiId, newer: VdiId) -> Bitmap:
        """Volume.list_changed_blocks, of the whole disk."""
        self._need(Capability.VDI_CONFIG_CBT)
        old, new = await self._catalog.get(older), await self._catalog.get(newer)
        answer = await self._catalog.call(
            "Volume.list_changed_blocks", newer, key=old.key, key2=new.key, offset=0, length=-1
        )
        return changes.bitmap(answer, max(old.virtual_size, new.virtual_size))

    # Upkeep

    async def chores(self) -> Sequence[Chore]:
        """None: the plugin does them by itself."""
        return ()

    async def perform(self, chore: Chore, progress: Progress, bytes_per_second: int) -> None:
        """There is nothing to do."""

    def _vdi(self, id: VdiId, volume: Volume) -> Vdi:
        return volumes.vdi_of(id, volume, self._catalog.ids(), self._info.type)

    def _need(self, capability: Capability) -> None:
        if not self._info.can(capability):
            raise SrOperationNotSupported(f"SRs of type {self._info.type} cannot do {capability}", sr=self._sr)
