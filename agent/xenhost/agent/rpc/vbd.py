"""VbdService: block devices of a VM."""

from typing import Final

from google.longrunning import operations_pb2

from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert.device import limits_from_proto, source_from_proto, vbd_from_proto
from xenhost.agent.rpc.resolve import name_vdis, source_kinds, vm_named
from xenhost.agent.rpc.submit import seconds_or, submit
from xenhost.agent.storage.engine import StorageEngine
from xenhost.api.host.v1 import vbd_service_pb2, vbd_service_pb2_grpc
from xenhost.core.devices import SourceKind, Vbd, VbdMode, VbdType, checked_vbd
from xenhost.core.errors import InvalidValue
from xenhost.core.ids import parse_device
from xenhost.core.requests import EjectVbd, InsertVbd, LimitVbd, PlugVbd, UnplugVbd

UNPLUG_SECONDS: Final = 60.0


class VbdServicer(vbd_service_pb2_grpc.VbdServiceServicer):
    """Answers by the engine."""

    def __init__(self, engine: Engine, storage: StorageEngine) -> None:
        self._engine = engine
        self._storage = storage

    async def PlugVbd(self, request: vbd_service_pb2.PlugVbdRequest, context: Context) -> operations_pb2.Operation:
        """Add and connect a VBD."""
        if not request.HasField("vbd"):
            raise InvalidValue("vbd is required", field="vbd", value="")
        vm = vm_named(self._engine, request.vm_id, "vm_id")
        name_vdis(self._storage, [request.vbd.source])
        vbd = vbd_from_proto(request.vbd, await source_kinds([request.vbd.source]))
        return await submit(self._engine, PlugVbd(vm, vbd), request.request_id)

    async def UnplugVbd(self, request: vbd_service_pb2.UnplugVbdRequest, context: Context) -> operations_pb2.Operation:
        """Disconnect and remove a VBD."""
        vm = vm_named(self._engine, request.vm_id, "vm_id")
        devid, _ = parse_device(request.device)
        timeout = seconds_or(request.timeout_seconds, UNPLUG_SECONDS)
        return await submit(self._engine, UnplugVbd(vm, devid, request.force, timeout), request.request_id)

    async def InsertVbd(self, request: vbd_service_pb2.InsertVbdRequest, context: Context) -> operations_pb2.Operation:
        """Put a medium into a drive."""
        vm = vm_named(self._engine, request.vm_id, "vm_id")
        devid, _ = parse_device(request.device)
        name_vdis(self._storage, [request.source])
        source = source_from_proto(request.source, await source_kinds([request.source]))
        if source.kind is SourceKind.EMPTY:
            raise InvalidValue(
                "source.path or source.vdi_id is required; EjectVbd empties a drive", field="source.path", value=""
            )
        checked_vbd(Vbd(devid, source, VbdMode.RO, VbdType.CD))
        return await submit(self._engine, InsertVbd(vm, devid, source), request.request_id)

    async def EjectVbd(self, request: vbd_service_pb2.EjectVbdRequest, context: Context) -> operations_pb2.Operation:
        """Take the medium out of a drive."""
        vm = vm_named(self._engine, request.vm_id, "vm_id")
        devid, _ = parse_device(request.device)
        return await submit(self._engine, EjectVbd(vm, devid), request.request_id)

    async def LimitVbd(self, request: vbd_service_pb2.LimitVbdRequest, context: Context) -> operations_pb2.Operation:
        """Change the limits of a VBD."""
        vm = vm_named(self._engine, request.vm_id, "vm_id")
        devid, _ = parse_device(request.device)
        return await submit(self._engine, LimitVbd(vm, devid, limits_from_proto(request.limits)), request.request_id)
