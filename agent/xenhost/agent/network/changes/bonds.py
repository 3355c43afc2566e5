"""Changes of bonds."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from xenhost.agent.network import abilities, keys, names
from xenhost.agent.network.changes.addressing import has_primary
from xenhost.agent.network.changes.draft import Draft
from xenhost.agent.network.changes.inheritance import move_all
from xenhost.agent.network.facts import Facts
from xenhost.core.errors import InvalidValue
from xenhost.core.network import BondMode, SwitchFeature
from xenhost.core.network_errors import (
    IncompatiblePifProperties,
    IsTunnelAccessPif,
    PifAlreadyBonded,
    PifBondMoreThanOneIp,
    PifBondNeedsMoreMembers,
    PifIncompatiblePrimaryAddressType,
    PifIsSriovLogical,
    PifVlanExists,
)
from xenhost.core.network_records import Bond, BondId, Pif, PifId, PifKind
from xenhost.core.network_requests import CreateBond, DestroyBond, UpdateBond


def create(draft: Draft, request: CreateBond) -> None:
    """What the members had moves to the bond, which is plugged. Raises errors that say why they cannot be one."""
    draft.check_new("Bond", request.id, draft.bonds)
    draft.check_new("PIF", request.master, draft.pifs)
    network = draft.check_free(request.network)
    properties = checked_properties(request.mode, request.properties, draft.facts)
    members = [_checked_member(draft, pif) for pif in dict.fromkeys(request.members)]
    if len(members) < 2:
        raise PifBondNeedsMoreMembers("a bond needs two members or more")
    with_ip = [pif for pif in members if pif.has_ip]
    if len(with_ip) > 1:
        found = " and ".join(pif.device for pif in with_ip)
        raise PifBondMoreThanOneIp(f"PIFs {found} have addresses; only one member of a bond may")
    primary = _primary(members)
    _check_alike(draft, primary, members)
    master = Pif(
        id=request.master,
        kind=PifKind.BOND,
        device=names.first_free("bond", draft.taken()),
        network=network.id,
        mac=request.mac or primary.mac,
        mtu=network.mtu,
        plugged=True,
        primary=primary.primary,
        properties=primary.properties,
    )
    draft.pifs[master.id] = master
    ordered = (primary.id, *(pif.id for pif in members if pif.id != primary.id))
    draft.bonds[request.id] = Bond(request.id, master.id, (), request.mode, properties, bool(request.mac))
    _enslave(draft, request.id, ordered)


def update(draft: Draft, request: UpdateBond) -> None:
    """Mode, properties (those that are given; an empty one goes back to its default) and members, the first primary."""
    old = draft.bond(request.bond)
    mode = old.mode if request.mode is None else request.mode
    properties = dict(old.properties) if mode is old.mode else _usable(mode, old.properties)
    for name, value in (request.properties or {}).items():
        if value:
            properties[name] = value
        else:
            properties.pop(name, None)
    if request.mode is not None or request.properties is not None:
        properties = checked_properties(mode, properties, draft.facts)
    draft.bonds[old.id] = replace(old, mode=mode, properties=properties)
    if request.members is not None:
        _set_members(draft, old.id, tuple(dict.fromkeys(request.members)))


def destroy(draft: Draft, request: DestroyBond) -> None:
    """What it had moves to its primary member; members are plugged if it was."""
    bond = draft.bond(request.bond)
    master = draft.pif(bond.master)
    del draft.bonds[bond.id]
    for member in bond.members:
        _release(draft, member, master.plugged)
    move_all(draft, master.id, bond.members[0])
    del draft.pifs[master.id]


def checked_properties(mode: BondMode, properties: Mapping[str, str], facts: Facts) -> dict[str, str]:
    """Bond.properties with their defaults. Raises InvalidValue, SwitchCannot."""
    for name, value in properties.items():
        if mode is not BondMode.LACP or name not in keys.BOND_VALUES:
            raise _wrong(f"{name} = {value}", f"has no property {name} in mode {mode.value}")
        if why := keys.bond_property_fault(name, value):
            raise _wrong(f"{name} = {value}", f"property {name} {why}")
    complete = {**_defaults(mode, facts), **properties}
    abilities.check_bond(mode, complete, facts)
    return complete


def _defaults(mode: BondMode, facts: Facts) -> dict[str, str]:
    if mode is not BondMode.LACP:
        return {}
    fallback = SwitchFeature.LACP_FALLBACK in facts.features
    return {
        "hashing_algorithm": "tcpudp_ports",
        "lacp-time": "slow",
        "lacp-fallback-ab": "true" if fallback else "false",
    }


def _usable(mode: BondMode, properties: Mapping[str, str]) -> dict[str, str]:
    return dict(properties) if mode is BondMode.LACP else {}


def _checked_member(draft: Draft, pif: PifId) -> Pif:
    found = draft.managed(pif)
    label = draft.name(found)
    if found.kind is PifKind.BOND or draft.member_of(pif):
        raise PifAlreadyBonded(f"PIF {label} is in a bond already; take it out first", PIF=pif)
    if found.kind is PifKind.VLAN:
        raise PifVlanExists(f"PIF {label} is that of a VLAN; bond the cards, and its VLANs move to the bond", PIF=pif)
    if found.kind is PifKind.TUNNEL:
        raise IsTunnelAccessPif(f"PIF {label} is the access PIF of a tunnel and cannot be in a bond", PIF=pif)
    if found.kind is PifKind.SRIOV:
        raise PifIsSriovLogical(f"PIF {label} stands for virtual functions and cannot be in a bond", PIF=pif)
    return found


def _primary(members: list[Pif]) -> Pif:
    """The management interface, else the one with addresses, else the first."""
    for fits in (lambda pif: pif.management, has_primary, lambda pif: pif.has_ip):
        if found := next(filter(fits, members), None):
            return found
    return members[0]


def _check_alike(draft: Draft, example: Pif, others: Iterable[Pif]) -> None:
    for pif in others:
        if pif.primary is not example.primary:
            raise PifIncompatiblePrimaryAddressType(
                f"PIF {pif.device} has {pif.primary.value} for its primary address, {example.device}"
                f" {example.primary.value}; make them alike",
                PIF=pif.id,
            )
        if pif.properties != example.properties:
            raise IncompatiblePifProperties(
                f"PIFs {example.device} and {pif.device} have different properties; make them alike"
            )


def _set_members(draft: Draft, bond: BondId, members: tuple[PifId, ...]) -> None:
    old = draft.bond(bond)
    if len(members) < 2:
        raise PifBondNeedsMoreMembers("a bond needs two members or more")
    added = [_checked_member(draft, pif) for pif in members if pif not in old.members]
    _check_alike(draft, draft.pif(old.master), added)
    for pif in old.members:
        if pif not in members:
            _release(draft, pif, False)
    _enslave(draft, bond, members)


def _enslave(draft: Draft, bond: BondId, members: tuple[PifId, ...]) -> None:
    """Make these the members: those that are new give what they have."""
    old = draft.bond(bond)
    draft.bonds[bond] = replace(old, members=members)
    master = draft.pif(old.master)
    network = draft.network(master.network)
    if not old.mac_given:
        draft.pifs[master.id] = replace(master, mac=draft.pif(members[0]).mac)
    for member in members:
        move_all(draft, member, master.id)
        pif = replace(draft.pif(member), plugged=False)
        draft.pifs[member] = pif
        draft.networks[pif.network] = replace(draft.network(pif.network), mtu=network.mtu)


def _release(draft: Draft, member: PifId, plugged: bool) -> None:
    """A member stands alone: unplugged or not, but its virtual functions need it."""
    needed = any(draft.pif(sriov.logical).plugged for sriov in draft.sriovs_on(member))
    pif = draft.pif(member)
    mtu = keys.mtu(pif.other_config, draft.network(pif.network).mtu)
    draft.pifs[member] = replace(pif, plugged=plugged or needed, mtu=mtu)


def _wrong(value: str, why: str) -> InvalidValue:
    return InvalidValue(f"a bond {why}"[:300], field="properties", value=value[:80])
