"""A host's networks, drawn: for each its uplink, dom0's addresses and the VIFs on it. Pure: text and styles.

What NICs, guests and DHCP servers say is cleaned before it is shown.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from xenhost.api.host.v1 import network_pb2

Pif = network_pb2.Pif


class Style(StrEnum):
    """What a piece of text is."""

    PLAIN = ""
    NAME = "name"
    GOOD = "good"
    IDLE = "idle"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words that stay together on a line."""

    text: str
    style: Style = Style.PLAIN


Line = tuple[Piece, ...]
"""Printed one piece after another."""
_GAP: Final = Piece("  ")
_SWITCH: Final = {
    network_pb2.SWITCH_KIND_BRIDGE: "Linux bridges",
    network_pb2.SWITCH_KIND_OPENVSWITCH: "Open vSwitch",
    network_pb2.SWITCH_KIND_SIM: "simulated switch",
}
_MODES: Final = {
    network_pb2.BOND_MODE_BALANCE_SLB: "balance-slb",
    network_pb2.BOND_MODE_ACTIVE_BACKUP: "active-backup",
    network_pb2.BOND_MODE_LACP: "lacp",
}
_IPV4: Final = {network_pb2.IPV4_MODE_DHCP: "DHCP", network_pb2.IPV4_MODE_STATIC: "static"}
_IPV6: Final = {
    network_pb2.IPV6_MODE_DHCP: "DHCP",
    network_pb2.IPV6_MODE_STATIC: "static",
    network_pb2.IPV6_MODE_AUTOCONF: "autoconf",
}
_LOCKING: Final = {
    network_pb2.EFFECTIVE_LOCKING_MODE_LOCKED: "locked",
    network_pb2.EFFECTIVE_LOCKING_MODE_DISABLED: "disabled",
}


@dataclass(frozen=True, slots=True)
class Branch:
    """A line of the tree, and what hangs on it."""

    pieces: Sequence[Piece]
    below: "Sequence[Branch]" = ()


def network_tree(
    host: network_pb2.HostNetwork, vms: Mapping[str, str], width: int = 0, only: str = ""
) -> Iterator[Line]:
    """The lines. `vms` gives names to UUIDs; 0: lines are as long as they get; `only`: UUID of one network to draw."""
    inside = _Host(host, vms)
    if not only:
        yield from _drawn(Branch(inside.heading()), width)
        for problem in inside.waiting():
            yield from _drawn(Branch([problem]), width)
    for network in sorted(host.networks, key=inside.place):
        if network.id == only or (not only and not inside.idle(network)):
            if not only:
                yield ()
            yield from _drawn(inside.branch(network), width)
    if host.foreign_bridges and not only:
        yield ()
        names = ", ".join(map(clean, sorted(host.foreign_bridges, key=natural)))
        words = [Piece("not ours, left alone:", Style.IDLE), Piece(names, Style.IDLE)]
        yield from _drawn(Branch(words), width)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """For sorting: eth2 before eth10."""
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d{1,18})", text))


def clean(untrusted_text: str) -> str:
    """One line that cannot drive a terminal."""
    return "".join(char if char.isprintable() else "?" for char in untrusted_text)


def speed_text(mbits: int) -> str:
    """`10 Gbit/s`; empty: not known."""
    if mbits >= 1000:
        return f"{mbits / 1000:g} Gbit/s"
    return f"{mbits} Mbit/s" if mbits else ""


class _Host:
    """Who is who."""

    def __init__(self, host: network_pb2.HostNetwork, vms: Mapping[str, str]) -> None:
        self._host = host
        self._vms = vms
        self._pifs = {pif.id: pif for pif in host.pifs}
        self._bonds = {bond.id: bond for bond in host.bonds}
        self._bond_of_master = {bond.master_pif_id: bond for bond in host.bonds}
        self._vlans = {vlan.untagged_pif_id: vlan for vlan in host.vlans}
        self._tunnels = {tunnel.access_pif_id: tunnel for tunnel in host.tunnels}
        self._sriovs = {sriov.logical_pif_id: sriov for sriov in host.sriovs}
        self._on: dict[str, list[Pif]] = {}
        for pif in host.pifs:
            self._on.setdefault(pif.network_id, []).append(pif)

    def heading(self) -> list[Piece]:
        pieces = [Piece(_SWITCH.get(self._host.switch, "unknown switch"))]
        pif = self._pifs.get(self._host.management.pif_id)
        if pif is None:
            pieces.append(Piece("! no management interface", Style.PROBLEM))
        else:
            found = pif.status.ipv4_addresses or pif.status.ipv6_addresses
            address = f" ({clean(found[0])})" if found else ""
            pieces.append(Piece(f"managed through {clean(pif.name)}{address}"))
        for sdn in self._host.sdn_controllers:
            where = clean(sdn.address) or f"port {sdn.port}"
            if sdn.status.connected:
                pieces.append(Piece(f"SDN controller {where}"))
            else:
                pieces.append(Piece(f"! SDN controller {where} is not connected", Style.PROBLEM))
        return pieces

    def waiting(self) -> Iterator[Piece]:
        if self._host.management.HasField("unconfirmed_until"):
            until = self._host.management.unconfirmed_until.ToDatetime().strftime("%H:%M:%S UTC")
            yield Piece(
                f"! unless confirmed until {until}, management goes back: xenhost host management-confirm",
                Style.PROBLEM,
            )

    def place(self, network: network_pb2.Network) -> tuple[object, ...]:
        pifs = sorted(self._on.get(network.id, ()), key=lambda pif: natural(pif.name))
        if not pifs:
            return (1, natural(network.bridge), network.id)
        return (0, natural(pifs[0].name), network.id)

    def idle(self, network: network_pb2.Network) -> bool:
        """Is it only there for cards that are in bonds, which are drawn with these?"""
        pifs = self._on.get(network.id, ())
        bonded = bool(pifs) and all(pif.status.bond_slave_of in self._bonds for pif in pifs)
        status = network.status
        return bonded and not (status.up or status.vifs or status.problem)

    def branch(self, network: network_pb2.Network) -> Branch:
        pieces = [Piece(clean(network.name or network.bridge), Style.NAME)]
        if network.name and network.name != network.bridge:
            pieces.append(Piece(clean(network.bridge)))
        pieces.append(Piece("up", Style.GOOD) if network.status.up else Piece("down", Style.IDLE))
        pieces.append(Piece(f"MTU {network.mtu}"))
        if network.default_locking_mode == network_pb2.EFFECTIVE_LOCKING_MODE_DISABLED:
            pieces.append(Piece("VIFs disabled"))
        pifs = sorted(self._on.get(network.id, ()), key=lambda pif: natural(pif.name))
        below = [line for pif in pifs for line in self._pif(pif)]
        if not pifs:
            below.append(Branch([Piece("internal: no uplink", Style.IDLE)]))
        below += [self._vif(vif) for vif in network.status.vifs]
        if network.status.problem:
            below.append(_problem(network.status.problem))
        return Branch(pieces, below)

    def _pif(self, pif: Pif) -> Iterator[Branch]:
        pieces, below = [Piece(clean(pif.name), Style.NAME)], list[Branch]()
        if pif.kind == network_pb2.PIF_KIND_BOND:
            bond = self._bond_of_master.get(pif.id)
            if bond is not None:
                pieces += self._bond(bond)
                below += self._members(bond)
        elif pif.kind == network_pb2.PIF_KIND_VLAN:
            pieces += self._vlan(pif)
        elif pif.kind == network_pb2.PIF_KIND_TUNNEL:
            pieces += self._tunnel(pif)
        elif pif.kind == network_pb2.PIF_KIND_SRIOV:
            pieces += self._sriov(pif)
        else:
            pieces.append(Piece(clean(pif.mac)))
            pieces += _link(pif)
        bond = self._bonds.get(pif.status.bond_slave_of)
        if bond is not None:
            pieces.append(Piece(f"in {clean(bond.device)}", Style.IDLE))
        elif not pif.managed:
            pieces.append(Piece("not managed", Style.IDLE))
        elif not pif.status.currently_attached:
            pieces.append(Piece("not plugged", Style.IDLE))
        if pif.management:
            pieces.append(Piece("management", Style.GOOD))
        yield Branch(pieces, below)
        yield from _addresses(pif)
        for problem in self._problems(pif):
            yield _problem(problem)

    def _bond(self, bond: network_pb2.Bond) -> Iterator[Piece]:
        yield Piece(f"bond, {_MODES.get(bond.mode, 'unknown mode')}")
        total = len(bond.status.members) or len(bond.member_pif_ids)
        style = Style.PLAIN if bond.status.links_up == total else Style.PROBLEM
        yield Piece(f"{bond.status.links_up} of {total} links up", style)
        master = self._pifs.get(bond.master_pif_id)
        if master is not None and (speed := speed_text(master.status.metrics.speed_mbits)):
            yield Piece(speed)

    def _members(self, bond: network_pb2.Bond) -> Iterator[Branch]:
        states = {member.device: member for member in bond.status.members}
        for id in bond.member_pif_ids:
            pif = self._pifs.get(id)
            if pif is None:
                continue
            pieces = [Piece(clean(pif.device)), Piece(clean(pif.mac)), *_link(pif)]
            state = states.get(pif.device)
            if state is not None and state.active:
                pieces.append(Piece("active", Style.GOOD))
            elif state is not None:
                pieces.append(Piece("standby") if state.up else Piece("down", Style.PROBLEM))
            yield Branch(pieces)

    def _vlan(self, pif: Pif) -> Iterator[Piece]:
        vlan = self._vlans.get(pif.id)
        tagged = self._pifs.get(vlan.tagged_pif_id) if vlan is not None else None
        parent = tagged.name if tagged is not None else pif.device
        yield Piece(f"VLAN {pif.status.vlan if vlan is None else vlan.tag} of {clean(parent)}")
        if tagged is not None:
            yield from _link(tagged)

    def _tunnel(self, pif: Pif) -> Iterator[Piece]:
        tunnel = self._tunnels.get(pif.id)
        if tunnel is None:
            return
        transport = self._pifs.get(tunnel.transport_pif_id)
        over = f" over {clean(transport.name)}" if transport is not None else ""
        protocol = "vxlan" if tunnel.protocol == network_pb2.TUNNEL_PROTOCOL_VXLAN else "gre"
        yield Piece(f"tunnel, {protocol} {tunnel.status.key or tunnel.key}{over}")
        yield Piece("active", Style.GOOD) if tunnel.status.active else Piece("not active", Style.IDLE)
        words = [clean(remote) for remote in tunnel.remotes]
        yield from (Piece(("to " if number == 0 else "") + word) for number, word in enumerate(words))
        if not words:
            yield Piece("its ports are made by a controller", Style.IDLE)

    def _sriov(self, pif: Pif) -> Iterator[Piece]:
        sriov = self._sriovs.get(pif.id)
        if sriov is not None:
            yield Piece(f"SR-IOV, {sriov.status.remaining} of {sriov.status.capacity} virtual functions free")
            if sriov.requires_reboot:
                yield Piece("! needs a restart of the host", Style.PROBLEM)

    def _problems(self, pif: Pif) -> Iterator[str]:
        if pif.status.problem:
            yield pif.status.problem
        card = pif.kind in (network_pb2.PIF_KIND_PHYSICAL, network_pb2.PIF_KIND_BOND)
        if card and not pif.status.HasField("metrics") and pif.status.problem == "":
            yield f"{pif.device} is not there"
        plugged = pif.status.currently_attached and not pif.status.bond_slave_of
        if card and plugged and pif.status.HasField("metrics") and not pif.status.metrics.carrier:
            yield f"{pif.device} has no link: is the cable in, and is the other side up?"
        if plugged and pif.ipv4.mode == network_pb2.IPV4_MODE_DHCP and not pif.status.ipv4_addresses:
            yield f"{pif.name} got no address by DHCP yet"

    def _vif(self, vif: network_pb2.NetworkVif) -> Branch:
        name = clean(self._vms.get(vif.vm_id) or vif.vm_id)
        pieces = [
            Piece(name, Style.NAME),
            Piece(f"VIF {vif.index}"),
            Piece(clean(vif.mac)),
            Piece(clean(vif.interface)),
        ]
        if vif.locking_mode in _LOCKING:
            pieces.append(Piece(_LOCKING[vif.locking_mode]))
        return Branch(pieces)


def _link(pif: Pif) -> Iterator[Piece]:
    if not pif.status.HasField("metrics"):
        yield Piece("not there", Style.PROBLEM)
    elif not pif.status.metrics.carrier:
        yield Piece("no link", Style.PROBLEM)
    else:
        speed = speed_text(pif.status.metrics.speed_mbits)
        half = "" if pif.status.metrics.full_duplex or not speed else ", half duplex"
        yield Piece(f"{speed}{half}" if speed else "link up")


def _addresses(pif: Pif) -> Iterator[Branch]:
    status = pif.status
    dns = [Piece("DNS " + ", ".join(map(clean, status.dns)))] if status.dns else []
    if pif.ipv4.mode in _IPV4:
        found = list(status.ipv4_addresses) if status.currently_attached else [pif.ipv4.address]
        if words := _given(found, _IPV4[pif.ipv4.mode], status.ipv4_gateway, status.currently_attached):
            yield Branch([*words, *dns])
            dns = []
    if pif.ipv6.mode in _IPV6:
        found = list(status.ipv6_addresses) if status.currently_attached else list(pif.ipv6.addresses)
        if words := _given(found, _IPV6[pif.ipv6.mode], status.ipv6_gateway, status.currently_attached):
            yield Branch([*words, *dns])


def _given(found: Sequence[str], mode: str, gateway: str, now: bool) -> list[Piece]:
    pieces = [Piece(clean(address)) for address in found if address]
    if pieces:
        pieces.append(Piece(mode if now else f"{mode}, once plugged", Style.PLAIN if now else Style.IDLE))
        if gateway:
            pieces.append(Piece(f"gateway {clean(gateway)}"))
    return pieces


def _problem(untrusted_text: str) -> Branch:
    return Branch([Piece(f"! {clean(untrusted_text)}", Style.PROBLEM)])


def _drawn(branch: Branch, width: int, before: str = "", below: str = "") -> Iterator[Line]:
    room = max(width, len(below) + 20) if width else 0
    hang = below + ("│ " if branch.below else "  ")
    line: list[Piece] = [Piece(before)] if before else []
    used, empty = len(before), True
    for piece in _words(branch.pieces, room - len(hang) if room else 0):
        if not empty and room and used + len(_GAP.text) + len(piece.text) > room:
            yield tuple(line)
            line, used, empty = [Piece(hang)], len(hang), True
        if not empty:
            line.append(_GAP)
            used += len(_GAP.text)
        line.append(piece)
        used, empty = used + len(piece.text), False
    yield tuple(line)
    for number, child in enumerate(branch.below):
        last = number == len(branch.below) - 1
        yield from _drawn(child, width, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))


def _words(pieces: Sequence[Piece], room: int) -> Iterator[Piece]:
    """Pieces, those that fit on no line in parts."""
    for piece in pieces:
        text = piece.text
        while room and len(text) > room:
            cut = text.rfind(" ", 1, room + 1)
            cut = room if cut <= 0 else cut
            yield Piece(text[:cut], piece.style)
            text = text[cut:].lstrip()
        if text:
            yield Piece(text, piece.style)
