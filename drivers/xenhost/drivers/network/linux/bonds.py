"""What the words of XenAPI mean to the kernel's bonding driver. Pure.

| | bonding |
|---|---|
| active-backup | active-backup, the first member is primary |
| lacp | 802.3ad; src_mac: vlan+srcmac, tcpudp_ports: layer3+4; lacp-aggregation-key: the actor's user key |
| balance-slb | balance-xor by vlan+srcmac, with the rules of `slb_rules` |

lacp-fallback-ab=true is how 802.3ad works: without an LACP partner one member carries all traffic. It cannot be
switched off: `false` is refused before it comes here (SwitchFeature.LACP_STRICT), and changes nothing.
rebalance-interval means nothing: the kernel spreads by hash and does not move what it has spread.

Source: linux/Documentation/networking/bonding.rst.
"""

from collections.abc import Mapping
from typing import Final

from xenhost.core.network import BondMode, BondUplink

_MODES: Final = {BondMode.ACTIVE_BACKUP: 1, BondMode.BALANCE_SLB: 2, BondMode.LACP: 4}
LACP: Final = 4
_LAYER34, _VLAN_SRCMAC = 1, 5
_LONGEST: Final = 24 * 3600 * 1000
_MAX_KEY: Final = 1023

AT_REST: Final = frozenset({"bond_mode", "bond_ad_lacp_rate", "bond_ad_user_port_key"})
"""Options that change only while the bond is down and has no members."""


def bond_options(bond: BondUplink) -> dict[str, int]:
    """Options as pyroute2 calls them, but for the primary. Numbers that make no sense become the default."""
    miimon = _number(bond.properties, "miimon", 100, 1, _LONGEST)
    options = {
        "bond_mode": _MODES[bond.mode],
        "bond_miimon": miimon,
        # the kernel rounds down to multiples of miimon: do the same, or they differ for ever
        "bond_updelay": _number(bond.properties, "updelay", 31000, 0, _LONGEST) // miimon * miimon,
        "bond_downdelay": _number(bond.properties, "downdelay", 200, 0, _LONGEST) // miimon * miimon,
    }
    if bond.mode is BondMode.BALANCE_SLB:
        options["bond_xmit_hash_policy"] = _VLAN_SRCMAC
    if bond.mode is BondMode.LACP:
        by_source = bond.properties.get("hashing_algorithm") == "src_mac"
        options["bond_xmit_hash_policy"] = _VLAN_SRCMAC if by_source else _LAYER34
        options["bond_ad_lacp_rate"] = int(bond.properties.get("lacp-time") == "fast")
        options["bond_ad_user_port_key"] = _number(bond.properties, "lacp-aggregation-key", 0, 0, _MAX_KEY)
    return options


def _number(properties: Mapping[str, str], key: str, default: int, least: int, most: int) -> int:
    try:
        value = int(properties.get(key, ""))
    except ValueError:
        return default
    return min(max(value, least), most)
