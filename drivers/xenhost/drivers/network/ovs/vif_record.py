"""What Open vSwitch's database keeps of a VIF's port: enough to make its rules anew when ovs-vswitchd forgot them.

It is in external_ids of the port (`xenhost-vif`), beside what XenServer's tools look for on the interface.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from xenhost.core.network import LockingMode, VifPort
from xenhost.drivers.network.ovs.rules import Allowed, is_bound
from xenhost.drivers.network.ovs.values import EMPTY, Row, Value

VIF_KEY: Final = "xenhost-vif"
DISABLED_KEY: Final = "xenhost-disabled-"
"""In external_ids of the root, followed by the interface: a VIF that is on no bridge because it is disabled."""
_MAC: Final = re.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True)
class VifRecord:
    """Where the port belongs, and what it may do."""

    bridge: str
    """As it was asked for: real, or a VLAN's."""
    allowed: Allowed
    trunks: frozenset[int] = frozenset()


def record_of(port: VifPort) -> VifRecord:
    """Of what is wished."""
    allowed = Allowed(port.locking, port.mac.lower(), port.ipv4_allowed, port.ipv6_allowed, bool(port.trunks))
    return VifRecord(port.bridge, allowed, port.trunks)


def write(record: VifRecord) -> str:
    """As text."""
    allowed = record.allowed
    fields = {
        "bridge": record.bridge,
        "locking": allowed.locking,
        "mac": allowed.mac,
        "ipv4": sorted(map(str, allowed.ipv4)),
        "ipv6": sorted(map(str, allowed.ipv6)),
        "trunks": sorted(record.trunks),
    }
    return json.dumps(fields, separators=(",", ":"), sort_keys=True)


def read(port: Row) -> VifRecord | None:
    """Of a port as found; None if it is not a VIF of ours. What cannot be read may send nothing."""
    untrusted_text = port.mapping("external_ids").get(VIF_KEY)
    if untrusted_text is None:
        return None
    try:
        fields = json.loads(untrusted_text)
        if not _MAC.fullmatch(fields["mac"]):
            raise ValueError("no MAC address")
        trunks = frozenset(map(int, fields["trunks"]))
        allowed = Allowed(
            LockingMode(fields["locking"]),
            fields["mac"],
            frozenset(map(IPv4Network, fields["ipv4"])),
            frozenset(map(IPv6Network, fields["ipv6"])),
            bool(trunks),
        )
        return VifRecord(str(fields["bridge"]), allowed, trunks)
    except (ValueError, KeyError, TypeError, RecursionError):
        return VifRecord("", Allowed(LockingMode.LOCKED, "00:00:00:00:00:00"))


def vlans(tag: int | None, trunks: frozenset[int]) -> Mapping[str, Value]:
    """The columns that say which VLANs a VIF's port carries: `tag` is that of its bridge if that is a VLAN's.

    A port of Open vSwitch carries every VLAN unless it is told not to.
    """
    if trunks:
        return {"vlan_mode": "trunk", "tag": EMPTY, "trunks": frozenset({0, *trunks})}
    return {"vlan_mode": "access", "tag": tag or 0, "trunks": EMPTY}


def interface_ids(port: VifPort) -> dict[str, str | None]:
    """The external_ids of the interface."""
    ids = {
        "attached-mac": port.mac.lower(),
        "xs-vm-uuid": port.vm,
        "xs-vif-uuid": port.vif,
        "xs-network-uuid": port.network,
    }
    return {key: value or None for key, value in ids.items()}


def is_locked(port: Row) -> bool:
    """Is it the port of a VIF with rules?"""
    record = read(port)
    return record is not None and is_bound(record.allowed)
