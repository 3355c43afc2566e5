"""SRs: made, scanned, destroyed and forgotten."""

import asyncio
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

import structlog
from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.api.host.v1 import sr_service_pb2, storage_pb2
from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.multipathing import device_config as with_multipathing
from xenhost.pool.hosts.told.storage import remove_sr
from xenhost.pool.storage.pbds import Pbds
from xenhost.pool.storage.reach import agent_of_sr, check_plugged, live_agents_of_sr, pbds_of
from xenhost.pool.storage.secrets import opened
from xenhost.pool.storage.sr_work import SrWork


class Srs:
    """Answers the messages of SRs."""

    def __init__(self, database: Database, agents: Agents, tasks: Tasks, pbds: Pbds) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._pbds: Final = pbds
        self._work: Final = SrWork(database, tasks)
        self._log: Final = structlog.get_logger("xenpoold.storage")

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "SR.create": self.create,
            "SR.destroy": self.destroy,
            "SR.forget": self.forget,
            "SR.scan": self.scan,
            "SR.update": self.scan,
            "SR.set_shared": self.set_shared,
            "SR.assert_can_host_ha_statefile": self.no_statefile,
            "SR.set_name_label": self.set_name_label,
            "SR.set_name_description": self.set_name_description,
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
        """A new SR, attached to that host; a shared one to all hosts that are alive, and the log says if one could not.

        Raises ApiError: what its driver says.
        """
        agent = self._agents.agent(host)
        wanted = storage_pb2.Sr(
            id=str(uuid4()),
            type=type,
            name=name_label,
            description=name_description,
            content_type=content_type or "user",
            shared=shared,
            device_config=with_multipathing(self._database, host, type, opened(self._database, device_config)),
            sm_config={key: str(value) for key, value in sm_config.items()},
        )
        request = sr_service_pb2.CreateSrRequest(sr=wanted, size_bytes=max(0, physical_size))
        sr = await self._work.made(context, agent, agent.srs.CreateSr, request)
        others = [each for each in tuple(self._database.rows("host")) if each != host] if shared else []
        for other in filter(self._agents.alive, others):
            try:
                pbd = await self._pbds.create(context, {"host": other, "SR": sr, "device_config": device_config})
                await self._pbds.plug(context, pbd)
            except (XenhostError, ApiError) as error:
                self._log.warning("an SR is not attached to a host", sr=wanted.id, host=other, reason=str(error))
        return sr

    async def destroy(self, context: Context, sr: Ref) -> None:
        """It holds no VDI and is plugged nowhere; one host destroys it, the others forget it.

        Raises ApiError SR_HAS_PBD, SR_HAS_NO_PBDS, HOST_OFFLINE, XenhostError as the agent said.
        """
        members = self._detached(sr)
        if not members:
            raise ApiError("SR_HAS_NO_PBDS", sr)
        uuid, (pbd, first) = str(self._database.get("SR", sr)["uuid"]), members[0]
        with self._work.leaving(context, sr, "destroy"):
            await self._work.made(context, first, first.srs.AttachSr, sr_service_pb2.AttachSrRequest(id=uuid))
            try:
                await self._work.run(context, first, first.srs.DestroySr, sr_service_pb2.DestroySrRequest(id=uuid))
            except BaseException:
                await asyncio.shield(self._let_go(context, first, uuid))
                raise
            await self._work.told(pbd)
            for other, agent in members[1:]:
                await self._work.forget(agent, other, uuid)
            await self._database.change(lambda t: remove_sr(t, sr))

    async def forget(self, context: Context, sr: Ref) -> None:
        """No host knows it any more; the data stay. Raises ApiError SR_HAS_PBD, HOST_OFFLINE.

        If a host cannot forget it, those before it have: the same again goes on from there.
        """
        members, uuid = self._detached(sr), str(self._database.get("SR", sr)["uuid"])
        with self._work.leaving(context, sr, "forget"):
            for pbd, agent in members:
                await self._work.forget(agent, pbd, uuid)
            await self._database.change(lambda t: remove_sr(t, sr))

    async def scan(self, context: Context, sr: Ref) -> None:
        """Find what is new in it, and what is gone, and how full it is."""
        agent = agent_of_sr(self._database, self._agents, sr)
        request = sr_service_pb2.ScanSrRequest(id=str(self._database.get("SR", sr)["uuid"]))
        await self._work.made(context, agent, agent.srs.ScanSr, request)

    async def set_shared(self, context: Context, sr: Ref, value: bool) -> None:
        """May several hosts have PBDs of it? Raises ApiError SR_HAS_MULTIPLE_PBDS."""
        pbds = self._database.get("SR", sr).refs("PBDs")
        if not value and len(pbds) > 1:
            raise ApiError("SR_HAS_MULTIPLE_PBDS", *pbds)
        await self._database.change(lambda t: t.set("SR", sr, {"shared": value}))

    async def no_statefile(self, context: Context, sr: Ref) -> None:
        """Raises ApiError SR_NO_PBDS unless all hosts have it plugged, else SR_OPERATION_NOT_SUPPORTED.

        There is no high availability.
        """
        check_plugged(self._database, sr)
        raise ApiError("SR_OPERATION_NOT_SUPPORTED", sr)

    async def set_name_label(self, context: Context, sr: Ref, value: str) -> None:
        """What it is called, on the SR too if it is attached. Raises ApiError INVALID_VALUE for none."""
        if not value:
            raise ApiError("INVALID_VALUE", "name_label", value)
        await self._update(context, sr, "name", storage_pb2.Sr(name=value))
        await self._database.change(lambda t: t.set("SR", sr, {"name_label": value}))

    async def set_name_description(self, context: Context, sr: Ref, value: str) -> None:
        """What it is for, on the SR too if it is attached."""
        await self._update(context, sr, "description", storage_pb2.Sr(description=value))
        await self._database.change(lambda t: t.set("SR", sr, {"name_description": value}))

    async def _update(self, context: Context, sr: Ref, field: str, wanted: storage_pb2.Sr) -> None:
        wanted.id = str(self._database.get("SR", sr)["uuid"])
        request = sr_service_pb2.UpdateSrRequest(sr=wanted, update_mask=FieldMask(paths=[field]))
        for agent in live_agents_of_sr(self._database, self._agents, sr, attached=True):
            await self._work.made(context, agent, agent.srs.UpdateSr, request)

    def _detached(self, sr: Ref) -> list[tuple[Ref, Agent]]:
        """Its PBDs, none of which is plugged, and the agents of their hosts. Raises ApiError SR_HAS_PBD."""
        records = pbds_of(self._database, sr)
        if any(record["currently_attached"] for record in records):
            raise ApiError("SR_HAS_PBD", sr)
        return [(record.ref, self._agents.agent(record.one("host"))) for record in records]

    async def _let_go(self, context: Context, agent: Agent, uuid: str) -> None:
        """It was attached to be destroyed, and was not."""
        try:
            await self._work.made(context, agent, agent.srs.DetachSr, sr_service_pb2.DetachSrRequest(id=uuid))
        except (ApiError, XenhostError) as error:
            self._log.warning("an SR that was to be destroyed stays attached", sr=uuid, error=str(error))
