"""VBDs and VIFs of VMs that run: plugged, unplugged, given another medium."""

from collections.abc import Mapping
from typing import Any, Final

from xenhost.api.host.v1 import vbd_service_pb2, vif_service_pb2, vm_pb2
from xenhost.pool.call import NULL_REF, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.vm import put_vm
from xenhost.pool.storage.reach import make_known
from xenhost.pool.storage.secrets import check_content
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.plugging import share_error
from xenhost.pool.vms.spec import vbd_spec, vif_spec


class VmDevices:
    """Answers the messages that change a VBD or VIF of a running VM."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._drives: Final = Busy(database, "VBD")
        self._cards: Final = Busy(database, "VIF")

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VBD.plug": self.plug_vbd,
            "VBD.unplug": self.unplug_vbd,
            "VBD.unplug_force": self.unplug_vbd_force,
            "VBD.assert_attachable": self.assert_attachable,
            "VBD.insert": self.insert,
            "VBD.eject": self.eject,
            "VIF.plug": self.plug_vif,
            "VIF.unplug": self.unplug_vif,
            "VIF.unplug_force": self.unplug_vif_force,
        }

    async def plug_vbd(self, context: Context, vbd: Ref) -> None:
        """Into its running VM."""
        with self._drives.doing(context, vbd, "plug"):
            vm, agent = self._running("VBD", vbd)
            vdi = self._database.get("VBD", vbd).one("VDI")
            await make_known(self._database, agent, [vdi] if vdi != NULL_REF else [])
            request = vbd_service_pb2.PlugVbdRequest(vm_id=_uuid(vm), vbd=vbd_spec(self._database, vbd))
            await self._run(agent, agent.vbds.PlugVbd, request)

    async def unplug_vbd(self, context: Context, vbd: Ref) -> None:
        """The guest is asked to let it go."""
        await self._unplug_vbd(context, vbd, "unplug")

    async def unplug_vbd_force(self, context: Context, vbd: Ref) -> None:
        """The guest is not asked."""
        await self._unplug_vbd(context, vbd, "unplug_force")

    async def assert_attachable(self, context: Context, vbd: Ref) -> None:
        """Raises ApiError: why its disk could not be connected."""
        self._drives.check(vbd, "attach")

    async def insert(self, context: Context, vbd: Ref, vdi: Ref) -> None:
        """A medium into an empty drive. Raises ApiError VBD_NOT_REMOVABLE_MEDIA, VBD_NOT_EMPTY, VDI_IN_USE."""
        check_content(context, self._database.get("VDI", vdi))
        source = vm_pb2.Source(vdi_id=str(self._database.get("VDI", vdi)["uuid"]))
        with self._drives.doing(context, vbd, "insert"):
            record = self._database.get("VBD", vbd)
            if error := share_error(self._database, self._database.get("VDI", vdi), record, "insert"):
                raise error
            if record["currently_attached"]:
                vm, agent = self._running("VBD", vbd)
                await make_known(self._database, agent, [vdi])
                request = vbd_service_pb2.InsertVbdRequest(vm_id=_uuid(vm), device=str(record["device"]), source=source)
                await self._run(agent, agent.vbds.InsertVbd, request)
            else:
                await self._database.change(lambda t: t.set("VBD", vbd, {"VDI": vdi, "empty": False}))

    async def eject(self, context: Context, vbd: Ref) -> None:
        """The medium out of a drive. Raises ApiError VBD_NOT_REMOVABLE_MEDIA, VBD_IS_EMPTY."""
        with self._drives.doing(context, vbd, "eject"):
            record = self._database.get("VBD", vbd)
            if record["currently_attached"]:
                vm, agent = self._running("VBD", vbd)
                request = vbd_service_pb2.EjectVbdRequest(vm_id=_uuid(vm), device=str(record["device"]))
                await self._run(agent, agent.vbds.EjectVbd, request)
            else:
                await self._database.change(lambda t: t.set("VBD", vbd, {"VDI": NULL_REF, "empty": True}))

    async def plug_vif(self, context: Context, vif: Ref) -> None:
        """Into its running VM."""
        with self._cards.doing(context, vif, "plug"):
            vm, agent = self._running("VIF", vif)
            request = vif_service_pb2.PlugVifRequest(vm_id=_uuid(vm), vif=vif_spec(self._database, vif))
            await self._run(agent, agent.vifs.PlugVif, request)

    async def unplug_vif(self, context: Context, vif: Ref) -> None:
        """The guest is asked to let it go."""
        await self._unplug_vif(context, vif, "unplug")

    async def unplug_vif_force(self, context: Context, vif: Ref) -> None:
        """The guest is not asked."""
        await self._unplug_vif(context, vif, "unplug", force=True)

    async def _unplug_vbd(self, context: Context, vbd: Ref, word: str) -> None:
        with self._drives.doing(context, vbd, word):
            vm, agent = self._running("VBD", vbd)
            device = str(self._database.get("VBD", vbd)["device"])
            force = word == "unplug_force"
            request = vbd_service_pb2.UnplugVbdRequest(vm_id=_uuid(vm), device=device, force=force)
            await self._run(agent, agent.vbds.UnplugVbd, request)

    async def _unplug_vif(self, context: Context, vif: Ref, word: str, force: bool = False) -> None:
        with self._cards.doing(context, vif, word):
            vm, agent = self._running("VIF", vif)
            index = int(str(self._database.get("VIF", vif)["device"]))
            request = vif_service_pb2.UnplugVifRequest(vm_id=_uuid(vm), index=index, force=force)
            await self._run(agent, agent.vifs.UnplugVif, request)

    async def _run(self, agent: Agent, method: Any, request: Any) -> None:
        now = vm_pb2.Vm()
        (await agent.carry_out(method, request)).Unpack(now)
        await self._database.change(lambda t: put_vm(Book(t, agent.host), now))

    def _running(self, cls: str, device: Ref) -> tuple[Record, Agent]:
        """The VM of a device, and the agent it runs on. Raises ApiError HOST_OFFLINE."""
        vm = self._database.get("VM", self._database.get(cls, device).one("VM"))
        return vm, self._agents.agent(vm.one("resident_on"))


def _uuid(record: Record) -> str:
    return str(record["uuid"])
