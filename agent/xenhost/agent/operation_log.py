"""A log line when an operation begins and when it ends, also for those that nobody asked for: a guest's own crash."""

import structlog

from xenhost.agent.engine.engine import Engine
from xenhost.core.clock import Clock
from xenhost.core.errors import HandleInvalid, ResumeTokenExpired
from xenhost.core.events import Change, ChangeKind, ObjectKind
from xenhost.core.ids import DomId, OperationId, VmId
from xenhost.core.views import Operation, OperationState

Log = structlog.typing.FilteringBoundLogger


class OperationLog:
    """Follows the events of the engine, so that logging is no business of whoever carries operations out."""

    def __init__(self, engine: Engine, clock: Clock, log: Log) -> None:
        self._engine = engine
        self._clock = clock
        self._log = log
        self._ended: dict[OperationId, bool] = {}
        """Those we have told of, and whether we have told their end."""

    async def run(self) -> None:
        """Until the engine is closed. Begin before it is started: what it recovers is told too."""
        since = self._clock.now()
        changes = self._engine.hub.subscribe(None, frozenset({ObjectKind.OPERATION}))
        while True:
            try:
                batch, _ = await anext(changes)
            except StopAsyncIteration:
                return
            except ResumeTokenExpired:
                changes = self._engine.hub.subscribe(None, frozenset({ObjectKind.OPERATION}))
                continue
            for change in batch:
                self._tell(change, since)

    def _tell(self, change: Change, since: float) -> None:
        name = OperationId(change.ref.id)
        if change.kind is ChangeKind.DELETED:
            self._ended.pop(name, None)
            return
        try:
            operation = self._engine.operation(name)
        except HandleInvalid:
            return  # forgotten since
        if name not in self._ended:
            old = operation.ended is not None and operation.ended < since
            self._ended[name] = old
            if not old:
                self._line(operation, "operation begun")
        if operation.state.ended and not self._ended[name]:
            self._ended[name] = True
            self._line(operation, "operation ended")

    def _line(self, operation: Operation, event: str) -> None:
        fields: dict[str, object] = {
            "operation": operation.id,
            "kind": operation.kind,
            operation.target_kind.value: operation.target,
            "name": operation.target_name,
        }
        if operation.vm is not None:
            fields["domid"] = self._domid(operation.vm)
        if event == "operation begun":
            self._log.info(event, **fields, request_id=operation.request_id)
            return
        assert operation.ended is not None
        fields |= {"outcome": operation.state.value, "seconds": round(operation.ended - operation.started, 3)}
        if operation.error is None:
            self._log.info(event, **fields)
        else:
            tell = self._log.warning if operation.state is OperationState.FAILED else self._log.info
            tell(event, **fields, reason=operation.error.reason, error=str(operation.error))

    def _domid(self, vm: VmId) -> DomId | None:
        try:
            return self._engine.vm(vm).status.domid
        except HandleInvalid:
            return None  # deleted since
