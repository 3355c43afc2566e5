"""Operations, as google.longrunning has them."""

from typing import Final

from google.longrunning import operations_pb2
from google.protobuf.any_pb2 import Any

from xenhost.agent.rpc.convert.times import timestamp
from xenhost.agent.rpc.status import status_of
from xenhost.api.host.v1 import operation_pb2, vm_pb2
from xenhost.core.errors import HandleInvalid
from xenhost.core.ids import OperationId
from xenhost.core.views import Operation, OperationState

PREFIX: Final = "operations/"


def operation_name(operation: OperationId) -> str:
    """The name of an operation on the wire: `operations/<id>`."""
    return PREFIX + operation


def operation_id(untrusted_name: str) -> OperationId:
    """The id in a name; a bare id does too. Raises HandleInvalid for what cannot be one."""
    text = untrusted_name.removeprefix(PREFIX)
    if not 0 < len(text) <= 64 or not text.isascii() or not text.isprintable():
        raise HandleInvalid(
            f"{untrusted_name!r:.80} is not the name of an operation; use operations/<id>",
            class_name="task",
            handle=untrusted_name[:80],
        )
    return OperationId(text)


def operation_to_proto(operation: Operation, vm: vm_pb2.Vm | None) -> operations_pb2.Operation:
    """An operation; `vm` is its response once it has succeeded (None: the VM is gone since)."""
    metadata = Any()
    metadata.Pack(
        operation_pb2.OperationMetadata(
            kind=operation.kind,
            target=operation.target,
            progress=operation.progress,
            step=operation.step,
            started=timestamp(operation.started),
            ended=timestamp(operation.ended),
            request_id=operation.request_id,
            cancelling=operation.state is OperationState.CANCELLING,
            vm_name=operation.target_name,
        )
    )
    message = operations_pb2.Operation(name=operation_name(operation.id), metadata=metadata, done=operation.state.ended)
    if operation.error is not None and operation.state.ended:
        message.error.CopyFrom(status_of(operation.error))
    elif operation.state.ended:
        message.response.Pack(vm or vm_pb2.Vm(id=operation.target, name=operation.target_name))
    return message
