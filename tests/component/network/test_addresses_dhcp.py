"""Addresses that DHCP servers and routers give, with real ones at the other end of the wire."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from component.network.host_under_test import (
    AUTOCONF,
    DHCP,
    DHCP6,
    PATIENCE,
    Host,
    Removals,
    addresses_of,
    eventually,
    plan,
    routes,
    static,
)
from kit import dhcp
from kit.netns import Peer, pings, run
from xenhost.core.network import IpConfig, IpPlan, IpState
from xenhost.drivers.network.ip.addresses import HostAddresses

BOTH = IpConfig(DHCP.ipv4, DHCP6.ipv6)
BEYOND = "198.51.100.1"
BEYOND6 = "2001:db8:ffff::1"
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def wired(peer: Peer, host: Host) -> Iterator[Peer]:
    """A router at the other end of xenbr0. What a test leaves running ends."""
    peer.wire("xenbr0", "eth0")
    for address in ("192.0.2.1/24", "2001:db8::1/64"):
        peer.address("eth0", address)
    for address in (f"{BEYOND}/32", f"{BEYOND6}/128"):
        peer.address("lo", address)
    yield peer
    for folder in (host.folder / "run" / "dhcp").glob("*"):
        os.kill(int((folder / "pid").read_text()), signal.SIGKILL)


async def acquired(addresses: HostAddresses, interface: str = "xenbr0") -> IpState:
    return await asyncio.wait_for(addresses.acquired(interface), PATIENCE)


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]


async def test_both_families_by_dhcp_with_gateway_and_name_servers(host: Host, wired: Peer) -> None:
    with dhcp.dnsmasq(wired, host.folder / "server", "eth0", *dhcp.words()):
        async with host.agent() as addresses:
            assert not await addresses.apply(plan("xenbr0", "xenbr0", xenbr0=BOTH))
            (address,) = (await acquired(addresses)).ipv4
            assert address.network.prefixlen == 24
            await eventually(lambda: host.name_servers == ["192.0.2.1", "2001:db8::1"])
            await eventually(lambda: routes() and routes(6))
            assert routes() == ["default via 192.0.2.1 dev xenbr0 proto 120"]
            assert "search example.com" in host.resolv_conf.read_text()
            assert await asyncio.to_thread(pings, BEYOND)
            assert await asyncio.to_thread(pings, BEYOND6)
            state = await addresses.state("xenbr0")
            assert state.ipv4_gateway == IPv4Address("192.0.2.1")
            assert [str(each) for each in state.dns] == ["192.0.2.1", "2001:db8::1"]
            assert len(state.ipv6) == 1
            assert host.changed
            pids = host.client_pid("xenbr0", 4), host.client_pid("xenbr0", 6)
            await addresses.apply(IpPlan())
            assert addresses_of("xenbr0") == set()
            assert not routes()
            await eventually(lambda: not any(map(alive, pids)))
            assert not list((host.folder / "run" / "dhcp").iterdir())


async def test_an_interface_that_is_not_the_gateway_gets_an_address_only(host: Host, wired: Peer) -> None:
    wired.wire("xenbr1", "eth1")
    wired.address("eth1", "203.0.113.1/24")
    with dhcp.dnsmasq(wired, host.folder / "server", "eth0", *dhcp.words()):
        async with host.agent() as addresses:
            other = static("203.0.113.5/24", gateway="203.0.113.1")
            await addresses.apply(plan("xenbr1", "xenbr1", ("203.0.113.53",), xenbr0=BOTH, xenbr1=other))
            await acquired(addresses)
            await eventually(lambda: len(addresses_of("xenbr0")) == 2)
            assert routes() == ["default via 203.0.113.1 dev xenbr1 proto 120"]
            assert not [each for each in routes(6) if "default" in each]
            assert host.name_servers == ["203.0.113.53"]
            with Removals() as removals:
                client = host.client_pid("xenbr0")
                await addresses.apply(plan("xenbr0", "xenbr0", xenbr0=BOTH, xenbr1=other))
                assert routes() == ["default via 192.0.2.1 dev xenbr0 proto 120"]
                assert host.name_servers == ["192.0.2.1", "2001:db8::1"]
                assert host.client_pid("xenbr0") == client, "the client does not care who is the gateway"
                assert not removals.so_far()


async def test_the_next_agent_finds_clients_and_no_address_is_lost(host: Host, wired: Peer) -> None:
    wish = plan("xenbr0", "xenbr0", xenbr0=BOTH)
    with dhcp.dnsmasq(wired, host.folder / "server", "eth0", *dhcp.words()):
        async with host.agent() as addresses:
            await addresses.apply(wish)
            await acquired(addresses)
            await eventually(lambda: len(addresses_of("xenbr0")) == 2 and routes(6))
            before = addresses_of("xenbr0")
        pids = host.client_pid("xenbr0", 4), host.client_pid("xenbr0", 6)
        with Removals() as removals:
            assert all(map(alive, pids)), "without an agent"
            async with host.agent() as addresses:
                await addresses.apply(wish)
                assert (host.client_pid("xenbr0", 4), host.client_pid("xenbr0", 6)) == pids
                assert addresses_of("xenbr0") == before
                assert not removals.so_far()
                assert host.name_servers == ["192.0.2.1", "2001:db8::1"]
            async with host.agent() as addresses:
                await addresses.apply(plan(xenbr0=IpConfig()))
                assert not any(map(alive, pids)), "also one that it did not start"
                assert addresses_of("xenbr0") == set()


async def test_a_killed_client_is_replaced_and_its_address_stays(host: Host, wired: Peer) -> None:
    server = dhcp.SmallServer()
    with server.serving(wired, "eth0"):
        async with host.agent() as addresses:
            await addresses.apply(plan("xenbr0", xenbr0=DHCP))
            await acquired(addresses)
            first = host.client_pid("xenbr0")
            with Removals() as removals:
                server.asked.clear()
                os.kill(first, signal.SIGKILL)
                await eventually(lambda: server.asked)
                await eventually(lambda: host.client_pid("xenbr0") != first)
                assert server.asked[0] == dhcp.REQUEST, "it asks for the lease that it had"
                await eventually(lambda: "leased" in host.client_log("xenbr0"))
                assert not removals.so_far()
            assert addresses_of("xenbr0") == {"192.0.2.50/24"}


async def test_from_static_to_dhcp_and_back(host: Host, wired: Peer) -> None:
    fixed = plan("xenbr0", xenbr0=static("192.0.2.5/24", "2001:db8::5/64", gateway="192.0.2.1"))
    with dhcp.dnsmasq(wired, host.folder / "server", "eth0", *dhcp.words("--dhcp-option=option:router,192.0.2.1")):
        async with host.agent() as addresses:
            await addresses.apply(fixed)
            await addresses.apply(plan("xenbr0", xenbr0=BOTH))
            assert addresses_of("xenbr0") == set()
            await acquired(addresses)
            await eventually(lambda: len(addresses_of("xenbr0")) == 2)
            await eventually(lambda: routes() == ["default via 192.0.2.1 dev xenbr0 proto 120"])
            assert await asyncio.to_thread(pings, BEYOND)
            await addresses.apply(fixed)
            assert addresses_of("xenbr0") == {"192.0.2.5/24", "2001:db8::5/64"}
            assert await asyncio.to_thread(pings, BEYOND)
            assert "fe80::" in run("ip", "-6", "address", "show", "xenbr0")
            assert not [each for each in routes(6) if "default" in each], "routers are not listened to any more"


async def test_a_leased_address_that_becomes_static_stays_for_good(host: Host, wired: Peer) -> None:
    with dhcp.SmallServer(lease=600).serving(wired, "eth0"):
        async with host.agent() as addresses:
            await addresses.apply(plan("xenbr0", xenbr0=DHCP))
            await acquired(addresses)
            assert "dynamic" in run("ip", "-4", "address", "show", "xenbr0")
            with Removals() as removals:
                await addresses.apply(plan("xenbr0", xenbr0=static("192.0.2.50/24")))
                assert not removals.so_far()
            assert "dynamic" not in run("ip", "-4", "address", "show", "xenbr0")


async def test_a_lease_that_nobody_renews_ends(host: Host, wired: Peer) -> None:
    server = dhcp.SmallServer(lease=20)
    server.options |= {3: dhcp.hosts("192.0.2.1"), 6: dhcp.hosts("192.0.2.53")}
    with server.serving(wired, "eth0"):
        async with host.agent() as addresses:
            await addresses.apply(plan("xenbr0", "xenbr0", xenbr0=DHCP))
            await acquired(addresses)
            await eventually(routes)
            server.silent = True
            host.changed.clear()
            await eventually(lambda: addresses_of("xenbr0") == set(), 60)
            await eventually(lambda: host.changed)
            await eventually(lambda: not routes())
            assert host.name_servers == ["192.0.2.53"], "better an old one than none"
            server.silent = False
            assert str((await acquired(addresses)).ipv4[0]) == "192.0.2.50/24"


async def test_a_lease_ends_also_without_client_and_agent(host: Host, wired: Peer) -> None:
    with dhcp.SmallServer(lease=20).serving(wired, "eth0"):
        async with host.agent() as addresses:
            await addresses.apply(plan("xenbr0", xenbr0=DHCP))
            await acquired(addresses)
        os.kill(host.client_pid("xenbr0"), signal.SIGKILL)
        words = run("ip", "-4", "address", "show", "xenbr0").split()
        assert words[words.index("inet") + 1] == "192.0.2.50/24"
        assert int(words[words.index("valid_lft") + 1].removesuffix("sec")) <= 20, "the kernel takes it away"


async def test_dhcpv6_comes_back_after_the_interface_was_down(host: Host, wired: Peer) -> None:
    with dhcp.dnsmasq(wired, host.folder / "server", "eth0", *dhcp.words()):
        async with host.agent() as addresses:
            await addresses.apply(plan("xenbr0", xenbr0=DHCP6))
            (address,) = (await acquired(addresses)).ipv6
            run("ip", "link", "set", "xenbr0", "down")
            await eventually(lambda: not addresses_of("xenbr0"))
            run("ip", "link", "set", "xenbr0", "up")
            await eventually(lambda: "fe80::" in run("ip", "-6", "address", "show", "xenbr0"))
            await eventually(lambda: addresses_of("xenbr0") == {str(address)})
            await eventually(lambda: asyncio.to_thread(pings, BEYOND6, wait=1))


async def test_the_host_follows_when_the_network_is_renumbered(host: Host, wired: Peer) -> None:
    wired.address("eth0", "203.0.113.1/24")
    server = dhcp.SmallServer(lease=40, renew=5)
    server.options |= {3: dhcp.hosts("192.0.2.1"), 6: dhcp.hosts("192.0.2.53")}
    with server.serving(wired, "eth0"):
        async with host.agent() as addresses:
            await addresses.apply(plan("xenbr0", "xenbr0", xenbr0=DHCP))
            await acquired(addresses)
            await eventually(lambda: routes() and host.name_servers == ["192.0.2.53"])
            server.options |= {6: dhcp.hosts("192.0.2.54")}
            await eventually(lambda: host.name_servers == ["192.0.2.54"])
            server.address = "203.0.113.50"
            server.options |= {3: dhcp.hosts("203.0.113.1")}
            await eventually(lambda: addresses_of("xenbr0") == {"203.0.113.50/24"}, 60)
            await eventually(lambda: routes() == ["default via 203.0.113.1 dev xenbr0 proto 120"])
            assert await asyncio.to_thread(pings, BEYOND)


async def test_a_lost_link_costs_no_address_and_the_lease_is_confirmed_when_it_is_back(host: Host, wired: Peer) -> None:
    server = dhcp.SmallServer()
    with server.serving(wired, "eth0"):
        async with host.agent() as addresses:
            await addresses.apply(plan("xenbr0", xenbr0=DHCP))
            await acquired(addresses)
            with Removals() as removals:
                wired.run("ip", "link", "set", "eth0", "down")
                await eventually(lambda: "carrier lost" in host.client_log("xenbr0"))
                await asyncio.sleep(1)
                assert addresses_of("xenbr0") == {"192.0.2.50/24"}
                server.asked.clear()
                wired.run("ip", "link", "set", "eth0", "up")
                await eventually(lambda: server.asked)
                assert server.asked[0] == dhcp.REQUEST
                await asyncio.sleep(1)
                assert not removals.so_far()


async def test_what_a_hostile_server_says_is_not_believed(host: Host, wired: Peer) -> None:
    server = dhcp.SmallServer()
    server.options |= {
        3: dhcp.hosts("0.0.0.0", "224.0.0.1", "192.0.2.1"),
        6: dhcp.hosts("255.255.255.255", "127.0.0.1", *(f"192.0.2.{number}" for number in range(100, 140))),
        15: b"evil.example\nnameserver 6.6.6.6\n$(touch /tmp/owned) `id`",
    }
    with server.serving(wired, "eth0"):
        async with host.agent() as addresses:
            await addresses.apply(plan("xenbr0", "xenbr0", xenbr0=DHCP))
            await acquired(addresses)
            await eventually(lambda: host.name_servers)
            assert host.name_servers == [f"192.0.2.{number}" for number in range(100, 108)]
            assert "6.6.6.6" not in host.resolv_conf.read_text().replace("nameserver6.6.6.6", "")
            assert routes() == ["default via 192.0.2.1 dev xenbr0 proto 120"]
    assert not Path("/tmp/owned").exists()


async def test_a_client_of_the_host_goes_on_undisturbed(host: Host, wired: Peer) -> None:
    wired.wire("lan0", "eth1")
    wired.address("eth1", "203.0.113.1/24")
    Path("/run/dhcpcd").mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "none", "/run/dhcpcd")
    run("mount", "-t", "tmpfs", "none", "/var/lib/dhcpcd")
    config = host.folder / "dhcpcd.conf"
    config.write_text("nodev\nnoipv4ll\nnodelay\nnoarp\nnohook resolv.conf\nallowinterfaces lan0\n")
    own = subprocess.Popen(["dhcpcd", "-B", "-4", "-f", config], stderr=subprocess.DEVNULL)
    try:
        elsewhere = dhcp.SmallServer(address="203.0.113.50", server="203.0.113.1")
        with dhcp.SmallServer().serving(wired, "eth0"), elsewhere.serving(wired, "eth1"):
            await eventually(lambda: addresses_of("lan0") == {"203.0.113.50/24"})
            async with host.agent() as addresses:
                await addresses.apply(plan("xenbr0", xenbr0=DHCP))
                assert str((await acquired(addresses)).ipv4[0]) == "192.0.2.50/24"
                await addresses.apply(IpPlan())
            assert addresses_of("lan0") == {"203.0.113.50/24"}
            assert own.poll() is None
    finally:
        own.terminate()
        own.wait()


async def test_an_interface_made_anew_gets_a_client_of_its_own(host: Host, wired: Peer) -> None:
    with dhcp.SmallServer().serving(wired, "eth0"):
        async with host.agent() as addresses:
            await addresses.apply(plan("xenbr0", xenbr0=DHCP))
            await acquired(addresses)
            run("ip", "link", "delete", "xenbr0")
    wired.wire("xenbr0", "eth0")
    wired.address("eth0", "192.0.2.1/24")
    with dhcp.SmallServer(address="192.0.2.51").serving(wired, "eth0"):
        async with host.agent() as addresses:
            await addresses.apply(plan("xenbr0", xenbr0=DHCP))
            assert str((await acquired(addresses)).ipv4[0]) == "192.0.2.51/24"


async def test_addresses_of_router_advertisements_come_and_go_with_the_mode(host: Host, wired: Peer) -> None:
    wired.wire("xenbr1", "eth1")
    wired.address("eth1", "2001:db8:1::1/64")
    announce = (
        "--enable-ra",
        "--dhcp-range=2001:db8::,ra-only",
        "--dhcp-range=2001:db8:1::,ra-only",
        "--interface=eth1",
    )
    Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
    with dhcp.dnsmasq(wired, host.folder / "server", "eth0", *announce):
        async with host.agent() as addresses:
            await addresses.apply(plan("xenbr0", xenbr0=AUTOCONF, xenbr1=AUTOCONF))
            assert str((await acquired(addresses)).ipv6[0]).startswith("2001:db8::")
            assert str((await acquired(addresses, "xenbr1")).ipv6[0]).startswith("2001:db8:1:")
            await eventually(lambda: asyncio.to_thread(pings, BEYOND6, wait=1))
            assert [each.split(" dev ")[1].split()[0] for each in routes(6) if "default" in each] == ["xenbr0"]
            assert str((await addresses.state("xenbr0")).ipv6_gateway).startswith("fe80::")
            before = addresses_of("xenbr0")
            await addresses.apply(plan("xenbr0", xenbr0=AUTOCONF, xenbr1=AUTOCONF))
            assert addresses_of("xenbr0") == before
            await addresses.apply(plan("xenbr0", xenbr0=static("2001:db8::5/64"), xenbr1=IpConfig()))
            assert addresses_of("xenbr0") == {"2001:db8::5/64"}
            assert addresses_of("xenbr1") == set()
            assert not [each for each in routes(6) if "default" in each]
