"""From a call to its answer: which message it is, what its parameters mean, who answers."""

import asyncio
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import structlog

from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Context, Method, Ref, Role, Value
from xenhost.pool.database.database import Database
from xenhost.pool.engine.accessors import Accessors
from xenhost.pool.engine.refusal import refusal
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.engine.values import convert
from xenhost.pool.schema.declarations import Kind, Message
from xenhost.pool.schema.secrets import is_secret
from xenhost.pool.schema.types import RefTo, parts

_PREFIXES: Final = ("Async.", "InternalAsync.")
_SECRETS: Final = frozenset({"args", "config", "device_config", "remote_config"})
"""Names of parameters that may hold secrets, beside those that say so."""
_SESSION: Final = RefTo("session")


class ModelDispatcher:
    """The Dispatcher over the model: registered implementations first, then accessors, then NOT_IMPLEMENTED."""

    def __init__(
        self,
        database: Database,
        tasks: Tasks,
        implementations: Implementations,
        clock: Clock,
        read_only: bool = False,
    ) -> None:
        """With `read_only`, accessors that would change something are answered NOT_IMPLEMENTED."""
        self._database: Final = database
        self._read_only: Final = read_only
        self._model: Final = database.model
        self._tasks: Final = tasks
        self._implementations: Final = implementations
        self._clock: Final = clock
        self._accessors: Final = Accessors(database)
        self._log: Final = structlog.get_logger("xenhost.pool")
        self._names: Final = tuple(self._model.messages)
        self._other_names: Final = {f"{m.cls}_{m.name}": m.method for m in self._model.messages.values()}
        self._methods: Final[dict[str, Method]] = {}

    def find(self, name: str) -> Method | None:
        """See Dispatcher."""
        if (known := self._methods.get(name)) is not None:
            return known
        found = self._message(name)
        if found is None:
            return None
        message, task = found
        method = Method(
            message.method,
            task,
            message.session,
            _at_least(message.role),
            MappingProxyType({key: _at_least(role) for key, role in message.keys.items()}),
            _secret(message),
        )
        self._methods[name] = method  # no more than four forms of each message
        return method

    def names(self) -> Sequence[str]:
        """See Dispatcher."""
        return self._names

    async def call(self, context: Context, method: str, params: Sequence[Value]) -> Value:
        """See Dispatcher."""
        found = self._message(method)
        if found is None:
            raise ApiError("MESSAGE_METHOD_UNKNOWN", method[:200])
        message, task = found
        converted = self._converted(message, params)
        if not task:
            return await self._within(context, message, converted)
        return self._tasks.start(
            context, f"Async.{message.method}", lambda inner: self._answer(inner, message, converted)
        )

    def _message(self, name: str) -> tuple[Message, bool] | None:
        plain, task = name, False
        for prefix in _PREFIXES:
            if name.startswith(prefix):
                plain, task = name.removeprefix(prefix), True
        message = self._model.messages.get(self._other_names.get(plain, plain))
        if message is None or (task and not message.asynchronous):
            return None
        return message, task

    def _converted(self, message: Message, params: Sequence[Value]) -> list[Value]:
        """All declared parameters, of their types. Raises ApiError."""
        declared = message.params
        least = sum(not param.optional for param in declared)
        if not least <= len(params) <= len(declared):
            session = int(message.session)
            expected = len(declared) if len(params) > len(declared) else least
            raise ApiError(
                "MESSAGE_PARAMETER_COUNT_MISMATCH",
                message.method,
                str(expected + session),
                str(len(params) + session),
            )
        found = [convert(self._model, param.name, param.type, value) for param, value in zip(declared, params)]  # noqa: B905 - those left out follow
        found += [param.default for param in declared[len(params) :]]  # type: ignore[misc]  # all of these have one
        return found

    async def _within(self, context: Context, message: Message, params: Sequence[Value]) -> Value:
        """Answer before the deadline. Raises ApiError."""
        if context.deadline is None:
            return await self._answer(context, message, params)
        try:
            async with asyncio.timeout(max(0.0, context.deadline - self._clock.monotonic())):
                return await self._answer(context, message, params)
        except TimeoutError:
            raise ApiError("INTERNAL_ERROR", f"{message.method} took too long and was cancelled") from None

    async def _answer(self, context: Context, message: Message, params: Sequence[Value]) -> Value:
        """Raises ApiError, and nothing else: a fault of ours is logged, and answered as INTERNAL_ERROR."""
        implementation = self._implementations.find(message.method)
        try:
            if implementation is not None:
                self._check_object(message, params)
                return await implementation(context, *params)
            if message.stub:
                raise ApiError(message.stub, *([message.method] if message.stub == "NOT_IMPLEMENTED" else []))
            if message.kind is not Kind.EXPLICIT and self._model.classes[message.cls].stored:
                if self._read_only:
                    return self._accessors.read(message, params)
                return await self._accessors.call(message, params)
            raise ApiError("NOT_IMPLEMENTED", message.method)
        except ApiError:
            raise
        except XenhostError as error:
            raise refusal(self._database, error) from error
        except Exception as error:
            self._log.exception("internal error", method=message.method)
            raise ApiError("INTERNAL_ERROR", f"{type(error).__name__}: {error}"[:500]) from error

    def _check_object(self, message: Message, params: Sequence[Value]) -> None:
        """The object that a message is sent to exists. Raises ApiError HANDLE_INVALID."""
        if message.params and message.params[0].type == RefTo(message.cls) and message.cls in self._model.stored:
            self._database.get(message.cls, Ref(str(params[0])))


def _at_least(role: Role) -> frozenset[Role]:
    """That role and all mightier ones."""
    order = list(Role)
    return frozenset(order[: order.index(role) + 1])


def _secret(message: Message) -> frozenset[int]:
    if message.cls == "secret":
        return frozenset(range(len(message.params)))
    return frozenset(
        position
        for position, param in enumerate(message.params)
        if param.name in _SECRETS or is_secret(param.name) or _SESSION in parts(param.type)
    )
