"""Handing a request to the engine, and showing the operation that it becomes."""

from google.longrunning import operations_pb2

from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.convert.operation import operation_to_proto
from xenhost.agent.rpc.convert.vm import vm_to_proto
from xenhost.core.errors import HandleInvalid
from xenhost.core.requests import Request, checked_timeout
from xenhost.core.views import Operation, OperationState


def seconds_or(untrusted_seconds: int, default: float) -> float:
    """A timeout of a request, 0 being the default. Raises InvalidValue."""
    return checked_timeout(float(untrusted_seconds)) if untrusted_seconds else default


async def submit(engine: Engine, request: Request, request_id: str) -> operations_pb2.Operation:
    """The operation, durable. Raises what admission refuses with."""
    return shown(engine, await engine.submit(request, request_id))


def shown(engine: Engine, operation: Operation) -> operations_pb2.Operation:
    """An operation, with the VM as it is now once it has succeeded."""
    vm = None
    if operation.state is OperationState.SUCCEEDED and operation.vm is not None:
        try:
            vm = vm_to_proto(engine.vm(operation.vm))
        except HandleInvalid:
            vm = None  # deleted since
    return operation_to_proto(operation, vm)
