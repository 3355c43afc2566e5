"""Where VIFs go when a change takes the uplink of their bridge elsewhere."""

from collections.abc import Iterator, Mapping

from xenhost.core.network_records import Intent, NetworkId, PifId, PifKind


def moves(before: Intent, after: Intent) -> Mapping[str, str]:
    """Bridges whose VIFs shall move, and where to: those of a new bond's members, of a destroyed bond, of merged VLANs.

    Until they have moved, `wish` keeps such a bridge, without uplink.
    """
    found = {}
    for old, new in _networks(before, after):
        if old in before.networks and new in after.networks and old != new:
            found[before.networks[old].bridge] = after.networks[new].bridge
    return found


def _networks(before: Intent, after: Intent) -> Iterator[tuple[NetworkId, NetworkId]]:
    was_member = {member for bond in before.bonds.values() for member in bond.members}
    master_of = {member: bond.master for bond in after.bonds.values() for member in bond.members}
    primary_of = {bond.master: bond.members[0] for bond in before.bonds.values() if bond.members}
    vlans = {(vlan.tagged, vlan.tag): vlan.untagged for vlan in after.vlans.values()}
    for pif in before.pifs.values():
        target: PifId | None = None
        if pif.id in master_of and pif.id not in was_member:
            target = master_of[pif.id]
        elif pif.kind is PifKind.BOND and pif.id not in after.pifs:
            target = primary_of.get(pif.id)
        elif pif.kind is PifKind.VLAN and pif.id not in after.pifs and pif.id in before.vlans:
            vlan = before.vlans[pif.id]
            target = vlans.get((master_of.get(vlan.tagged, vlan.tagged), vlan.tag))
        if target is not None and target in after.pifs:
            yield pif.network, after.pifs[target].network
