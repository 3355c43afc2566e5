"""Changes of networks of virtual functions: what is wanted. Enabling them is the engine's."""

from xenhost.agent.network.changes import plugging
from xenhost.agent.network.changes.draft import Draft
from xenhost.core.network import BACKEND_MAC
from xenhost.core.network_errors import (
    NetworkSriovAlreadyEnabled,
    PifIsNotPhysical,
    PifIsNotSriovCapable,
    PifVlanStillExists,
)
from xenhost.core.network_records import Intent, NetworkId, NetworkSriov, Pif, PifId, PifKind
from xenhost.core.network_requests import CreateSriov, DestroySriov


def create(draft: Draft, request: CreateSriov) -> None:
    """Its logical PIF is plugged, the card's too. Raises errors that say why there cannot be one."""
    draft.check_new("network_sriov", request.id, draft.sriovs)
    draft.check_new("PIF", request.logical, draft.pifs)
    network = draft.check_free(request.network)
    physical = draft.managed(request.physical)
    if physical.kind is not PifKind.PHYSICAL:
        message = f"PIF {draft.name(physical)} is no network card; use the PIF of one"
        raise PifIsNotPhysical(message, PIF=physical.id)
    if draft.sriovs_on(physical.id):
        message = f"PIF {physical.device} has a network of virtual functions already"
        raise NetworkSriovAlreadyEnabled(message, PIF=physical.id)
    card = draft.facts.nics.get(physical.device)
    if card is None or not card.sriov_total:
        message = f"card {physical.device} has no virtual functions; use one that supports SR-IOV"
        raise PifIsNotSriovCapable(message, PIF=physical.id)
    draft.sriovs[request.id] = NetworkSriov(request.id, physical.id, request.logical)
    draft.pifs[request.logical] = Pif(
        id=request.logical,
        kind=PifKind.SRIOV,
        device=physical.device,
        network=network.id,
        mac=BACKEND_MAC,
        mtu=network.mtu,
        primary=physical.primary,
        properties={},
    )
    plugging.plug(draft, request.logical)


def destroy(draft: Draft, request: DestroySriov) -> None:
    """Raises PifVlanStillExists, and what unplugging its logical PIF raises."""
    sriov = draft.sriov(request.sriov)
    if draft.vlans_on(sriov.logical):
        device = draft.pif(sriov.logical).device
        message = f"VLANs are on the network of virtual functions of {device}; destroy them first"
        raise PifVlanStillExists(message, PIF=sriov.logical)
    plugging.unplug(draft, sriov.logical)
    del draft.sriovs[sriov.id]
    del draft.pifs[sriov.logical]


def functions_of(intent: Intent, network: NetworkId) -> tuple[NetworkSriov, int] | None:
    """Whose virtual functions VIFs on a network get, and with which VLAN tag (0: none). None: they get a bridge."""
    pif = next((pif for pif in intent.pifs.values() if pif.network == network), None)
    if pif is None:
        return None
    vlan = intent.vlans.get(pif.id)
    logical: PifId = vlan.tagged if vlan else pif.id
    sriov = next((sriov for sriov in intent.sriovs.values() if sriov.logical == logical), None)
    return (sriov, vlan.tag if vlan else 0) if sriov else None
