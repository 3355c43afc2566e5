"""PUT /pool/member: a host that is about to join asks this master whether it may, and where agents report."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from xenhost.core.ids import is_uuid
from xenhost.pool.call import ApiError, Context, Role, Value
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.dial import Dial
from xenhost.pool.hosts.hosts import Hosts, let_in
from xenhost.pool.hosts.link import MAX_ENDPOINTS
from xenhost.pool.hosts.membership.reach import agent_answers
from xenhost.pool.wire.answering import JSON
from xenhost.pool.wire.gate import Gate, HttpAction
from xenhost.system.http.connection import Handler
from xenhost.system.http.message import HttpError, Request, Response
from xenhost.system.xmlrpc import legal

MAX_REQUEST: Final = 64 << 10
_MAX_ENDPOINT: Final = 300
_MAX_JOINING: Final = 100
NAMES: Final = ("name_label", "name_description")
_JOINERS: Final = frozenset({Role.POOL_ADMIN, Role.POOL_OPERATOR})
"""As pool.join wants of those who join."""


class Admission:
    """Lets hosts in, whose agents answer."""

    def __init__(self, database: Database, hosts: Hosts, dial: Dial) -> None:
        self._database: Final = database
        self._hosts: Final = hosts
        self._dial: Final = dial
        self.ports: Sequence[int] = ()
        """Where agents of other hosts report."""

    def routes(self, gate: Gate) -> Mapping[tuple[str, str], Handler]:
        """The path."""
        return {("PUT", "/pool/member"): gate.guarded(HttpAction("put_pool_member", _JOINERS, self._put))}

    async def _put(self, context: Context, request: Request) -> Response:
        """Asked and answered in JSON: `uuid`, `endpoints` and `names`, then `port`; errors as in JSON-RPC."""
        joiner = _parsed(await request.body.read(MAX_REQUEST))
        try:
            answer: Mapping[str, Any] = {"result": {"port": await self._admit(joiner)}}
        except ApiError as error:
            answer = {"error": {"message": error.code, "data": list(error.params)}}
        return Response(HTTPStatus.OK, (("Content-Type", JSON),), json.dumps(answer).encode())

    async def _admit(self, joiner: "_Joiner") -> int:
        """Raises ApiError HOST_MASTER_CANNOT_TALK_BACK; OPERATION_NOT_ALLOWED of a pool of one host."""
        if not self.ports:
            text = "the master of this pool lets no agents of other hosts report: start its xenpoold with --agents"
            raise ApiError("OPERATION_NOT_ALLOWED", text)
        if not await agent_answers(self._dial, joiner.endpoint, joiner.uuid):
            raise ApiError("HOST_MASTER_CANNOT_TALK_BACK", joiner.host)
        await self._database.change(lambda t: let_in(t, joiner.uuid))
        if len(self._hosts.joining) >= _MAX_JOINING:
            self._hosts.joining.clear()  # they have not come
        self._hosts.joining[joiner.uuid] = joiner.names
        return self.ports[0]


@dataclass(frozen=True, slots=True)
class _Joiner:
    uuid: str
    endpoint: str
    """The first one, which is the one that a master calls."""
    host: str
    """Of the endpoint."""
    names: Mapping[str, Value]


def _parsed(untrusted: bytes) -> _Joiner:
    """Raises HttpError 400."""
    try:
        found = json.loads(untrusted)
        uuid, endpoint, count = found["uuid"], found["endpoints"][0], len(found["endpoints"])
        names = {name: found["names"][name] for name in NAMES}
        good = is_uuid(uuid) and count <= MAX_ENDPOINTS and len(endpoint) <= _MAX_ENDPOINT and "/" not in endpoint
        where = urlsplit(f"//{endpoint}")
        good = good and bool(where.hostname and where.port)
        good = good and all(isinstance(name, str) and legal(name) for name in names.values())
        host = where.hostname or ""
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        good = False
    if not good:
        text = "a host has a UUID, endpoints such as host.example.org:9440, and names"
        raise HttpError(HTTPStatus.BAD_REQUEST, text)
    return _Joiner(uuid, endpoint, host, names)
