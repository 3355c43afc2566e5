"""SRs and PBDs: made, attached, scanned and forgotten."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from xenhost.api.host.v1 import sr_service_pb2, storage_pb2
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.storage import drop_sr, put_sr
from xenhost.pool.storage.reach import agent_of_sr


class Srs:
    """Answers the messages of SRs and PBDs."""

    def __init__(self, database: Database, agents: Agents, tasks: Tasks) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._tasks: Final = tasks

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "SR.create": self.create,
            "SR.destroy": self.destroy,
            "SR.forget": self.forget,
            "SR.scan": self.scan,
            "PBD.plug": self.plug,
            "PBD.unplug": self.unplug,
        }

    async def create(
        self,
        context: Context,
        host: Ref,
        device_config: Mapping[str, Value],
        physical_size: int,
        name_label: str,
        name_description: str,
        type: str,
        content_type: str,
        shared: bool,
        sm_config: Mapping[str, Value],
    ) -> Ref:
        """A new SR, attached to that host. Raises ApiError: what its driver says."""
        agent = self._agents.agent(host)
        wanted = storage_pb2.Sr(
            id=str(uuid4()),
            type=type,
            name=name_label,
            description=name_description,
            content_type=content_type or "user",
            shared=shared,
            device_config={key: str(value) for key, value in device_config.items()},
            sm_config={key: str(value) for key, value in sm_config.items()},
        )
        request = sr_service_pb2.CreateSrRequest(sr=wanted, size_bytes=max(0, physical_size))
        return await self._made(context, agent, agent.srs.CreateSr, request)

    async def destroy(self, context: Context, sr: Ref) -> None:
        """With all data; it must not be attached. Raises ApiError SR_HAS_PBD."""
        agent = self._agents.agent(self._detached(sr))
        uuid = str(self._database.get("SR", sr)["uuid"])
        await self._run(context, agent, agent.srs.DestroySr, sr_service_pb2.DestroySrRequest(id=uuid))
        await self._database.change(lambda t: drop_sr(Book(t, agent.host), uuid))

    async def forget(self, context: Context, sr: Ref) -> None:
        """The data stay. Raises ApiError SR_HAS_PBD."""
        agent = self._agents.agent(self._detached(sr))
        uuid = str(self._database.get("SR", sr)["uuid"])
        await agent.call(agent.srs.ForgetSr, sr_service_pb2.ForgetSrRequest(id=uuid))
        await self._database.change(lambda t: drop_sr(Book(t, agent.host), uuid))

    async def scan(self, context: Context, sr: Ref) -> None:
        """Find what is new in it, and what is gone."""
        agent = agent_of_sr(self._database, self._agents, sr)
        request = sr_service_pb2.ScanSrRequest(id=str(self._database.get("SR", sr)["uuid"]))
        await self._made(context, agent, agent.srs.ScanSr, request)

    async def plug(self, context: Context, pbd: Ref) -> None:
        """Attach the SR to the PBD's host. No-op if it is."""
        record, agent, uuid = self._reach(pbd)
        if not record["currently_attached"]:
            await self._made(context, agent, agent.srs.AttachSr, sr_service_pb2.AttachSrRequest(id=uuid))

    async def unplug(self, context: Context, pbd: Ref) -> None:
        """Detach it. Raises ApiError VDI_IN_USE."""
        record, agent, uuid = self._reach(pbd)
        if record["currently_attached"]:
            await self._made(context, agent, agent.srs.DetachSr, sr_service_pb2.DetachSrRequest(id=uuid))

    def _reach(self, pbd: Ref) -> tuple[Record, Agent, str]:
        record = self._database.get("PBD", pbd)
        uuid = str(self._database.get("SR", Ref(str(record["SR"])))["uuid"])
        return record, self._agents.agent(Ref(str(record["host"]))), uuid

    def _detached(self, sr: Ref) -> Ref:
        """A host that has a PBD of it, none of which is attached."""
        pbds = self._database.get("SR", sr)["PBDs"]
        assert isinstance(pbds, tuple)
        records = [self._database.get("PBD", Ref(str(pbd))) for pbd in pbds]
        if any(record["currently_attached"] for record in records):
            raise ApiError("SR_HAS_PBD", sr)
        if not records:
            raise ApiError("SR_HAS_NO_PBDS", sr)
        return Ref(str(records[0]["host"]))

    async def _made(self, context: Context, agent: Agent, method: Any, request: Any) -> Ref:
        now = storage_pb2.Sr()
        (await self._run(context, agent, method, request)).Unpack(now)
        return await self._database.change(lambda t: put_sr(Book(t, agent.host), now))

    async def _run(self, context: Context, agent: Agent, method: Any, request: Any) -> Any:
        return await agent.carry_out(method, request, lambda done: self._tasks.progress(context.task, done))
