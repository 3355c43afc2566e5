"""The Management API as plugins reach it: from a call to its answer."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Final

import structlog

from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError
from xenhost.sm.smapiv1.xenapi.failure import ApiFailure
from xenhost.sm.smapiv1.xenapi.generic import Generic, text, unknown
from xenhost.sm.smapiv1.xenapi.port import Verbs
from xenhost.sm.smapiv1.xenapi.schema import CLASSES
from xenhost.sm.smapiv1.xenapi.sessions import Session, Sessions
from xenhost.sm.smapiv1.xenapi.special import Special
from xenhost.sm.smapiv1.xenapi.tables import Tables
from xenhost.system.xmlrpc import Call, Value

_LOGIN: Final = frozenset({"session.login_with_password", "session.slave_local_login_with_password"})
_LOGOUT: Final = frozenset({"session.logout", "session.local_logout"})
_ASYNC: Final = frozenset({"SR.update", "SR.scan", "VDI.snapshot"})
"""Calls that may be asked for as tasks."""


class XenApi:
    """Answers calls. Each is on its own: none waits for another, nor for the command that a driver is running."""

    def __init__(
        self,
        tables: Tables,
        sessions: Sessions,
        verbs: Verbs,
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._tables = tables
        self._sessions = sessions
        self._generic = Generic(tables)
        self._special = Special(tables, verbs, clock, log)
        self._calls = self._special.calls()
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, call: Call) -> Value:
        """What goes into the response: a struct of Status and Value or ErrorDescription."""
        try:
            value = await self._answer(call.method, call.params)
            await self._tables.flush()
        except ApiFailure as failure:
            return {"Status": "Failure", "ErrorDescription": list(failure.description)}
        except XenhostError as error:
            return {"Status": "Failure", "ErrorDescription": error.as_xenapi()}
        return {"Status": "Success", "Value": value}

    async def close(self) -> None:
        """End the tasks that calls have begun."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, method: str, params: Sequence[Value]) -> Value:
        if method in _LOGIN:  # only root reaches the socket: whoever asks has the password already
            return self._sessions.open(Session())
        if not params:
            raise ApiFailure("MESSAGE_PARAMETER_COUNT_MISMATCH", method[:200], "1", "0")
        ref = text(params[0])
        session = self._sessions.get(ref)
        if method in _LOGOUT:
            self._sessions.close(ref)
            return ""
        if method.startswith("Async."):
            return self._begin(method.removeprefix("Async."), session, params[1:])
        if (special := self._calls.get(method)) is not None:
            return await special(session, params[1:])
        cls, _, verb = method.partition(".")
        if cls not in CLASSES:
            raise unknown(method)
        return self._generic.call(session, cls, verb, params[1:])

    def _begin(self, method: str, session: Session, params: Sequence[Value]) -> Value:
        if method not in _ASYNC:
            raise unknown(f"Async.{method}")
        ref = self._special.task(f"Async.{method}", "")
        task = asyncio.create_task(self._carry_out(ref, self._calls[method](session, params)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return ref

    async def _carry_out(self, ref: str, work: Coroutine[object, object, Value]) -> None:
        try:
            result = await work
            await self._tables.flush()
        except ApiFailure as failure:
            self._end(ref, {"status": "failure", "error_info": list(failure.description)})
        except XenhostError as error:
            self._end(ref, {"status": "failure", "error_info": error.as_xenapi()})
        else:
            self._end(ref, {"status": "success", "result": f"<value>{result}</value>" if result else ""})

    def _end(self, ref: str, outcome: Mapping[str, str | list[str]]) -> None:
        if self._tables.find("task", ref) is not None:  # it may have been destroyed meanwhile
            self._tables.set("task", ref, progress=1.0, **outcome)
