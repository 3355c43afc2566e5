"""Where something is: the bridges and interfaces that a change, a PIF or a problem is about."""

from collections.abc import Iterable, Mapping
from typing import Final

from xenhost.agent.network.wishes.wish import Wish
from xenhost.core.network import CONTROLLERS, BondUplink, Bridge, IpConfig, NicUplink, VlanUplink
from xenhost.core.network_records import Intent, Pif, PifKind
from xenhost.core.pvs import PVS

NO_IP: Final = IpConfig()
EVERYWHERE: Final = "*"
"""Place of a problem that keeps everything from being made."""


def of_bridge(bridge: Bridge) -> frozenset[str]:
    """The bridge, its uplink, and the cards of that."""
    match bridge.uplink:
        case NicUplink(device=device):
            return frozenset({bridge.name, device})
        case BondUplink(device=device, members=members):
            return frozenset({bridge.name, device, *members})
        case VlanUplink(parent_device=device, tag=tag):
            return frozenset({bridge.name, f"{device}.{tag}"})
        case _:
            return frozenset({bridge.name})


def touched(before: Wish, after: Wish) -> frozenset[str]:
    """Everything that a change from one to the other is about."""
    found: set[str] = set()
    old = {bridge.name: bridge for bridge in before.topology.bridges}
    new = {bridge.name: bridge for bridge in after.topology.bridges}
    for name in old.keys() | new.keys():
        if old.get(name) != new.get(name):
            for bridge in (old.get(name), new.get(name)):
                found |= of_bridge(bridge) if bridge is not None else set()
    if before.topology.controllers != after.topology.controllers:
        found.add(CONTROLLERS)
    if before.topology.proxies != after.topology.proxies:
        found.add(PVS)
    was, shall = before.addresses, after.addresses
    found |= _differing(was.interfaces, shall.interfaces)
    if (was.gateway_interface, was.dns_interface, was.dns) != (
        shall.gateway_interface,
        shall.dns_interface,
        shall.dns,
    ):
        found |= {was.gateway_interface, was.dns_interface, shall.gateway_interface, shall.dns_interface} - {""}
    return frozenset(found | _differing(before.nics, after.nics))


def _differing(old: Mapping[str, object], new: Mapping[str, object]) -> set[str]:
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def device_of(intent: Intent, pif: Pif) -> str:
    """What people call it: `eth0`, `bond0`, `eth0.5`."""
    vlan = intent.vlans.get(pif.id)
    return pif.device if vlan is None else f"{pif.device}.{vlan.tag}"


def of_pif(intent: Intent, pif: Pif) -> frozenset[str]:
    """Its bridge, its device, and of a bond the members."""
    network = intent.networks.get(pif.network)
    found = {device_of(intent, pif)} | ({network.bridge} if network is not None else set())
    if pif.kind is PifKind.BOND:
        for bond in intent.bonds.values():
            if bond.master == pif.id:
                found |= {intent.pifs[member].device for member in bond.members if member in intent.pifs}
    return frozenset(found)


def first_pif(intent: Intent, places: Iterable[str]) -> Pif | None:
    """A PIF that is there."""
    wanted = set(places)
    return next((pif for pif in intent.pifs.values() if wanted & of_pif(intent, pif)), None)
