"""PIF.plug and PIF.unplug: what a PIF depends on, and what depends on it."""

from dataclasses import replace
from typing import NoReturn

from xenhost.agent.network import abilities, keys
from xenhost.agent.network.changes.draft import Draft
from xenhost.core.network_errors import (
    CannotPlugBondSlave,
    PifDeviceNotFound,
    PifDoesNotAllowUnplug,
    PifIsManagementInterface,
    PifTunnelStillExists,
    PifVlanStillExists,
    TransportPifNotConfigured,
)
from xenhost.core.network_records import Pif, PifId, PifKind


def plug(draft: Draft, pif: PifId) -> None:
    """Plug it, what it depends on first."""
    found = draft.managed(pif)
    if (bond := draft.member_of(pif)) is not None:
        master = draft.pif(bond.master)
        message = f"PIF {found.device} is a member of {master.device}; plug {master.device}"
        raise CannotPlugBondSlave(message, PIF=pif)
    _plug_below(draft, found)
    mtu = keys.mtu(found.other_config, draft.network(found.network).mtu)
    draft.pifs[pif] = replace(found, plugged=True, mtu=mtu)


def unplug(draft: Draft, pif: PifId) -> None:
    """Unplug it, if nothing needs it."""
    found = draft.managed(pif)
    check_not_management(draft, found)
    draft.check_unused(found.network)
    check_may_unplug(draft, found)
    check_no_users(draft, found)
    for physical in _cards(draft, found):
        for sriov in draft.sriovs_on(physical):
            if draft.pif(sriov.logical).plugged:
                unplug(draft, sriov.logical)
    draft.pifs[pif] = replace(found, plugged=False)


def check_not_management(draft: Draft, pif: Pif) -> None:
    """Raises PifIsManagementInterface."""
    if pif.management:
        raise PifIsManagementInterface(
            f"PIF {draft.name(pif)} is the management interface; make another one it first", PIF=pif.id
        )


def check_may_unplug(draft: Draft, pif: Pif) -> None:
    """Raises PifDoesNotAllowUnplug."""
    if pif.disallow_unplug:
        raise PifDoesNotAllowUnplug(
            f"PIF {draft.name(pif)} is marked with disallow_unplug; clear that mark first", PIF=pif.id
        )


def check_no_users(draft: Draft, pif: Pif) -> None:
    """Raises PifVlanStillExists, PifTunnelStillExists if plugged VLANs or tunnels use it, or VIFs use these."""
    for vlan in draft.vlans_on(pif.id):
        if _is_up(draft, upper := draft.pif(vlan.untagged)):
            message = f"VLAN {draft.name(upper)} is plugged on PIF {pif.device}; unplug it first"
            raise PifVlanStillExists(message, PIF=pif.id)
    for tunnel in draft.tunnels_over(pif.id):
        if _is_up(draft, upper := draft.pif(tunnel.access)):
            message = f"{upper.device} is plugged and goes over PIF {draft.name(pif)}; unplug it first"
            raise PifTunnelStillExists(message, PIF=pif.id)


def _is_up(draft: Draft, pif: Pif) -> bool:
    return pif.plugged or draft.is_used(pif.network)


def _cards(draft: Draft, pif: Pif) -> tuple[PifId, ...]:
    if pif.kind is PifKind.PHYSICAL:
        return (pif.id,)
    bond = draft.bond_of(pif.id) if pif.kind is PifKind.BOND else None
    return bond.members if bond else ()


def _plug_below(draft: Draft, pif: Pif) -> None:
    match pif.kind:
        case PifKind.PHYSICAL:
            if pif.device not in draft.facts.nics:
                _no_card(pif.device)
        case PifKind.BOND:
            if (bond := draft.bond_of(pif.id)) is not None:
                abilities.check_bond(bond.mode, bond.properties, draft.facts)
                devices = [draft.pif(member).device for member in bond.members]
                if not any(device in draft.facts.nics for device in devices):
                    _no_card(", ".join(devices))
        case PifKind.VLAN:
            plug(draft, draft.vlan(pif.id).tagged)
        case PifKind.TUNNEL:
            if (tunnel := draft.tunnel_to(pif.id)) is not None:
                abilities.check_tunnel(tunnel.protocol, draft.facts)
                transport = draft.managed(tunnel.transport)
                if not transport.has_ip:
                    message = f"{pif.device} goes over PIF {draft.name(transport)}, which has no address; set one first"
                    raise TransportPifNotConfigured(message, PIF=transport.id)
                plug(draft, tunnel.transport)
        case PifKind.SRIOV:
            if (sriov := draft.sriov_of(pif.id)) is not None:
                bond = draft.member_of(sriov.physical)
                plug(draft, bond.master if bond else sriov.physical)


def _no_card(device: str) -> NoReturn:
    raise PifDeviceNotFound(f"this host has no network card {device}")
