"""Changes of VLANs."""

from xenhost.agent.network.changes import plugging
from xenhost.agent.network.changes.draft import Draft
from xenhost.core.network import BACKEND_MAC, MAX_VLAN
from xenhost.core.network_errors import (
    CannotAddVlanToBondSlave,
    IsTunnelAccessPif,
    PifIsPhysical,
    PifIsVlan,
    PifTunnelStillExists,
    PifVlanExists,
    VlanInUse,
    VlanTagInvalid,
)
from xenhost.core.network_records import NetworkId, Pif, PifId, PifKind, Vlan
from xenhost.core.network_requests import CreateVlan, DestroyVlan


def create(draft: Draft, request: CreateVlan) -> None:
    """It is plugged, its tagged PIF too. Raises errors that say why there cannot be one."""
    draft.check_new("PIF", request.untagged, draft.pifs)
    network = draft.check_free(request.network)
    tagged = draft.managed(request.tagged)
    _check_may_have_vlans(draft, tagged)
    if not 0 <= request.tag <= MAX_VLAN:
        raise VlanTagInvalid(f"{request.tag} is no VLAN tag; use 0 to {MAX_VLAN}", VLAN=str(request.tag))
    if any(vlan.tag == request.tag for vlan in draft.vlans_on(tagged.id)):
        raise PifVlanExists(f"PIF {tagged.device} has VLAN {request.tag} already; use another tag", PIF=tagged.id)
    if (name := f"{tagged.device}.{request.tag}") in draft.facts.foreign_bridges:
        raise VlanInUse(
            f"{name} is in use by somebody else; use another tag, or remove it",
            device=tagged.device,
            vlan=str(request.tag),
        )
    add(draft, request.untagged, tagged, request.tag, network.id)
    plugging.plug(draft, request.untagged)


def add(draft: Draft, untagged: PifId, tagged: Pif, tag: int, network: NetworkId) -> None:
    """The records."""
    found = draft.check_free(network)
    draft.vlans[untagged] = Vlan(untagged, tagged.id, tag)
    draft.pifs[untagged] = Pif(
        id=untagged,
        kind=PifKind.VLAN,
        device=tagged.device,
        network=found.id,
        mac=BACKEND_MAC,
        mtu=found.mtu,
        primary=tagged.primary,
        properties={},
    )


def destroy(draft: Draft, request: DestroyVlan) -> None:
    """Raises what unplugging it raises, PifTunnelStillExists, PifIsPhysical."""
    known = draft.pifs.get(request.untagged)
    if known is not None and known.kind is PifKind.PHYSICAL:
        raise PifIsPhysical(f"PIF {known.device} is a network card, not a VLAN", PIF=known.id)
    vlan = draft.vlan(request.untagged)
    if draft.tunnels_over(vlan.untagged):
        message = f"tunnels go over PIF {draft.name(draft.pif(vlan.untagged))}; destroy them first"
        raise PifTunnelStillExists(message, PIF=vlan.untagged)
    plugging.unplug(draft, vlan.untagged)
    del draft.vlans[vlan.untagged]
    del draft.pifs[vlan.untagged]


def _check_may_have_vlans(draft: Draft, pif: Pif) -> None:
    label = draft.name(pif)
    if (bond := draft.member_of(pif.id)) is not None:
        master = draft.pif(bond.master).device
        message = f"PIF {label} is a member of {master}; make the VLAN on {master}"
        raise CannotAddVlanToBondSlave(message, PIF=pif.id)
    if pif.kind is PifKind.VLAN:
        raise PifIsVlan(f"PIF {label} is that of a VLAN itself; use {pif.device}", PIF=pif.id)
    if pif.kind is PifKind.TUNNEL:
        raise IsTunnelAccessPif(f"PIF {label} is the access PIF of a tunnel and cannot have VLANs", PIF=pif.id)
