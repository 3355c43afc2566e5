"""BondService: several PIFs as one."""

from google.longrunning import operations_pb2

from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert.network import bond_to_proto
from xenhost.agent.rpc.convert.network_update import bond_change, new_bond
from xenhost.agent.rpc.networking import Networking
from xenhost.agent.rpc.resolve import bond_named, network_named, pif_named
from xenhost.agent.rpc.submit import submit_network
from xenhost.api.host.v1 import bond_service_pb2, bond_service_pb2_grpc, network_pb2
from xenhost.core.network_records import PifId
from xenhost.core.network_requests import DestroyBond
from xenhost.core.network_views import BondView


class BondServicer(bond_service_pb2_grpc.BondServiceServicer):
    """Answers by the network engine."""

    def __init__(self, network: Networking) -> None:
        self._network = network

    async def CreateBond(
        self, request: bond_service_pb2.CreateBondRequest, context: Context
    ) -> operations_pb2.Operation:
        """Make one of several."""
        network = network_named(self._network, request.network_id, "network_id")
        return await submit_network(self._network, new_bond(request, network, self._pif), request.request_id)

    async def UpdateBond(
        self, request: bond_service_pb2.UpdateBondRequest, context: Context
    ) -> operations_pb2.Operation:
        """Change mode, properties or members."""
        bond = bond_named(self._network, request.bond.id, "bond.id")
        change = bond_change(bond, request.bond, request.update_mask, self._pif)
        return await submit_network(self._network, change, request.request_id)

    async def DestroyBond(
        self, request: bond_service_pb2.DestroyBondRequest, context: Context
    ) -> operations_pb2.Operation:
        """Take it apart."""
        bond = bond_named(self._network, request.id, "id")
        return await submit_network(self._network, DestroyBond(bond), request.request_id)

    async def GetBond(self, request: bond_service_pb2.GetBondRequest, context: Context) -> network_pb2.Bond:
        """One bond."""
        view = self._network.bond(bond_named(self._network, request.id, "id"))
        return bond_to_proto(view, self._device(view))

    async def ListBonds(
        self, request: bond_service_pb2.ListBondsRequest, context: Context
    ) -> bond_service_pb2.ListBondsResponse:
        """Every bond, by device."""
        found = sorted((self._device(view), view.bond.id, view) for view in self._network.bonds())
        return bond_service_pb2.ListBondsResponse(bonds=[bond_to_proto(view, device) for device, _, view in found])

    def _device(self, view: BondView) -> str:
        return self._network.pif(view.bond.master).pif.device

    def _pif(self, untrusted_text: str, field: str) -> PifId:
        return pif_named(self._network, untrusted_text, field)
