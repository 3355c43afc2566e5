"""The wire of the pool master over a few methods of its own, listening on every kind of socket."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from xenhost.pool.audit.log import AuditLog
from xenhost.pool.call import ApiError, Context, Implementation, Method, Ref, Role, Value
from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.session.authenticator import FixedUsers
from xenhost.pool.session.brakes import Brakes
from xenhost.pool.session.directory import Directory, NoDirectory
from xenhost.pool.session.login import Logins
from xenhost.pool.session.session import Session
from xenhost.pool.session.table import SessionLimits, SessionTable
from xenhost.pool.wire.endpoint import Endpoint
from xenhost.pool.wire.gate import Gate
from xenhost.pool.wire.introspection import Introspection
from xenhost.pool.wire.landing import Landing, api_routes
from xenhost.pool.wire.listener import Address, ListenSettings, PoolListener
from xenhost.pool.wire.rpc_json import JsonRpc
from xenhost.pool.wire.rpc_xml import XmlRpc
from xenhost.system.clock import SystemClock
from xenhost.system.http.connection import Handler

USER = "root"
PASSWORD = "not & <easy>"
NO_SESSION = frozenset({"session.login_with_password", "session.slave_local_login_with_password"})


@dataclass(slots=True)
class Methods:
    """A dispatcher and registry of whatever is put into it."""

    answers: dict[str, Implementation] = field(default_factory=dict)
    roles: dict[str, frozenset[Role]] = field(default_factory=dict)
    keys: dict[str, Mapping[str, frozenset[Role]]] = field(default_factory=dict)

    def register(self, method: str, answer: Implementation) -> None:
        """Answered by it from now on."""
        self.answers[method] = answer

    def find(self, name: str) -> Method | None:
        """By its names with a dot, and with an underscore."""
        task = name.startswith("Async.")
        plain = name.removeprefix("Async.")
        found = next((each for each in self.answers if plain in (each, each.replace(".", "_", 1))), None)
        if found is None:
            return None
        roles = self.roles.get(found, frozenset(Role))
        secret = {"session.login_with_password": {1}, "session.change_password": {0, 1}}.get(found, set())
        return Method(found, task, found not in NO_SESSION, roles, self.keys.get(found, {}), frozenset(secret))

    def names(self) -> Sequence[str]:
        """All of them."""
        return sorted(self.answers)

    async def call(self, context: Context, method: str, params: Sequence[Value]) -> Value:
        """Call it."""
        found = self.find(method)
        assert found is not None
        try:
            return await self.answers[found.name](context, *params)
        except TypeError as error:
            raise ApiError("MESSAGE_PARAMETER_COUNT_MISMATCH", found.name, "?", str(len(params))) from error


@dataclass(slots=True)
class Watched:
    """Remembers which sessions have ended, and why."""

    gone: list[tuple[Session, str]] = field(default_factory=list)
    busy: set[Ref] = field(default_factory=set)
    when: dict[Ref, float] = field(default_factory=dict)

    def opened(self, session: Session) -> None:
        """Nothing."""

    def ended(self, session: Session, why: str) -> None:
        """Remember it."""
        self.gone.append((session, why))

    def used(self, ref: Ref, at: float) -> None:
        """Remember it."""
        self.when[ref] = at

    def has_tasks(self, ref: Ref) -> bool:
        """As the test says."""
        return ref in self.busy


@dataclass(slots=True)
class Wire:
    """A listening wire."""

    methods: Methods
    sessions: SessionTable
    logins: Logins
    gate: Gate
    endpoint: Endpoint
    audit: AuditLog
    folder: Path
    listener: PoolListener | None = None
    ended: list[tuple[Session, str]] = field(default_factory=list)

    @property
    def http(self) -> int:
        """The port of plain HTTP."""
        assert self.listener is not None
        return self.listener.http_ports[0]

    @property
    def https(self) -> int:
        """That of HTTPS."""
        assert self.listener is not None
        return self.listener.https_ports[0]

    @property
    def path(self) -> Path:
        """The unix socket."""
        return self.folder / "xapi"


@asynccontextmanager
async def wire(
    folder: Path,
    more: Callable[[Wire], Mapping[tuple[str, str], Handler]] = lambda _: {},
    directory: Directory | None = None,
    https: bool = False,
    https_only: bool = False,
    hsts_seconds: int = 0,
) -> AsyncIterator[Wire]:
    """Serve it; over HTTPS, too, if asked for: making a certificate takes a while."""
    clock, log, methods = SystemClock(), structlog.get_logger(), Methods()
    watched = Watched()
    sessions = SessionTable(clock, SessionLimits(), watched)
    users = FixedUsers({USER: PASSWORD})
    logins = Logins(sessions, users, directory or NoDirectory(), Brakes(), clock, log)
    logins.register(methods)
    audit = AuditLog(folder / "audit.log", log)
    endpoint = Endpoint(methods, sessions, audit, clock)
    gate = Gate(sessions, logins, audit, clock)
    made = Wire(methods, sessions, logins, gate, endpoint, audit, folder, ended=watched.gone)
    introspection = Introspection(MODEL, methods)
    routes = api_routes(XmlRpc(endpoint, introspection), JsonRpc(endpoint, introspection), Landing("1.2.3"))
    any_port = (Address("127.0.0.1", 0),)
    settings = ListenSettings(
        http=any_port,
        https=any_port if https else (),
        sockets=(made.path,),
        tls_folder=folder / "tls",
        names=("localhost", "127.0.0.1"),
        https_only=https_only,
        hsts_seconds=hsts_seconds,
    )
    made.listener = PoolListener(settings, {**routes, **more(made)}, clock, log)
    await made.listener.open()
    try:
        yield made
    finally:
        await made.listener.close()
        await audit.flush()


def echo(*values: Value) -> Callable[..., Awaitable[Value]]:
    """An implementation that returns its parameters, or these values instead."""

    async def answer(context: Context, *params: Value) -> Value:
        return list(values or params)

    return answer
