"""Who may use an HTTP handler: a session in the query or in a cookie, or a name and a password."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from xenhost.core.clock import Clock
from xenhost.pool.audit.entry import Entry
from xenhost.pool.audit.log import AuditLog
from xenhost.pool.call import ApiError, Context, Ref, Role
from xenhost.pool.session.login import Logins
from xenhost.pool.session.session import Session
from xenhost.pool.session.table import SessionTable
from xenhost.pool.wire.access import denied
from xenhost.pool.wire.caller import caller_of
from xenhost.pool.wire.request_task import RequestTask, RequestTasks
from xenhost.system.http.message import HttpError, Request, Response

VM_ADMINS: Final = frozenset({Role.POOL_ADMIN, Role.POOL_OPERATOR, Role.VM_POWER_ADMIN, Role.VM_ADMIN})
"""Who may read and write whole VMs and disks."""
CHALLENGE: Final = ("WWW-Authenticate", 'Basic realm="xenhost"')
_MAX_CREDENTIALS: Final = 4096

Answer = Callable[[Context, Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class HttpAction:
    """A handler, and who may use it."""

    name: str
    """As xapi names it in permissions: `http/get_audit_log` for get_audit_log."""
    roles: frozenset[Role]
    answer: Answer
    audited: bool = True


class Gate:
    """Lets those in who may."""

    def __init__(
        self,
        sessions: SessionTable,
        logins: Logins,
        audit: AuditLog,
        clock: Clock,
        tasks: RequestTasks | None = None,
    ) -> None:
        """Without `tasks`, nobody ends the tasks that requests name."""
        self._sessions = sessions
        self._logins = logins
        self._audit = audit
        self._clock = clock
        self._tasks = tasks

    def guarded(self, action: HttpAction) -> Callable[[Request], Awaitable[Response]]:
        """The handler, which answers 401 and 403 by itself."""

        async def handler(request: Request) -> Response:
            context, session = await self._admitted(request)
            request.connection.recognised()
            name = f"http/{action.name}"
            if not context.superuser and context.roles.isdisjoint(action.roles):
                self._record(action, context, session, "RBAC_PERMISSION_DENIED", 0.0)
                raise HttpError(HTTPStatus.FORBIDDEN, denied(name, action.roles).params[1])
            task = self._task(action, context, session)
            begun = self._clock.monotonic()
            result = "cut"
            try:
                with self._sessions.under_way(context.session):
                    response = await action.answer(context, request)
                result = "ok" if response.status < HTTPStatus.BAD_REQUEST else str(response.status.value)
                return task.answered(response) if task is not None else response
            except BaseException as error:
                if task is not None:
                    task.failed(error)
                if not isinstance(error, ApiError):
                    raise
                result = error.code
                raise HttpError(HTTPStatus.INTERNAL_SERVER_ERROR, " ".join(error.as_xenapi())) from error
            finally:
                self._record(action, context, session, result, self._clock.monotonic() - begun)

        return handler

    def _task(self, action: HttpAction, context: Context, session: str) -> RequestTask | None:
        """The task that the request names. Raises HttpError 403 if it is somebody else's."""
        if self._tasks is None:
            return None
        try:
            return self._tasks.of(context, f"http/{action.name}")
        except ApiError as error:
            self._record(action, context, session, error.code, 0.0)
            raise HttpError(HTTPStatus.FORBIDDEN, " ".join(error.params)) from error

    async def _admitted(self, request: Request) -> tuple[Context, str]:
        caller = caller_of(request)
        untrusted = told(request, "session_id")
        task = Ref(request.arg("task_id")) if request.arg("task_id") else None
        session: Session | None = None
        if untrusted:
            session = self._sessions.find(Ref(untrusted))
        elif credentials := credentials_of(request):
            try:
                session = await self._logins.authenticate(caller.nobody(), *credentials)
            except ApiError as error:
                raise HttpError(HTTPStatus.UNAUTHORIZED, error.code, CHALLENGE) from error
        elif caller.local_superuser:
            return caller.nobody(), ""
        if session is None:
            raise HttpError(HTTPStatus.UNAUTHORIZED, "a session_id, or a name and a password are needed", CHALLENGE)
        context = caller.of(session)
        return (replace(context, task=task) if task is not None else context), session.uuid

    def _record(self, action: HttpAction, context: Context, session: str, result: str, seconds: float) -> None:
        if action.audited or result == "RBAC_PERMISSION_DENIED":
            self._audit.add(Entry(self._clock.now(), context, session, f"http/{action.name}", (), result, seconds))


def told(request: Request, name: str) -> str:
    """A parameter, in the query or in a cookie; empty if it is in neither."""
    return request.arg(name) or request.cookie(name)


def refuse_head(request: Request) -> None:
    """Raises HttpError 405: what a GET would answer is only known when it is made."""
    if request.method == "HEAD":
        raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, "", ("Allow", "GET"))


def credentials_of(request: Request) -> tuple[str, str] | None:
    """Name and password of an Authorization header; None without one."""
    scheme, _, untrusted = request.headers.get("authorization").partition(" ")
    if scheme.lower() != "basic" or len(untrusted) > _MAX_CREDENTIALS:
        return None
    try:
        text = base64.b64decode(untrusted.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    user, colon, password = text.partition(":")
    return (user, password) if colon else None
