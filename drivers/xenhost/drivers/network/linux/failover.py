"""What a bond needs of us when its members change: rules of balance-slb, and switches that learn where guests are.

Everything blocks: for the thread of the switch alone.
"""

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from xenhost.core.network import MemberState
from xenhost.drivers.network.linux import slb_rules
from xenhost.drivers.network.linux.bonds import LACP
from xenhost.drivers.network.linux.kernel import Kernel
from xenhost.drivers.network.linux.links import Link
from xenhost.drivers.network.linux.nft import Command, Nft

_DISTRIBUTING: Final = 0x20
"""A bit of the LACP state of a port (IEEE 802.1AX)."""
_MOST: Final = 4096
"""Addresses that are told after a failover."""


def members_of(bond: Link, links: Sequence[Link]) -> tuple[MemberState, ...]:
    """Of a bond, as the kernel sees them, in the order in which they were found."""
    found: list[MemberState] = []
    for each in links:
        if each.master != bond.index or each.port_of != "bond":
            continue
        up = each.port.get("mii_status") == 0 and each.carrier
        active = up and each.port.get("state") == 0
        if bond.options.get("bond_mode") == LACP:
            together = each.port.get("ad_aggregator") == bond.options.get("aggregator")
            up = active = up and together and bool(each.port.get("ad_port_state", 0) & _DISTRIBUTING)
        found.append(MemberState(each.name, up, active))
    return tuple(sorted(found, key=lambda each: each.device))


class Failover:
    """Of all our bonds."""

    def __init__(self, kernel: Kernel, nft: Nft) -> None:
        self._kernel: Final = kernel
        self._nft: Final = nft
        self._carrying: dict[str, frozenset[str]] = {}
        self._designated: dict[str, tuple[str, tuple[str, ...]]] = {}

    def forget(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Remove the rules of bonds that need none any more; also those which an earlier agent left."""
        commands: list[Command] = []
        for each in self._nft.ask({"list": {"tables": {"family": slb_rules.FAMILY}}}):
            bond = slb_rules.bond_of(str(each.get("table", {}).get("name", "")))
            if bond and bond not in wanted:
                commands += slb_rules.remove(bond)
                self._designated.pop(bond, None)
        if commands:
            self._nft.run(commands)

    def settle(self, slb: Mapping[str, Sequence[str]]) -> None:
        """Look at every bond of ours: rules for those in `slb`, and news for the wire if others carry traffic now."""
        links = self._kernel.reader.dump()
        for bond in links:
            if bond.kind != "bond" or not bond.ours:
                continue
            members = members_of(bond, links)
            carrying = frozenset(each.device for each in members if each.active)
            if bond.name in slb:
                self._designate(bond.name, slb[bond.name], carrying)
            before = self._carrying.get(bond.name)
            self._carrying[bond.name] = carrying
            if before is not None and carrying and carrying != before and bond.options.get("bond_mode") != LACP:
                self._teach(bond, links)

    def _designate(self, bond: str, members: Sequence[str], carrying: frozenset[str]) -> None:
        """The first that is up takes broadcasts."""
        designated = next((each for each in members if each in carrying), members[0] if members else "")
        wanted = designated, tuple(members)
        if self._designated.get(bond) != wanted:
            self._nft.run(slb_rules.install(bond, members, designated))
            self._designated[bond] = wanted

    def _teach(self, bond: Link, links: Sequence[Link]) -> None:
        """Send a frame from every address that is behind the bond: RARP (RFC 903), as hypervisors do it."""
        uplinks = [bond, *(each for each in links if each.kind == "vlan" and each.parent == bond.index)]
        for uplink in uplinks:
            bridge = next((each for each in links if each.index == uplink.master), None)
            if bridge is None or bridge.kind != "bridge":
                continue
            addresses = {
                each.mac
                for each in self._kernel.reader.bridge_neighbours(bridge.index)
                if each.index != uplink.index and not each.permanent
            }
            self._announce(uplink.name, sorted({bridge.mac, *addresses})[:_MOST])

    def _announce(self, device: str, addresses: Sequence[str]) -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 0) as raw:
            raw.bind((device, 0))
            for address in addresses:
                with suppress(OSError):  # a full queue: guests will speak themselves
                    raw.send(rarp(address))


def rarp(address: str) -> bytes:
    """A frame that says where an address is, and nothing else."""
    mac = bytes.fromhex(address.replace(":", ""))
    body = bytes.fromhex("0001080006040003") + mac + bytes(4) + mac + bytes(4)
    return b"\xff" * 6 + mac + b"\x80\x35" + body.ljust(46, b"\0")
