"""An SR whose driver is a SMAPIv1 plugin."""

import asyncio
import base64
import binascii
import contextlib
from collections.abc import Mapping, Sequence
from typing import Final

from xenhost.core.errors import InvalidValue, XenhostError
from xenhost.core.ports.storage import Progress
from xenhost.core.storage import (
    AttachMode,
    Backend,
    Bitmap,
    Capability,
    Chore,
    Health,
    IoLimits,
    NewSnapshot,
    NewVdi,
    ScanReport,
    SrStat,
    Vdi,
    VdiChange,
    VdiId,
)
from xenhost.core.storage_errors import (
    SrNotEmpty,
    SrOperationNotSupported,
    VdiInUse,
    VdiMissing,
    VdiTooSmall,
    backend_failure,
)
from xenhost.sm.smapiv1.attachment import Attachments
from xenhost.sm.smapiv1.channel import Channel, Extra
from xenhost.sm.smapiv1.datapath import Datapath
from xenhost.sm.smapiv1.failures import process_failure
from xenhost.sm.smapiv1.patience import unhurried
from xenhost.sm.smapiv1.records import without_passing
from xenhost.sm.smapiv1.request import MAX_ARGUMENT
from xenhost.sm.smapiv1.xenapi.schema import NEVER, NULL_REF, Stored
from xenhost.sm.smapiv1.xenapi.special import MADE_FOR
from xenhost.sm.smapiv1.xenapi.tables import ref_of
from xenhost.sm.smapiv1.xenapi.times import stamp
from xenhost.system.xmlrpc import Value

_REVERSED: Final = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
"""XenServer's bitmaps have the first block in the most significant bit."""


class V1Sr:
    """Attached. What its driver knows of VDIs is in the records; this asks the driver, and tells what they say."""

    def __init__(self, channel: Channel, attachments: Attachments) -> None:
        self._channel = channel
        self._attachments = attachments
        self._datapath = Datapath(channel, attachments)
        channel.service.attached[channel.sr] = self

    # The repository

    async def detach(self) -> None:
        """sr_detach."""
        await unhurried(self._detach())

    async def _detach(self) -> None:
        async with self._channel.service.attaching:
            await self._channel.run("sr_detach")
        await self._let_go()

    async def _let_go(self) -> None:
        self._channel.service.attached.pop(self._channel.sr, None)
        self._channel.tables.set("PBD", self._channel.pbd_ref, currently_attached=False)
        await self._channel.tables.flush()
        await asyncio.to_thread(self._attachments.clear)

    async def destroy(self) -> None:
        """sr_delete, after which nothing is known of it."""
        if count := sum(vdi.managed for vdi in self._channel.vdis()):
            raise SrNotEmpty(f"SR {self._channel.sr} holds {count} VDIs; destroy them first")
        await unhurried(self._destroy())

    async def _destroy(self) -> None:
        async with self._channel.service.attaching:
            await self._channel.run("sr_delete")
        await self._let_go()
        tables = self._channel.tables
        for ref, _ in list(tables.of_sr("VDI", self._channel.sr_ref)):
            tables.remove("VDI", ref)
        tables.remove("PBD", self._channel.pbd_ref)
        tables.remove("SR", self._channel.sr_ref)
        await tables.flush()

    async def scan(self) -> ScanReport:
        """sr_scan: the driver brings the records up to date."""
        await self.scan_records()
        return ScanReport(self._channel.vdis())

    async def stat(self) -> SrStat:
        """sr_update, where there is one, and what the records say then."""
        problem = ""
        if self._channel.can(Capability.SR_UPDATE):
            try:
                await self.update_records()
            except XenhostError as error:
                problem = str(error)
        record = self._channel.sr_record()
        size, used, allocated = (
            record[name] for name in ("physical_size", "physical_utilisation", "virtual_allocation")
        )
        assert isinstance(size, int)  # by the schema, as the others
        assert isinstance(used, int)
        assert isinstance(allocated, int)
        return SrStat(size, used, allocated, Health.UNREACHABLE if problem else Health.HEALTHY, problem)

    async def update(self, name: str, description: str) -> None:
        """Into the record, and sr_update."""
        self._channel.tables.set("SR", self._channel.sr_ref, name_label=name, name_description=description)
        await self._channel.tables.flush()
        if self._channel.can(Capability.SR_UPDATE):
            await self.update_records()

    # VDIs

    async def create_vdi(self, new: NewVdi) -> Vdi:
        """vdi_create. The driver chooses the UUID; asked again for the same one, it is the same VDI."""
        self._channel.need(Capability.VDI_CREATE)
        if new.virtual_size <= 0:
            raise InvalidValue("a VDI has at least one byte", field="virtual_size", value=str(new.virtual_size))
        if (made := self._channel.made_for(new.id)) is not None:
            return self._channel.told(made)
        return await unhurried(self._create(new))

    async def _create(self, new: NewVdi) -> Vdi:
        try:
            answer = await self._channel.run(
                "vdi_create",
                *(str(new.virtual_size), new.name, new.description, NULL_REF, "false", NEVER, NULL_REF),
                "true" if new.read_only else "false",
                extra=Extra(vdi_type=str(new.type), vdi_sm_config=new.sm_config, making=new.id),
            )
            made = self._channel.made("vdi_create", answer)
        except XenhostError:
            if (half := self._channel.made_for(new.id)) is not None:
                with contextlib.suppress(XenhostError):  # the first failure is the one to tell
                    await self._destroy_vdi(half)
            raise
        await self._channel.change(
            made, sharable=new.sharable, name_label=new.name, name_description=new.description, **{MADE_FOR: new.id}
        )
        vdi = self._channel.told(made)
        if vdi.virtual_size < new.virtual_size:
            await self._channel.run("vdi_delete", vdi=made)
            raise backend_failure(
                79, f"the driver made a VDI of {vdi.virtual_size} bytes, and {new.virtual_size} were asked for"
            )
        return vdi

    async def introduce_vdi(self, vdi: VdiId, location: str, sm_config: Mapping[str, str]) -> Vdi:
        """vdi_introduce."""
        self._channel.need(Capability.VDI_INTRODUCE)
        if self._channel.find(vdi) is None:
            extra = Extra(vdi_location=location, vdi_sm_config=sm_config, new_uuid=vdi)
            answer = await unhurried(self._channel.run("vdi_introduce", extra=extra))
            vdi = self._channel.made("vdi_introduce", answer)
        return self._channel.told(vdi)

    async def destroy_vdi(self, vdi: VdiId) -> None:
        """vdi_delete."""
        self._channel.need(Capability.VDI_DELETE)
        made = self._channel.made_for(vdi)
        if made is None:
            return
        if await self._datapath.is_attached(made):
            raise VdiInUse(f"VDI {made} is in use on this host; detach it first", vdi=made, operation="destroy")
        await unhurried(self._destroy_vdi(made))

    async def _destroy_vdi(self, vdi: VdiId) -> None:
        with contextlib.suppress(VdiMissing):
            await self._channel.run("vdi_delete", vdi=vdi)
        self._channel.tables.remove("VDI", ref_of("VDI", vdi))  # most drivers have done that
        await self._channel.tables.flush()

    async def stat_vdi(self, vdi: VdiId) -> Vdi:
        """What the records say of it."""
        return self._channel.told(vdi)

    async def update_vdi(self, vdi: VdiId, change: VdiChange) -> Vdi:
        """Into the record, and vdi_update; if that fails, as it was."""
        old = dict(self._channel.vdi(vdi))
        fields: dict[str, Stored | None] = {
            "name_label": change.name,
            "name_description": change.description,
            "read_only": change.read_only,
            "sharable": change.sharable,
            "on_boot": None if change.on_boot is None else str(change.on_boot),
        }
        changed = {name: value for name, value in fields.items() if value is not None}
        await self._channel.change(vdi, **changed)
        if self._channel.can(Capability.VDI_UPDATE):
            try:
                await unhurried(self._channel.run("vdi_update", vdi=vdi))
            except XenhostError:
                await self._channel.change(vdi, **{name: old[name] for name in changed})
                raise
        return self._channel.told(vdi)

    async def resize_vdi(self, vdi: VdiId, size: int) -> Vdi:
        """vdi_resize, or vdi_resize_online of an active one."""
        now = self._channel.told(vdi).virtual_size
        if size < now:
            raise VdiTooSmall(f"VDI {vdi} has {now} bytes and cannot shrink", vdi=vdi, minimum_size=str(now))
        active = await self._datapath.is_active(vdi)
        self._channel.need(Capability.VDI_RESIZE_ONLINE if active else Capability.VDI_RESIZE)
        if size > now:
            command = "vdi_resize_online" if active else "vdi_resize"
            await unhurried(self._channel.run(command, str(size), vdi=vdi))
        return self._channel.told(vdi)

    async def snapshot_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        """vdi_snapshot."""
        self._channel.need(Capability.VDI_SNAPSHOT)
        marks: dict[str, Stored] = {
            "is_a_snapshot": True,
            "snapshot_of": ref_of("VDI", vdi),
            "snapshot_time": stamp(new.time),
        }
        return await self._copy("vdi_snapshot", vdi, new, marks)

    async def clone_vdi(self, vdi: VdiId, new: NewSnapshot) -> Vdi:
        """vdi_clone."""
        self._channel.need(Capability.VDI_CLONE)
        marks: dict[str, Stored] = {"is_a_snapshot": False, "snapshot_of": NULL_REF, "snapshot_time": NEVER}
        return await self._copy("vdi_clone", vdi, new, marks)

    async def _copy(self, command: str, vdi: VdiId, new: NewSnapshot, marks: Mapping[str, Stored]) -> Vdi:
        if (made := self._channel.made_for(new.id)) is not None:
            return self._channel.told(made)
        return await unhurried(self._make_copy(command, vdi, new, marks))

    async def _make_copy(self, command: str, vdi: VdiId, new: NewSnapshot, marks: Mapping[str, Stored]) -> Vdi:
        # Such a command introduces the base copy too: which of them was made for `new` only the answer says.
        answer = await self._channel.run(command, vdi=vdi, extra=Extra(driver_params=new.driver_params))
        made = self._channel.made(command, answer)
        if made == vdi:
            raise process_failure(f"{command} answered with the VDI itself", "", "")
        source, copy = self._channel.vdi(vdi), self._channel.vdi(made)
        await self._channel.change(
            made,
            name_label=new.name,
            name_description=new.description,
            type=source["type"],
            managed=True,
            sm_config=without_passing(copy["sm_config"]),
            **{MADE_FOR: new.id},
            **marks,
        )
        return self._channel.told(made)

    async def revert_vdi(self, vdi: VdiId, snapshot: VdiId) -> Vdi:
        """vdi_revert, which is a command on the snapshot."""
        self._channel.need(Capability.VDI_REVERT)
        self._channel.vdi(vdi)
        await unhurried(self._channel.run("vdi_revert", ref_of("VDI", vdi), vdi=snapshot))
        return self._channel.told(vdi)

    async def generate_config(self, vdi: VdiId) -> str:
        """vdi_generate_config, whose answer fits into one argument of the plugin. The port's `ConfiguringSr`."""
        self._channel.need(Capability.VDI_GENERATE_CONFIG)
        answer = await self._channel.run("vdi_generate_config", vdi=vdi)
        if not isinstance(answer, str) or not 0 < len(answer.encode()) < MAX_ARGUMENT:
            reason = f"vdi_generate_config must answer with a text of less than {MAX_ARGUMENT} bytes"
            raise process_failure(reason, "", "")
        return answer

    # Datapath

    async def attach_vdi(self, vdi: VdiId, mode: AttachMode) -> None:
        """vdi_attach."""
        await self._datapath.attach(vdi, mode)

    async def activate_vdi(self, vdi: VdiId, mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        """vdi_activate."""
        return await self._datapath.activate(vdi, mode, limits)

    async def deactivate_vdi(self, vdi: VdiId) -> None:
        """vdi_deactivate."""
        await self._datapath.deactivate(vdi)

    async def detach_vdi(self, vdi: VdiId) -> None:
        """vdi_detach."""
        await self._datapath.detach(vdi)

    async def active_vdis(self) -> Mapping[VdiId, AttachMode]:
        """Those that were activated since the host started."""
        return await self._datapath.active()

    # Changed block tracking

    async def enable_cbt(self, vdi: VdiId) -> Vdi:
        """vdi_enable_cbt."""
        return await self._set_cbt(vdi, "vdi_enable_cbt", True)

    async def disable_cbt(self, vdi: VdiId) -> Vdi:
        """vdi_disable_cbt."""
        return await self._set_cbt(vdi, "vdi_disable_cbt", False)

    async def _set_cbt(self, vdi: VdiId, command: str, enabled: bool) -> Vdi:
        self._channel.need(Capability.VDI_CONFIG_CBT)
        if self._channel.told(vdi).cbt_enabled is not enabled:
            await unhurried(self._channel.run(command, vdi=vdi))
            await self._channel.change(vdi, cbt_enabled=enabled)
        return self._channel.told(vdi)

    async def destroy_vdi_data(self, vdi: VdiId) -> Vdi:
        """vdi_data_destroy."""
        self._channel.need(Capability.VDI_CONFIG_CBT)
        await unhurried(self._channel.run("vdi_data_destroy", vdi=vdi))
        await self._channel.change(vdi, type="cbt_metadata")
        return self._channel.told(vdi)

    async def changed_blocks(self, older: VdiId, newer: VdiId) -> Bitmap:
        """vdi_list_changed_blocks."""
        self._channel.need(Capability.VDI_CONFIG_CBT)
        size = self._channel.told(newer).virtual_size
        answer = await self._channel.run("vdi_list_changed_blocks", ref_of("VDI", newer), vdi=older)
        return Bitmap(_bits(answer), size)

    # Upkeep: drivers of this kind see to that themselves

    async def chores(self) -> Sequence[Chore]:
        """None."""
        return ()

    async def perform(self, chore: Chore, progress: Progress, bytes_per_second: int) -> None:
        """There are none."""
        raise InvalidValue(f"there is no chore {chore.id}", field="chore", value=chore.id)

    # What calls of the driver itself ask for

    async def update_records(self) -> None:
        """sr_update."""
        await self._channel.run("sr_update")

    async def scan_records(self) -> None:
        """sr_scan; a driver without one keeps its records right at all times."""
        try:
            await self._channel.run("sr_scan")
        except SrOperationNotSupported:
            return

    async def snapshot_record(self, vdi: str, driver_params: Mapping[str, str]) -> str:
        """vdi_snapshot as the driver asks for it, which leaves the record to the driver."""
        answer = await self._channel.run("vdi_snapshot", vdi=VdiId(vdi), extra=Extra(driver_params=driver_params))
        return self._channel.made("vdi_snapshot", answer)


def _bits(answer: Value) -> bytes:
    try:
        return base64.b64decode(str(answer), validate=True).translate(_REVERSED)
    except (binascii.Error, ValueError) as error:
        raise process_failure(f"vdi_list_changed_blocks did not answer in base64: {error}", "", "") from error
