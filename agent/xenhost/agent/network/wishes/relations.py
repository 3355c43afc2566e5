"""What is wanted, with its records found by their relations, and which PIFs have to be up. Built once a wish."""

from collections.abc import Iterable, Iterator
from typing import Final

from xenhost.agent.network import names
from xenhost.agent.network.facts import Facts
from xenhost.core.network_records import Bond, Intent, Network, NetworkId, NetworkSriov, Pif, PifId, PifKind, Tunnel


class Relations:
    """Nothing raises, whatever the records say: what is referred to and not there is None."""

    def __init__(self, intent: Intent, facts: Facts) -> None:
        self.intent: Final = intent
        self.tags: Final = {vlan.untagged: vlan.tag for vlan in intent.vlans.values()}
        self.bond_of: Final[dict[PifId, Bond]] = {bond.master: bond for bond in intent.bonds.values()}
        self.bond_with: Final[dict[PifId, Bond]] = {
            member: bond for bond in intent.bonds.values() for member in bond.members
        }
        self.tunnel_to: Final[dict[PifId, Tunnel]] = {tunnel.access: tunnel for tunnel in intent.tunnels.values()}
        self.sriov_of: Final[dict[PifId, NetworkSriov]] = {sriov.logical: sriov for sriov in intent.sriovs.values()}
        self.pif_on: Final[dict[NetworkId, Pif]] = {}
        for pif in intent.pifs.values():
            self.pif_on.setdefault(pif.network, pif)
        self.needed: Final = {*facts.needed, *(bridge for bridge, vifs in facts.vifs.items() if vifs)}
        self.up: Final = self._closed(self._wanted())

    def network(self, pif: Pif) -> Network | None:
        """Where it is."""
        return self.intent.networks.get(pif.network)

    def interface(self, pif: Pif) -> str:
        """What it is called: `eth0`, `eth0.5`."""
        return names.interface(pif, self.tags)

    def tagged(self, pif: Pif) -> Pif | None:
        """The PIF under that of a VLAN."""
        vlan = self.intent.vlans.get(pif.id)
        return self.intent.pifs.get(vlan.tagged) if vlan else None

    def transport(self, pif: Pif) -> Pif | None:
        """The PIF under the access PIF of a tunnel."""
        tunnel = self.tunnel_to.get(pif.id)
        return self.intent.pifs.get(tunnel.transport) if tunnel else None

    def members(self, pif: Pif) -> list[Pif]:
        """Of a bond's master, the primary first."""
        bond = self.bond_of.get(pif.id)
        found = (self.intent.pifs.get(member) for member in bond.members) if bond else ()
        return [member for member in found if member is not None]

    def has_bridge(self, pif: Pif) -> bool:
        """Virtual functions, and VLANs on them, are on none."""
        below = self.tagged(pif) if pif.kind is PifKind.VLAN else pif
        return below is None or below.kind is not PifKind.SRIOV

    def pifs_up(self) -> Iterator[Pif]:
        """Those that have to be up, in the order of their records."""
        return (pif for pif in self.intent.pifs.values() if pif.id in self.up)

    def _wanted(self) -> Iterator[PifId]:
        for pif in self.intent.pifs.values():
            network = self.network(pif)
            if pif.plugged or (network is not None and network.bridge in self.needed):
                yield pif.id

    def _closed(self, wanted: Iterable[PifId]) -> frozenset[PifId]:
        """With all that they depend on. Members of bonds are with their bond, and what is not managed is left alone."""
        found: set[PifId] = set()
        left = list(wanted)
        while left:
            pif = self.intent.pifs.get(left.pop())
            if pif is None or pif.id in found or not pif.managed or pif.id in self.bond_with:
                continue
            found.add(pif.id)
            below = self.tagged(pif) or self.transport(pif)
            if below is not None:
                left.append(below.id)
            if (sriov := self.sriov_of.get(pif.id)) is not None:
                bond = self.bond_with.get(sriov.physical)
                left.append(bond.master if bond else sriov.physical)
        return frozenset(found)
