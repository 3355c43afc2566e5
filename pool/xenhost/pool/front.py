"""The part of the composition root that clients see: sessions, roles, the paths of the API and the sockets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import structlog

from xenhost.core.clock import Clock
from xenhost.pool.audit.log import AuditLog
from xenhost.pool.call import Context, Dispatcher, Ref, Registry, Role
from xenhost.pool.cli_server.handler import CliHandler
from xenhost.pool.database.database import Database
from xenhost.pool.session.authenticator import Authenticator
from xenhost.pool.session.book import SessionBook
from xenhost.pool.session.brakes import Brakes
from xenhost.pool.session.login import Logins
from xenhost.pool.session.roles import Roles
from xenhost.pool.session.subjects import Subjects
from xenhost.pool.session.table import SessionLimits, SessionTable
from xenhost.pool.session.user_agents import UserAgents
from xenhost.pool.wire.endpoint import Endpoint
from xenhost.pool.wire.gate import Gate, HttpAction
from xenhost.pool.wire.introspection import Introspection
from xenhost.pool.wire.landing import Landing, api_routes
from xenhost.pool.wire.listener import ListenSettings, PoolListener
from xenhost.pool.wire.request_task import RequestTasks, Tasks
from xenhost.pool.wire.rpc_json import JsonRpc
from xenhost.pool.wire.rpc_xml import XmlRpc
from xenhost.system.http.connection import Handler
from xenhost.system.http.message import HttpError, Request, Response

EXPIRE_SECONDS: Final = 60.0
EVERYBODY: Final = frozenset(Role)


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """What an administrator may choose."""

    listen: ListenSettings
    audit: Path
    version: str
    sessions: SessionLimits


@dataclass(frozen=True, slots=True)
class Front:
    """Everything that clients meet. `open` it when the database is open and all messages are registered."""

    listener: PoolListener
    sessions: SessionTable
    book: SessionBook
    roles: Roles
    gate: Gate
    endpoint: Endpoint
    audit: AuditLog
    clock: Clock

    async def open(self) -> None:
        """Listen. Raises CannotListen, StoreFailed."""
        await self.roles.ensure()
        await self.listener.open()

    async def run(self) -> None:
        """End sessions when their time has come. Never returns."""
        while True:
            await self.clock.sleep(EXPIRE_SECONDS)
            self.sessions.expire()

    async def close(self, grace: float = 0.0) -> None:
        """Stop listening; calls under way get `grace` seconds."""
        await self.listener.close(grace)
        await self.audit.flush()


Routes = Mapping[tuple[str, str], Handler]


def build_front(
    database: Database,
    dispatcher: Dispatcher,
    registry: Registry,
    superusers: Authenticator,
    everybody: Authenticator,
    host: Callable[[], Ref],
    settings: FrontSettings,
    clock: Clock,
    log: structlog.typing.FilteringBoundLogger,
    more: Callable[[Gate], Routes] = lambda _: {},
    tasks: Tasks | None = None,
) -> Front:
    """Put it together. `superusers` knows the passwords of local superusers, `everybody` those of all users.

    `host` is the pool master's; `more` are the handlers of other parts; `tasks` end with the requests that name them.
    """
    roles = Roles(database, dispatcher)
    subjects = Subjects(database, everybody, roles)
    book = SessionBook(database, host, roles.of_session, log)
    sessions = SessionTable(clock, settings.sessions, book)
    user_agents = UserAgents(host)
    logins = Logins(sessions, superusers, subjects, Brakes(), clock, log, user_agents.note)
    for part in (roles, subjects, logins, user_agents):
        part.register(registry)
    audit = AuditLog(settings.audit, log)
    endpoint = Endpoint(dispatcher, sessions, audit, clock)
    gate = Gate(sessions, logins, audit, clock, RequestTasks(database, tasks) if tasks is not None else None)
    introspection = Introspection(database.model, dispatcher)
    routes: Routes = {
        **api_routes(XmlRpc(endpoint, introspection), JsonRpc(endpoint, introspection), Landing(settings.version)),
        ("POST", "/cli"): CliHandler(endpoint, database, sessions),
        ("GET", "/audit_log"): gate.guarded(HttpAction("get_audit_log", EVERYBODY, _AuditHandler(audit))),
        **more(gate),
    }
    listener = PoolListener(settings.listen, routes, clock, log)
    return Front(listener, sessions, book, roles, gate, endpoint, audit, clock)


class _AuditHandler:
    """The audit log; with `since`, only lines from that time on, in the form of its lines."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    async def __call__(self, context: Context, request: Request) -> Response:
        if self._audit.is_full:
            raise HttpError(HTTPStatus.SERVICE_UNAVAILABLE, "others read it", ("Retry-After", "10"))
        headers = (("Content-Type", "text/plain; charset=utf-8"),)
        return Response(HTTPStatus.OK, headers, self._audit.pieces(request.arg("since")))
