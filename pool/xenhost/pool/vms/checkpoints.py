"""Snapshots of VMs with their memory: of one moment, in which the guest stands still, and after which it goes on."""

import asyncio
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

import structlog

from xenhost.api.host.v1 import vdi_service_pb2, vm_pb2, vm_service_pb2
from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Context, FrozenMap, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agent
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.storage import put_vdi
from xenhost.pool.storage.reach import make_known
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.copies import VmCopies
from xenhost.pool.vms.power import VmPower
from xenhost.pool.vms.suspend_images import SuspendImages
from xenhost.pool.vms.unfinished import FINISHED, Unfinished

_OURS: Final = frozenset({"INTERNAL_ERROR", "DOMAIN_BUILDER_ERROR", "SUSPEND_IMAGE_NOT_ACCESSIBLE"})
"""Reasons that say nothing of the guest or its disks."""


class Checkpoints:
    """Answers VM.checkpoint."""

    def __init__(
        self,
        database: Database,
        busy: Busy,
        power: VmPower,
        images: SuspendImages,
        copies: VmCopies,
        unfinished: Unfinished,
    ) -> None:
        self._database: Final = database
        self._busy: Final = busy
        self._power: Final = power
        self._images: Final = images
        self._copies: Final = copies
        self._unfinished: Final = unfinished
        self._log: Final = structlog.get_logger("xenpoold.vms")

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"VM.checkpoint": self.checkpoint}

    async def checkpoint(self, context: Context, vm: Ref, new_name: str) -> Ref:
        """Its disks and its memory. Of a VM that is paused the disks alone, as xapi does.

        However it ends, the guest goes on, and there is a whole checkpoint or none. Raises ApiError
        VM_CHECKPOINT_SUSPEND_FAILED, VM_CHECKPOINT_RESUME_FAILED, VM_NO_SUSPEND_SR, SR_FULL, and what the guest or
        the SRs of its disks say.
        """
        with self._busy.doing(context, vm, "checkpoint"):
            if self._database.get("VM", vm)["power_state"] != "Running":
                return await self._copies.kept(context, vm, new_name, memory=True)
            return await self._live(context, vm, new_name)

    async def _live(self, context: Context, vm: Ref, new_name: str) -> Ref:
        """The snapshot is written down first, with all that will be made for it; see Unfinished."""
        record = self._database.get("VM", vm)
        disks = {vdi: str(uuid4()) for vdi in self._copies.vdis(record)}
        image_sr, image_uuid = self._images.sr(vm), str(uuid4())
        srs = {new: self._database.get("VDI", vdi).one("SR") for vdi, new in disks.items()}
        fields = self._copies.snapshot_fields(context, record, new_name)
        mark = {**fields, "unfinished": FrozenMap({"": "", image_uuid: image_sr, **srs}), "power_state": "Halted"}
        begun = asyncio.ensure_future(self._database.change(lambda t: t.create("VM", mark)))
        try:
            snapshot = await asyncio.shield(begun)
        except asyncio.CancelledError:
            await asyncio.shield(self._unfinished.undo([await begun]))
            raise
        with self._busy.held(context, snapshot, "checkpoint"):
            try:
                agent = self._power.agent(vm)
                image = await self._images.create(context, vm, image_sr, image_uuid)
                await make_known(self._database, agent, [image])
                await self._save(context, vm, agent, image_uuid, disks)
                copies = {vdi: await self._told(agent, new) for vdi, new in disks.items()}
                fields |= {"power_state": "Suspended", "suspend_VDI": image, **FINISHED}
                await self._copies.record(record, fields, copies, into=snapshot)
            except BaseException:
                await asyncio.shield(self._unfinished.undo([snapshot]))
                raise
        return snapshot

    async def _save(self, context: Context, vm: Ref, agent: Agent, image: str, disks: Mapping[Ref, str]) -> None:
        wanted = vm_service_pb2.CheckpointVmRequest.Disk
        request = vm_service_pb2.CheckpointVmRequest(
            id=self._uuid("VM", vm),
            image_vdi_id=image,
            disks=[wanted(vdi_id=self._uuid("VDI", vdi), new_id=new) for vdi, new in disks.items()],
        )
        try:
            await self._power.run(context, vm, agent, agent.vms.CheckpointVm, request)
        except XenhostError as error:
            if error.reason not in _OURS:
                raise
            self._log.warning("a checkpoint has failed", vm=vm, error=str(error))
            now = await agent.call(agent.vms.GetVm, vm_service_pb2.GetVmRequest(id=request.id))
            runs = now.status.power_state == vm_pb2.POWER_STATE_RUNNING
            raise ApiError(f"VM_CHECKPOINT_{'SUSPEND' if runs else 'RESUME'}_FAILED", vm) from error

    async def _told(self, agent: Agent, uuid: str) -> Ref:
        """A VDI that the host has made. The pool knows it now."""
        told = await agent.call(agent.vdis.GetVdi, vdi_service_pb2.GetVdiRequest(id=uuid))
        return await self._database.change(lambda t: put_vdi(Book(t, agent.host), told))

    def _uuid(self, cls: str, ref: Ref) -> str:
        return str(self._database.get(cls, ref)["uuid"])
