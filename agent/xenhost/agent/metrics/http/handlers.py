"""What each path answers. Names, parameters and headers are xcp-rrdd's (rrdd_http_handler.ml)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final

from xenhost.agent.metrics.engine import MetricsEngine
from xenhost.agent.metrics.http.bodies import Formatter
from xenhost.agent.metrics.http.pictures import owner_of, picture
from xenhost.agent.metrics.http.uploads import received
from xenhost.core.errors import Code, HandleInvalid, XenhostError
from xenhost.core.ids import is_uuid
from xenhost.core.metrics import HOST, Owner, OwnerKind
from xenhost.rrd.document import BadDocument
from xenhost.rrd.document_json import as_json
from xenhost.rrd.document_xml import as_xml, from_xml
from xenhost.rrd.openmetrics import CONTENT_TYPE, as_openmetrics
from xenhost.rrd.updates import parse_updates_query
from xenhost.rrd.updates_text import as_json as updates_json
from xenhost.rrd.updates_text import as_xml as updates_xml
from xenhost.system.http.accept import JSON, XML, prefers_json
from xenhost.system.http.message import HttpError, Request, Response, text_response
from xenhost.system.http.routes import GET, POST, PUT, Routes

ANY_ORIGIN: Final = ("Access-Control-Allow-Origin", "*")
REQUESTED_WITH: Final = ("Access-Control-Allow-Headers", "X-Requested-With")
_STATUS: Final[Mapping[str, HTTPStatus]] = {
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    Code.FAILED_PRECONDITION: HTTPStatus.CONFLICT,
    Code.RESOURCE_EXHAUSTED: HTTPStatus.SERVICE_UNAVAILABLE,
}

Handler = Callable[[Request], Awaitable[Response]]


class MetricsHttp:
    """Answers by the engine. What is formatted is a value of its own: nobody waits for it."""

    def __init__(self, metrics: MetricsEngine, now: Callable[[], float]) -> None:
        self._metrics: Final = metrics
        self._now: Final = now
        self._formatter: Final = Formatter()

    def routes(self) -> Routes:
        """Who answers what."""
        handlers: dict[tuple[str, str], Handler] = {
            (GET, "/rrd_updates"): self.updates,
            (GET, "/host_rrd"): self.host_rrd,
            (GET, "/host_rrds"): self.host_rrd,
            (GET, "/vm_rrd"): self.vm_rrd,
            (GET, "/vm_rrds"): self.vm_rrd,
            (GET, "/sr_rrd"): self.sr_rrd,
            (GET, "/metrics"): self.openmetrics,
            (GET, "/graph"): self.graph,
            (PUT, "/rrd"): self.put,
            (POST, "/rrd_unarchive"): self.unarchive,
        }
        return Routes({key: _judged(handler) for key, handler in handlers.items()})

    async def updates(self, request: Request) -> Response:
        """GET /rrd_updates"""
        parameters: dict[str, list[str]] = {}
        for name, value in request.query:
            parameters.setdefault(name, []).append(value)
        query = parse_updates_query(parameters)
        json = _json(request)
        found = await self._formatter.looked_up(lambda: self._metrics.updates(query))
        pieces = updates_json(found) if json else updates_xml(found)
        return await self._formatter.response(pieces, _content_type(json), ANY_ORIGIN, REQUESTED_WITH)

    async def host_rrd(self, request: Request) -> Response:
        """GET /host_rrd"""
        return await self._whole(request, HOST)

    async def vm_rrd(self, request: Request) -> Response:
        """GET /vm_rrd: also of a VM that is halted, as far as its database is here."""
        return await self._whole(request, Owner(OwnerKind.VM, _uuid(request)))

    async def sr_rrd(self, request: Request) -> Response:
        """GET /sr_rrd"""
        return await self._whole(request, Owner(OwnerKind.SR, _uuid(request)))

    async def unarchive(self, request: Request) -> Response:
        """POST /rrd_unarchive: whatever has that UUID."""
        uuid = _uuid(request)
        try:
            return await self._whole(request, Owner(OwnerKind.VM, uuid))
        except HandleInvalid:
            return await self._whole(request, Owner(OwnerKind.SR, uuid))

    async def put(self, request: Request) -> Response:
        """PUT /rrd: the database of a VM that comes here, or with archive=true to be kept."""
        uuid = _uuid(request)
        archive = request.arg("archive").lower() == "true"
        if uuid == self._metrics.host_id or (request.arg("is_host").lower() == "true" and not archive):
            raise HttpError(HTTPStatus.BAD_REQUEST, "the host's database is made here and nowhere else")
        async with received(request) as upload:
            try:
                document = await asyncio.to_thread(from_xml, upload.data)
            except BadDocument as error:
                raise HttpError(HTTPStatus.BAD_REQUEST, str(error)) from None
            owner = Owner(OwnerKind.VM, uuid)
            await (self._metrics.archive(owner, document) if archive else self._metrics.put(owner, document))
            return upload.response

    async def openmetrics(self, request: Request) -> Response:
        """GET /metrics, for Prometheus"""
        newest = await self._formatter.looked_up(self._metrics.newest)
        pieces = as_openmetrics(newest, self._metrics.host_id)
        return await self._formatter.response(pieces, ("Content-Type", CONTENT_TYPE))

    async def graph(self, request: Request) -> Response:
        """GET /graph: a PNG"""
        owner = owner_of(request)
        png = await self._metrics.draw(owner, picture(request, owner, self._now()))
        return Response(HTTPStatus.OK, (("Content-Type", "image/png"), ("Cache-Control", "no-store")), png)

    async def _whole(self, request: Request, owner: Owner) -> Response:
        document = await self._metrics.document(owner)
        json = _json(request)
        pieces = as_json(document) if json else as_xml(document)
        return await self._formatter.response(pieces, _content_type(json), ANY_ORIGIN, close=True)


def _judged(handler: Handler) -> Handler:
    """Errors of ours become a status and a sentence."""

    async def judged(request: Request) -> Response:
        try:
            return await handler(request)
        except XenhostError as error:
            status = _STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
            return text_response(status, str(error))

    return judged


def _json(request: Request) -> bool:
    asked = any(name == "json" for name, _ in request.query)
    return prefers_json(request.headers.get("accept"), asked)


def _content_type(json: bool) -> tuple[str, str]:
    return "Content-Type", JSON if json else XML


def _uuid(request: Request) -> str:
    uuid = request.arg("uuid").strip().lower()
    if not is_uuid(uuid):
        what = f"{uuid!r:.60} is not a UUID" if uuid else "uuid is missing"
        raise HttpError(HTTPStatus.BAD_REQUEST, f"{what}; say {request.path}?uuid=...")
    return uuid
