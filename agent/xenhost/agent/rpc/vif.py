"""VifService: network interfaces of a VM."""

from typing import Final

from google.longrunning import operations_pb2

from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert.device import vif_from_proto
from xenhost.agent.rpc.resolve import vm_named
from xenhost.agent.rpc.submit import seconds_or, submit
from xenhost.api.host.v1 import vif_service_pb2, vif_service_pb2_grpc
from xenhost.core.errors import InvalidValue
from xenhost.core.ids import MAX_VIFS, DevId
from xenhost.core.requests import PlugVif, UnplugVif

UNPLUG_SECONDS: Final = 60.0


class VifServicer(vif_service_pb2_grpc.VifServiceServicer):
    """Answers by the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def PlugVif(self, request: vif_service_pb2.PlugVifRequest, context: Context) -> operations_pb2.Operation:
        """Add and connect a VIF."""
        if not request.HasField("vif"):
            raise InvalidValue("vif is required", field="vif", value="")
        vm = vm_named(self._engine, request.vm_id, "vm_id")
        return await submit(
            self._engine, PlugVif(vm, vif_from_proto(request.vif, request.request_id)), request.request_id
        )

    async def UnplugVif(self, request: vif_service_pb2.UnplugVifRequest, context: Context) -> operations_pb2.Operation:
        """Disconnect and remove a VIF."""
        vm = vm_named(self._engine, request.vm_id, "vm_id")
        if request.index >= MAX_VIFS:
            raise InvalidValue(
                f"VIF index is {request.index}; it must be 0 to {MAX_VIFS - 1}",
                field="index",
                value=str(request.index),
            )
        timeout = seconds_or(request.timeout_seconds, UNPLUG_SECONDS)
        unplug = UnplugVif(vm, DevId(request.index), request.force, timeout)
        return await submit(self._engine, unplug, request.request_id)
