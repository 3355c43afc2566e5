"""The edge of every call: who may call, what a request must be, how long it may take, how an error is answered.

A call that changes something (its request has a `request_id`) runs in a task of its own, which a client that hangs up
does not cut short, and leaves one audit line. Streams and waits are ended when the agent stops.
"""

import asyncio
import contextlib
import secrets
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from enum import Enum, auto
from typing import Any, Final

import grpc
import structlog
from google.protobuf.message import DecodeError, Message

from xenhost.agent.rpc.context import Context, Handler, Interceptor
from xenhost.agent.rpc.peer import Peer, peer_of
from xenhost.api.status import DETAILS_KEY, MAX_MESSAGE, code_of, status_of
from xenhost.core.clock import Clock
from xenhost.core.errors import (
    AgentStopping,
    CallTimeout,
    HostStillBooting,
    InternalError,
    InvalidValue,
    PermissionDenied,
    XenhostError,
)

CALL_SECONDS: Final = 90.0
"""No call but a stream takes longer, whatever deadline its client sets."""
OPEN_SERVICES: Final = ("/grpc.health.", "/grpc.reflection.")
"""Services that answer in every phase."""
LAST_SECONDS: Final = 0.5
"""Time to deliver the last answers; a client that does not read them loses them. Connections are closed later: a client
that writes to one that is closed loses what it has not read yet."""
UNNAMED_CHANGES: Final = frozenset(f"/google.longrunning.Operations/{verb}Operation" for verb in ("Cancel", "Delete"))
"""Methods that change something although google gave their requests no request_id."""

Log = structlog.typing.FilteringBoundLogger


class Phase(Enum):
    """Where the agent is in its life."""

    STARTING = auto()
    SERVING = auto()
    STOPPING = auto()


class Edge(Interceptor):
    """Wraps every handler. `tasks` owns the calls that change something; `allow` empty lets every peer call."""

    def __init__(self, tasks: asyncio.TaskGroup, clock: Clock, allow: frozenset[str], log: Log) -> None:
        self._tasks = tasks
        self._clock = clock
        self._allow = allow
        self._log = log
        self._changing: set[asyncio.Task[Any]] = set()
        self._answering: set[asyncio.Task[Any]] = set()
        """gRPC's own, one for each call."""
        self._stopping: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._phase = Phase.STARTING

    def serve(self) -> None:
        """Answer calls from now on."""
        self._phase = Phase.SERVING

    async def stop(self, drain_seconds: float) -> None:
        """Answer AGENT_STOPPING from now on, streams and calls that only look or wait included.

        Returns when calls under way that change something have been answered, or after so many seconds; and when
        the others have been, if their clients take the answers.
        """
        self._phase = Phase.STOPPING
        if not self._stopping.done():
            self._stopping.set_result(None)
        if self._changing:
            await asyncio.wait(self._changing, timeout=drain_seconds)
        if self._answering:
            await asyncio.wait(self._answering, timeout=LAST_SECONDS)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The handler, wrapped."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(OPEN_SERVICES):
            return handler
        return self._wrapped(method, handler)

    def _wrapped(self, method: str, handler: Handler) -> Handler:
        parse: Any = handler.request_deserializer
        answer = handler.response_serializer
        if handler.unary_unary is not None:
            behaviour = handler.unary_unary

            async def unary(raw: bytes, context: Context) -> Any:
                return await self._unary(method, behaviour, parse, raw, context)

            return grpc.unary_unary_rpc_method_handler(unary, response_serializer=answer)
        if handler.unary_stream is not None:
            unary_stream: Any = handler.unary_stream  # the stubs know the handlers of threads only

            async def watch(raw: bytes, context: Context) -> AsyncIterator[Any]:
                async for message in self._stream(method, lambda: unary_stream(_parsed(parse, raw), context), context):
                    yield message

            return grpc.unary_stream_rpc_method_handler(watch, response_serializer=answer)
        if handler.stream_unary is not None:
            stream_unary = handler.stream_unary

            async def take(raws: AsyncIterable[bytes], context: Context) -> Any:
                return await self._taken(method, stream_unary, _all_parsed(parse, raws), context)

            return grpc.stream_unary_rpc_method_handler(take, response_serializer=answer)
        stream_stream: Any = handler.stream_stream

        async def talk(raws: AsyncIterable[bytes], context: Context) -> AsyncIterator[Any]:
            start = lambda: stream_stream(_all_parsed(parse, raws), context)  # noqa: E731 - as above, but too long
            async for message in self._stream(method, start, context):
                yield message

        return grpc.stream_stream_rpc_method_handler(talk, response_serializer=answer)

    # Calls

    async def _unary(self, method: str, behaviour: Any, parse: Any, raw: bytes, context: Context) -> Any:
        peer = peer_of(context)
        remaining = context.time_remaining()
        seconds = CALL_SECONDS if remaining is None else min(remaining, CALL_SECONDS)
        try:
            self._admit(method, peer)
            request = _parsed(parse, raw)
            changes = _name_request(request) or method in UNNAMED_CHANGES
        except XenhostError as error:
            await _abort(context, error)
        call = self._settled(method, behaviour, request, context, peer, changes)
        task = self._tasks.create_task(call, name=f"call {method}")
        awaited: set[asyncio.Future[Any]] = {task}
        if changes:
            self._changing.add(task)
            task.add_done_callback(self._changing.discard)
        else:
            awaited.add(self._stopping)
        try:
            await asyncio.wait(awaited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not changes and not task.done():
                task.cancel()
        result = task.result() if task.done() else self._unanswered(method, seconds)
        if isinstance(result, XenhostError):
            await _abort(context, result)
        return result

    async def _taken(self, method: str, behaviour: Any, requests: AsyncIterator[Message], context: Context) -> Any:
        """The answer to a stream. A client that hangs up ends it, and what it has done so far is undone in peace."""
        peer = peer_of(context)
        try:
            self._admit(method, peer)
        except XenhostError as error:
            await _abort(context, error)
        call = self._settled(method, behaviour, requests, context, peer, True)
        task = self._tasks.create_task(call, name=f"call {method}")
        self._changing.add(task)
        task.add_done_callback(self._changing.discard)
        try:
            await asyncio.wait({task, self._stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
        result = task.result() if task.done() else _stopping()
        if isinstance(result, XenhostError):
            await _abort(context, result)
        return result

    async def _settled(
        self, method: str, behaviour: Any, request: Any, context: Context, peer: Peer, changes: bool
    ) -> Any:
        """The answer, or the XenhostError that is the answer; never raises."""
        begun = self._clock.monotonic()
        result: Any
        try:
            result = await behaviour(request, context)
        except XenhostError as error:
            result = error
        except Exception as error:  # noqa: BLE001 - whatever is not ours becomes an incident, here and below only
            result = self._incident(method, error)
        if changes:
            self._log.info(
                "call",
                method=method,
                peer=str(peer),
                request_id=getattr(request, "request_id", ""),
                outcome=result.reason if isinstance(result, XenhostError) else "OK",
                error=str(result)[:MAX_MESSAGE] if isinstance(result, XenhostError) else "",
                operation=_operation_of(request, result),
                seconds=round(self._clock.monotonic() - begun, 4),
            )
        return result

    async def _stream(
        self, method: str, start: Callable[[], AsyncGenerator[Any, None]], context: Context
    ) -> AsyncIterator[Any]:
        answer: XenhostError
        try:
            self._admit(method, peer_of(context))
            async with contextlib.aclosing(start()) as messages:
                async for message in self._until_stopped(messages):
                    yield message
            return
        except XenhostError as error:
            answer = error
        except Exception as error:  # noqa: BLE001 - see above
            answer = self._incident(method, error)
        await _abort(context, answer)

    async def _until_stopped(self, messages: AsyncGenerator[Any, None]) -> AsyncIterator[Any]:
        """The messages, until there are no more or the agent stops. Raises AgentStopping."""
        while True:
            upcoming = asyncio.ensure_future(anext(messages))
            try:
                await asyncio.wait({upcoming, self._stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not upcoming.done():
                    raise _stopping()
            finally:
                if not upcoming.done():
                    upcoming.cancel()
                    await asyncio.wait({upcoming})
            try:
                message = upcoming.result()
            except StopAsyncIteration:
                return
            yield message

    def _unanswered(self, method: str, seconds: float) -> XenhostError:
        if self._stopping.done():
            return _stopping()
        name = method.rpartition("/")[2]
        return CallTimeout(
            f"{name} was not answered within {seconds:.0f} s; a change may still be carried out: "
            "repeat it with the same request_id",
            method=name,
            seconds=f"{seconds:.0f}",
        )

    def _admit(self, method: str, peer: Peer) -> None:
        answering = asyncio.current_task()
        assert answering is not None, "gRPC calls handlers in tasks"
        self._answering.add(answering)
        answering.add_done_callback(self._answering.discard)
        if peer.certified and self._allow and not self._allow & peer.names:
            names = ", ".join(sorted(peer.names)) or "no name"
            self._log.warning("caller refused", method=method, peer=str(peer), names=names)
            message = f"the certificate is for {names}, which [api] allow does not list"
            raise PermissionDenied(message, message=message)
        if self._phase is Phase.STARTING:
            raise HostStillBooting("xenhostd is still recovering; try again shortly")
        if self._phase is Phase.STOPPING:
            raise _stopping()

    def _incident(self, method: str, error: Exception) -> InternalError:
        incident = secrets.token_hex(4)
        self._log.error("call failed", method=method, incident=incident, exc_info=error)
        message = f"xenhostd failed in {method.rpartition('/')[2]}; its log has more at incident {incident}"
        return InternalError(message, message=message)


def _parsed(parse: Callable[[bytes], Message], raw: bytes) -> Message:
    try:
        return parse(raw)
    except DecodeError as error:
        raise InvalidValue(
            "the request is not the protobuf message that the method takes", field="request", value=f"{len(raw)} bytes"
        ) from error


async def _all_parsed(parse: Callable[[bytes], Message], raws: AsyncIterable[bytes]) -> AsyncIterator[Message]:
    async for raw in raws:
        yield _parsed(parse, raw)


def _name_request(request: Message) -> bool:
    """Make sure that a request which can have one has a request_id, in canonical form. Says whether it can."""
    untrusted_id = getattr(request, "request_id", None)
    if untrusted_id is None:
        return False
    try:
        name = uuid.UUID(untrusted_id) if untrusted_id else uuid.uuid4()
    except ValueError:
        raise InvalidValue(
            f"request_id is {untrusted_id!r:.80}; it must be a UUID, or empty",
            field="request_id",
            value=untrusted_id[:80],
        ) from None
    request.request_id = str(name)  # type: ignore[attr-defined] # asked for above
    return True


def _operation_of(request: Message, result: object) -> str:
    """The operation a call is about, where it is."""
    for message in (result, request):
        name = getattr(message, "name", "")
        if isinstance(name, str) and name.startswith("operations/"):
            return name.removeprefix("operations/")
    return ""


def _stopping() -> AgentStopping:
    return AgentStopping("xenhostd is stopping; connect again shortly")


async def _abort(context: Context, error: XenhostError) -> None:
    details = status_of(error).SerializeToString()
    await context.abort(code_of(error), str(error)[:MAX_MESSAGE], ((DETAILS_KEY, details),))
