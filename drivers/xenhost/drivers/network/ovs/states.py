"""What bridges there are, and how the cards in bonds do. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from xenhost.core.network import BridgeState, MemberState
from xenhost.drivers.network.ovs.database import Database, Table
from xenhost.drivers.network.ovs.values import Row
from xenhost.drivers.network.ovs.vif_record import read
from xenhost.drivers.network.ovs.wishes import NETWORK_KEY, UPLINK_KEY

_MEMBER: Final = re.compile(r"^(?:member|slave) (\S{1,15}): (enabled|disabled)$", re.MULTILINE)
_ACTIVE: Final = re.compile(r"^\s+active (?:member|slave)$", re.MULTILINE)
_ONE_ACTIVE: Final = "active-backup"


def bridge_states(data: Database, bonds: Mapping[str, tuple[MemberState, ...]]) -> list[BridgeState]:
    """All, real and fake; `bonds` are the states that are known, by port."""
    found: list[BridgeState] = []
    for bridge in sorted(data.bridges(), key=lambda row: row.name):
        found += _of_bridge(data, bridge, bonds)
    return found


def _of_bridge(data: Database, bridge: Row, bonds: Mapping[str, tuple[MemberState, ...]]) -> Iterator[BridgeState]:
    ports = sorted(data.ports(bridge), key=lambda row: row.name)
    uplink = next((port for port in ports if UPLINK_KEY in port.mapping("external_ids")), None)
    fakes = {port.number("tag"): port for port in ports if port.flag("fake_bridge")}
    members: dict[str, list[str]] = {bridge.name: [], **{port.name: [] for port in fakes.values()}}
    for port in ports:
        if port.flag("fake_bridge") or port.name == bridge.name:
            continue
        record = read(port)
        home = record.bridge if record is not None else ""
        if home not in members:
            tag = port.number("tag")
            home = fakes[tag].name if tag in fakes else bridge.name
        members[home].append(port.name)
    name = uplink.name if uplink is not None else ""
    states = bonds.get(name) or (bond_from_columns(data, uplink) if uplink is not None else ())
    network = bridge.mapping("external_ids").get(NETWORK_KEY, "")
    yield BridgeState(bridge.name, network, name, tuple(members[bridge.name]), states)
    for tag, port in sorted(fakes.items(), key=lambda item: item[1].name):
        device = f"{name}.{tag}" if name else ""
        inside = members[port.name] + ([device] if device else [])
        yield BridgeState(port.name, port.mapping("external_ids").get(NETWORK_KEY, ""), device, tuple(sorted(inside)))


def bond_ports(data: Database) -> list[Row]:
    """Every bond."""
    return [port for port in data.all(Table.PORT) if len(port.rows("interfaces")) > 1]


def bond_from_columns(data: Database, port: Row) -> tuple[MemberState, ...]:
    """The cards of a bond as the database tells: without the delays of the bond. Nothing if it is none."""
    interfaces = data.interfaces(port)
    if len(interfaces) < 2:
        return ()
    one = port.text("bond_mode") == _ONE_ACTIVE
    lacp = port.text("lacp") in ("active", "passive")
    states = []
    for each in interfaces:
        up = each.text("link_state") == "up" and (not lacp or each.flag("lacp_current") is True)
        active = up and (not one or each.text("mac_in_use") == port.text("bond_active_slave"))
        states.append(MemberState(each.name, up, active))
    return tuple(states)


def parse_bond(untrusted_text: str) -> tuple[MemberState, ...]:
    """The answer of ovs-vswitchd to bond/show; nothing if it is something else."""
    marks = list(_MEMBER.finditer(untrusted_text))
    one = f"bond_mode: {_ONE_ACTIVE}" in untrusted_text
    states = []
    for number, mark in enumerate(marks):
        end = marks[number + 1].start() if number + 1 < len(marks) else len(untrusted_text)
        enabled = mark.group(2) == "enabled"
        active = _ACTIVE.search(untrusted_text, mark.end(), end) is not None
        states.append(MemberState(mark.group(1), enabled, enabled and (active or not one)))
    return tuple(sorted(states, key=lambda each: each.device))
