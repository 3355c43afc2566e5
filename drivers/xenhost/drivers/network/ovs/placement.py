"""Where a bridge is in Open vSwitch, and the port numbers there. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from xenhost.drivers.network.ovs.database import Database, Table
from xenhost.drivers.network.ovs.values import Row
from xenhost.drivers.network.ovs.vif_record import VifRecord, read
from xenhost.drivers.network.ovs.wishes import NETWORK_KEY

FIRST_VIF_PORT: Final = 0x1000
LAST_PORT: Final = 0xFEFF
"""OpenFlow 1.0 has 16 bits for them, and reserves the highest."""


@dataclass(frozen=True, slots=True)
class Place:
    """A bridge by the name it has for users."""

    real: Row
    """The real bridge."""
    tag: int | None
    """Of the VLAN, if it is a fake one."""


def find_place(data: Database, bridge: str) -> Place | None:
    """Where the bridge of that name is."""
    if (real := data.named(Table.BRIDGE, bridge)) is not None:
        return Place(real, None)
    port = data.named(Table.PORT, bridge)
    if port is None or not port.flag("fake_bridge") or (tag := port.number("tag")) is None:
        return None
    parent = data.bridge_of(port)
    return None if parent is None else Place(parent, tag)


def is_ours(row: Row) -> bool:
    """A bridge, or the port that is a fake one, of ours."""
    return NETWORK_KEY in row.mapping("external_ids")


def vif_ports(data: Database, bridge: Row) -> list[tuple[Row, VifRecord]]:
    """The ports of VIFs on a real bridge."""
    return [(port, record) for port in data.ports(bridge) if (record := read(port)) is not None]


def of_interface(data: Database, port: Row) -> int | None:
    """The number by which flows know a port: the one it has, or is to get."""
    for each in data.interfaces(port):
        number = each.number("ofport")
        return number if number is not None and number > 0 else each.number("ofport_request")
    return None


def free_port(data: Database, bridge: Row, taken: Iterable[int] = ()) -> int:
    """A number that no port of the bridge has, the lowest. Raises LookupError."""
    used = set(taken)
    for port in data.ports(bridge):
        for each in data.interfaces(port):
            used |= each.numbers("ofport") | each.numbers("ofport_request")
    return next(filter(lambda number: number not in used, range(FIRST_VIF_PORT, LAST_PORT)), None) or _none_free()


def _none_free() -> int:
    raise LookupError("the bridge has no free port number")
