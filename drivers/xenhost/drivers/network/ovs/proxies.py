"""Ports for PVS proxies, and the flows that send a guest's traffic with its servers there. Pure, but for `why_not`.

The port is internal, and called as XenServer's proxy daemon looks for it. The flows are those of XenServer's
setup-pvs-proxy-rules in one table: what the guest sends to its servers goes to the port, and what they send to the
guest; what the daemon sends is switched as ever; what says to come from a server and has the guest's MAC is dropped.
Of a locked VIF that is so for its own addresses alone, and before the flows of its lock. On the network of a VLAN
servers are behind the uplink. Floods reach the port, too: OpenFlow 1.4 has no word against it.
"""

import contextlib
import json
import socket
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final

from xenhost.core.pvs import PvsPort, PvsRange
from xenhost.drivers.network.ovs.change import Change
from xenhost.drivers.network.ovs.database import Database, Table
from xenhost.drivers.network.ovs.openflow import Flow, Match, Oxm, mac, network, number
from xenhost.drivers.network.ovs.placement import find_place, vif_ports
from xenhost.drivers.network.ovs.rules import is_bound
from xenhost.drivers.network.ovs.values import Row, RowRef, Value

PROXY_KEY: Final = "xenhost-pvs"
"""In external_ids of a port: whose traffic goes there."""
SOCKET: Final = Path("/run/pvsproxy-state/socket")
"""Of the proxy daemon."""
_HIGH, _LOW = 1000, 999
_ABOVE_LOCKS: Final = 9000
Networks = Sequence[IPv4Network | IPv6Network]
_PRESENT: Final = 0x1000
"""In VLAN_VID: there is a tag."""
_SECONDS: Final = 1.0


def why_not(path: Path) -> str:
    """Why no traffic can go through a proxy; empty: its daemon is there. Blocks."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        asked.settimeout(_SECONDS)
        try:
            asked.connect(str(path))
        except OSError as error:
            why = error.strerror or "no answer"
            return f"no PVS proxy daemon at {path} ({why}); guests reach their PVS servers without a cache"
    return ""


def plan_proxies(data: Database, wanted: Iterable[PvsPort]) -> Change:
    """Exactly these ports, on bridges that are there."""
    change = Change()
    names = set()
    for each in wanted:
        if (place := find_place(data, each.bridge)) is None:
            continue
        names.add(each.name)
        row = data.named(Table.PORT, each.name)
        home = data.bridge_of(row) if row is not None else None
        ids = {PROXY_KEY: _write(each)}
        columns: dict[str, Value] = {"vlan_mode": "access", "tag": place.tag or 0}
        if row is None or home is None:
            interface = change.insert(Table.INTERFACE, {"name": each.name, "type": "internal"})
            port = {**columns, "name": each.name, "interfaces": frozenset({interface}), "external_ids": ids}
            change.add(Table.BRIDGE, place.real, "ports", [change.insert(Table.PORT, port)])
            continue
        change.update(Table.PORT, row, columns)
        change.keys(Table.PORT, row, "external_ids", dict(ids))
        if home.uuid != place.real.uuid:
            change.take(Table.BRIDGE, home, "ports", [row.uuid])
            change.add(Table.BRIDGE, place.real, "ports", [RowRef(row.uuid)])
    for bridge in data.bridges():
        gone = [port.uuid for port in data.ports(bridge) if _is_proxy(port) and port.name not in names]
        change.take(Table.BRIDGE, bridge, "ports", gone)
    return change


def proxy_ports(data: Database) -> frozenset[str]:
    """Names of those that ovs-vswitchd has made."""
    found = (port for bridge in data.bridges() for port in data.ports(bridge) if _is_proxy(port))
    return frozenset(port.name for port in found if _number(data, port) is not None)


def silence(name: str) -> None:
    """Dom0 itself is not reached at the port: it has no IPv6 there, and nobody gives it IPv4. Blocks."""
    with contextlib.suppress(OSError):  # it went, or the kernel has no IPv6
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")


def proxy_flows(data: Database, bridge: Row) -> list[Flow]:
    """Of a real bridge."""
    flows: list[Flow] = []
    for port in data.ports(bridge):
        place, wish = _number(data, port), _read(port)
        if place is not None and wish is not None:
            flows += of_proxy(place, wish.mac, wish.servers, port.number("tag") or 0, _sources(data, bridge, wish.mac))
    return flows


def _sources(data: Database, bridge: Row, guest: str) -> Networks | None:
    """What a locked guest may send from; None: it is not locked."""
    found = [record.allowed for _, record in vif_ports(data, bridge) if record.allowed.mac == guest]
    locked = [each for each in found if is_bound(each)]
    return sorted(set().union(*(each.ipv4 | each.ipv6 for each in locked)), key=str) if locked else None


def of_proxy(
    port: int, guest: str, servers: Sequence[PvsRange], tag: int, sources: Networks | None = None
) -> list[Flow]:
    """The flows for one guest. Of a locked one they go before those of its lock, and are for its own addresses."""
    flows = [Flow(_HIGH, (number(Oxm.IN_PORT, port, 4),))]
    sender, receiver = mac(Oxm.ETH_SRC, guest), mac(Oxm.ETH_DST, guest)
    untagged = number(Oxm.VLAN_VID, 0, 2)
    from_there = number(Oxm.VLAN_VID, _PRESENT | tag, 2) if tag else untagged
    for server in servers:
        four = server.address.version == 4
        kind = number(Oxm.ETH_TYPE, 0x0800 if four else 0x86DD, 2)
        udp = number(Oxm.IP_PROTO, 17, 1)
        address = ip_network(server.address)
        (source,) = network(Oxm.IPV4_SRC if four else Oxm.IPV6_SRC, address)
        (target,) = network(Oxm.IPV4_DST if four else Oxm.IPV6_DST, address)
        flows.append(Flow(_HIGH if sources is None else _ABOVE_LOCKS + 1, (sender, kind, source), normal=False))
        for block in blocks(server.first_port, server.last_port):
            if sources is None:
                flows.append(Flow(_LOW, (sender, untagged, kind, udp, target, block), output=port))
            for each in sources or ():
                if each.version == server.address.version:
                    own = network(Oxm.IPV4_SRC if four else Oxm.IPV6_SRC, each)
                    match = (sender, untagged, kind, udp, *own, target, block)
                    flows.append(Flow(_ABOVE_LOCKS, match, output=port))
            flows.append(Flow(_LOW, (receiver, from_there, kind, udp, source, block), output=port, untag=bool(tag)))
    return flows


def blocks(first: int, last: int) -> Iterator[Match]:
    """Those UDP ports, in as few matches as there can be."""
    while first <= last:
        size = first & -first or 1 << 16
        while size > last - first + 1:
            size >>= 1
        mask = b"" if size == 1 else (0x10000 - size).to_bytes(2, "big")
        yield Match(Oxm.UDP_DST, first.to_bytes(2, "big"), mask)
        first += size


def _is_proxy(port: Row) -> bool:
    return PROXY_KEY in port.mapping("external_ids")


def _number(data: Database, port: Row) -> int | None:
    numbers = (each.number("ofport") for each in data.interfaces(port))
    return next((found for found in numbers if found is not None and found > 0), None)


def _write(port: PvsPort) -> str:
    servers = [[str(each.address), each.first_port, each.last_port] for each in port.servers]
    return json.dumps({"bridge": port.bridge, "mac": port.mac, "servers": servers}, separators=(",", ":"))


def _read(port: Row) -> PvsPort | None:
    """None if it is no such port; what cannot be read has no flows."""
    try:
        fields = json.loads(port.mapping("external_ids")[PROXY_KEY])
        servers = tuple(PvsRange(ip_address(text), int(one), int(end)) for text, one, end in fields["servers"])
        bytes.fromhex(fields["mac"].replace(":", ""))
        if all(1 <= each.first_port <= each.last_port <= 0xFFFF for each in servers):
            return PvsPort(str(fields["bridge"]), fields["mac"], servers)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return None
    return None
