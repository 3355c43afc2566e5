"""The bridges that there shall be."""

from collections.abc import Iterator, Mapping
from typing import Final

from xenhost.agent.network import abilities, keys
from xenhost.agent.network.facts import Facts
from xenhost.agent.network.wishes.problems import Problems
from xenhost.agent.network.wishes.relations import Relations
from xenhost.agent.network.wishes.uplinks import Uplinks
from xenhost.core.network import Bridge, FailMode, SwitchFeature, Topology, TunnelProtocol, Uplink
from xenhost.core.network_records import Network, Pif, PifId, PifKind
from xenhost.core.network_settings import MIN_MTU

OVERHEAD: Final = {TunnelProtocol.GRE: 42, TunnelProtocol.VXLAN: 50}
"""Bytes that a frame's payload grows by in a tunnel over IPv4: inner Ethernet header, IP, and GRE with key or VXLAN."""
IPV6_MORE: Final = 20
_ORDER: Final = (PifKind.PHYSICAL, PifKind.BOND, PifKind.VLAN, PifKind.TUNNEL)


class Bridges:
    """Makes the topology."""

    def __init__(self, relations: Relations, facts: Facts, problems: Problems) -> None:
        self._relations: Final = relations
        self._facts: Final = facts
        self._problems: Final = problems
        self._uplinks: Final = Uplinks(relations, facts, problems)
        self._mtus: Final[dict[PifId, int]] = {}

    def topology(self) -> Topology:
        """All of it, what others stand on first."""
        found: dict[str, Bridge] = {}
        for bridge in [*self._connected(), *self._internal()]:
            if bridge.name in found:
                self._problems.at(bridge.name)("two networks have this bridge; destroy one of them")
            else:
                found[bridge.name] = bridge
        return Topology(tuple(found.values()))

    def mtu(self, pif: Pif) -> int:
        """Of a PIF and its bridge: what it shall have, and what is under it can carry."""
        if pif.id not in self._mtus:
            network = self._relations.network(pif)
            default = network.mtu if network else pif.mtu
            wanted = keys.mtu(pif.other_config, default, self._problems.at(self._relations.interface(pif)))
            self._mtus[pif.id] = wanted  # records that go round in a circle end here
            self._mtus[pif.id] = self._possible(pif, wanted)
        return self._mtus[pif.id]

    def cards(self, pif: Pif) -> list[Pif]:
        """See Uplinks."""
        return self._uplinks.cards(pif)

    def _connected(self) -> Iterator[Bridge]:
        relations = self._relations
        of_kind: dict[PifKind, list[Pif]] = {kind: [] for kind in PifKind}
        for pif in relations.pifs_up():
            of_kind[pif.kind].append(pif)
        for kind in _ORDER:
            for pif in of_kind[kind]:
                network = relations.network(pif)
                if network is None:
                    self._problems.at(relations.interface(pif))("its network is not there; remove the PIF")
                elif relations.has_bridge(pif):
                    below = relations.tagged(pif) if kind is PifKind.VLAN else pif
                    mac = below.mac if below else ""
                    yield self._bridge(network, pif.other_config, self._uplinks.of(pif), mac, self.mtu(pif))

    def _internal(self) -> Iterator[Bridge]:
        """Networks that VIFs need and no PIF that can be up connects."""
        relations = self._relations
        for network in relations.intent.networks.values():
            if network.bridge not in relations.needed:
                continue
            pif = relations.pif_on.get(network.id)
            if pif is None:
                yield self._bridge(network, {}, None, "", network.mtu)
            elif bond := relations.bond_with.get(pif.id):
                master = relations.intent.pifs.get(bond.master)
                device = master.device if master else "its bond"
                message = f"{pif.device} is a member of {device}, so this network leads nowhere; move its VIFs"
                self._problems.at(network.bridge)(message)
                yield self._bridge(network, {}, None, "", network.mtu)

    def _bridge(
        self, network: Network, pif_config: Mapping[str, str], uplink: Uplink | None, mac: str, mtu: int
    ) -> Bridge:
        config = {**network.other_config, **pif_config}
        complain = self._problems.at(network.bridge)
        fail_mode = keys.fail_mode(config, complain)
        if fail_mode is FailMode.SECURE and SwitchFeature.FAIL_MODE not in self._facts.features:
            complain(abilities.message(SwitchFeature.FAIL_MODE, self._facts))
            fail_mode = None
        can_snoop = SwitchFeature.IGMP_SNOOPING in self._facts.features
        return Bridge(
            name=network.bridge,
            network=network.id,
            uplink=uplink,
            mac=mac,
            mtu=mtu,
            igmp_snooping=self._relations.intent.igmp_snooping if can_snoop else None,
            fail_mode=fail_mode,
            disable_in_band=keys.flag(config, keys.DISABLE_IN_BAND, complain),
        )

    def _possible(self, pif: Pif, wanted: int) -> int:
        """A VLAN can carry no more than what it is on, which is worth a complaint; a tunnel has its overhead."""
        relations = self._relations
        if pif.kind is PifKind.VLAN and (tagged := relations.tagged(pif)) is not None:
            most = self.mtu(tagged)
            if wanted > most:
                self._problems.at(relations.interface(pif))(
                    f"its MTU shall be {wanted}, but {relations.interface(tagged)} has {most}; set that one's first"
                )
            return min(wanted, most)
        tunnel = relations.tunnel_to.get(pif.id)
        transport = relations.transport(pif)
        if pif.kind is PifKind.TUNNEL and tunnel is not None and transport is not None:
            over_ipv6 = bool(tunnel.remotes) and tunnel.remotes[0].version == 6
            overhead = OVERHEAD[tunnel.protocol] + (IPV6_MORE if over_ipv6 else 0)
            return max(min(wanted, self.mtu(transport) - overhead), MIN_MTU)
        return wanted
