"""Tasks: what runs on behalf of clients, how far it is, how it ended.

They are in memory only: what ran when the daemon ended does not run any more. Who made a task, or may manage the pool,
may cancel, change and destroy it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

import structlog

from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError
from xenhost.pool.call import NOTHING, NULL_REF, ApiError, Context, FrozenMap, Ref, Role, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Change, Operation
from xenhost.pool.engine.refusal import refusal
from xenhost.pool.engine.task_result import task_result

KEPT: Final = 1000
"""Tasks that have ended and are kept; of more, the oldest go."""
KEPT_SECONDS: Final = 3900.0
"""How long they are kept."""
MAX_TASKS: Final = 20_000
"""All tasks, running or not: a client that makes more without end is refused."""

_RUNNING: Final = frozenset({"pending", "cancelling"})

Work = Callable[[Context], Awaitable[Value]]


@dataclass(frozen=True, slots=True)
class _Owner:
    user: str
    subject: str


class Tasks:
    """All tasks. Those that were started end with the `async with` of this object: they are cancelled."""

    def __init__(self, database: Database, clock: Clock, host: Callable[[], Ref] = lambda: NULL_REF) -> None:
        """`host` is where tasks are said to run: the pool master's host."""
        self._database: Final = database
        self._clock: Final = clock
        self._host: Final = host
        self._group: Final = asyncio.TaskGroup()
        self._jobs: Final[dict[Ref, asyncio.Future[Any]]] = {}
        self._owners: Final[dict[Ref, _Owner]] = {}
        self._ended: Final[OrderedDict[Ref, float]] = OrderedDict()
        database.listen(self._forget)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for job in list(self._jobs.values()):
            job.cancel()
        await self._group.__aexit__(None, None, None)  # what has ended the daemon passes as it is, in no group

    def create(self, context: Context, label: str, description: str = "") -> Ref:
        """A task that nobody runs yet; of the context's task it is a part. Raises ApiError."""
        if len(self._database.rows("task")) >= MAX_TASKS:
            raise ApiError("INTERNAL_ERROR", f"there are {MAX_TASKS} tasks; destroy those that have ended")
        parent = context.task if self._database.find("task", context.task) is not None else NULL_REF
        session = context.session if self._database.find("session", context.session) is not None else NULL_REF
        fields: dict[str, Value] = {
            "name_label": label,
            "name_description": description,
            "created": self._now(),
            "status": "pending",
            "allowed_operations": ("cancel",),
            "resident_on": self._host(),
            "type": "<none/>",
            "subtask_of": parent,
            "session": session,
        }
        ref = self._database.note(lambda t: t.create("task", fields))
        self._owners[ref] = _Owner(context.user, context.subject)
        return ref

    def start(self, context: Context, label: str, work: Work) -> Ref:
        """Run it as a task of its own, to its end, whether or not anybody waits; `work` gets a context with the task.

        What it returns is the result; the ApiError it raises is the failure; cancelled, the task is cancelled.
        """
        ref = self.create(context, label)
        job = self._group.create_task(self._run(replace(context, task=ref, deadline=None), work), name=label)
        self._jobs[ref] = job
        job.add_done_callback(lambda job: self._done(ref, job))
        return ref

    async def attend(self, context: Context, label: str, work: Work) -> Value:
        """Run it as the context's task, or one that is made for it, while the caller waits: it ends when he goes.

        The task ends as it does. Raises ApiError: what it raises, TASK_CANCELLED if the task was cancelled, also before
        this; OPERATION_NOT_ALLOWED if something is done in it already.
        """
        named = self._database.find("task", context.task)
        runs = named is not None and named["status"] in _RUNNING
        if named is not None and named["status"] == "cancelling":
            self.fail(context.task, ApiError("TASK_CANCELLED", context.task))
            raise ApiError("TASK_CANCELLED", context.task)
        if context.task in self._jobs:
            raise ApiError("OPERATION_NOT_ALLOWED", "something is done in this task already")
        ref = context.task if runs else self.create(context, label)
        job = asyncio.ensure_future(work(replace(context, task=ref)))
        self._jobs[ref] = job
        try:
            result = await job
        except (ApiError, XenhostError) as error:
            failed = error if isinstance(error, ApiError) else refusal(self._database, error)
            self.fail(ref, failed)
            raise failed from error
        except asyncio.CancelledError:
            waiting = asyncio.current_task()
            if waiting is not None and waiting.cancelling():
                self.fail(ref, ApiError("INTERNAL_ERROR", "the client has gone"))
                raise
            self.fail(ref, ApiError("TASK_CANCELLED", ref))
            raise ApiError("TASK_CANCELLED", ref) from None
        except Exception as error:
            self.fail(ref, ApiError("INTERNAL_ERROR", f"{type(error).__name__}: {error}"[:500]))
            raise
        finally:
            del self._jobs[ref]
        self.succeed(ref, result)
        return result

    def running(self) -> Sequence[Ref]:
        """Those in which something is done."""
        return tuple(self._jobs)

    async def wait(self, ref: Ref) -> None:
        """Until what was started has ended. Cancelling gives up the waiting alone."""
        if (job := self._jobs.get(ref)) is not None:
            await asyncio.wait([job])

    async def stop(self, context: Context, refs: Collection[Ref]) -> None:
        """Cancel them, and wait until they have ended."""
        for ref in refs:
            with suppress(ApiError):  # it has ended, or is being cancelled already
                await self.cancel(context, ref)
        for ref in refs:
            await self.wait(ref)

    def progress(self, ref: Ref, fraction: float) -> None:
        """How far a running task is, between 0 and 1; of one that has ended or is gone, nothing happens."""
        record = self._database.find("task", ref)
        if record is not None and record["status"] in _RUNNING:
            fraction = round(min(max(fraction, 0.0), 1.0), 3)
            if record["progress"] != fraction:
                self._database.note(lambda t: t.set("task", ref, {"progress": fraction}))

    def succeed(self, ref: Ref, result: Value = None) -> None:
        """It has ended well."""
        self._end(ref, "success", {"result": task_result(result), "progress": 1.0})

    def fail(self, ref: Ref, error: ApiError) -> None:
        """It has ended with an error."""
        if error.code == "TASK_CANCELLED":
            self._end(ref, "cancelled", {"error_info": tuple(error.as_xenapi())})
        else:
            self._end(ref, "failure", {"error_info": tuple(error.as_xenapi()), "progress": 1.0})

    async def cancel(self, context: Context, ref: Ref) -> None:
        """Ask a task to end; its parts, too. It has not ended when this returns. Raises ApiError."""
        record = self._database.get("task", ref)
        self.check_owner(context, ref, "task.cancel")
        if record["status"] not in _RUNNING or "cancel" not in _texts(record["allowed_operations"]):
            raise ApiError("OPERATION_NOT_ALLOWED", "the task has ended, or cannot be cancelled")
        fields: dict[str, Value] = {
            "status": "cancelling",
            "allowed_operations": (),
            "current_operations": FrozenMap({context.task: "cancel"}),
        }
        self._database.note(lambda t: t.set("task", ref, fields))
        if (job := self._jobs.get(ref)) is not None:
            job.cancel()
        for part in _texts(record["subtasks"]):
            child = self._database.find("task", Ref(part))
            if child is not None and child["status"] in _RUNNING and "cancel" in _texts(child["allowed_operations"]):
                await self.cancel(context, Ref(part))

    async def destroy(self, context: Context, ref: Ref) -> None:
        """Remove a task; a running one goes on without. Raises ApiError."""
        self._database.get("task", ref)
        self.check_owner(context, ref, "task.destroy")
        self._database.note(lambda t: t.delete("task", ref))

    def set(self, context: Context, ref: Ref, name: str, value: Value) -> None:
        """What a client says of its task: status, progress, result, error_info, other_config. Raises ApiError."""
        record = self._database.get("task", ref)
        self.check_owner(context, ref, f"task.set_{name}")
        self._database.note(lambda t: t.set("task", ref, {name: value}))
        if name == "status" and value not in _RUNNING and record["status"] in _RUNNING:
            self._end(ref, str(value), {})

    def check_owner(self, context: Context, ref: Ref, permission: str) -> None:
        """May he do this to the task? Raises ApiError RBAC_PERMISSION_DENIED."""
        if context.superuser or context.roles & {Role.POOL_ADMIN, Role.POOL_OPERATOR}:
            return
        if self._owners.get(ref) != _Owner(context.user, context.subject):
            raise ApiError("RBAC_PERMISSION_DENIED", f"{permission}/any", "the task is somebody else's")

    async def _run(self, context: Context, work: Work) -> None:
        ref = context.task
        try:
            result = await work(context)
        except ApiError as error:
            self.fail(ref, error)
        except XenhostError as error:
            self.fail(ref, refusal(self._database, error))
        except Exception as error:  # noqa: BLE001 - a fault in one task ends neither the others nor the daemon
            structlog.get_logger("xenpoold").exception("a task ends by a fault", task=ref)
            self.fail(ref, ApiError("INTERNAL_ERROR", f"{type(error).__name__}: {error}"[:500]))
        else:
            self.succeed(ref, result)

    def _done(self, ref: Ref, job: asyncio.Task[None]) -> None:
        """Also of one that was cancelled before it began."""
        del self._jobs[ref]
        if job.cancelled():
            self.fail(ref, ApiError("TASK_CANCELLED", ref))

    def _end(self, ref: Ref, status: str, fields: dict[str, Value]) -> None:
        if self._database.find("task", ref) is None:
            return  # destroyed while it ran
        whole: dict[str, Value] = {
            **fields,
            "status": status,
            "finished": self._now(),
            "allowed_operations": ("destroy",),
            "current_operations": NOTHING,
        }
        self._database.note(lambda t: t.set("task", ref, whole))
        self._ended[ref] = self._clock.monotonic()
        self._sweep()

    def _sweep(self) -> None:
        """Tasks that nobody has destroyed do not pile up."""
        oldest = self._clock.monotonic() - KEPT_SECONDS
        while self._ended:
            ref, ended = next(iter(self._ended.items()))
            if ended >= oldest and len(self._ended) <= KEPT:
                return
            del self._ended[ref]
            if self._database.find("task", ref) is not None:
                self._database.note(lambda t, ref=ref: t.delete("task", ref))  # type: ignore[misc]  # bound now

    def _forget(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.operation is Operation.DEL and change.record.cls == "task":
                self._owners.pop(change.record.ref, None)
                self._ended.pop(change.record.ref, None)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC).replace(microsecond=0)


def _texts(value: Value) -> Sequence[str]:
    assert isinstance(value, tuple)
    return [str(item) for item in value]
