"""What to do about what was found at start. A change that was under way has not happened: it is undone."""

from typing import Final

import structlog

from xenhost.agent.engine.operations import OperationTable, Tracked
from xenhost.agent.journal.entry import read_error
from xenhost.agent.journal.record import Write
from xenhost.agent.network.config import NetworkConfig
from xenhost.agent.network.journal import (
    INTENT,
    MOVES,
    PENDING,
    DropDocument,
    End,
    ForgetOperation,
    read_intent,
    read_moves,
    read_request,
)
from xenhost.agent.network.known import Known
from xenhost.agent.network.moving import Mover
from xenhost.agent.network.store import NetworkStore, OperationRow, StoredNetwork
from xenhost.agent.network.virtual import devices
from xenhost.core.clock import Clock
from xenhost.core.errors import InternalError, XenhostError
from xenhost.core.events import ObjectKind
from xenhost.core.ids import OperationId
from xenhost.core.network_records import Intent
from xenhost.core.network_requests import NetworkRequest
from xenhost.core.record import BadRecord
from xenhost.core.views import OperationState


class Recovery:
    """Runs once, before anything is applied."""

    def __init__(
        self,
        known: Known,
        store: NetworkStore,
        mover: Mover,
        operations: OperationTable,
        clock: Clock,
        config: NetworkConfig,
    ) -> None:
        self._known: Final = known
        self._store: Final = store
        self._mover: Final = mover
        self._operations: Final = operations
        self._clock: Final = clock
        self._config: Final = config
        self._log: Final = structlog.get_logger("xenhost.network")
        self._interrupted: Final[list[End]] = []

    def read(self, stored: StoredNetwork) -> Intent | None:
        """Fill memory; what an interrupted change wanted, if there was one."""
        known = self._known
        known.intent = known.effective = Intent(switch=self._config.switch)
        body, pending = stored.documents.get(INTENT), stored.documents.get(PENDING)
        if body is not None:
            try:
                known.intent = known.effective = read_intent(body)
            except BadRecord as error:
                known.unreadable = (
                    f"what is wanted of the networks cannot be read ({error}); nothing of them is touched."
                    " Run the version of xenhost that wrote it, or reset networking"
                )
                self._log.error("the network store cannot be read", error=str(error))
        for row in stored.operations:
            self._operation(row)
        self._moves(stored.documents.get(MOVES))
        return None if pending is None else self._pending(pending)

    async def settle(self) -> None:
        """Everything is as before the interrupted change. Raises InternalError."""
        writes: list[Write] = [DropDocument(PENDING), *self._interrupted]
        await self._store.write(*writes)
        for end in self._interrupted:
            self._log.warning("an interrupted change of the network was undone", operation=end.operation)
        self._interrupted.clear()

    # Inside

    def _pending(self, body: str) -> Intent | None:
        try:
            pending = read_intent(body)
        except BadRecord as error:
            self._log.error("an interrupted change of the network cannot be read", error=str(error))
            return None
        for device, sriov in devices(pending).items():
            if device not in devices(self._known.intent):
                self._known.virtual[device] = sriov.mode.value
        return pending

    def _moves(self, body: str | None) -> None:
        if body is None:
            return
        try:
            self._mover.remember(read_moves(body))
        except BadRecord as error:
            self._log.error("VIFs that have to follow a network cannot be read", error=str(error))

    def _operation(self, row: OperationRow) -> None:
        request: NetworkRequest | None = None
        error: XenhostError | None = None
        kind = ObjectKind.HOST
        try:
            kind = ObjectKind(row.target_kind)
            request = read_request(row.kind, row.request)
            error = None if row.error is None else read_error(row.error)
        except ValueError as bad:
            self._log.error("an operation cannot be read", operation=row.id, kind=row.kind, error=str(bad))
        operation = OperationId(row.id)
        tracked = Tracked(operation, row.request_id, row.kind, row.target, row.target_name, row.started, request)
        tracked.target_kind, tracked.settled = kind, True
        tracked.dropped = lambda: self._store.note(ForgetOperation(operation))
        if row.state is None:
            message = "the agent ended while the operation ran or waited; the network is as it was before"
            error = InternalError(message, message=message)
            end = End(operation, OperationState.FAILED, self._clock.now(), error)
            self._interrupted.append(end)
            tracked.state, tracked.ended, tracked.error = end.state, end.ended, error
        else:
            tracked.state, tracked.ended, tracked.error = _state(row.state), row.ended, error
        self._operations.add(tracked)


def _state(untrusted_text: str) -> OperationState:
    return OperationState(untrusted_text) if untrusted_text in list(OperationState) else OperationState.FAILED
