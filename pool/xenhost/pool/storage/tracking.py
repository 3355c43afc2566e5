"""Changed blocks, and VDIs served over NBD: what backup tools ask for."""

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from cryptography import x509

from xenhost.api.host.v1 import vdi_service_pb2
from xenhost.core.errors import HandleInvalid, XenhostError
from xenhost.pool.call import ApiError, Context, FrozenMap, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.returned import ReturnedHosts
from xenhost.pool.storage.secrets import check_content
from xenhost.pool.storage.vdi_work import VdiWork

MAX_BITMAP: Final = 64 << 20
"""Characters of one; that of the largest disk there is has 35 million."""
_PURPOSES: Final = frozenset({"nbd", "insecure_nbd"})
"""Of networks through which VDIs may be read."""


@dataclass(frozen=True, slots=True)
class _Served:
    """A VDI, and who asked for it."""

    host: Ref
    uuid: str
    sessions: set[Ref] = field(default_factory=set)


class VdiTracking:
    """Answers their messages.

    An agent serves a VDI from the moment that somebody asks for it until the last session that has asked has ended, or
    the VDI, or its data, are destroyed. Sessions end with the master; what it has had served until then is written down
    with the host, before that is asked, and given up when the host and a master meet again.
    """

    def __init__(self, database: Database, agents: Agents, work: VdiWork) -> None:
        self._database: Final = database
        self.hosts: Final = ReturnedHosts(
            agents, self._give_up_old, "VDIs of ended sessions may still be served over NBD"
        )
        self._work: Final = work
        self._served: Final[dict[Ref, _Served]] = {}
        """By VDI."""
        self._ending: Final[set[asyncio.Task[None]]] = set()
        self._log: Final = structlog.get_logger("xenpoold.storage")

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VDI.enable_cbt": self.enable,
            "VDI.disable_cbt": self.disable,
            "VDI.data_destroy": self.data_destroy,
            "VDI.list_changed_blocks": self.changed_blocks,
            "VDI.get_nbd_info": self.nbd_info,
        }

    async def enable(self, context: Context, vdi: Ref) -> None:
        """Remember from now on which blocks change. No-op if they are."""
        if not self._database.get("VDI", vdi)["cbt_enabled"]:
            request = vdi_service_pb2.EnableCbtRequest(id=self._work.uuid(vdi))
            await self._work.made(context, vdi, "enable_cbt", lambda agent: agent.vdis.EnableCbt, request)

    async def disable(self, context: Context, vdi: Ref) -> None:
        """Forget which have changed. No-op if nobody knows."""
        if self._database.get("VDI", vdi)["cbt_enabled"]:
            request = vdi_service_pb2.DisableCbtRequest(id=self._work.uuid(vdi))
            await self._work.made(context, vdi, "disable_cbt", lambda agent: agent.vdis.DisableCbt, request)

    async def data_destroy(self, context: Context, vdi: Ref) -> None:
        """A snapshot keeps only what is known of changed blocks. No-op if it has nothing else.

        Raises ApiError OPERATION_NOT_ALLOWED, VDI_NO_CBT_METADATA, VDI_IN_USE.
        """
        if self._database.get("VDI", vdi)["type"] == "cbt_metadata":
            return
        await self.withdraw(vdi)
        request = vdi_service_pb2.DestroyVdiDataRequest(id=self._work.uuid(vdi))
        await self._work.made(context, vdi, "data_destroy", lambda agent: agent.vdis.DestroyVdiData, request)

    async def changed_blocks(self, context: Context, vdi_from: Ref, vdi_to: Ref) -> str:
        """Base64: a bit for each 64 KiB in which the second may differ from the first.

        Raises ApiError VDI_NO_CBT_METADATA, SR_BACKEND_FAILURE_459, SR_BACKEND_FAILURE_460.
        """
        self._database.get("VDI", vdi_to)
        agent = await self._work.agent(vdi_from)
        request = vdi_service_pb2.ListChangedBlocksRequest(
            older_id=self._work.uuid(vdi_from), newer_id=self._work.uuid(vdi_to)
        )
        parts: list[str] = []
        with self._work.doing(context, vdi_from, "list_changed_blocks"):
            async for part in agent.stream(agent.vdis.ListChangedBlocks, request):
                parts.append(part.bitmap)
                if sum(map(len, parts)) > MAX_BITMAP:
                    raise ApiError("INTERNAL_ERROR", "the host's bitmap of changed blocks has no end")
        return "".join(parts)

    async def nbd_info(self, context: Context, vdi: Ref) -> Value:
        """Where it can be read: at each address that its host has in networks whose purpose that is.

        Raises ApiError VDI_INCOMPATIBLE_TYPE, VDI_IN_USE if a VM writes it, OPERATION_NOT_ALLOWED if the session ends.
        """
        record = self._database.get("VDI", vdi)
        if record["type"] == "cbt_metadata":
            raise ApiError("VDI_INCOMPATIBLE_TYPE", vdi, "cbt_metadata")
        check_content(context, record)
        if not any(pbd["currently_attached"] for pbd in self._pbds(record)):
            return ()
        known = self._served.get(vdi)
        agent = self._work.agent_of(known.host) if known is not None else await self._work.agent(vdi)
        addresses = self._addresses(agent.host)
        if not addresses:
            return ()
        served = await self._export(agent, vdi, context.session)
        info: dict[str, Value] = {
            "exportname": served.exportname,
            "port": served.port,
            "cert": served.cert,
            "subject": _subject(served.cert),
        }
        return tuple(FrozenMap({**info, "address": address}) for address in addresses)

    def session_ended(self, session: Ref) -> None:
        """What only it has asked for is served no more."""
        for vdi, served in tuple(self._served.items()):
            self._give_up(vdi, served, session)

    def _give_up(self, vdi: Ref, served: _Served, session: Ref) -> None:
        served.sessions.discard(session)
        if not served.sessions and self._served.get(vdi) is served:
            self._begin(self.withdraw(vdi))

    async def withdraw(self, vdi: Ref) -> None:
        """It is served no more. No-op if it is not. Who reads it is cut off."""
        if (served := self._served.pop(vdi, None)) is None:
            return
        await self._unexport(vdi, served)

    async def _export(self, agent: Agent, vdi: Ref, session: Ref) -> Any:
        """It is known before the agent is asked: a session may end, or the VDI be withdrawn, before it has answered."""
        known = self._served.setdefault(vdi, _Served(agent.host, self._work.uuid(vdi)))
        new = session not in known.sessions
        known.sessions.add(session)
        try:
            await self._database.change(lambda t: _note(t, known, True))
            served = await agent.call(agent.vdis.ExportNbd, vdi_service_pb2.ExportNbdRequest(id=known.uuid))
        except BaseException:
            if new:
                self._give_up(vdi, known, session)
            raise
        if vdi not in self._served:
            await self._unexport(vdi, known)
        if session not in known.sessions or self._served.get(vdi) is not known:
            raise ApiError("OPERATION_NOT_ALLOWED", "the VDI was given up before it was served")
        return served

    async def _unexport(self, vdi: Ref, served: _Served) -> None:
        try:
            await self._end(served)
        except (ApiError, XenhostError) as error:
            self._log.warning("a VDI is still served over NBD", vdi=vdi, error=str(error))

    async def _give_up_old(self, host: Ref) -> None:
        for uuid in self._database.get("host", host).refs("nbd_vdis"):
            if not self._is_served(host, uuid):
                await self._end(_Served(host, uuid))

    async def _end(self, served: _Served) -> None:
        agent = self._work.agent_of(served.host)
        with contextlib.suppress(HandleInvalid):  # it is gone, with its SR or by itself
            await agent.call(agent.vdis.UnexportNbd, vdi_service_pb2.UnexportNbdRequest(id=served.uuid))
        if not self._is_served(served.host, served.uuid):
            await self._database.change(lambda t: _note(t, served, False))

    def _is_served(self, host: Ref, uuid: str) -> bool:
        return any((each.host, each.uuid) == (host, uuid) for each in self._served.values())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._ending.add(task := asyncio.ensure_future(work))
        task.add_done_callback(self._ending.discard)

    def _pbds(self, vdi: Record) -> list[Record]:
        return [self._database.get("PBD", pbd) for pbd in self._database.get("SR", vdi.one("SR")).refs("PBDs")]

    def _addresses(self, host: Ref) -> list[str]:
        found: list[str] = []
        for ref in self._database.get("host", host).refs("PIFs"):
            pif = self._database.get("PIF", ref)
            network = self._database.find("network", pif.one("network"))
            if pif["currently_attached"] and network is not None and _PURPOSES.intersection(_texts(network["purpose"])):
                ipv6 = (address.partition("/")[0] for address in _texts(pif["IPv6"]))
                found += [address for address in (str(pif["IP"]), *ipv6) if address]
        return found


def _note(transaction: Transaction, served: _Served, is_served: bool) -> None:
    """No-op if the host is gone, and what it served with it."""
    if (host := transaction.find("host", served.host)) is not None:
        others = [uuid for uuid in host.refs("nbd_vdis") if uuid != served.uuid]
        transaction.set("host", served.host, {"nbd_vdis": (*others, *([served.uuid] if is_served else []))})


def _texts(value: Value) -> list[str]:
    assert isinstance(value, tuple)
    return [str(item) for item in value]


def _subject(pem: str) -> str:
    """A name that the certificate is for; empty without one."""
    if not pem:
        return ""
    certificate = x509.load_pem_x509_certificate(pem.encode())
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return next(iter(names.get_values_for_type(x509.DNSName)), "")
