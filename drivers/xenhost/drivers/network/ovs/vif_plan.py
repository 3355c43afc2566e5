"""The transaction that connects a VIF, or takes it off. Pure."""

from dataclasses import dataclass
from typing import Final

from xenhost.core.errors import DeviceAttachFailed
from xenhost.core.network import SwitchFeature, VifPort
from xenhost.core.network_errors import SwitchCannot
from xenhost.drivers.network.ovs.change import Change
from xenhost.drivers.network.ovs.database import Database, Table
from xenhost.drivers.network.ovs.placement import find_place, free_port, of_interface
from xenhost.drivers.network.ovs.rules import Allowed
from xenhost.drivers.network.ovs.values import EMPTY, NewRow, Row, RowRef, Value
from xenhost.drivers.network.ovs.vif_record import (
    DISABLED_KEY,
    VIF_KEY,
    interface_ids,
    is_locked,
    read,
    record_of,
    vlans,
    write,
)

_QOS_TYPE: Final = "linux-htb"


@dataclass(frozen=True, slots=True)
class VifPlan:
    """What to do, and between which flows."""

    change: Change
    bridge: str
    """The real one."""
    number: int
    """Of the port there; the flows for it may be made before it is there."""
    allowed: Allowed
    is_new: bool
    """It is not on that bridge yet."""
    left: tuple[str, int] | None = None
    """The real bridge it was on before, and its number there: its flows there are not needed any more."""
    relocks: bool = False
    """What it may send changes under a guest that sends."""


def plan_vif(data: Database, port: VifPort) -> VifPlan:
    """Put it on its bridge, or change what differs. Raises DeviceAttachFailed (no such bridge), SwitchCannot."""
    if (place := find_place(data, port.bridge)) is None:
        raise attach_failed(port.interface, f"there is no bridge {port.bridge} in Open vSwitch")
    if port.trunks and place.tag is not None:
        raise SwitchCannot(
            f"{port.bridge} is VLAN {place.tag}; only on the network of its uplink a VIF can have VLANs of its own",
            switch="openvswitch",
            feature=SwitchFeature.VIF_TRUNKS,
        )
    change, record = Change(), record_of(port)
    _enable(data, change, port.interface)
    row = data.named(Table.PORT, port.interface)
    home = data.bridge_of(row) if row is not None else None
    columns = dict(vlans(place.tag, port.trunks))
    columns["qos"] = _qos(data, change, row, port)
    ids = interface_ids(port)
    if row is None or home is None:
        number = _free(data, place.real, port.interface)
        interface = change.insert(
            Table.INTERFACE,
            {"name": port.interface, "ofport_request": number, "external_ids": _present(ids)},
        )
        columns |= {"name": port.interface, "interfaces": interface, "external_ids": {VIF_KEY: write(record)}}
        change.add(Table.BRIDGE, place.real, "ports", [change.insert(Table.PORT, columns)])
        return VifPlan(change, place.real.name, number, record.allowed, is_new=True)
    moves = home.uuid != place.real.uuid
    before = of_interface(data, row)
    number = _free(data, place.real, port.interface) if moves or before is None else before
    change.update(Table.PORT, row, columns)
    change.keys(Table.PORT, row, "external_ids", {VIF_KEY: write(record)})
    for interface_row in data.interfaces(row):
        change.update(Table.INTERFACE, interface_row, {"ofport_request": number})
        change.keys(Table.INTERFACE, interface_row, "external_ids", ids)
    if moves:
        change.take(Table.BRIDGE, home, "ports", [row.uuid])
        change.add(Table.BRIDGE, place.real, "ports", [RowRef(row.uuid)])
    left = (home.name, before) if moves and before is not None else None
    was = read(row)
    relocks = not moves and (was is None or was.allowed != record.allowed)
    return VifPlan(change, place.real.name, number, record.allowed, moves, left, relocks)


@dataclass(frozen=True, slots=True)
class Removal:
    """What to do, and whose flows are not needed afterwards."""

    change: Change
    left: tuple[str, int] | None = None
    """The real bridge and the number there, if there are flows."""


def plan_removal(data: Database, interface: str, disable: bool = False) -> Removal:
    """Take a VIF off; with `disable` it is remembered as one that is on no bridge."""
    change = Change()
    if disable:
        change.keys(Table.ROOT, data.root, "external_ids", {f"{DISABLED_KEY}{interface}": "true"})
    else:
        _enable(data, change, interface)
    row = data.named(Table.PORT, interface)
    if row is None or read(row) is None or (home := data.bridge_of(row)) is None:
        return Removal(change)
    change.take(Table.BRIDGE, home, "ports", [row.uuid])
    for qos in data.rows(Table.QOS, row.rows("qos")):
        if VIF_KEY in qos.mapping("external_ids"):
            change.update(Table.PORT, row, {"qos": EMPTY})  # else the port, though it goes, forbids it
            change.delete(Table.QOS, qos)
    number = of_interface(data, row)
    return Removal(change, (home.name, number) if number is not None and is_locked(row) else None)


def known_vifs(data: Database) -> list[str]:
    """Those on a bridge, and those which are disabled."""
    ports = (port.name for port in data.all(Table.PORT) if VIF_KEY in port.mapping("external_ids"))
    off = (key for key in data.root.mapping("external_ids") if key.startswith(DISABLED_KEY))
    return sorted({*ports, *(key.removeprefix(DISABLED_KEY) for key in off)})


def _enable(data: Database, change: Change, interface: str) -> None:
    change.keys(Table.ROOT, data.root, "external_ids", {f"{DISABLED_KEY}{interface}": None})


def plan_sweep(data: Database) -> Change:
    """Remove limits of ours whose port went by other hands."""
    used = frozenset().union(*(port.rows("qos") for port in data.all(Table.PORT)))
    change = Change()
    for qos in data.all(Table.QOS):
        if VIF_KEY in qos.mapping("external_ids") and qos.uuid not in used:
            change.delete(Table.QOS, qos)
    return change


def attach_failed(interface: str, why: str) -> DeviceAttachFailed:
    """The VIF cannot be connected."""
    device = interface.rpartition(".")[2]
    return DeviceAttachFailed(f"{interface} cannot be connected: {why}", device=device, msg=why)


def _qos(data: Database, change: Change, port: Row | None, wish: VifPort) -> Value:
    """The value of the port's column: ours with the limit, or none, or what others set."""
    present = next(iter(data.rows(Table.QOS, port.rows("qos"))), None) if port is not None else None
    ours = present is not None and VIF_KEY in present.mapping("external_ids")
    if wish.receive_bytes_per_second <= 0:
        if present is None:
            return EMPTY
        if ours:
            change.delete(Table.QOS, present)
            return EMPTY
        return RowRef(present.uuid)
    config = {"max-rate": str(wish.receive_bytes_per_second * 8)}
    if present is not None and ours:
        change.keys(Table.QOS, present, "other_config", dict(config))
        return RowRef(present.uuid)
    made: NewRow = change.insert(
        Table.QOS, {"type": _QOS_TYPE, "other_config": config, "external_ids": {VIF_KEY: wish.interface}}
    )
    return made


def _free(data: Database, bridge: Row, interface: str) -> int:
    try:
        return free_port(data, bridge)
    except LookupError as error:
        raise attach_failed(interface, str(error)) from error


def _present(ids: dict[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in ids.items() if value is not None}
