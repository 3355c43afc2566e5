"""The VDIs that hold the memory of suspended VMs."""

from typing import Final
from uuid import uuid4

import structlog

from xenhost.api.host.v1 import vm_service_pb2
from xenhost.core.errors import HandleInvalid, XenhostError
from xenhost.core.suspend import image_size
from xenhost.pool.call import NULL_REF, ApiError, Context, FrozenMap, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.told.vm import halt
from xenhost.pool.storage.vdis import Vdis


class SuspendImages:
    """Makes them where the VM, else the pool, else its host says, and destroys them when they are of no more use."""

    def __init__(self, database: Database, agents: Agents, vdis: Vdis) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._vdis: Final = vdis
        self._log: Final = structlog.get_logger("xenpoold.vms")

    async def make(self, context: Context, vm: Ref) -> Ref:
        """An empty one, large enough, which is the VM's from now on. Raises ApiError VM_NO_SUSPEND_SR, SR_FULL."""
        await self.drop(context, vm)
        return await self.take(context, vm, await self.create(context, vm, self.sr(vm), str(uuid4())))

    async def take(self, context: Context, vm: Ref, image: Ref) -> Ref:
        """It is the VM's from now on, instead of what it has."""
        await self.drop(context, vm)
        await self._database.change(lambda t: t.set("VM", vm, {"suspend_VDI": image}))
        return image

    async def create(self, context: Context, vm: Ref, sr: Ref, uuid: str) -> Ref:
        """An empty one, large enough for the VM's memory, which is nobody's yet. Raises ApiError SR_FULL."""
        record = self._database.get("VM", vm)
        size = record["memory_static_max"]
        assert isinstance(size, int)
        fields: dict[str, Value] = {
            "name_label": "Suspend image",
            "name_description": "Suspend image",
            "SR": sr,
            "virtual_size": image_size(size),
            "type": "suspend",
            "sharable": False,
            "read_only": False,
            "other_config": FrozenMap(),
            "sm_config": FrozenMap({"type": "raw"}),
        }
        return await self._vdis.create(context, fields, uuid)

    async def drop(self, context: Context, vm: Ref) -> None:
        """Nobody goes on from it any more, also if it cannot be destroyed: then a VDI stays that no VM has."""
        image = self._database.get("VM", vm).one("suspend_VDI")
        if image != NULL_REF and self._database.find("VDI", image) is not None:
            try:
                await self._vdis.destroy(context, image)
            except (ApiError, XenhostError) as error:
                self._log.warning("a suspend image stays", vm=vm, vdi=image, error=str(error))
        await self._database.change(lambda t: t.set("VM", vm, {"suspend_VDI": NULL_REF}))

    async def give_up(self, context: Context, vm: Ref) -> None:
        """A suspended VM is halted: its memory is lost."""
        await self.forget(vm)
        await self.drop(context, vm)
        await self._database.change(lambda t: halt(t, vm))

    async def forget(self, vm: Ref, but: Ref = NULL_REF) -> None:
        """Hosts that suspended it need not remember it. Who is not there now is told when it is wanted there again."""
        request = vm_service_pb2.DeleteVmRequest(id=str(self._database.get("VM", vm)["uuid"]))
        for host in tuple(self._database.rows("host")):
            if host != but and self._agents.alive(host):
                agent = self._agents.agent(host)
                try:
                    await agent.call(agent.vms.DeleteVm, request)
                except HandleInvalid:
                    continue
                except XenhostError as error:
                    self._log.warning("a host remembers a suspended VM", vm=vm, host=host, error=str(error))

    def sr(self, vm: Ref) -> Ref:
        """Where they are made for it. Raises ApiError VM_NO_SUSPEND_SR."""
        for sr in self.srs(vm):
            return sr
        raise ApiError("VM_NO_SUSPEND_SR", vm)

    def srs(self, vm: Ref) -> list[Ref]:
        """Where they could be made, the best first."""
        record = self._database.get("VM", vm)
        pool = next(iter(self._database.rows("pool").values()))
        host = self._database.find("host", record.one("resident_on"))
        wanted = (record.one("suspend_SR"), pool.one("suspend_image_SR"), host and host.one("suspend_image_sr"))
        return [sr for sr in wanted if sr and self._database.find("SR", sr) is not None]
