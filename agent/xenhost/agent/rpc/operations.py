"""google.longrunning.Operations: long-running requests, by name."""

from typing import Final

from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import empty_pb2

from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert.operation import operation_id
from xenhost.agent.rpc.networking import Networking
from xenhost.agent.rpc.submit import shown
from xenhost.agent.storage.engine import StorageEngine
from xenhost.core.errors import InvalidValue, ValueNotSupported
from xenhost.core.views import Operation

WAIT_SECONDS: Final = 60.0
"""One WaitOperation waits no longer; the client calls again."""
PAGE: Final = 1000


class OperationsServicer(operations_pb2_grpc.OperationsServicer):  # type: ignore[misc] # ships no types
    """Answers by the engine, whose table has those of storage and networks too."""

    def __init__(self, engine: Engine, storage: StorageEngine, network: Networking) -> None:
        self._engine = engine
        self._storage = storage
        self._network = network

    async def GetOperation(
        self, request: operations_pb2.GetOperationRequest, context: Context
    ) -> operations_pb2.Operation:
        """One operation as it stands."""
        return self._shown(self._engine.operation(operation_id(request.name)))

    async def ListOperations(
        self, request: operations_pb2.ListOperationsRequest, context: Context
    ) -> operations_pb2.ListOperationsResponse:
        """Operations, oldest first, by pages."""
        if request.filter:
            raise ValueNotSupported(
                "filter is not supported; leave it empty",
                field="filter",
                value=request.filter[:80],
                reason_text="not implemented",
            )
        ordered = sorted(self._engine.operations(), key=_place)
        if request.page_token:
            after = _place_of(request.page_token)
            ordered = [operation for operation in ordered if _place(operation) > after]
        size = min(request.page_size, PAGE) if request.page_size > 0 else PAGE
        page = ordered[:size]
        return operations_pb2.ListOperationsResponse(
            operations=[self._shown(operation) for operation in page],
            next_page_token=_token_of(page[-1]) if len(ordered) > size else "",
        )

    async def CancelOperation(
        self, request: operations_pb2.CancelOperationRequest, context: Context
    ) -> empty_pb2.Empty:
        """Ask an operation to stop and undo itself; one that has ended stays as it is."""
        await self._engine.cancel(operation_id(request.name))
        return empty_pb2.Empty()

    async def DeleteOperation(
        self, request: operations_pb2.DeleteOperationRequest, context: Context
    ) -> empty_pb2.Empty:
        """Forget an operation that has ended."""
        await self._engine.forget(operation_id(request.name))
        return empty_pb2.Empty()

    async def WaitOperation(
        self, request: operations_pb2.WaitOperationRequest, context: Context
    ) -> operations_pb2.Operation:
        """The operation once it has ended, or as it stands when the time is up."""
        seconds = WAIT_SECONDS
        if request.HasField("timeout"):
            seconds = min(max(0.0, request.timeout.ToNanoseconds() / 1e9), WAIT_SECONDS)
        return self._shown(await self._engine.wait(operation_id(request.name), seconds))

    def _shown(self, operation: Operation) -> operations_pb2.Operation:
        return shown(self._engine, self._storage, self._network, operation)


def _place(operation: Operation) -> tuple[float, str]:
    return operation.started, operation.id


def _token_of(operation: Operation) -> str:
    return f"{operation.started!r}/{operation.id}"


def _place_of(untrusted_token: str) -> tuple[float, str]:
    started, _, name = untrusted_token[:200].partition("/")
    try:
        return float(started), name
    except ValueError:
        raise InvalidValue(
            "page_token is not one that ListOperations gave", field="page_token", value=untrusted_token[:80]
        ) from None
