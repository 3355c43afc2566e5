"""Changes of PIFs: scan, introduce, forget, plug, unplug, addresses, keys."""

from dataclasses import replace
from uuid import UUID, uuid5

from xenhost.agent.network import keys, names
from xenhost.agent.network.changes import networks, plugging
from xenhost.agent.network.changes.addressing import has_family, has_primary
from xenhost.agent.network.changes.draft import Draft
from xenhost.core.network import Nic
from xenhost.core.network_errors import (
    CannotChangePifProperties,
    CouldNotFindNetworkInterface,
    DuplicatePifDeviceName,
    IsTunnelAccessPif,
    MacDoesNotExist,
    PifAlreadyBonded,
    PifDeviceNotFound,
    PifIncompatiblePrimaryAddressType,
    PifIsManagementInterface,
    PifIsSriovLogical,
    PifIsVlan,
    PifSriovStillExists,
    PifTunnelStillExists,
    PifVlanStillExists,
)
from xenhost.core.network_records import Network, NetworkId, Pif, PifId, PifKind
from xenhost.core.network_requests import ForgetPif, IntroducePif, ReconfigureIp, ScanPifs, UpdatePif


def scan(draft: Draft, request: ScanPifs) -> None:
    """Introduce a PIF for each card that has none, unplugged; those that have one get their card's MAC."""
    cards = [card for card in draft.facts.nics.values() if not card.virtual_function_of]
    by_device = {pif.device: pif for pif in draft.pifs.values() if pif.kind is PifKind.PHYSICAL}
    for card in sorted(cards, key=lambda card: (names.position(card.device, draft.facts), card.device)):
        known = by_device.get(card.device)
        if known is None:
            _add(draft, PifId(made_id(request.seed, f"PIF {card.device}")), card)
        elif card.mac and known.mac != card.mac:
            draft.pifs[known.id] = replace(known, mac=card.mac)
    for bond in draft.bonds.values():
        if not bond.mac_given:
            master, primary = draft.pif(bond.master), draft.pif(bond.members[0])
            draft.pifs[master.id] = replace(master, mac=primary.mac)


def introduce(draft: Draft, request: IntroducePif) -> None:
    """Raises MacDoesNotExist, PifDeviceNotFound, CouldNotFindNetworkInterface, DuplicatePifDeviceName and others."""
    card = _card(draft, request)
    if any(pif.device == card.device and pif.kind is PifKind.PHYSICAL for pif in draft.pifs.values()):
        raise DuplicatePifDeviceName(f"there is a PIF {card.device} already", device=card.device)
    if request.network:
        draft.check_free(request.network)
    _add(draft, request.id, card, request.network, request.managed)


def forget(draft: Draft, request: ForgetPif) -> None:
    """Raises errors that say what depends on it. The card may still be there."""
    pif = draft.pif(request.pif)
    plugging.check_not_management(draft, pif)
    _check_only_physical(draft, pif)
    if draft.member_of(pif.id):
        raise PifAlreadyBonded(f"PIF {pif.device} is in a bond; destroy that, or take it out", PIF=pif.id)
    if draft.vlans_on(pif.id):
        raise PifVlanStillExists(f"PIF {pif.device} has VLANs; destroy them first", PIF=pif.id)
    if draft.tunnels_over(pif.id):
        raise PifTunnelStillExists(f"PIF {pif.device} has tunnels; destroy them first", PIF=pif.id)
    if draft.sriovs_on(pif.id):
        message = f"PIF {pif.device} has a network of virtual functions; destroy that first"
        raise PifSriovStillExists(message, PIF=pif.id)
    if pif.managed:
        plugging.unplug(draft, pif.id)
    del draft.pifs[pif.id]


def reconfigure_ip(draft: Draft, request: ReconfigureIp) -> None:
    """Raises PifIsManagementInterface, PifIncompatiblePrimaryAddressType, PifTunnelStillExists, PifAlreadyBonded."""
    old = draft.managed(request.pif)
    check_takes_addresses(draft, old)
    new = replace(
        old,
        ipv4=old.ipv4 if request.ipv4 is None else request.ipv4,
        ipv6=old.ipv6 if request.ipv6 is None else request.ipv6,
        primary=old.primary if request.primary is None else request.primary,
    )
    label = draft.name(new)
    if new.management and (new.primary is not old.primary or not has_primary(new)):
        raise PifIsManagementInterface(
            f"PIF {label} is the management interface and must keep an address of its primary family"
            f" ({old.primary.value}); make another PIF the management interface first",
            PIF=new.id,
        )
    if request.primary is not None and new.has_ip and not has_family(new, request.primary):
        raise PifIncompatiblePrimaryAddressType(
            f"PIF {label} has no {request.primary.value} address; configure one first", PIF=new.id
        )
    draft.pifs[new.id] = new
    if not new.has_ip:
        check_no_plugged_tunnels(draft, new)


def update(draft: Draft, request: UpdatePif) -> None:
    """Raises CannotChangePifProperties."""
    old = draft.pif(request.pif)
    new = old
    if request.other_config is not None:
        mtu = keys.mtu(request.other_config, draft.network(old.network).mtu) if old.plugged else old.mtu
        new = replace(new, other_config=request.other_config, mtu=mtu)
    if request.disallow_unplug is not None:
        new = replace(new, disallow_unplug=request.disallow_unplug)
    if request.properties is not None:
        _check_has_properties(draft, old)
        new = replace(new, properties={**old.properties, **request.properties})
        bond = draft.bond_of(old.id)
        for member in bond.members if bond else ():
            draft.pifs[member] = replace(draft.pif(member), properties=new.properties)
    draft.pifs[new.id] = new


def check_takes_addresses(draft: Draft, pif: Pif) -> None:
    """May dom0 have addresses on it? Raises PifAlreadyBonded, PifIsSriovLogical."""
    if (bond := draft.member_of(pif.id)) is not None:
        master = draft.pif(bond.master)
        message = f"PIF {pif.device} is a member of {master.device}; addresses go on {master.device}"
        raise PifAlreadyBonded(message, PIF=pif.id)
    if pif.kind is PifKind.SRIOV or (pif.kind is PifKind.VLAN and draft.sriov_of(draft.vlan(pif.id).tagged)):
        message = f"PIF {draft.name(pif)} stands for virtual functions, which dom0 does not use; choose another PIF"
        raise PifIsSriovLogical(message, PIF=pif.id)


def check_no_plugged_tunnels(draft: Draft, pif: Pif) -> None:
    """Raises PifTunnelStillExists: they need its address."""
    for tunnel in draft.tunnels_over(pif.id):
        access = draft.pif(tunnel.access)
        if access.plugged:
            message = f"{access.device} is plugged and needs an address of PIF {draft.name(pif)}; unplug it first"
            raise PifTunnelStillExists(message, PIF=pif.id)


def made_id(seed: str, what: str) -> str:
    """The id of something that is made by the way: the same for the same request."""
    return str(uuid5(UUID(seed), what))


def _card(draft: Draft, request: IntroducePif) -> Nic:
    cards = {device: card for device, card in draft.facts.nics.items() if not card.virtual_function_of}
    if request.device:
        card = cards.get(request.device)
        if card is None:
            raise PifDeviceNotFound(f"this host has no network card {request.device!r:.40}")
        if request.mac and card.mac != request.mac:
            raise CouldNotFindNetworkInterface(
                f"{request.device} has the MAC {card.mac}, not {request.mac}", device=request.device, mac=request.mac
            )
        return card
    found = next((card for card in cards.values() if card.mac == request.mac), None)
    if found is None:
        raise MacDoesNotExist(f"no network card of this host has the MAC {request.mac}", MAC=request.mac)
    return found


def _add(draft: Draft, pif: PifId, card: Nic, network: NetworkId | None = None, managed: bool = True) -> None:
    draft.check_new("PIF", pif, draft.pifs)
    found = draft.network(network) if network else _own_network(draft, pif, card)
    draft.pifs[pif] = Pif(
        id=pif,
        kind=PifKind.PHYSICAL,
        device=card.device,
        network=found.id,
        mac=card.mac,
        mtu=found.mtu,
        managed=managed,
    )


def _own_network(draft: Draft, pif: PifId, card: Nic) -> Network:
    """The network on the bridge of its position: that of an earlier PIF, if it is free."""
    bridge = names.card_bridge(card.device, draft.facts)
    known = next((network for network in draft.networks.values() if network.bridge == bridge), None)
    if known is not None and draft.pif_on(known.id) is None:
        return known
    new = NetworkId(made_id(pif, "network"))
    if new in draft.networks:  # an earlier PIF of the same id had it, and its bridge is another's now
        new = NetworkId(made_id(new, "again"))
    return networks.add(draft, new, bridge, f"Pool-wide network associated with {card.device}")


def _check_only_physical(draft: Draft, pif: Pif) -> None:
    match pif.kind:
        case PifKind.BOND:
            raise PifAlreadyBonded(f"PIF {pif.device} is the master of a bond; destroy the bond", PIF=pif.id)
        case PifKind.VLAN:
            raise PifIsVlan(f"PIF {draft.name(pif)} is that of a VLAN; destroy the VLAN", PIF=pif.id)
        case PifKind.TUNNEL:
            raise IsTunnelAccessPif(f"PIF {pif.device} is the access PIF of a tunnel; destroy the tunnel", PIF=pif.id)
        case PifKind.SRIOV:
            message = f"PIF {pif.device} stands for a network of virtual functions; destroy that"
            raise PifIsSriovLogical(message, PIF=pif.id)
        case PifKind.PHYSICAL:
            pass


def _check_has_properties(draft: Draft, pif: Pif) -> None:
    if pif.kind not in (PifKind.PHYSICAL, PifKind.BOND) or draft.member_of(pif.id):
        raise CannotChangePifProperties(
            f"PIF {draft.name(pif)} has no properties of its own; set those of the card, or of the bond, under it",
            PIF=pif.id,
        )
