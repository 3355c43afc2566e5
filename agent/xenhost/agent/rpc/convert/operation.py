"""Operations, as google.longrunning has them."""

from typing import Final

from google.longrunning import operations_pb2
from google.protobuf.any_pb2 import Any

from xenhost.agent.rpc.convert.event import OBJECT_KIND
from xenhost.agent.rpc.convert.times import timestamp
from xenhost.api.host.v1 import network_pb2, operation_pb2, storage_pb2, vm_pb2
from xenhost.api.status import status_of
from xenhost.core.errors import HandleInvalid
from xenhost.core.events import ObjectKind
from xenhost.core.ids import OperationId
from xenhost.core.views import Operation, OperationState

PREFIX: Final = "operations/"

Response = (
    vm_pb2.Vm
    | storage_pb2.Sr
    | storage_pb2.Vdi
    | network_pb2.Network
    | network_pb2.Pif
    | network_pb2.Bond
    | network_pb2.Vlan
    | network_pb2.Tunnel
    | network_pb2.NetworkSriov
    | network_pb2.ManagementInterface
)
"""What an operation that has succeeded answers with."""


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


def operation_to_proto(operation: Operation, response: Response | None) -> operations_pb2.Operation:
    """An operation; `response` is what it was about once it has succeeded (None: that is gone since)."""
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
            vm_name=operation.target_name if operation.target_kind is ObjectKind.VM else "",
            target_kind=OBJECT_KIND.to_wire(operation.target_kind),
            target_name=operation.target_name,
        )
    )
    message = operations_pb2.Operation(name=operation_name(operation.id), metadata=metadata, done=operation.state.ended)
    if operation.error is not None and operation.state.ended:
        message.error.CopyFrom(status_of(operation.error))
    elif operation.state.ended:
        message.response.Pack(response or _rest(operation))
    return message


def _rest(operation: Operation) -> Response:
    id, name = operation.target, operation.target_name
    if operation.result:
        return storage_pb2.Vdi(id=operation.result)
    match operation.target_kind:
        case ObjectKind.SR:
            return storage_pb2.Sr(id=id, name=name)
        case ObjectKind.VDI:
            return storage_pb2.Vdi(id=id, name=name)
        case ObjectKind.NETWORK:
            return network_pb2.Network(id=id, name=name)
        case ObjectKind.PIF:
            return network_pb2.Pif(id=id, name=name)
        case ObjectKind.BOND:
            return network_pb2.Bond(id=id, device=name)
        case ObjectKind.VLAN:
            return network_pb2.Vlan(id=id)
        case ObjectKind.TUNNEL:
            return network_pb2.Tunnel(id=id)
        case ObjectKind.NETWORK_SRIOV:
            return network_pb2.NetworkSriov(id=id)
        case ObjectKind.HOST:
            return network_pb2.ManagementInterface()
        case _:
            return vm_pb2.Vm(id=id, name=name)
