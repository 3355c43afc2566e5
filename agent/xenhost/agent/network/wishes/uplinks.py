"""What is on a bridge beside VIFs: a card, a bond, a VLAN, a tunnel."""

from ipaddress import IPv4Address, IPv6Address
from typing import Final

from xenhost.agent.network import abilities, keys
from xenhost.agent.network.changes.tunnels import key_of
from xenhost.agent.network.facts import Facts
from xenhost.agent.network.wishes.problems import Problems
from xenhost.agent.network.wishes.relations import Relations
from xenhost.core.network import (
    BondMode,
    BondUplink,
    Ipv4Mode,
    Ipv6Mode,
    NicUplink,
    SwitchFeature,
    TunnelUplink,
    Uplink,
    VlanUplink,
)
from xenhost.core.network_records import Pif, PifId, PifKind, Tunnel


class Uplinks:
    """Makes uplinks. One that cannot be is None and a problem: the bridge stays, with the VIFs on it."""

    def __init__(self, relations: Relations, facts: Facts, problems: Problems) -> None:
        self._relations: Final = relations
        self._facts: Final = facts
        self._problems: Final = problems
        self._made: Final[dict[PifId, Uplink | None]] = {}

    def of(self, pif: Pif) -> Uplink | None:
        """That of a PIF."""
        if pif.id not in self._made:
            self._made[pif.id] = None  # records that go round in a circle end here
            self._made[pif.id] = self._uplink(pif)
        return self._made[pif.id]

    def cards(self, pif: Pif) -> list[Pif]:
        """Those cards under a physical PIF or a bond that are there."""
        members = self._relations.members(pif) if pif.kind is PifKind.BOND else [pif]
        return [member for member in members if member.device in self._facts.nics]

    def _uplink(self, pif: Pif) -> Uplink | None:
        match pif.kind:
            case PifKind.PHYSICAL:
                return NicUplink(pif.device) if self._is_there(pif) else None
            case PifKind.BOND:
                return self._bond(pif)
            case PifKind.VLAN:
                return self._vlan(pif)
            case PifKind.TUNNEL:
                tunnel = self._relations.tunnel_to.get(pif.id)
                return self._tunnel(pif, tunnel) if tunnel else None
            case PifKind.SRIOV:
                return None

    def _is_there(self, pif: Pif) -> bool:
        if pif.device in self._facts.nics:
            return True
        self._problems.at(pif.device)(
            f"there is no network card {pif.device}; its network leads nowhere until there is"
        )
        return False

    def _bond(self, pif: Pif) -> BondUplink | None:
        bond = self._relations.bond_of.get(pif.id)
        if bond is None:
            return None
        members = tuple(member.device for member in self._relations.members(pif) if self._is_there(member))
        complain = self._problems.at(pif.device)
        override, given = keys.bond_overrides(pif.other_config, complain)
        mode = override or bond.mode
        properties = {**keys.BOND_DEFAULTS, **bond.properties, **given}
        if mode is BondMode.LACP:
            properties.pop("rebalance-interval", None)
            properties.update({name: value for name, value in given.items() if name == "rebalance-interval"})
        else:
            properties = {name: value for name, value in properties.items() if name not in keys.BOND_VALUES}
        if feature := abilities.missing_of_bond(mode, properties, self._facts):
            complain(abilities.message(feature, self._facts))
            return None
        if abilities.falls_back(mode, properties, self._facts):
            complain(abilities.message(SwitchFeature.LACP_STRICT, self._facts))
        return BondUplink(pif.device, members, mode, pif.mac, properties) if members else None

    def _vlan(self, pif: Pif) -> VlanUplink | None:
        """Its tagged PIF is up, as all that a PIF that is up depends on is."""
        vlan = self._relations.intent.vlans.get(pif.id)
        tagged = self._relations.tagged(pif)
        parent = self._relations.network(tagged) if tagged else None
        if vlan is None or tagged is None or parent is None:
            self._problems.at(self._relations.interface(pif))("its tagged PIF is not there; destroy the VLAN")
            return None
        return VlanUplink(parent.bridge, tagged.device, vlan.tag) if self.of(tagged) else None

    def _tunnel(self, pif: Pif, tunnel: Tunnel) -> TunnelUplink | None:
        transport = self._relations.transport(pif)
        complain = self._problems.at(pif.device)
        if feature := abilities.missing_of_tunnel(tunnel.protocol, self._facts):
            complain(abilities.message(feature, self._facts))
            return None
        if transport is None or not transport.has_ip:
            complain("its transport PIF has no address; configure one")
            return None
        own = own_addresses(transport)
        remotes = tuple(remote for remote in tunnel.remotes if remote not in own)
        if not remotes:
            return None  # whoever controls the switch makes the ports
        local = next((address for address in own if address.version == remotes[0].version), None)
        return TunnelUplink(tunnel.protocol, remotes, key_of(tunnel, pif.network), local)


def own_addresses(pif: Pif) -> list[IPv4Address | IPv6Address]:
    """Those that are known before the interface has them."""
    found: list[IPv4Address | IPv6Address] = []
    if pif.ipv4.mode is Ipv4Mode.STATIC and pif.ipv4.address is not None:
        found.append(pif.ipv4.address.ip)
    if pif.ipv6.mode is Ipv6Mode.STATIC:
        found += [address.ip for address in pif.ipv6.addresses]
    return found
