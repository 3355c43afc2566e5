"""VDIs: made, copied, changed and destroyed by a host that has their SR attached."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.api.host.v1 import storage_pb2, vdi_service_pb2
from xenhost.core.errors import HandleInvalid
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.engine.accessors import Accessors
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.storage import put_vdi, remove_vdi
from xenhost.pool.storage.reach import agent_of_sr, live_agents_of_sr, pbds_of

_ON_BOOT: Final = {"persist": storage_pb2.ON_BOOT_PERSIST, "reset": storage_pb2.ON_BOOT_RESET}


class Vdis:
    """Answers the messages of VDIs."""

    def __init__(self, database: Database, agents: Agents, tasks: Tasks) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._tasks: Final = tasks
        self._accessors: Final = Accessors(database)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VDI.create": self.create,
            "VDI.destroy": self.destroy,
            "VDI.forget": self.forget,
            "VDI.resize": self.resize,
            "VDI.snapshot": self.snapshot,
            "VDI.clone": self.clone,
            "VDI.copy": self.copy,
            "VDI.set_name_label": self.set_name_label,
            "VDI.set_name_description": self.set_name_description,
            "VDI.set_sharable": self.set_sharable,
            "VDI.set_read_only": self.set_read_only,
            "VDI.set_on_boot": self.set_on_boot,
        }

    async def create(self, context: Context, args: Mapping[str, Value]) -> Ref:
        """A VDI of at least the size asked for. Raises ApiError SR_FULL and what else the SR's driver says."""
        given = self._accessors.given(self._database.model.classes["VDI"], args)
        size, sr = given["virtual_size"], Ref(str(given["SR"]))
        if not isinstance(size, int) or size <= 0:
            raise ApiError("INVALID_VALUE", "virtual_size", str(size))
        agent = agent_of_sr(self._database, self._agents, sr)
        sm_config = given.get("sm_config", {})
        assert isinstance(sm_config, dict)
        wanted = storage_pb2.Vdi(
            id=str(uuid4()),
            sr_id=str(self._database.get("SR", sr)["uuid"]),
            name=str(given.get("name_label", "")),
            description=str(given.get("name_description", "")),
            type=f"VDI_TYPE_{str(given['type']).upper()}",
            virtual_size_bytes=size,
            sharable=bool(given["sharable"]),
            read_only=bool(given["read_only"]),
            sm_config={key: str(value) for key, value in sm_config.items()},
        )
        ref = await self._made(context, agent, agent.vdis.CreateVdi, vdi_service_pb2.CreateVdiRequest(vdi=wanted))
        names = ("other_config", "xenstore_data", "tags")
        rest = {name: given[name] for name in names if given.get(name)}
        if rest:
            await self._database.change(lambda t: t.set("VDI", ref, rest))
        return ref

    async def destroy(self, context: Context, vdi: Ref) -> None:
        """With its data and the disks of VMs that it was; CD drives are empty then. Raises ApiError VDI_IN_USE."""
        vbds = self._unused(vdi, "destroy")
        agent = self._agent(vdi)
        request = vdi_service_pb2.DestroyVdiRequest(id=self._uuid(vdi))
        await self._run(context, agent, agent.vdis.DestroyVdi, request)

        def gone(transaction: Transaction) -> None:
            for vbd in vbds:
                now = transaction.find("VBD", vbd.ref)
                if now is not None and now["type"] != "CD" and now["VDI"] in (vdi, NULL_REF):
                    transaction.delete("VBD", vbd.ref)
            remove_vdi(transaction, vdi)

        await self._database.change(gone)

    async def forget(self, context: Context, vdi: Ref) -> None:
        """Its data stay: a scan finds it again. Raises ApiError VDI_IN_USE, HOST_OFFLINE if no host of its SR is alive.

        A disk of a VM that it was has no VDI then.
        """
        self._unused(vdi, "forget")
        sr = self._database.get("VDI", vdi).one("SR")
        agents = live_agents_of_sr(self._database, self._agents, sr, attached=False)
        if not agents and (pbds := pbds_of(self._database, sr)):
            raise ApiError("HOST_OFFLINE", str(pbds[0]["host"]))
        request = vdi_service_pb2.ForgetVdiRequest(id=self._uuid(vdi))
        for agent in agents:
            with suppress(HandleInvalid):  # it never heard of it
                await agent.call(agent.vdis.ForgetVdi, request)
        await self._database.change(lambda t: remove_vdi(t, vdi))

    async def resize(self, context: Context, vdi: Ref, size: int) -> None:
        """Bigger; also while it is in use."""
        agent = self._agent(vdi)
        request = vdi_service_pb2.ResizeVdiRequest(id=self._uuid(vdi), virtual_size_bytes=size)
        await self._made(context, agent, agent.vdis.ResizeVdi, request)

    async def snapshot(self, context: Context, vdi: Ref, driver_params: Mapping[str, Value]) -> Ref:
        """What it is now, kept."""
        agent = self._agent(vdi)
        request = vdi_service_pb2.SnapshotVdiRequest(
            id=self._uuid(vdi), new_id=str(uuid4()), driver_params=_strings(driver_params)
        )
        return await self._made(context, agent, agent.vdis.SnapshotVdi, request)

    async def clone(self, context: Context, vdi: Ref, driver_params: Mapping[str, Value]) -> Ref:
        """Another VDI with the same contents, sharing what it can."""
        agent = self._agent(vdi)
        request = vdi_service_pb2.CloneVdiRequest(
            id=self._uuid(vdi), new_id=str(uuid4()), driver_params=_strings(driver_params)
        )
        return await self._made(context, agent, agent.vdis.CloneVdi, request)

    async def copy(self, context: Context, vdi: Ref, sr: Ref, base_vdi: Ref, into_vdi: Ref) -> Ref:
        """Another VDI with the same contents, in any SR, sharing nothing."""
        if base_vdi != NULL_REF or into_vdi != NULL_REF:
            raise ApiError("NOT_IMPLEMENTED", "VDI.copy with base_vdi or into_vdi")
        agent = self._agent(vdi)
        target = str(self._database.get("SR", sr)["uuid"]) if sr != NULL_REF else ""
        request = vdi_service_pb2.CopyVdiRequest(id=self._uuid(vdi), sr_id=target, new_id=str(uuid4()))
        return await self._made(context, agent, agent.vdis.CopyVdi, request)

    async def revert(self, context: Context, snapshot: Ref) -> None:
        """The VDI that it is a snapshot of has its contents again, and keeps its UUID."""
        agent = self._agent(snapshot)
        request = vdi_service_pb2.RevertVdiRequest(snapshot_id=self._uuid(snapshot))
        await self._made(context, agent, agent.vdis.RevertVdi, request)

    async def set_name_label(self, context: Context, vdi: Ref, value: str) -> None:
        """What it is called, on the SR too."""
        await self._update(context, vdi, "name", storage_pb2.Vdi(id=self._uuid(vdi), name=value))

    async def set_name_description(self, context: Context, vdi: Ref, value: str) -> None:
        """What it is for, on the SR too."""
        await self._update(context, vdi, "description", storage_pb2.Vdi(id=self._uuid(vdi), description=value))

    async def set_sharable(self, context: Context, vdi: Ref, value: bool) -> None:
        """May several VMs write it at once?"""
        await self._update(context, vdi, "sharable", storage_pb2.Vdi(id=self._uuid(vdi), sharable=value))

    async def set_read_only(self, context: Context, vdi: Ref, value: bool) -> None:
        """May nobody write it?"""
        await self._update(context, vdi, "read_only", storage_pb2.Vdi(id=self._uuid(vdi), read_only=value))

    async def set_on_boot(self, context: Context, vdi: Ref, value: str) -> None:
        """Does a start of the VM keep its content?"""
        wanted = storage_pb2.Vdi(id=self._uuid(vdi), on_boot=_ON_BOOT[value])
        await self._update(context, vdi, "on_boot", wanted)

    async def _update(self, context: Context, vdi: Ref, field: str, wanted: storage_pb2.Vdi) -> None:
        agent = self._agent(vdi)
        request = vdi_service_pb2.UpdateVdiRequest(vdi=wanted, update_mask=FieldMask(paths=[field]))
        await self._made(context, agent, agent.vdis.UpdateVdi, request)

    async def _made(self, context: Context, agent: Agent, method: Any, request: Any) -> Ref:
        """See it through; the VDI that came of it, which the pool knows before the caller does."""
        now = storage_pb2.Vdi()
        (await self._run(context, agent, method, request)).Unpack(now)
        return await self._database.change(lambda t: put_vdi(Book(t, agent.host), now))

    async def _run(self, context: Context, agent: Agent, method: Any, request: Any) -> Any:
        return await agent.carry_out(method, request, lambda done: self._tasks.progress(context.task, done))

    def _agent(self, vdi: Ref) -> Agent:
        return agent_of_sr(self._database, self._agents, self._database.get("VDI", vdi).one("SR"))

    def _unused(self, vdi: Ref, operation: str) -> list[Record]:
        """Its VBDs, none of which is plugged. Raises ApiError VDI_IN_USE."""
        records = [self._database.get("VBD", vbd) for vbd in self._database.get("VDI", vdi).refs("VBDs")]
        if any(record["currently_attached"] for record in records):
            raise ApiError("VDI_IN_USE", vdi, operation)
        return records

    def _uuid(self, vdi: Ref) -> str:
        return str(self._database.get("VDI", vdi)["uuid"])


def _strings(values: Mapping[str, Value]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items()}
