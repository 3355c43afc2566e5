"""Networks: VIFs with locking, many VIFs, a bond that loses its active card.

Interfaces are the ends of veth pairs with the names that netback gives, so that only the switch's part is measured.
"""

import asyncio
import os
import socket
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from pyroute2 import IPRoute

from bench.meter import Meter, is_xen
from bench.stats import OURS, Row, Sample
from kit.netns import Peer
from xenhost.core.network import (
    BondMode,
    BondUplink,
    Bridge,
    LockingMode,
    Topology,
    VifPort,
)
from xenhost.core.ports.network import Switch
from xenhost.drivers.network.linux.switch import LinuxSwitch
from xenhost.drivers.network.ovs.switch import OvsSwitch

SCRIPTS: Final = "xl's script, rules by commands"
IP: Final = "ip, one command a step"
BATCH: Final = "ip -batch, one process"
KERNEL: Final = "kernel bonding, plain"
FIRST: Final = "VIF number 1"
MAC: Final = "00:16:3e:00:00:01"
ADDRESSES: Final = ("10.0.0.5", "fd00::5")
DOMID: Final = 7
BACKEND: Final = f"/local/domain/0/backend/vif/{DOMID}/0"


def vif(number: int = 0, bridge: str = "benchbr") -> VifPort:
    """A VIF locked to two addresses."""
    return VifPort(
        f"vif{DOMID}.{number}",
        bridge,
        MAC,
        locking=LockingMode.LOCKED,
        ipv4_allowed=frozenset({IPv4Network(ADDRESSES[0])}),
        ipv6_allowed=frozenset({IPv6Network(ADDRESSES[1])}),
    )


@contextmanager
def interfaces(names: list[str]) -> Iterator[None]:
    """Ends of veth pairs."""
    with IPRoute() as netlink:
        for name in names:
            netlink.link("add", ifname=name, kind="veth", peer={"ifname": f"p{name}"})
        try:
            yield
        finally:
            for name in names:
                for index in netlink.link_lookup(ifname=name):
                    netlink.link("del", index=index)


async def plug(meter: Meter, rounds: int) -> list[Row]:
    """Plug a locked VIF: on a Linux bridge, and on Open vSwitch."""
    start_ovs()
    nodes()
    rows = []
    for title, switch, theirs in (
        ("VIF with locking, Linux bridge", LinuxSwitch(), bridge_by_script),
        ("VIF with locking, Open vSwitch", OvsSwitch(), ovs_by_script),
    ):
        await switch.open()
        await applied(switch, Topology((Bridge("benchbr", ""),)))
        ours: list[Sample] = []
        peer: list[Sample] = []
        for _ in range(rounds):
            with interfaces([f"vif{DOMID}.0"]):
                ours.append(await meter.measure(lambda switch=switch: switch.connect_vif(vif())))  # type: ignore[misc]  # bound now
                await switch.disconnect_vif(f"vif{DOMID}.0")
            with interfaces([f"vif{DOMID}.0"]):
                peer.append(await meter.measure(lambda theirs=theirs: asyncio.to_thread(theirs, True)))  # type: ignore[misc]
                theirs(False)
        await applied(switch, Topology())
        await switch.close()
        rows.append(Row(title, {OURS: ours, SCRIPTS: peer}, {SCRIPTS: 0.1}))
    return rows


async def many(meter: Meter, rounds: int, count: int = 500) -> list[Row]:
    """Locked VIFs on one bridge: does the last one cost more than the first? And with Xen's script?"""
    if is_xen():
        nodes()
    first: list[Sample] = []
    last: list[Sample] = []
    theirs: list[Sample] = []
    switch = LinuxSwitch()
    await switch.open()
    await applied(switch, Topology((Bridge("benchbr", ""),)))
    for _ in range(rounds):
        with interfaces([f"vif{DOMID}.{number}" for number in range(count)]):
            for number in range(1, count):
                if number in (1, count - 10):
                    some = range(number, number + 10)
                    sample = await meter.measure(lambda some=some: connected(switch, some))  # type: ignore[misc]  # bound now
                    (first if number == 1 else last).append(Sample(sample.wall / 10, sample.dom0_cpu / 10))
                elif 11 <= number < count - 10:
                    await switch.connect_vif(vif(number))
            if is_xen():
                theirs.append(await meter.measure(lambda: asyncio.to_thread(bridge_by_script, True)))
                bridge_by_script(False)
            for number in range(1, count):
                await switch.disconnect_vif(f"vif{DOMID}.{number}")
    await applied(switch, Topology())
    await switch.close()
    samples = {OURS: last, FIRST: first, **({SCRIPTS: theirs} if theirs else {})}
    return [Row(f"VIF number {count} of a bridge", samples, {FIRST: 1.2, SCRIPTS: 0.1})]


async def failover(meter: Meter, rounds: int) -> list[Row]:
    """The longest silence on an active-backup bond whose active card loses its link; against the kernel's own.

    With the delays that XenAPI gives every bond, and without them, as administrators make bonds: of both alike.
    """
    rows = []
    for title, downdelay in (("downdelay 200 ms", 200), ("no downdelay", 0)):
        samples: dict[str, list[Sample]] = {OURS: [], KERNEL: []}
        for _ in range(rounds):
            samples[OURS].append(Sample(await silence(partial(by_us, downdelay)), 0.0))
            samples[KERNEL].append(Sample(await silence(partial(by_kernel, downdelay)), 0.0))
        rows.append(Row(f"failover, {title}", samples, {KERNEL: 1.1}))
    return rows


async def silence(make: Callable[[], Awaitable[Callable[[], Awaitable[None]]]]) -> float:
    """Seconds between two datagrams, sent every 5 ms from the peer through the bond to us, at the worst."""
    peer = Peer()
    try:
        for number in range(2):
            peer.wire(f"bnic{number}", f"far{number}")
        with peer.inside():
            in_one(["link add far type bridge", *(f"link set far{n} master far" for n in range(2)), "link set far up"])
            in_one(["addr add 192.0.2.2/24 dev far"])
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            hand = IPRoute()
            (plug,) = hand.link_lookup(ifname="far0")
        undo = await make()
        in_one(["addr add 192.0.2.1/24 dev benchbr"])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, sender, hand:
            receiver.bind(("192.0.2.1", 5555))
            pull = partial(hand.link, "set", index=plug, state="down")
            worst = await asyncio.to_thread(listen, receiver, sender, pull)
        await undo()
        return worst
    finally:
        peer.close()


def listen(receiver: socket.socket, sender: socket.socket, pull: Callable[[], object]) -> float:
    """Six seconds; after two of them the active card's cable is pulled at its far end, while others go on sending."""
    hand = threading.Thread(target=pull)
    began = last = time.monotonic()
    pulled, worst, heard = False, 0.0, False
    receiver.setblocking(False)
    while (now := time.monotonic()) < began + 6:
        sender.sendto(b"x", ("192.0.2.1", 5555))
        time.sleep(0.005)
        try:
            while receiver.recv(16):
                got = time.monotonic()
                if heard:
                    worst = max(worst, got - last)
                last, heard = got, True
        except BlockingIOError:
            pass
        if not pulled and now > began + 2:
            worst, pulled = 0.0, True
            hand.start()
    hand.join()
    return max(worst, time.monotonic() - last)


async def by_us(downdelay: int) -> Callable[[], Awaitable[None]]:
    """Our bond on a bridge of ours."""
    switch = LinuxSwitch()
    await switch.open()
    delays = {"updelay": "0", "downdelay": str(downdelay)}
    uplink = BondUplink("benchbond", ("bnic0", "bnic1"), BondMode.ACTIVE_BACKUP, "", delays)
    await applied(switch, Topology((Bridge("benchbr", "", uplink),)))

    async def undo() -> None:
        await applied(switch, Topology())
        await switch.close()

    return undo


async def by_kernel(downdelay: int) -> Callable[[], Awaitable[None]]:
    """The same by hand."""
    in_one(
        [
            f"link add benchbond type bond mode active-backup miimon 100 downdelay {downdelay}",
            *(f"link set bnic{number} down" for number in range(2)),
            *(f"link set bnic{number} master benchbond" for number in range(2)),
            "link add benchbr type bridge",
            "link set benchbond master benchbr up",
            "link set benchbr up",
        ]
    )

    async def undo() -> None:
        in_one(["link del benchbr", "link del benchbond"])

    return undo


async def connected(switch: Switch, numbers: range) -> None:
    """Plug them."""
    for number in numbers:
        await switch.connect_vif(vif(number))


async def applied(switch: Switch, topology: Topology) -> None:
    """It is made, all of it."""
    problems = await switch.apply(topology)
    assert not problems, problems


# --- what others do


def one_by_one(steps: list[str]) -> None:
    """A process for each step, as ifupdown and xcp-networkd do it."""
    for step in steps:
        subprocess.run(["ip", *step.split()], check=True)


def in_one(steps: list[str]) -> None:
    """All of it by one process."""
    subprocess.run(["ip", "-batch", "-"], input="\n".join(steps), text=True, check=True)


def nodes() -> None:
    """What libxl has in xenstore before it runs a script; not measured."""
    for key, value in {"bridge": "benchbr", "mac": MAC, "frontend-id": str(DOMID)}.items():
        subprocess.run(["xenstore-write", f"{BACKEND}/{key}", value], check=True)


def script(name: str, add: bool) -> None:
    """Xen's hotplug script for a VIF, as libxl runs it."""
    command = ["/etc/xen/scripts/" + name, "online" if add else "offline", "type_if=vif"]
    env = {**os.environ, "XENBUS_PATH": BACKEND, "vif": f"vif{DOMID}.0", "netdev": f"vif{DOMID}.0"}
    subprocess.run(command, env=env, check=add)


def bridge_by_script(add: bool) -> None:
    """vif-bridge, and the rules by one run of nft: less than XenServer's dozen runs of ebtables."""
    script("vif-bridge", add)
    interface = f"vif{DOMID}.0"
    if not add:
        subprocess.run(["nft", "delete table bridge bench"], check=True)
        return
    rules = [
        f"ether saddr != {MAC} drop",
        "udp sport 68 udp dport 67 accept",
        f"arp saddr ether {MAC} arp saddr ip {{ 0.0.0.0, {ADDRESSES[0]} }} accept",
        f"ip saddr {ADDRESSES[0]} accept",
        "icmpv6 type { nd-router-advert, nd-redirect } drop",
        f"ip6 saddr {ADDRESSES[1]} accept",
        "drop",
    ]
    lines = ["table bridge bench {", "chain vif {", *rules, "}", "chain forward {"]
    lines += ["type filter hook prerouting priority 0;", f"iifname {interface} jump vif", "}", "}"]
    subprocess.run(["nft", "-f", "-"], input="\n".join(lines), text=True, check=True)


def ovs_by_script(add: bool) -> None:
    """vif-openvswitch, and XenServer's rules by ovs-ofctl, one run for each flow, as setup-vif-rules does it."""
    script("vif-openvswitch", add)
    if not add:
        subprocess.run(["ovs-ofctl", "del-flows", "benchbr", "cookie=1/-1"], check=True)
        return
    found = subprocess.run(
        ["ovs-vsctl", "get", "interface", f"vif{DOMID}.0", "ofport"], capture_output=True, text=True, check=True
    )
    port = found.stdout.strip()
    ip4, ip6 = ADDRESSES
    flows = [
        f"priority=8000,udp,tp_dst=67,dl_src={MAC},actions=normal",
        f"priority=7000,arp,dl_src={MAC},arp_sha={MAC},nw_src=0.0.0.0,actions=normal",
        f"priority=7000,arp,dl_src={MAC},arp_sha={MAC},nw_src={ip4},actions=normal",
        f"priority=6000,ip,nw_src={ip4},dl_src={MAC},actions=normal",
        f"priority=8000,icmp6,icmp_type=135,dl_src={MAC},ipv6_src={ip6},nd_sll={MAC},actions=normal",
        f"priority=8000,icmp6,icmp_type=136,dl_src={MAC},ipv6_src={ip6},nd_target={ip6},actions=normal",
        *(f"priority=5000,{kind},dl_src={MAC},ipv6_src={ip6},actions=normal" for kind in ("icmp6", "tcp6", "udp6")),
        *(f"priority=7000,icmp6,icmp_type={number},actions=drop" for number in (135, 136)),
        *(f"priority=6000,icmp6,icmp_type={n},actions=drop" for n in (134, 137, 146, 147, 151, 152, 153)),
        "priority=4000,actions=drop",
    ]
    for flow in flows:
        subprocess.run(["ovs-ofctl", "add-flow", "benchbr", f"cookie=1,in_port={port},{flow}"], check=True)


def start_ovs() -> None:
    """Its daemons; no-op if they run."""
    subprocess.run(
        ["/usr/share/openvswitch/scripts/ovs-ctl", "--system-id=random", "--no-monitor", "start"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
