"""dom0 as tests of its addresses see it: the driver, started anew at will, and what the kernel says."""

import asyncio
import select
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from pathlib import Path
from typing import Self

from pyroute2 import IPRoute

from kit.netns import run
from xenhost.core.network import DnsWish, IpConfig, IpPlan, Ipv4Mode, Ipv4Wish, Ipv6Mode, Ipv6Wish, Route
from xenhost.drivers.network.ip.addresses import HostAddresses
from xenhost.system.clock import SystemClock

PATIENCE = 60.0
"""Seconds that anything may take here."""


@dataclass
class Host:
    """A host with its places below a folder."""

    folder: Path
    changed: list[str] = field(default_factory=list)
    """Interfaces as they were reported."""

    @property
    def resolv_conf(self) -> Path:
        return self.folder / "resolv.conf"

    @property
    def name_servers(self) -> list[str]:
        if not self.resolv_conf.exists():
            return []
        words = [line.split() for line in self.resolv_conf.read_text().splitlines()]
        return [each[1] for each in words if each[:1] == ["nameserver"]]

    def client_pid(self, interface: str, version: int = 4) -> int:
        return int((self.folder / "run" / "dhcp" / f"{interface}-{version}" / "pid").read_text())

    def client_log(self, interface: str, version: int = 4) -> str:
        return (self.folder / "log" / f"dhcp-{interface}-{version}.log").read_text()

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[HostAddresses]:
        """The driver, until the agent ends."""
        addresses = HostAddresses(self.folder / "run", self.folder / "log", SystemClock(), self.resolv_conf)
        await addresses.open()
        addresses.watch(self.changed.append)
        try:
            yield addresses
        finally:
            await addresses.close()


def static(*addresses: str, gateway: str = "", routes: tuple[Route, ...] = ()) -> IpConfig:
    """IPv4 and IPv6 as the words say."""
    four = tuple(IPv4Interface(each) for each in addresses if ":" not in each)
    six = tuple(IPv6Interface(each) for each in addresses if ":" in each)
    gateway4 = IPv4Address(gateway) if gateway and ":" not in gateway else None
    gateway6 = IPv6Address(gateway) if ":" in gateway else None
    return IpConfig(
        Ipv4Wish(Ipv4Mode.STATIC, four, gateway4) if four else Ipv4Wish(),
        Ipv6Wish(Ipv6Mode.STATIC, six, gateway6) if six else Ipv6Wish(),
        routes,
    )


DHCP = IpConfig(Ipv4Wish(Ipv4Mode.DHCP))
DHCP6 = IpConfig(ipv6=Ipv6Wish(Ipv6Mode.DHCP))
AUTOCONF = IpConfig(ipv6=Ipv6Wish(Ipv6Mode.AUTOCONF))


def plan(gateway: str = "", dns: str = "", servers: tuple[str, ...] = (), **interfaces: IpConfig) -> IpPlan:
    """A plan of the interfaces."""
    return IpPlan(interfaces, gateway, dns, DnsWish(tuple(IPv4Address(each) for each in servers)))


def addresses_of(interface: str) -> set[str]:
    """What the kernel has, without link-local ones of IPv6."""
    with IPRoute() as netlink:
        indexes = netlink.link_lookup(ifname=interface)
        found = {
            f"{each.get_attr('IFA_LOCAL') or each.get_attr('IFA_ADDRESS')}/{each['prefixlen']}"
            for each in (netlink.get_addr(index=indexes[0]) if indexes else ())
        }
    return {each for each in found if not each.startswith("fe80:")}


def routes(version: int = 4) -> list[str]:
    """Lines of `ip route` that lead through gateways."""
    lines = run("ip", f"-{version}", "route").splitlines()
    return [" ".join(line.split()) for line in lines if " via " in line]


async def eventually(holds: Callable[[], object | Awaitable[object]], patience: float = PATIENCE) -> None:
    """Wait until it does."""
    deadline = asyncio.get_running_loop().time() + patience
    while True:
        held = holds()
        if isinstance(held, Awaitable):
            held = await held
        if held:
            return
        assert asyncio.get_running_loop().time() < deadline, "it does not come to be"
        await asyncio.sleep(0.05)


class Removals:
    """Addresses and default routes that the kernel took away since this was made."""

    def __init__(self) -> None:
        self._netlink = IPRoute()
        self._netlink.bind(0x550)  # addresses and routes of both families

    def so_far(self) -> set[str]:
        """`192.0.2.5`, or `default via 192.0.2.1`."""
        gone = set()
        while select.select([self._netlink.fileno()], [], [], 0.05)[0]:
            for message in self._netlink.get():
                if message["event"] == "RTM_DELADDR":
                    gone.add(message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS"))
                if message["event"] == "RTM_DELROUTE" and message["dst_len"] == 0 and message["table"] == 254:
                    gone.add(f"default via {message.get_attr('RTA_GATEWAY')}")
        return gone

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._netlink.close()
