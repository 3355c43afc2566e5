"""What is wanted while it is being changed: a copy, with look-ups that raise, and the relations of its records."""

from collections.abc import Collection
from dataclasses import replace
from typing import Final, NoReturn

from xenhost.agent.network import names
from xenhost.agent.network.facts import Facts
from xenhost.core.errors import HandleInvalid, InvalidValue
from xenhost.core.network_errors import NetworkAlreadyConnected, PifUnmanaged, VifInUse
from xenhost.core.network_records import (
    Bond,
    BondId,
    Controller,
    ControllerId,
    Intent,
    Network,
    NetworkId,
    NetworkSriov,
    Pif,
    PifId,
    SriovId,
    Tunnel,
    TunnelId,
    Vlan,
)


class Draft:
    """Changed in place; `intent` is what came of it. An error leaves a draft that is thrown away."""

    def __init__(self, intent: Intent, facts: Facts) -> None:
        self._base: Final = intent
        self.facts: Final = facts
        self.networks: Final = dict(intent.networks)
        self.pifs: Final = dict(intent.pifs)
        self.bonds: Final = dict(intent.bonds)
        self.vlans: Final = dict(intent.vlans)
        self.tunnels: Final = dict(intent.tunnels)
        self.sriovs: Final = dict(intent.sriovs)
        self.controllers: Final = dict(intent.controllers)
        self.pvs_sites: Final = dict(intent.pvs_sites)
        self.pvs_servers: Final = dict(intent.pvs_servers)
        self.pvs_proxies: Final = dict(intent.pvs_proxies)
        self.switch = intent.switch
        self.igmp_snooping = intent.igmp_snooping

    def intent(self) -> Intent:
        """The result."""
        return replace(
            self._base,
            networks=self.networks,
            pifs=self.pifs,
            bonds=self.bonds,
            vlans=self.vlans,
            tunnels=self.tunnels,
            sriovs=self.sriovs,
            controllers=self.controllers,
            pvs_sites=self.pvs_sites,
            pvs_servers=self.pvs_servers,
            pvs_proxies=self.pvs_proxies,
            switch=self.switch,
            igmp_snooping=self.igmp_snooping,
        )

    # records; all raise HandleInvalid

    def network(self, network: NetworkId) -> Network:
        """One of them."""
        return self.networks.get(network) or _missing("network", network)

    def pif(self, pif: PifId) -> Pif:
        """One of them."""
        return self.pifs.get(pif) or _missing("PIF", pif)

    def bond(self, bond: BondId) -> Bond:
        """One of them."""
        return self.bonds.get(bond) or _missing("Bond", bond)

    def vlan(self, untagged: PifId) -> Vlan:
        """One of them."""
        return self.vlans.get(untagged) or _missing("VLAN", untagged)

    def tunnel(self, tunnel: TunnelId) -> Tunnel:
        """One of them."""
        return self.tunnels.get(tunnel) or _missing("tunnel", tunnel)

    def sriov(self, sriov: SriovId) -> NetworkSriov:
        """One of them."""
        return self.sriovs.get(sriov) or _missing("network_sriov", sriov)

    def controller(self, controller: ControllerId) -> Controller:
        """One of them."""
        return self.controllers.get(controller) or _missing("SDN_controller", controller)

    def managed(self, pif: PifId) -> Pif:
        """A PIF that is ours to change. Raises PifUnmanaged."""
        found = self.pif(pif)
        if not found.managed:
            raise PifUnmanaged(f"PIF {found.device} is not managed by xenhost; introduce it as managed", PIF=pif)
        return found

    # relations

    def member_of(self, pif: PifId) -> Bond | None:
        """The bond that a PIF is a member of."""
        return next((bond for bond in self.bonds.values() if pif in bond.members), None)

    def bond_of(self, master: PifId) -> Bond | None:
        """The bond of a master PIF."""
        return next((bond for bond in self.bonds.values() if bond.master == master), None)

    def vlans_on(self, pif: PifId) -> list[Vlan]:
        """VLANs whose tagged PIF it is."""
        return [vlan for vlan in self.vlans.values() if vlan.tagged == pif]

    def tunnels_over(self, pif: PifId) -> list[Tunnel]:
        """Tunnels whose transport PIF it is."""
        return [tunnel for tunnel in self.tunnels.values() if tunnel.transport == pif]

    def tunnel_to(self, access: PifId) -> Tunnel | None:
        """The tunnel of an access PIF."""
        return next((tunnel for tunnel in self.tunnels.values() if tunnel.access == access), None)

    def sriov_of(self, logical: PifId) -> NetworkSriov | None:
        """The network of virtual functions that a logical PIF stands for."""
        return next((sriov for sriov in self.sriovs.values() if sriov.logical == logical), None)

    def sriovs_on(self, physical: PifId) -> list[NetworkSriov]:
        """Networks of virtual functions of a PIF; one at most."""
        return [sriov for sriov in self.sriovs.values() if sriov.physical == physical]

    def pif_on(self, network: NetworkId) -> Pif | None:
        """The PIF that connects this host to a network."""
        return next((pif for pif in self.pifs.values() if pif.network == network), None)

    def management(self) -> Pif | None:
        """The management interface."""
        return next((pif for pif in self.pifs.values() if pif.management), None)

    # names

    def name(self, pif: Pif) -> str:
        """What it is called in messages: `eth0`, `eth0.5`."""
        vlan = self.vlans.get(pif.id)
        return pif.device if vlan is None else f"{pif.device}.{vlan.tag}"

    def taken(self) -> set[str]:
        """Names of interfaces and bridges that nothing new may have."""
        found = {*self.facts.foreign_bridges, *self.facts.nics}
        found |= {network.bridge for network in self.networks.values()}
        tags = {vlan.untagged: vlan.tag for vlan in self.vlans.values()}
        found |= {names.interface(pif, tags) for pif in self.pifs.values()}
        return found

    # checks

    def check_new(self, class_name: str, new: str, records: Collection[str]) -> None:
        """Raises InvalidValue if there is such a record already."""
        if new in records:
            raise InvalidValue(f"there is a {class_name} {new}; choose another UUID", field="id", value=new)

    def check_free(self, network: NetworkId) -> Network:
        """A network that this host is not connected to. Raises NetworkAlreadyConnected."""
        found = self.network(network)
        if (pif := self.pif_on(network)) is not None:
            raise NetworkAlreadyConnected(
                f"network {found.name or found.bridge} is connected by PIF {self.name(pif)}; use another network",
                network=network,
                connected_PIF=pif.id,
            )
        return found

    def is_used(self, network: NetworkId) -> bool:
        """Are VIFs on it?"""
        return bool(self.facts.vifs.get(self.network(network).bridge))

    def check_unused(self, network: NetworkId) -> None:
        """Raises VifInUse."""
        found = self.network(network)
        vifs = self.facts.vifs.get(found.bridge, ())
        if not vifs:
            return
        label = found.name or found.bridge
        raise VifInUse(
            f"VIF {vifs[0].devid} of VM {vifs[0].vm} is on network {label}; unplug it, or move it to another one",
            network=network,
            VIF=f"{vifs[0].vm}/{vifs[0].devid}",
        )


def _missing(class_name: str, handle: str) -> NoReturn:
    raise HandleInvalid(f"there is no {class_name} {handle!r:.80}", class_name=class_name, handle=handle[:80])
