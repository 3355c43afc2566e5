"""What an operation is about, for whoever looks at the list of operations."""

from xenhost.agent.network.places import device_of
from xenhost.core.events import ObjectKind
from xenhost.core.network_records import Intent, NetworkId, Pif, PifId
from xenhost.core.network_requests import (
    CreateBond,
    CreateNetwork,
    CreateSriov,
    CreateTunnel,
    CreateVlan,
    DestroyBond,
    DestroyNetwork,
    DestroySriov,
    DestroyTunnel,
    DestroyVlan,
    ForgetPif,
    IntroducePif,
    NetworkRequest,
    PlugPif,
    ReconfigureIp,
    ReconfigureManagement,
    SetNetworkId,
    UnplugPif,
    UpdateBond,
    UpdateNetwork,
    UpdatePif,
    UpdateTunnel,
)

Target = tuple[ObjectKind, str, str]
"""Class, id and name."""


def target(request: NetworkRequest, before: Intent, after: Intent) -> Target:
    """Of a normal request; requests about the host as a whole have no id."""
    match request:
        case CreateNetwork(id=id):
            return ObjectKind.NETWORK, id, _network(after, id)
        case UpdateNetwork(network=id) | DestroyNetwork(network=id):
            return ObjectKind.NETWORK, id, _network(before, id)
        case SetNetworkId(new=id):
            return ObjectKind.NETWORK, id, _network(after, id)
        case IntroducePif(id=pif):
            return ObjectKind.PIF, pif, _pif(after, pif)
        case ForgetPif(pif=pif) | PlugPif(pif=pif) | UnplugPif(pif=pif) | ReconfigureIp(pif=pif) | UpdatePif(pif=pif):
            return ObjectKind.PIF, pif, _pif(before, pif)
        case CreateBond(id=bond):
            return ObjectKind.BOND, bond, _pif(after, after.bonds[bond].master if bond in after.bonds else PifId(""))
        case UpdateBond(bond=bond) | DestroyBond(bond=bond):
            return ObjectKind.BOND, bond, _pif(before, before.bonds[bond].master if bond in before.bonds else PifId(""))
        case CreateVlan(untagged=pif):
            return ObjectKind.VLAN, pif, _pif(after, pif)
        case DestroyVlan(untagged=pif):
            return ObjectKind.VLAN, pif, _pif(before, pif)
        case CreateTunnel(id=tunnel):
            return ObjectKind.TUNNEL, tunnel, ""
        case UpdateTunnel(tunnel=tunnel) | DestroyTunnel(tunnel=tunnel):
            return ObjectKind.TUNNEL, tunnel, ""
        case CreateSriov(id=sriov) | DestroySriov(sriov=sriov):
            return ObjectKind.NETWORK_SRIOV, sriov, ""
        case _:
            return ObjectKind.HOST, "", ""


def pif_of(request: NetworkRequest, after: Intent) -> Pif | None:
    """The PIF whose network is made by it; None: it is about no single one."""
    match request:
        case PlugPif(pif=pif) | ReconfigureIp(pif=pif) | ReconfigureManagement(pif=pif) | UpdatePif(pif=pif):
            return after.pifs.get(pif)
        case CreateBond(master=pif) | CreateVlan(untagged=pif) | CreateTunnel(access=pif) | CreateSriov(physical=pif):
            return after.pifs.get(pif)
        case UpdateBond(bond=bond):
            return after.pifs.get(after.bonds[bond].master) if bond in after.bonds else None
        case _:
            return None


def _network(intent: Intent, network: NetworkId) -> str:
    found = intent.networks.get(network)
    return "" if found is None else found.name or found.bridge


def _pif(intent: Intent, pif: PifId) -> str:
    found = intent.pifs.get(pif)
    return "" if found is None else device_of(intent, found)
