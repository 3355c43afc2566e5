"""VifService: network interfaces of a VM."""

from typing import Final

from google.longrunning import operations_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert.device import VIF_FIELDS, vif_change_from_proto, vif_from_proto
from xenhost.agent.rpc.convert.field_mask import paths_of
from xenhost.agent.rpc.resolve import vm_named
from xenhost.agent.rpc.submit import seconds_or, submit
from xenhost.api.host.v1 import vif_service_pb2, vif_service_pb2_grpc, vm_pb2
from xenhost.core.errors import InvalidValue
from xenhost.core.ids import MAX_VIFS, DevId
from xenhost.core.ports.network import Networks
from xenhost.core.requests import PlugVif, UnplugVif, UpdateVif

UNPLUG_SECONDS: Final = 60.0
_ELSEWHERE: Final = {"index": "it never changes", "mac": "the guest knows its card by it", "state": "it is output only"}


class VifServicer(vif_service_pb2_grpc.VifServiceServicer):
    """Answers by the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._networks = engine.networks

    async def PlugVif(self, request: vif_service_pb2.PlugVifRequest, context: Context) -> operations_pb2.Operation:
        """Add and connect a VIF."""
        if not request.HasField("vif"):
            raise InvalidValue("vif is required", field="vif", value="")
        vm = vm_named(self._engine, request.vm_id, "vm_id")
        name_bridge(self._networks, request.vif)
        return await submit(
            self._engine, PlugVif(vm, vif_from_proto(request.vif, request.request_id)), request.request_id
        )

    async def UnplugVif(self, request: vif_service_pb2.UnplugVifRequest, context: Context) -> operations_pb2.Operation:
        """Disconnect and remove a VIF."""
        vm = vm_named(self._engine, request.vm_id, "vm_id")
        index = _index(request.index)
        timeout = seconds_or(request.timeout_seconds, UNPLUG_SECONDS)
        unplug = UnplugVif(vm, index, request.force, timeout)
        return await submit(self._engine, unplug, request.request_id)

    async def UpdateVif(self, request: vif_service_pb2.UpdateVifRequest, context: Context) -> operations_pb2.Operation:
        """Change a VIF, or move it to another network."""
        vm = vm_named(self._engine, request.vm_id, "vm_id")
        index = _index(request.index)
        name_bridge(self._networks, request.vif)
        mask = FieldMask(paths=["bridge" if path == "network" else path for path in request.update_mask.paths])
        fields = paths_of(mask, VIF_FIELDS, "UpdateVif", _ELSEWHERE)
        change = vif_change_from_proto(request.vif, fields)
        return await submit(self._engine, UpdateVif(vm, index, change), request.request_id)


def name_bridge(networks: Networks, vif: vm_pb2.Vif) -> None:
    """Put the bridge of its network into a VIF. Raises HandleInvalid, InvalidValue."""
    if vif.network:
        if vif.bridge:
            raise InvalidValue(
                "a VIF is on one network: give network or bridge, not both", field="vif.network", value=vif.network[:80]
            )
        vif.bridge = networks.find(vif.network)
        vif.network = ""


def _index(untrusted_index: int) -> DevId:
    if untrusted_index >= MAX_VIFS:
        raise InvalidValue(
            f"VIF index is {untrusted_index}; it must be 0 to {MAX_VIFS - 1}", field="index", value=str(untrusted_index)
        )
    return DevId(untrusted_index)
