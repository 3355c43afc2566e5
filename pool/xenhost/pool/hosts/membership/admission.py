"""PUT /pool/member: a host that is about to join asks this master whether it may, and where agents report."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from xenhost.api.host.v1 import host_service_pb2
from xenhost.core.config_error import ConfigError
from xenhost.core.errors import XenhostError
from xenhost.core.ids import is_uuid
from xenhost.pool.call import NULL_REF, ApiError, Context, Role
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agent
from xenhost.pool.hosts.dial import Dial
from xenhost.pool.hosts.hosts import let_in
from xenhost.pool.hosts.link import MAX_ENDPOINTS
from xenhost.pool.wire.answering import JSON
from xenhost.pool.wire.gate import Gate, HttpAction
from xenhost.system.http.connection import Handler
from xenhost.system.http.message import HttpError, Request, Response

MAX_REQUEST: Final = 64 << 10
CALL_SECONDS: Final = 15.0
_MAX_ENDPOINT: Final = 300
_JOINERS: Final = frozenset({Role.POOL_ADMIN, Role.POOL_OPERATOR})
"""As pool.join wants of those who join."""


class Admission:
    """Lets hosts in, whose agents answer."""

    def __init__(self, database: Database, dial: Dial) -> None:
        self._database: Final = database
        self._dial: Final = dial
        self.ports: Sequence[int] = ()
        """Where agents of other hosts report."""

    def routes(self, gate: Gate) -> Mapping[tuple[str, str], Handler]:
        """The path."""
        return {("PUT", "/pool/member"): gate.guarded(HttpAction("put_pool_member", _JOINERS, self._put))}

    async def _put(self, context: Context, request: Request) -> Response:
        """Asked and answered in JSON: `uuid` and `endpoints`, then `port`; errors as in JSON-RPC."""
        uuid, endpoint = _parsed(await request.body.read(MAX_REQUEST))
        try:
            answer: Mapping[str, Any] = {"result": {"port": await self._admit(uuid, endpoint)}}
        except ApiError as error:
            answer = {"error": {"message": error.code, "data": list(error.params)}}
        return Response(HTTPStatus.OK, (("Content-Type", JSON),), json.dumps(answer).encode())

    async def _admit(self, uuid: str, endpoint: str) -> int:
        """Raises ApiError HOST_MASTER_CANNOT_TALK_BACK; OPERATION_NOT_ALLOWED of a pool of one host."""
        if not self.ports:
            text = "the master of this pool lets no agents of other hosts report: start its xenpoold with --agents"
            raise ApiError("OPERATION_NOT_ALLOWED", text)
        try:
            channel = self._dial(endpoint)
        except ConfigError as error:
            raise ApiError("OPERATION_NOT_ALLOWED", str(error)) from error
        agent = Agent(NULL_REF, channel)
        try:
            told = await agent.call(agent.hosts.GetHost, host_service_pb2.GetHostRequest(), CALL_SECONDS)
        except (ApiError, XenhostError) as error:
            raise ApiError("HOST_MASTER_CANNOT_TALK_BACK", urlsplit(f"//{endpoint}").hostname or "") from error
        finally:
            await agent.close()
        if told.id != uuid:
            raise ApiError("HOST_MASTER_CANNOT_TALK_BACK", urlsplit(f"//{endpoint}").hostname or "")
        await self._database.change(lambda t: let_in(t, uuid))
        return self.ports[0]


def _parsed(untrusted: bytes) -> tuple[str, str]:
    """UUID and first endpoint, which is the one that a master calls. Raises HttpError 400."""
    try:
        found = json.loads(untrusted)
        uuid, endpoints = found["uuid"], found["endpoints"]
        good = is_uuid(uuid) and 0 < len(endpoints) <= MAX_ENDPOINTS
        endpoint = endpoints[0]
        good = good and isinstance(endpoint, str) and len(endpoint) <= _MAX_ENDPOINT and "/" not in endpoint
        good = good and bool(urlsplit(f"//{endpoint}").hostname) and bool(urlsplit(f"//{endpoint}").port)
    except (ValueError, KeyError, TypeError, RecursionError):
        good, uuid, endpoint = False, "", ""
    if not good:
        raise HttpError(HTTPStatus.BAD_REQUEST, "a host has a UUID, and endpoints such as host.example.org:9440")
    return uuid, endpoint
