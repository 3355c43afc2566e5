"""Which PIF the host is managed through, and the emergency reset."""

from dataclasses import replace

from xenhost.agent.network.changes import networks, pifs, plugging, vlans
from xenhost.agent.network.changes.addressing import has_primary
from xenhost.agent.network.changes.draft import Draft
from xenhost.core.network import AddressFamily, Ipv4Mode, Ipv6Mode
from xenhost.core.network_errors import (
    CannotPlugBondSlave,
    HostHasNoManagementIp,
    PifDeviceNotFound,
    PifHasNoNetworkConfiguration,
    PifHasNoV6NetworkConfiguration,
)
from xenhost.core.network_records import NetworkId, Pif, PifId, PifKind
from xenhost.core.network_requests import ReconfigureManagement, ResetNetworking, ScanPifs


def reconfigure(draft: Draft, request: ReconfigureManagement) -> None:
    """The PIF is plugged; the one that was the management interface keeps its addresses."""
    old = draft.managed(request.pif)
    if (bond := draft.member_of(old.id)) is not None:
        master = draft.pif(bond.master).device
        message = f"PIF {old.device} is a member of {master}; use {master}"
        raise CannotPlugBondSlave(message, PIF=old.id)
    pifs.check_takes_addresses(draft, old)
    new = replace(
        old,
        ipv4=old.ipv4 if request.ipv4 is None else request.ipv4,
        ipv6=old.ipv6 if request.ipv6 is None else request.ipv6,
    )
    if not has_primary(new):
        message = f"PIF {draft.name(new)} has no {new.primary.value} address, its primary one; configure one first"
        if new.primary is AddressFamily.IPV4:
            raise PifHasNoNetworkConfiguration(message, PIF=new.id)
        raise PifHasNoV6NetworkConfiguration(message, PIF=new.id)
    draft.pifs[new.id] = new
    _manage_by(draft, new.id)


def reset(draft: Draft, request: ResetNetworking) -> None:
    """Bonds, VLANs, tunnels, SDN controllers and addresses go; each card has a PIF as new, and is plugged."""
    if request.ipv4.mode is Ipv4Mode.NONE and request.ipv6.mode is Ipv6Mode.NONE:
        raise HostHasNoManagementIp("the management interface needs an address: by DHCP or static, IPv4 or IPv6")
    if request.device not in draft.facts.nics:
        cards = ", ".join(sorted(draft.facts.nics)) or "none"
        raise PifDeviceNotFound(f"this host has no network card {request.device!r:.40}; its cards are {cards}")
    vlan_network = _network_of_vlan(draft, request.device, request.vlan) if request.vlan else None
    _clear(draft)
    pifs.scan(draft, ScanPifs(request.seed))
    for pif in list(draft.pifs.values()):
        if pif.managed:
            plugging.plug(draft, pif.id)
    base = next(pif for pif in draft.pifs.values() if pif.device == request.device)
    draft.managed(base.id)
    chosen = _vlan(draft, request, base, vlan_network) if request.vlan else base.id
    primary = AddressFamily.IPV6 if request.ipv4.mode is Ipv4Mode.NONE else AddressFamily.IPV4
    pif = replace(draft.pif(chosen), ipv4=request.ipv4, ipv6=request.ipv6, primary=primary)
    draft.pifs[chosen] = pif
    _manage_by(draft, chosen)


def _manage_by(draft: Draft, pif: PifId) -> None:
    plugging.plug(draft, pif)
    for each in list(draft.pifs.values()):
        if each.management is not (each.id == pif):
            draft.pifs[each.id] = replace(each, management=each.id == pif)


def _clear(draft: Draft) -> None:
    draft.bonds.clear()
    draft.vlans.clear()
    draft.tunnels.clear()
    draft.sriovs.clear()
    draft.controllers.clear()
    old = list(draft.pifs.values())
    draft.pifs.clear()
    for pif in old:
        card = draft.facts.nics.get(pif.device)
        if pif.kind is PifKind.PHYSICAL and card is not None and not card.virtual_function_of:
            draft.pifs[pif.id] = Pif(
                id=pif.id,
                kind=PifKind.PHYSICAL,
                device=pif.device,
                network=pif.network,
                mac=card.mac,
                managed=pif.managed,
            )


def _network_of_vlan(draft: Draft, device: str, tag: int) -> NetworkId | None:
    """Where a VLAN was, so that VMs on it stay connected: on that card, or on the bond that it was in."""
    card = next((pif for pif in draft.pifs.values() if pif.device == device and pif.kind is PifKind.PHYSICAL), None)
    if card is None:
        return None
    bond = draft.member_of(card.id)
    tagged = bond.master if bond else card.id
    found = next((vlan for vlan in draft.vlans_on(tagged) if vlan.tag == tag), None)
    return draft.pif(found.untagged).network if found else None


def _vlan(draft: Draft, request: ResetNetworking, base: Pif, network: NetworkId | None) -> PifId:
    untagged = PifId(pifs.made_id(request.seed, "VLAN"))
    if network is None:
        network = NetworkId(pifs.made_id(request.seed, "network of the VLAN"))
        networks.add(draft, network, "", f"VLAN {request.vlan} on {base.device}")
    vlans.add(draft, untagged, base, request.vlan, network)
    return untagged
