"""The task that a client made for a request to an HTTP handler, and watches: it ends when the answer has ended."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, Protocol

from xenhost.pool.call import ApiError, Context, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.system.http.message import HttpError, Response

_RUNNING: Final = frozenset({"pending", "cancelling"})


class Tasks(Protocol):
    """All tasks."""

    def check_owner(self, context: Context, ref: Ref, permission: str) -> None:
        """May he do this to the task? Raises ApiError RBAC_PERMISSION_DENIED."""
        ...

    def succeed(self, ref: Ref, result: Value = None) -> None:
        """It has ended well."""
        ...

    def fail(self, ref: Ref, error: ApiError) -> None:
        """It has ended with an error."""
        ...


class RequestTasks:
    """Finds the tasks that requests name."""

    def __init__(self, database: Database, tasks: Tasks) -> None:
        self._database = database
        self._tasks = tasks

    def of(self, context: Context, permission: str) -> "RequestTask | None":
        """The context's task; None if there is none that runs. Raises ApiError RBAC_PERMISSION_DENIED."""
        if not self._is_running(context.task):
            return None
        self._tasks.check_owner(context, context.task, permission)
        return RequestTask(self, context.task)

    def end(self, ref: Ref, error: ApiError | None) -> None:
        """Unless the handler, or the client, has ended it."""
        if not self._is_running(ref):
            return
        if error is None:
            self._tasks.succeed(ref)
        else:
            self._tasks.fail(ref, error)

    def _is_running(self, ref: Ref) -> bool:
        record = self._database.find("task", ref)
        return record is not None and record["status"] in _RUNNING


class RequestTask:
    """Ends once."""

    def __init__(self, tasks: RequestTasks, ref: Ref) -> None:
        self._tasks = tasks
        self._ref = ref

    def failed(self, error: BaseException) -> None:
        """The handler, or the body of its answer, came to no end."""
        match error:
            case ApiError():
                self._tasks.end(self._ref, error)
            case HttpError():
                self._tasks.end(self._ref, ApiError("INTERNAL_ERROR", str(error)))
            case _:
                self._tasks.end(self._ref, ApiError("INTERNAL_ERROR", "the request was cut"))

    def answered(self, response: Response) -> Response:
        """The answer to give instead: one that ends the task when its body has been sent."""
        if response.status >= HTTPStatus.BAD_REQUEST:
            self._tasks.end(self._ref, ApiError("INTERNAL_ERROR", response.status.phrase))
        elif isinstance(response.body, bytes):
            self._tasks.end(self._ref, None)
        else:
            return replace(response, body=_Followed(response.body, self))
        return response

    def sent(self) -> None:
        """All of the answer."""
        self._tasks.end(self._ref, None)


class _Followed:
    """A body that says how it ended."""

    def __init__(self, body: AsyncIterable[bytes], task: RequestTask) -> None:
        self._body = body
        self._pieces = aiter(body)
        self._task = task

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._pieces)
        except StopAsyncIteration:
            self._task.sent()
            raise
        except BaseException as error:
            self._task.failed(error)
            raise

    async def aclose(self) -> None:
        """Nobody wants more of it."""
        self._task.failed(GeneratorExit())
        close: Any = getattr(self._body, "aclose", None)
        if close is not None:
            await close()
