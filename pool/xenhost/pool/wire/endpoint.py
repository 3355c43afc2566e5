"""One call: its session, its role, the dispatcher, the audit log. XML-RPC, JSON-RPC and the CLI meet here."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final, Protocol

from xenhost.core.clock import Clock
from xenhost.pool.audit.entry import Entry, is_audited, shown
from xenhost.pool.audit.log import AuditLog
from xenhost.pool.call import ApiError, Context, Dispatcher, Method, Ref, Value
from xenhost.pool.session.session import Session
from xenhost.pool.session.table import SessionTable
from xenhost.pool.wire import access
from xenhost.pool.wire.caller import Caller

_WAITING: Final = frozenset({"event.from", "event.next"})
"""What waits for something to happen, and is of no use to a client that has gone."""


class Line(Protocol):
    """The connection a call came on."""

    async def until_gone(self) -> None:
        """Return when the client has gone."""
        ...

    def recognised(self) -> None:
        """The client has proved who it is."""
        ...


class Endpoint:
    """Answers calls by name. One for the process."""

    def __init__(self, dispatcher: Dispatcher, sessions: SessionTable, audit: AuditLog, clock: Clock) -> None:
        self.dispatcher: Final = dispatcher
        self._sessions = sessions
        self._audit = audit
        self._clock = clock

    async def call(self, caller: Caller, line: Line, name: str, untrusted_params: Sequence[Value]) -> Value:
        """Answer a call as it came, with its session in front. Raises ApiError."""
        method = self.dispatcher.find(name)
        if method is None:
            raise ApiError("MESSAGE_METHOD_UNKNOWN", name)
        if not method.session:
            value = await self._audited(caller.nobody(), "", method, name, untrusted_params)
            line.recognised()  # it has logged in
            return value
        if not untrusted_params:
            raise ApiError("MESSAGE_PARAMETER_COUNT_MISMATCH", method.name, "1", "0")
        session = self.session(untrusted_params[0])
        line.recognised()
        with self._sessions.under_way(session.ref):
            work = self.call_as(caller.of(session), session, method, name, untrusted_params[1:])
            return await (_while_there(line, work) if method.name in _WAITING else work)

    async def call_as(
        self, context: Context, session: Session, method: Method, name: str, params: Sequence[Value]
    ) -> Value:
        """Answer a call of that session, if its role may. Raises ApiError."""
        try:
            access.check(context, method, params)
        except ApiError as error:
            self._record(context, session.uuid, method, params, error.code, 0.0)
            raise
        return await self._audited(context, session.uuid, method, name, params)

    def session(self, untrusted_ref: Value) -> Session:
        """The session of that reference. Raises SESSION_INVALID."""
        session = self._sessions.find(Ref(untrusted_ref)) if isinstance(untrusted_ref, str) else None
        if session is None:
            raise ApiError("SESSION_INVALID", str(untrusted_ref)[:100])
        return session

    async def _audited(
        self, context: Context, session: str, method: Method, name: str, params: Sequence[Value]
    ) -> Value:
        begun = self._clock.monotonic()
        result = "cancelled"
        try:
            value = await self.dispatcher.call(context, name, params)
            result = "ok"
        except ApiError as error:
            result = error.code
            raise
        finally:
            if is_audited(method):
                self._record(context, session, method, params, result, self._clock.monotonic() - begun)
        return value

    def _record(
        self, context: Context, session: str, method: Method, params: Sequence[Value], result: str, seconds: float
    ) -> None:
        entry = Entry(self._clock.now(), context, session, method.name, shown(method, params), result, seconds)
        self._audit.add(entry)


async def _while_there(line: Line, work: Coroutine[Any, Any, Value]) -> Value:
    """Do the work, unless the client goes away: then nobody is there to hear its result."""
    working, gone = asyncio.ensure_future(work), asyncio.ensure_future(line.until_gone())
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ApiError("SESSION_NOT_REGISTERED", "the client has gone")
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)
