"""What the switch port promises of locked VIFs: what a guest may send, tried with forged frames."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Network

import pytest

from contract import switch_frames as frames
from contract.switch_frames import ARP_REPLY, ARP_REQUEST, BROADCAST, plain
from contract.switch_ground import OVERTAKEN, Guest, SwitchGround, arrives
from contract.switch_promises_bridges import MAC_A, MAC_B, MAC_X, NET_A
from contract.switch_promises_vifs import neighbour
from xenhost.core.network import Bridge, LockingMode, SwitchFeature, Topology, VifPort
from xenhost.core.network_errors import SwitchCannot

OURS, SECOND, IN_NET, OTHER = "10.7.0.5", "10.7.0.6", "10.8.1.9", "10.7.0.66"
OURS6, NET6, OTHER6, LOCAL6 = "fd00::5", "fd00:8::77", "fd00::66", "fe80::216:3eff:fe00:a"
ALL_NODES, ALL_ROUTERS = "ff02::1", "ff02::2"
MAC_NODES = "33:33:00:00:00:01"
HOST = IPv4Interface("10.7.0.1/24")


def locked(interface: str) -> VifPort:
    """With two IPv4 addresses and a network, an IPv6 address and a network."""
    return VifPort(
        interface,
        "xapi0",
        MAC_A,
        locking=LockingMode.LOCKED,
        ipv4_allowed=frozenset(map(IPv4Network, (OURS, SECOND, "10.8.0.0/16"))),
        ipv6_allowed=frozenset(map(IPv6Network, (OURS6, "fd00:8::/32"))),
    )


def arp(operation: int, sender: str, mac: str = MAC_A, src: str = MAC_A, target: str = "10.7.0.1") -> bytes:
    """From a guest."""
    return frames.arp(src, operation, mac, sender, target)


def ip4(sender: str, payload: bytes = b"", protocol: int = 17, src: str = MAC_A) -> bytes:
    """From a guest; a UDP datagram if nothing else is said."""
    return frames.ipv4(src, MAC_B, sender, "10.7.0.1", protocol, payload or frames.udp(1000, 2000))


def ip6(sender: str, payload: bytes, protocol: int = 58, target: str = ALL_NODES, src: str = MAC_A) -> bytes:
    """From a guest."""
    return frames.ipv6(src, MAC_NODES, sender, target, protocol, payload)


def nd_target(address: str) -> str:
    """The solicited-node address of an address that ends in `::XY`."""
    return f"ff02::1:ff00:{address.rsplit(':', 1)[1]}"


PASSING = {
    "DHCP request": frames.ipv4(
        MAC_A, BROADCAST, "0.0.0.0", "255.255.255.255", 17, frames.udp(68, 67, frames.dhcp(MAC_A))
    ),
    "ARP request": arp(ARP_REQUEST, OURS),
    "ARP reply": arp(ARP_REPLY, SECOND),
    "ARP from the network": arp(ARP_REQUEST, IN_NET),
    "ARP probe": arp(ARP_REQUEST, "0.0.0.0", target=OURS),
    "IPv4": ip4(OURS),
    "IPv4 from the second address": ip4(SECOND),
    "IPv4 from the network": ip4(IN_NET),
    "TCP": ip4(OURS, bytes(20), 6),
    "IPv6 UDP": ip6(OURS6, frames.udp(1000, 2000), 17),
    "IPv6 from the network": ip6(NET6, frames.udp(1000, 2000), 17),
    "IPv6 echo": ip6(OURS6, frames.icmp6(128)),
    "neighbour solicitation": ip6(OURS6, frames.solicitation("fd00::1", MAC_A)),
    "neighbour advertisement": ip6(OURS6, frames.advertisement(OURS6, MAC_A)),
    "neighbour advertisement from the network": ip6(NET6, frames.advertisement(NET6, MAC_A)),
}

DROPPED = {
    "another MAC address": plain(MAC_X, BROADCAST, "not me"),
    "unknown protocol": plain(MAC_A, BROADCAST, "what is this"),
    "VLAN tag": frames.ethernet(MAC_A, BROADCAST, 0x0800, ip4(OURS)[14:], tag=5),
    "priority tag": frames.ethernet(MAC_A, BROADCAST, 0x0800, ip4(OURS)[14:], tag=0),
    "ARP from another's address": arp(ARP_REQUEST, OTHER),
    "ARP reply for another's address": arp(ARP_REPLY, OTHER),
    "ARP with another's MAC address inside": arp(ARP_REPLY, OURS, mac=MAC_X),
    "ARP with another's MAC address outside": arp(ARP_REPLY, OURS, src=MAC_X),
    "IPv4 from another's address": ip4(OTHER),
    "IPv4 from another MAC address": ip4(OURS, src=MAC_X),
    "IPv4 from nowhere": ip4("0.0.0.0"),
    "DHCP with another's MAC address": frames.ipv4(
        MAC_X, BROADCAST, "0.0.0.0", "255.255.255.255", 17, frames.udp(68, 67, frames.dhcp(MAC_X))
    ),
    "IPv6 from another's address": ip6(OTHER6, frames.udp(1000, 2000), 17),
    "IPv6 from another MAC address": ip6(OURS6, frames.udp(1000, 2000), 17, src=MAC_X),
    "solicitation from another's address": ip6(OTHER6, frames.solicitation("fd00::1", MAC_A)),
    "solicitation with another's MAC address": ip6(OURS6, frames.solicitation("fd00::1", MAC_X)),
    "advertisement of another's address": ip6(OURS6, frames.advertisement(OTHER6, MAC_A)),
    "advertisement from another's address": ip6(OTHER6, frames.advertisement(OTHER6, MAC_A)),
    "router advertisement": ip6(OURS6, frames.icmp6(134)),
    "router advertisement from link-local": ip6(LOCAL6, frames.icmp6(134)),
    "redirect": ip6(OURS6, frames.icmp6(137, bytes(32))),
}

ONLY_LINUX_DROPS = {
    "DHCP reply": frames.ipv4(MAC_A, BROADCAST, OURS, "255.255.255.255", 17, frames.udp(67, 68, frames.dhcp(MAC_X, 2))),
    "advertisement with another's MAC address": ip6(OURS6, frames.advertisement(OURS6, MAC_X)),
    "LLDP": frames.ethernet(MAC_A, "01:80:c2:00:00:0e", 0x88CC, bytes(46)),
}
"""What a stricter switch than XenServer's drops as well."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A locked guest and one that listens."""

    guest: Guest
    sink: Guest


async def stage(ground: SwitchGround) -> Stage:
    """Both on one bridge."""
    await ground.switch.apply(Topology((Bridge("xapi0", NET_A),)))
    sink, guest = await neighbour(ground, "xapi0"), await ground.vif()
    await ground.switch.connect_vif(locked(guest.interface))
    await arrives(guest.wire, ip4(OURS, b"ready---"), sink.wire)
    return Stage(guest, sink)


async def passed(of: Stage, sent: Sequence[bytes]) -> list[bytes]:
    """Those which come out at the listener. What does not is sent three times: a busy switch may lose a frame."""
    of.sink.wire.take()
    seen: list[bytes] = []
    for _ in range(3):
        for each in sent:
            if each not in seen:
                of.guest.wire.send(each)
        seen += await arrives(of.guest.wire, ip4(OURS, b"that was all"), of.sink.wire)
        await asyncio.sleep(OVERTAKEN)
        seen += of.sink.wire.take()
    return [each for each in sent if each in seen]


async def locked_guest_may_use_its_addresses(ground: SwitchGround) -> None:
    """ARP, IPv4, IPv6, neighbour discovery, DHCP."""
    on = await stage(ground)
    through = await passed(on, list(PASSING.values()))
    assert [name for name, frame in PASSING.items() if frame not in through] == []


async def locked_guest_may_not_use_those_of_others(ground: SwitchGround) -> None:
    """Neither MAC nor IP addresses, nor be a router."""
    on = await stage(ground)
    through = await passed(on, list(DROPPED.values()))
    assert [name for name, frame in DROPPED.items() if frame in through] == []


async def locked_guest_may_check_that_its_ipv6_address_is_free(ground: SwitchGround) -> None:
    """Duplicate address detection (RFC 4862): from no address, for its own; not for another's."""
    on = await stage(ground)
    good = ip6("::", frames.solicitation(OURS6), target=nd_target(OURS6))
    nonce = ip6("::", frames.solicitation(OURS6) + bytes([14, 1, 1, 2, 3, 4, 5, 6]), target=nd_target(OURS6))
    bad = ip6("::", frames.solicitation(OTHER6), target=nd_target(OTHER6))
    forged = ip6("::", frames.solicitation(OURS6, MAC_X), target=nd_target(OURS6))
    assert await passed(on, [good, nonce, bad, forged]) == [good, nonce]


async def locked_guest_poisons_no_caches(ground: SwitchGround) -> None:
    """Stricter than XenServer: no DHCP server, no foreign link-layer address in what is its own, no LLDP."""
    on = await stage(ground)
    through = await passed(on, list(ONLY_LINUX_DROPS.values()))
    assert [name for name, frame in ONLY_LINUX_DROPS.items() if frame in through] == []


async def locked_guest_without_addresses_may_ask_for_one_only(ground: SwitchGround) -> None:
    """DHCP, and nothing else."""
    on = await stage(ground)
    await ground.switch.connect_vif(VifPort(on.guest.interface, "xapi0", MAC_A, locking=LockingMode.LOCKED))
    on.sink.wire.take()
    for each in PASSING.values():
        on.guest.wire.send(each)
    question = PASSING["DHCP request"]
    seen = [
        *await arrives(on.guest.wire, question, on.sink.wire),
        *await arrives(on.guest.wire, question, on.sink.wire),
    ]
    probe = PASSING["ARP probe"]
    assert [name for name, each in PASSING.items() if each in seen and each not in (question, probe)] == []


async def lock_changes_without_a_gap(ground: SwitchGround) -> None:
    """While addresses change, what was and stays allowed passes, and what was and stays forbidden does not."""
    on = await stage(ground)
    on.sink.wire.take()
    done = asyncio.Event()

    async def change() -> None:
        for number in range(20):
            more = IPv4Network(f"10.9.0.{number}")
            port = locked(on.guest.interface)
            await ground.switch.connect_vif(
                VifPort(
                    port.interface,
                    port.bridge,
                    port.mac,
                    locking=LockingMode.LOCKED,
                    ipv4_allowed=port.ipv4_allowed | {more},
                    ipv6_allowed=port.ipv6_allowed,
                )
            )
        done.set()

    changing = asyncio.create_task(change())
    sent: list[bytes] = []
    seen: list[bytes] = []
    while not done.is_set():
        good = ip4(OURS, b"number %08d" % len(sent))
        sent.append(good)
        on.guest.wire.send(ip4(OTHER))
        on.guest.wire.send(good)
        await asyncio.sleep(0.002)
        seen += on.sink.wire.take()
    await changing
    seen += await arrives(on.guest.wire, ip4(OURS, b"that was all"), on.sink.wire)
    assert ip4(OTHER) not in seen
    assert [each for each in sent if each not in seen] == []


async def lock_is_lifted_and_set(ground: SwitchGround) -> None:
    """Unlocked, a guest may send what it likes; locked again, not."""
    on = await stage(ground)
    bad = ip4(OTHER)
    assert await passed(on, [bad]) == []
    await ground.switch.connect_vif(VifPort(on.guest.interface, "xapi0", MAC_A))
    assert await passed(on, [bad]) == [bad]
    await ground.switch.connect_vif(locked(on.guest.interface))
    assert await passed(on, [bad]) == []


async def lock_outlives_the_agent(ground: SwitchGround) -> None:
    """And can be lifted by the next one."""
    on = await stage(ground)
    await ground.restart()
    bad = ip4(OTHER)
    assert await passed(on, [bad]) == []
    await ground.switch.connect_vif(VifPort(on.guest.interface, "xapi0", MAC_A))
    assert await passed(on, [bad]) == [bad]


async def no_lock_is_inherited(ground: SwitchGround) -> None:
    """An interface of the same name that comes later is bound by nothing."""
    on = await stage(ground)
    await ground.switch.disconnect_vif(on.guest.interface)
    await ground.switch.connect_vif(VifPort(on.guest.interface, "xapi0", MAC_X))
    frame = plain(MAC_X, BROADCAST, "free")
    await arrives(on.guest.wire, frame, on.sink.wire)


async def locked_guest_is_held_from_dom0_too(ground: SwitchGround) -> None:
    """What it may not send does not reach the host's own addresses on that bridge either."""
    on = await stage(ground)
    await ground.give_address("xapi0", HOST)
    me = await ground.mac("xapi0")
    on.guest.wire.take()
    await arrives_some(on.guest, frames.arp(MAC_A, ARP_REQUEST, MAC_A, OURS, "10.7.0.1"), 0x0806)
    on.guest.wire.take()
    forged = frames.arp(MAC_A, ARP_REQUEST, MAC_A, OTHER, "10.7.0.1", dst=me)
    on.guest.wire.send(forged)
    await arrives_some(on.guest, frames.arp(MAC_A, ARP_REQUEST, MAC_A, SECOND, "10.7.0.1"), 0x0806, to=SECOND)


def tagged(frame: bytes, tag: int) -> bytes:
    """The same on a VLAN."""
    return frame[:12] + b"\x81\0" + tag.to_bytes(2, "big") + frame[12:]


async def locked_guest_is_locked_on_each_of_its_trunks(ground: SwitchGround) -> None:
    """Its addresses and no others, there and untagged; other VLANs are closed. Or it is refused, and all stays."""
    on = await stage(ground)
    trunks = frozenset({5, 6})
    port = replace(locked(on.guest.interface), trunks=trunks)
    if SwitchFeature.LOCKED_TRUNKS not in ground.switch.features:
        with pytest.raises(SwitchCannot, match="trunks"):
            await ground.switch.connect_vif(port)
        assert await passed(on, [ip4(OTHER), ip4(SECOND)]) == [ip4(SECOND)]
        return
    await ground.switch.connect_vif(port)
    await ground.switch.connect_vif(VifPort(on.sink.interface, "xapi0", MAC_B, trunks=trunks | {7}))
    for tag in sorted(trunks):
        through = await passed(on, [tagged(each, tag) for each in (*PASSING.values(), *DROPPED.values())])
        lost = [name for name, each in PASSING.items() if tagged(each, tag) not in through]
        forged = [name for name, each in DROPPED.items() if tagged(each, tag) in through]
        assert (lost, forged) == ([], [])
    elsewhere = tagged(ip4(OURS), 7)
    twice = tagged(tagged(ip4(OTHER), 7), 5)
    assert await passed(on, [elsewhere, twice, ip4(OTHER), ip4(SECOND)]) == [ip4(SECOND)]


async def arrives_some(guest: Guest, question: bytes, kind: int, to: str = OURS) -> None:
    """Ask the host until it answers; every answer must be for that address of ours."""
    async with asyncio.timeout(20):
        while True:
            guest.wire.send(question)
            await asyncio.sleep(0.1)
            answers = [
                each
                for each in guest.wire.take()
                if each[12:14] == kind.to_bytes(2, "big") and each[20:22] == b"\0\2"  # ARP replies
            ]
            assert all(each[38:42] != IPv4Address(OTHER).packed for each in answers)
            if any(each[38:42] == IPv4Address(to).packed for each in answers):
                return


PROMISES = (
    locked_guest_may_use_its_addresses,
    locked_guest_may_not_use_those_of_others,
    locked_guest_may_check_that_its_ipv6_address_is_free,
    locked_guest_poisons_no_caches,
    locked_guest_without_addresses_may_ask_for_one_only,
    lock_changes_without_a_gap,
    lock_is_lifted_and_set,
    lock_outlives_the_agent,
    no_lock_is_inherited,
    locked_guest_is_held_from_dom0_too,
    locked_guest_is_locked_on_each_of_its_trunks,
)
