"""Handing a request to the engines, and showing the operation that it becomes."""

from google.longrunning import operations_pb2

from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.convert.network import (
    bond_to_proto,
    management_to_proto,
    network_to_proto,
    pif_to_proto,
    sriov_to_proto,
    tunnel_to_proto,
    vlan_to_proto,
)
from xenhost.agent.rpc.convert.operation import Response, operation_to_proto
from xenhost.agent.rpc.convert.sr import sr_to_proto
from xenhost.agent.rpc.convert.vdi import vdi_to_proto
from xenhost.agent.rpc.convert.vm import vm_to_proto
from xenhost.agent.rpc.networking import Networking
from xenhost.agent.storage.engine import StorageEngine
from xenhost.core.errors import HandleInvalid
from xenhost.core.events import ObjectKind
from xenhost.core.ids import VmId
from xenhost.core.network_records import BondId, NetworkId, PifId, SriovId, TunnelId
from xenhost.core.network_requests import NetworkRequest
from xenhost.core.requests import Request, checked_timeout
from xenhost.core.storage import SrId, VdiId
from xenhost.core.storage_requests import StorageRequest
from xenhost.core.views import Operation, OperationState


def seconds_or(untrusted_seconds: int, default: float) -> float:
    """A timeout of a request, 0 being the default. Raises InvalidValue."""
    return checked_timeout(float(untrusted_seconds)) if untrusted_seconds else default


async def submit(engine: Engine, request: Request, request_id: str) -> operations_pb2.Operation:
    """The operation on a VM, durable. Raises what admission refuses with."""
    operation = await engine.submit(request, request_id)
    return operation_to_proto(operation, _vm(engine, operation) if _succeeded(operation) else None)


async def submit_storage(storage: StorageEngine, request: StorageRequest, request_id: str) -> operations_pb2.Operation:
    """The operation on an SR or VDI, durable. Raises what admission refuses with."""
    operation = await storage.submit(request, request_id)
    return operation_to_proto(operation, _stored(storage, operation) if _succeeded(operation) else None)


async def submit_network(network: Networking, request: NetworkRequest, request_id: str) -> operations_pb2.Operation:
    """The operation on networks, durable. Raises what admission refuses with."""
    operation = await network.submit(request, request_id)
    return operation_to_proto(operation, _networked(network, operation) if _succeeded(operation) else None)


def shown(
    engine: Engine, storage: StorageEngine, network: Networking, operation: Operation
) -> operations_pb2.Operation:
    """An operation, with what it was about as that is now, once it has succeeded."""
    if not _succeeded(operation):
        return operation_to_proto(operation, None)
    match operation.target_kind:
        case ObjectKind.VM:
            return operation_to_proto(operation, _vm(engine, operation))
        case ObjectKind.SR | ObjectKind.VDI:
            return operation_to_proto(operation, _stored(storage, operation))
        case _:
            return operation_to_proto(operation, _networked(network, operation))


def _succeeded(operation: Operation) -> bool:
    return operation.state is OperationState.SUCCEEDED


def _vm(engine: Engine, operation: Operation) -> Response | None:
    try:
        return vm_to_proto(engine.vm(VmId(operation.target)))
    except HandleInvalid:
        return None  # deleted since


def _stored(storage: StorageEngine, operation: Operation) -> Response | None:
    try:
        if operation.result:
            return vdi_to_proto(storage.vdi(VdiId(operation.result)))
        if operation.target_kind is ObjectKind.SR:
            return sr_to_proto(storage.sr(SrId(operation.target)))
        return vdi_to_proto(storage.vdi(VdiId(operation.target)))
    except HandleInvalid:
        return None  # gone since


def _networked(network: Networking, operation: Operation) -> Response | None:
    id = operation.target
    try:
        match operation.target_kind:
            case ObjectKind.NETWORK:
                return network_to_proto(network.network(NetworkId(id)))
            case ObjectKind.PIF:
                return pif_to_proto(network.pif(PifId(id)))
            case ObjectKind.BOND:
                view = network.bond(BondId(id))
                return bond_to_proto(view, network.pif(view.bond.master).pif.device)
            case ObjectKind.VLAN:
                return vlan_to_proto(network.vlan(PifId(id)))
            case ObjectKind.TUNNEL:
                return tunnel_to_proto(network.tunnel(TunnelId(id)))
            case ObjectKind.NETWORK_SRIOV:
                return sriov_to_proto(network.sriov(SriovId(id)))
            case _:
                return management_to_proto(network.management())
    except HandleInvalid:
        return None  # gone since
