"""/rrd_updates, /host_rrd, /vm_rrd and /sr_rrd: what the agent says, passed on as it comes."""

from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from xenhost.api.host.v1 import metrics_pb2, metrics_service_pb2
from xenhost.core.errors import Code, XenhostError
from xenhost.pool.call import ApiError, Context, Ref, Role
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.metrics.sources import DataSources
from xenhost.pool.wire.gate import Answer, Gate, HttpAction
from xenhost.system.http.accept import JSON, XML, prefers_json
from xenhost.system.http.connection import Handler
from xenhost.system.http.message import HttpError, Request, Response

_EVERYBODY: Final = frozenset(Role)
_ANY_ORIGIN: Final = (("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Headers", "X-Requested-With"))
_CF: Final = {
    name: getattr(metrics_service_pb2, f"CONSOLIDATION_FUNCTION_{name}") for name in ("AVERAGE", "MIN", "MAX")
}


class MetricsHandlers:
    """Answers them. What is about no object of its own is about the master's host."""

    def __init__(self, database: Database, agents: Agents, master: Callable[[], Ref]) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._master: Final = master
        self._sources: Final = DataSources(database, agents)

    def routes(self, gate: Gate) -> Mapping[tuple[str, str], Handler]:
        """For those with a session."""
        answers: dict[str, tuple[str, Answer]] = {
            "/rrd_updates": ("get_rrd_updates", self.updates),
            "/host_rrd": ("get_host_rrd", self.host),
            "/host_rrds": ("get_host_rrd", self.host),
            "/vm_rrd": ("get_vm_rrd", self.vm),
            "/vm_rrds": ("get_vm_rrd", self.vm),
            "/sr_rrd": ("get_sr_rrd", self.sr),
        }
        return {
            ("GET", path): gate.guarded(HttpAction(name, _EVERYBODY, answer, audited=False))
            for path, (name, answer) in answers.items()
        }

    async def updates(self, context: Context, request: Request) -> Response:
        """GET /rrd_updates. Parameters as xcp-rrdd has them; `all` and `none` for UUIDs, too."""
        agent = self._agents.agent(self._master())
        vms, srs = _uuids(request, "vm_uuid"), _uuids(request, "sr_uuid")
        wanted = metrics_service_pb2.GetUpdatesRequest(
            start=_number(request, "start", required=True),
            cf=_CF.get(request.arg("cf").upper(), metrics_service_pb2.CONSOLIDATION_FUNCTION_UNSPECIFIED),
            interval=max(0, _number(request, "interval")),
            host=request.arg("host") == "true",
            all_vms=vms is None or "all" in vms,
            all_srs=srs is not None and "all" in srs,
            vm_ids=[uuid for uuid in vms or () if uuid not in ("all", "none")],
            sr_ids=[uuid for uuid in srs or () if uuid not in ("all", "none")],
            format=_format(request),
        )
        return await _passed_on(agent, agent.metrics.GetUpdates, wanted, request)

    async def host(self, context: Context, request: Request) -> Response:
        """GET /host_rrd"""
        return await self._whole(request, *self._sources.host(self._master()))

    async def vm(self, context: Context, request: Request) -> Response:
        """GET /vm_rrd: of the host that it runs on; of a halted one what the master's host has kept."""
        ref = self._find("VM", request)
        if self._database.get("VM", ref)["power_state"] == "Halted":
            uuid = str(self._database.get("VM", ref)["uuid"])
            owner = metrics_pb2.MetricsOwner(kind=metrics_pb2.METRICS_KIND_VM, id=uuid)
            return await self._whole(request, self._agents.agent(self._master()), owner)
        return await self._whole(request, *self._sources.vm(ref))

    async def sr(self, context: Context, request: Request) -> Response:
        """GET /sr_rrd"""
        return await self._whole(request, *self._sources.sr(self._find("SR", request)))

    async def _whole(self, request: Request, agent: Agent, owner: metrics_pb2.MetricsOwner) -> Response:
        wanted = metrics_service_pb2.GetRrdRequest(owner=owner, format=_format(request))
        return await _passed_on(agent, agent.metrics.GetRrd, wanted, request)

    def _find(self, cls: str, request: Request) -> Ref:
        uuid = request.arg("uuid")
        if not uuid:
            raise HttpError(HTTPStatus.BAD_REQUEST, "say which: uuid=")
        try:
            return self._database.by_uuid(cls, uuid)
        except ApiError:
            raise HttpError(HTTPStatus.NOT_FOUND, f"there is no {cls} {uuid[:80]}") from None


async def _passed_on(agent: Agent, method: Any, wanted: Any, request: Request) -> Response:
    """The first piece decides whether it is an error; the rest comes as the client takes it."""
    pieces = agent.stream(method, wanted)
    try:
        first = await anext(pieces, None)
    except XenhostError as error:
        status = {Code.NOT_FOUND: HTTPStatus.NOT_FOUND, Code.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST}
        raise HttpError(status.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR), str(error)) from error

    async def body() -> AsyncIterator[bytes]:
        if first is not None:
            yield first.data
        async for piece in pieces:
            yield piece.data

    content_type = JSON if _format(request) == metrics_service_pb2.RRD_FORMAT_JSON else XML
    return Response(HTTPStatus.OK, (("Content-Type", content_type), *_ANY_ORIGIN), body())


def _format(request: Request) -> metrics_service_pb2.RrdFormat:
    asked = any(name == "json" for name, _ in request.query)
    json = prefers_json(request.headers.get("accept"), asked)
    return metrics_service_pb2.RRD_FORMAT_JSON if json else metrics_service_pb2.RRD_FORMAT_XML


def _uuids(request: Request, name: str) -> list[str] | None:
    """None: nothing was said."""
    found = [value for each, value in request.query if each == name]
    return found[:1000] or None


def _number(request: Request, name: str, required: bool = False) -> int:
    text = request.arg(name)
    if not text and not required:
        return 0
    try:
        number = int(text[:20])
    except ValueError:
        raise HttpError(HTTPStatus.BAD_REQUEST, f"{name} must be a number of seconds, not {text[:40]!r}") from None
    if abs(number) >= 1 << 31:
        raise HttpError(HTTPStatus.BAD_REQUEST, f"{name}: {number} is beyond all times")
    return number
