"""PBDs: how hosts reach SRs; made, plugged, unplugged and destroyed on the host that they are of."""

import asyncio
from collections.abc import Mapping
from typing import Final

from xenhost.api.host.v1 import sr_service_pb2, storage_pb2
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.engine.accessors import Accessors
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.multipathing import is_on
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.storage import find_pbd, put_sr
from xenhost.pool.storage.reach import pbds_of
from xenhost.pool.storage.secrets import opened
from xenhost.pool.storage.sr_work import SrWork

MAX_KEYS: Final = 64
MAX_TEXT: Final = 4096
"""Of a device_config, as agents have them."""
HIDDEN: Final = "********"
"""What agents show in place of a secret."""


class Pbds:
    """Answers the messages of PBDs."""

    def __init__(self, database: Database, agents: Agents, tasks: Tasks) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._accessors: Final = Accessors(database)
        self._work: Final = SrWork(database, tasks)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "PBD.create": self.create,
            "PBD.destroy": self.destroy,
            "PBD.plug": self.plug,
            "PBD.unplug": self.unplug,
            "PBD.set_device_config": self.set_device_config,
        }

    async def create(self, context: Context, args: Mapping[str, Value]) -> Ref:
        """The host knows the SR; a plug makes it usable. Raises ApiError PBD_EXISTS, HOST_OFFLINE."""
        given = self._accessors.given(self._database.model.classes["PBD"], args)
        host, sr = Ref(str(given["host"])), Ref(str(given["SR"]))
        self._database.get("host", host)
        record = self._database.get("SR", sr)
        for pbd in pbds_of(self._database, sr):
            if pbd["host"] == host:
                raise ApiError("PBD_EXISTS", sr, host, pbd.ref)
        agent = self._agents.agent(host)
        device_config = given.get("device_config", {})
        assert isinstance(device_config, dict)
        now = await self._introduce(agent, record, device_config)

        def write(book: Book) -> Ref:
            pbd = find_pbd(book, put_sr(book, now))
            book.transaction.set("PBD", pbd, {"other_config": given.get("other_config", {})})
            return pbd

        return await self._database.change(lambda t: write(Book(t, host)))

    async def destroy(self, context: Context, pbd: Ref) -> None:
        """The host forgets the SR, whose record stays. Raises ApiError OPERATION_NOT_ALLOWED if it is plugged."""
        record, agent, uuid = self._reach(pbd)
        if record["currently_attached"]:
            raise ApiError("OPERATION_NOT_ALLOWED", "the PBD is plugged; unplug it first")
        with self._work.leaving(context, record.one("SR"), "pbd_destroy"):
            await self._work.forget(agent, pbd, uuid)

    async def plug(self, context: Context, pbd: Ref) -> None:
        """Attach the SR to the PBD's host. No-op if it is. Raises XenhostError: what its driver says."""
        record, agent, uuid = self._reach(pbd)
        if not record["currently_attached"]:
            request = sr_service_pb2.AttachSrRequest(id=uuid)
            type = str(self._database.get("SR", record.one("SR"))["type"])
            if (multipathing := is_on(self._database, record.one("host"), type)) is not None:
                request.multipathing = multipathing
            await self._work.made(context, agent, agent.srs.AttachSr, request)

    async def unplug(self, context: Context, pbd: Ref) -> None:
        """Detach it. Raises ApiError VDI_IN_USE."""
        record, agent, uuid = self._reach(pbd)
        if record["currently_attached"]:
            await self._work.made(context, agent, agent.srs.DetachSr, sr_service_pb2.DetachSrRequest(id=uuid))

    async def set_device_config(self, context: Context, pbd: Ref, value: Mapping[str, Value]) -> None:
        """Where and how, from the next plug on. Raises ApiError OPERATION_NOT_ALLOWED if it is plugged.

        The host forgets the SR, and knows it anew: one that is lost in between has no PBD any more. Raises ApiError
        INVALID_VALUE for what no host takes: too much, or what is shown in place of a secret.
        """
        record, agent, uuid = self._reach(pbd)
        if record["currently_attached"]:
            raise ApiError("OPERATION_NOT_ALLOWED", "the PBD is plugged; unplug it first")
        for key, text in opened(self._database, value).items():
            if len(value) > MAX_KEYS or len(f"{key}{text}") > MAX_TEXT or text == HIDDEN:
                raise ApiError("INVALID_VALUE", f"device_config:{key[:80]}", "")
        sr = self._database.get("SR", record.one("SR"))
        with self._work.leaving(context, sr.ref, "pbd_destroy"):
            await asyncio.shield(self._renewed(agent, record, sr, uuid, value))

    async def _renewed(
        self, agent: Agent, pbd: Record, sr: Record, uuid: str, device_config: Mapping[str, Value]
    ) -> None:
        await self._work.forget(agent, pbd.ref, uuid)
        now = await self._introduce(agent, sr, device_config)
        await self._database.change(lambda t: self._restored(t, pbd, now))

    @staticmethod
    def _restored(transaction: Transaction, pbd: Record, now: storage_pb2.Sr) -> None:
        """The PBD that was, with its reference."""
        book = Book(transaction, pbd.one("host"))
        found = find_pbd(book, book.find("SR", now.id))
        if found != NULL_REF:  # the host has told already
            transaction.delete("PBD", found)
        names = ("uuid", "host", "SR", "other_config")
        transaction.create("PBD", {name: pbd[name] for name in names}, pbd.ref)
        put_sr(book, now)

    async def _introduce(self, agent: Agent, sr: Record, device_config: Mapping[str, Value]) -> storage_pb2.Sr:
        """The host knows it."""
        wanted = storage_pb2.Sr(
            id=str(sr["uuid"]),
            type=str(sr["type"]),
            name=str(sr["name_label"] or sr["uuid"]),
            description=str(sr["name_description"]),
            content_type=str(sr["content_type"]),
            shared=bool(sr["shared"]),
            device_config=opened(self._database, device_config),
            sm_config=_strings(sr["sm_config"]),
        )
        now: storage_pb2.Sr = await agent.call(agent.srs.IntroduceSr, sr_service_pb2.IntroduceSrRequest(sr=wanted))
        return now

    def _reach(self, pbd: Ref) -> tuple[Record, Agent, str]:
        record = self._database.get("PBD", pbd)
        uuid = str(self._database.get("SR", record.one("SR"))["uuid"])
        return record, self._agents.agent(record.one("host")), uuid


def _strings(values: Value) -> dict[str, str]:
    assert isinstance(values, dict)
    return {key: str(value) for key, value in values.items()}
