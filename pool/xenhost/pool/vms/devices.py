"""VBDs and VIFs of VMs that run: plugged, unplugged, given another medium."""

from collections.abc import Mapping
from typing import Any, Final

from xenhost.api.host.v1 import vbd_service_pb2, vif_service_pb2, vm_pb2
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.vm import put_vm
from xenhost.pool.vms.spec import vbd_spec, vif_spec


class VmDevices:
    """Answers the messages that change a VBD or VIF of a running VM."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VBD.plug": self.plug_vbd,
            "VBD.unplug": self.unplug_vbd,
            "VBD.unplug_force": self.unplug_vbd_force,
            "VBD.insert": self.insert,
            "VBD.eject": self.eject,
            "VIF.plug": self.plug_vif,
            "VIF.unplug": self.unplug_vif,
            "VIF.unplug_force": self.unplug_vif_force,
        }

    async def plug_vbd(self, context: Context, vbd: Ref) -> None:
        """Into its running VM."""
        vm, agent = self._running("VBD", vbd, plugged=False)
        request = vbd_service_pb2.PlugVbdRequest(vm_id=_uuid(vm), vbd=vbd_spec(self._database, vbd))
        await self._run(agent, agent.vbds.PlugVbd, request)

    async def unplug_vbd(self, context: Context, vbd: Ref) -> None:
        """The guest is asked to let it go."""
        await self._unplug_vbd(vbd, force=False)

    async def unplug_vbd_force(self, context: Context, vbd: Ref) -> None:
        """The guest is not asked."""
        await self._unplug_vbd(vbd, force=True)

    async def insert(self, context: Context, vbd: Ref, vdi: Ref) -> None:
        """A medium into an empty drive. Raises ApiError VBD_NOT_REMOVABLE_MEDIA, VBD_NOT_EMPTY."""
        record = self._drive(vbd)
        if not record["empty"]:
            raise ApiError("VBD_NOT_EMPTY", vbd)
        source = vm_pb2.Source(vdi_id=str(self._database.get("VDI", vdi)["uuid"]))
        if record["currently_attached"]:
            vm, agent = self._running("VBD", vbd, plugged=True)
            request = vbd_service_pb2.InsertVbdRequest(vm_id=_uuid(vm), device=str(record["device"]), source=source)
            await self._run(agent, agent.vbds.InsertVbd, request)
        await self._database.change(lambda t: t.set("VBD", vbd, {"VDI": vdi, "empty": False}))

    async def eject(self, context: Context, vbd: Ref) -> None:
        """The medium out of a drive. Raises ApiError VBD_NOT_REMOVABLE_MEDIA, VBD_IS_EMPTY."""
        record = self._drive(vbd)
        if record["empty"]:
            raise ApiError("VBD_IS_EMPTY", vbd)
        if record["currently_attached"]:
            vm, agent = self._running("VBD", vbd, plugged=True)
            request = vbd_service_pb2.EjectVbdRequest(vm_id=_uuid(vm), device=str(record["device"]))
            await self._run(agent, agent.vbds.EjectVbd, request)
        await self._database.change(lambda t: t.set("VBD", vbd, {"VDI": NULL_REF, "empty": True}))

    async def plug_vif(self, context: Context, vif: Ref) -> None:
        """Into its running VM."""
        vm, agent = self._running("VIF", vif, plugged=False)
        request = vif_service_pb2.PlugVifRequest(vm_id=_uuid(vm), vif=vif_spec(self._database, vif))
        await self._run(agent, agent.vifs.PlugVif, request)

    async def unplug_vif(self, context: Context, vif: Ref) -> None:
        """The guest is asked to let it go."""
        await self._unplug_vif(vif, force=False)

    async def unplug_vif_force(self, context: Context, vif: Ref) -> None:
        """The guest is not asked."""
        await self._unplug_vif(vif, force=True)

    async def _unplug_vbd(self, vbd: Ref, force: bool) -> None:
        vm, agent = self._running("VBD", vbd, plugged=True)
        device = str(self._database.get("VBD", vbd)["device"])
        request = vbd_service_pb2.UnplugVbdRequest(vm_id=_uuid(vm), device=device, force=force)
        await self._run(agent, agent.vbds.UnplugVbd, request)

    async def _unplug_vif(self, vif: Ref, force: bool) -> None:
        vm, agent = self._running("VIF", vif, plugged=True)
        index = int(str(self._database.get("VIF", vif)["device"]))
        request = vif_service_pb2.UnplugVifRequest(vm_id=_uuid(vm), index=index, force=force)
        await self._run(agent, agent.vifs.UnplugVif, request)

    async def _run(self, agent: Agent, method: Any, request: Any) -> None:
        now = vm_pb2.Vm()
        (await agent.carry_out(method, request)).Unpack(now)
        await self._database.change(lambda t: put_vm(Book(t, agent.host), now))

    def _drive(self, vbd: Ref) -> Record:
        record = self._database.get("VBD", vbd)
        if record["type"] != "CD":
            raise ApiError("VBD_NOT_REMOVABLE_MEDIA", vbd)
        return record

    def _running(self, cls: str, device: Ref, plugged: bool) -> tuple[Record, Agent]:
        """The VM of a device, and the agent it runs on. Raises ApiError."""
        record = self._database.get(cls, device)
        vm = self._database.get("VM", record.one("VM"))
        if vm["power_state"] != "Running":
            raise ApiError("VM_BAD_POWER_STATE", vm.ref, "running", str(vm["power_state"]).lower())
        if record["currently_attached"] is not plugged:
            raise ApiError("DEVICE_ALREADY_DETACHED" if plugged else "DEVICE_ALREADY_ATTACHED", device)
        return vm, self._agents.agent(vm.one("resident_on"))


def _uuid(record: Record) -> str:
    return str(record["uuid"])
