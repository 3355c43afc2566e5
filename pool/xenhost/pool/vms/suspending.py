"""Suspending VMs into a VDI, and letting them go on, on any host that has it."""

import asyncio
import json
from collections.abc import Mapping
from typing import Final

from xenhost.api.host.v1 import vm_pb2, vm_service_pb2
from xenhost.core.errors import XenhostError
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.storage.reach import make_known
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.placement import placed
from xenhost.pool.vms.power import VmPower
from xenhost.pool.vms.spec import vm_spec
from xenhost.pool.vms.suspend_images import SuspendImages


class VmSuspending:
    """Answers the messages about it."""

    def __init__(self, database: Database, agents: Agents, busy: Busy, power: VmPower, images: SuspendImages) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._busy: Final = busy
        self._power: Final = power
        self._images: Final = images

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"VM.suspend": self.suspend, "VM.resume": self.resume, "VM.resume_on": self.resume_on}

    async def suspend(self, context: Context, vm: Ref) -> None:
        """Its memory into a VDI of its suspend SR. It runs on if that fails. Raises ApiError VM_NO_SUSPEND_SR."""
        with self._busy.doing(context, vm, "suspend"):
            await self.save(context, vm, await self._images.make(context, vm))
            await self._power.protect(vm, False)

    async def resume(self, context: Context, vm: Ref, start_paused: bool, force: bool) -> None:
        """On the host that suits it best."""
        await self._resume(context, vm, None, start_paused, "resume")

    async def resume_on(self, context: Context, vm: Ref, host: Ref, start_paused: bool, force: bool) -> None:
        """On that host, or nowhere."""
        await self._resume(context, vm, host, start_paused, "resume_on")

    async def _resume(self, context: Context, vm: Ref, only: Ref | None, paused: bool, word: str) -> None:
        with self._busy.doing(context, vm, word), placed(self._database, self._agents, vm, only) as host:
            await self.load(context, vm, host, paused)
            await self._power.protect(vm, True)

    async def save(self, context: Context, vm: Ref, image: Ref) -> None:
        """Its memory into that VDI, which it has; it may be done. It runs on if that fails."""
        agent = self._power.agent(vm)
        await make_known(self._database, agent, [image])
        request = vm_service_pb2.SuspendVmRequest(id=self._uuid("VM", vm), image_vdi_id=self._uuid("VDI", image))
        try:
            await self._power.run(context, vm, agent, agent.vms.SuspendVm, request)
        except BaseException:
            await asyncio.shield(self._failed(context, vm, agent))
            raise

    async def load(self, context: Context, vm: Ref, host: Ref, paused: bool) -> None:
        """It goes on there; it may be done. Raises ApiError VM_HAS_NO_SUSPEND_VDI.

        On the platform it was booted on: an emulator with other devices could not read the state of the one before.
        """
        image = self._database.get("VM", vm).one("suspend_VDI")
        if image == NULL_REF or self._database.find("VDI", image) is None:
            raise ApiError("VM_HAS_NO_SUSPEND_VDI", vm)
        agent, spec = self._agents.agent(host), vm_spec(self._database, vm)
        if booted := self._database.get("VM", vm).value("booted_platform"):
            spec.platform.clear()
            spec.platform.update(json.loads(str(booted)))
        spec.suspended.CopyFrom(vm_pb2.Source(vdi_id=self._uuid("VDI", image)))
        await self._power.introduce(vm, host, spec)
        request = vm_service_pb2.ResumeVmRequest(id=spec.id, paused=paused)
        await self._power.run(context, vm, agent, agent.vms.ResumeVm, request)
        await self._images.forget(vm, but=host)
        await self._images.drop(context, vm)

    async def _failed(self, context: Context, vm: Ref, agent: Agent) -> None:
        """The image goes only if the host is certain that it is not the VM's memory."""
        try:
            now = await agent.call(agent.vms.GetVm, vm_service_pb2.GetVmRequest(id=self._uuid("VM", vm)))
        except XenhostError:
            return
        status = now.status
        if status.power_state != vm_pb2.POWER_STATE_SUSPENDED and not status.current_operation:
            await self._images.drop(context, vm)

    def _uuid(self, cls: str, ref: Ref) -> str:
        return str(self._database.get(cls, ref)["uuid"])
