"""Addresses that are given: static ones, routes, the default route, and who asks whom for names."""

import asyncio
import sys
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from component.network.host_under_test import (
    AUTOCONF,
    Host,
    Removals,
    addresses_of,
    eventually,
    plan,
    routes,
    static,
)
from kit.netns import Peer, pings, run
from xenhost.core.network import IpConfig, IpPlan, Route
from xenhost.drivers.network.ip.monitor import EVERY, Monitor

NONE = IpConfig()
BEYOND = "198.51.100.1"
BEYOND6 = "2001:db8:ffff::1"


@pytest.fixture
def wired(peer: Peer) -> Peer:
    """A router at the other end of xenbr0."""
    peer.wire("xenbr0", "eth0")
    for address in ("192.0.2.1/24", "2001:db8::1/64"):
        peer.address("eth0", address)
    for address in (f"{BEYOND}/32", f"{BEYOND6}/128"):
        peer.address("lo", address)
    return peer


def test_a_host_that_has_never_had_a_route_has_none() -> None:
    look = (
        "from xenhost.drivers.network.ip.kernel import Kernel; kernel = Kernel(); kernel.open(); print(kernel.look())"
    )
    assert "routes=()" in run("unshare", "-n", sys.executable, "-c", look)


async def test_static_addresses_reach_the_wire_and_what_is_behind_the_gateway(host: Host, wired: Peer) -> None:
    async with host.agent() as addresses:
        assert not await addresses.apply(plan("xenbr0", xenbr0=static("192.0.2.5/24", gateway="192.0.2.1")))
        assert await asyncio.to_thread(pings, BEYOND)
        both = static("192.0.2.5/24", "2001:db8::5/64", gateway="2001:db8::1")
        assert not await addresses.apply(plan("xenbr0", xenbr0=both))
        assert await asyncio.to_thread(pings, BEYOND6)
        assert await asyncio.to_thread(pings, "192.0.2.1")
        state = await addresses.acquired("xenbr0")
    assert [str(each) for each in (*state.ipv4, *state.ipv6)] == ["192.0.2.5/24", "2001:db8::5/64"]
    assert (state.ipv4_gateway, str(state.ipv6_gateway)) == (None, "2001:db8::1")
    assert "brd 192.0.2.255" in run("ip", "-4", "address", "show", "xenbr0")


async def test_what_stays_is_not_touched_while_its_neighbours_change(host: Host, wired: Peer) -> None:
    async with host.agent() as addresses:
        before = static("192.0.2.5/24", "192.0.2.6/24", "2001:db8::5/64", "2001:db8::6/64", gateway="192.0.2.1")
        await addresses.apply(plan("xenbr0", xenbr0=before))
        with Removals() as removals:
            after = static("192.0.2.6/24", "192.0.2.7/24", "2001:db8::6/64", "2001:db8::7/64", gateway="192.0.2.1")
            assert not await addresses.apply(plan("xenbr0", xenbr0=after))
            assert addresses_of("xenbr0") == {"192.0.2.6/24", "192.0.2.7/24", "2001:db8::6/64", "2001:db8::7/64"}
            assert removals.so_far() == {"192.0.2.5", "2001:db8::5"}
            assert await asyncio.to_thread(pings, BEYOND)
            await addresses.apply(plan("xenbr0", xenbr0=after))
            assert not removals.so_far()


async def test_a_new_address_in_the_same_network_keeps_the_gateway(host: Host, wired: Peer) -> None:
    async with host.agent() as addresses:
        await addresses.apply(plan("xenbr0", xenbr0=static("192.0.2.5/24", gateway="192.0.2.1")))
        with Removals() as removals:
            await addresses.apply(plan("xenbr0", xenbr0=static("192.0.2.9/24", gateway="192.0.2.1")))
            assert addresses_of("xenbr0") == {"192.0.2.9/24"}
            assert removals.so_far() == {"192.0.2.5"}
        assert await asyncio.to_thread(pings, BEYOND)


async def test_the_default_route_changes_its_interface_in_one_step(host: Host, wired: Peer) -> None:
    wired.wire("xenbr1", "eth1")
    wired.address("eth1", "203.0.113.1/24")
    two = {
        "xenbr0": static("192.0.2.5/24", gateway="192.0.2.1"),
        "xenbr1": static("203.0.113.5/24", gateway="203.0.113.1"),
    }
    async with host.agent() as addresses:
        await addresses.apply(IpPlan(two, "xenbr0"))
        assert routes() == ["default via 192.0.2.1 dev xenbr0 proto 120"]
        with Removals() as removals:
            await addresses.apply(IpPlan(two, "xenbr1"))
            assert routes() == ["default via 203.0.113.1 dev xenbr1 proto 120"]
            await addresses.apply(IpPlan(two, ""))
            assert routes() == ["default via 203.0.113.1 dev xenbr1 proto 120"], (
                "without a gateway interface it is left"
            )
            assert not removals.so_far()


async def test_a_gateway_outside_of_the_network_is_reached_through_the_interface(host: Host, wired: Peer) -> None:
    async with host.agent() as addresses:
        assert not await addresses.apply(plan("xenbr0", xenbr0=static("192.0.2.5/32", gateway="192.0.2.1")))
        wired.run("ip", "route", "replace", "192.0.2.5/32", "dev", "eth0")
        assert await asyncio.to_thread(pings, BEYOND)


async def test_static_routes_go_when_they_are_not_wanted_and_those_of_others_stay(host: Host, wired: Peer) -> None:
    def config(*networks: str) -> IpConfig:
        wanted = tuple(Route(IPv4Network(each), IPv4Address("192.0.2.1")) for each in networks)
        return static("192.0.2.5/24", routes=wanted)

    async with host.agent() as addresses:
        await addresses.apply(plan(xenbr0=config("198.51.100.0/24", "203.0.113.0/24")))
        assert await asyncio.to_thread(pings, BEYOND)
        run("ip", "route", "add", "10.0.0.0/8", "via", "192.0.2.1", "proto", "static")
        run("ip", "route", "add", "default", "via", "192.0.2.1")
        assert not await addresses.apply(plan(xenbr0=config("203.0.113.0/24")))
        assert routes() == [
            "default via 192.0.2.1 dev xenbr0",
            "10.0.0.0/8 via 192.0.2.1 dev xenbr0 proto static",
            "203.0.113.0/24 via 192.0.2.1 dev xenbr0 proto 120",
        ]
        (problem,) = await addresses.apply(plan(xenbr0=config("10.0.0.0/8", "203.0.113.0/24")))
        assert problem.place == "xenbr0"
        assert "10.0.0.0/8" in problem.message
        assert "10.0.0.0/8 via 192.0.2.1 dev xenbr0 proto static" in routes()


async def test_the_next_agent_knows_what_its_forerunner_gave(host: Host, wired: Peer) -> None:
    wired.wire("xenbr1", "eth1")
    wired.wire("foreign0", "eth2")
    run("ip", "address", "add", "203.0.113.9/24", "dev", "foreign0")
    async with host.agent() as addresses:
        routed = static("192.0.2.5/24", routes=(Route(IPv4Network("10.0.0.0/8"), IPv4Address("192.0.2.1")),))
        await addresses.apply(plan(xenbr0=routed, xenbr1=static("198.51.100.5/24", "2001:db8:1::5/64")))
    async with host.agent() as addresses:
        with Removals() as removals:
            await addresses.apply(plan(xenbr0=static("192.0.2.5/24"), xenbr1=NONE))
            assert addresses_of("xenbr1") == set()
            assert removals.so_far() == {"198.51.100.5", "2001:db8:1::5"}
            assert not routes()
    async with host.agent() as addresses:
        await addresses.apply(IpPlan())
    assert addresses_of("xenbr0") == set()
    assert addresses_of("foreign0") == {"203.0.113.9/24"}


async def test_nothing_is_touched_before_there_is_a_plan(host: Host, wired: Peer) -> None:
    wish = plan("xenbr0", xenbr0=static("192.0.2.5/24", gateway="192.0.2.1"))
    async with host.agent() as addresses:
        await addresses.apply(wish)
    async with host.agent():
        run("ip", "route", "add", "default", "via", "192.0.2.1", "metric", "77")
        await asyncio.sleep(1)
        assert addresses_of("xenbr0") == {"192.0.2.5/24"}
        assert len(routes()) == 2


async def test_a_missing_interface_keeps_no_other_back(host: Host, wired: Peer) -> None:
    async with host.agent() as addresses:
        wish = IpPlan({"xenbr0": static("192.0.2.5/24"), "gone": static("192.0.2.6/24"), "../x": NONE})
        problems = await addresses.apply(wish)
        assert [each.place for each in problems] == ["gone", "../x"]
        assert await asyncio.to_thread(pings, "192.0.2.1")
        assert not (await addresses.state("gone")).ipv4


async def test_a_card_in_a_bridge_loses_its_addresses_but_not_the_link_local_one(host: Host, wired: Peer) -> None:
    run("ip", "address", "add", "192.0.2.77/24", "dev", "xenbr0")
    run("ip", "address", "add", "2001:db8::77/64", "dev", "xenbr0")
    async with host.agent() as addresses:
        await addresses.apply(plan(xenbr0=NONE))
        assert addresses_of("xenbr0") == set()
        assert "fe80::" in run("ip", "-6", "address", "show", "xenbr0")
        assert await addresses.acquired("xenbr0") == await addresses.state("xenbr0")


async def test_what_vanishes_by_itself_comes_back_and_is_reported(host: Host, wired: Peer) -> None:
    config = static("192.0.2.5/24", "2001:db8::5/64", gateway="2001:db8::1")
    async with host.agent() as addresses:
        await addresses.apply(plan("xenbr0", xenbr0=config))
        await addresses.acquired("xenbr0")
        run("ip", "link", "set", "xenbr0", "down")
        await eventually(lambda: "2001:db8::5/64" not in addresses_of("xenbr0"))
        run("ip", "link", "set", "xenbr0", "up")
        await eventually(lambda: "2001:db8::5/64" in addresses_of("xenbr0") and routes(6))
        host.changed.clear()
        run("ip", "address", "flush", "dev", "xenbr0", "scope", "global")
        await eventually(lambda: addresses_of("xenbr0") == {"192.0.2.5/24", "2001:db8::5/64"})
        assert await asyncio.to_thread(pings, BEYOND6)
        run("ip", "address", "add", "192.0.2.99/24", "dev", "xenbr0")
        await eventually(lambda: "xenbr0" in host.changed)
        assert "192.0.2.99/24" in addresses_of("xenbr0"), "what somebody adds stays until the next wish"
        wired.wire("vif1.0", "eth7")
        host.changed.clear()
        run("ip", "address", "add", "203.0.113.1/24", "dev", "vif1.0")
        await asyncio.sleep(1)
        assert not host.changed


async def test_an_interface_that_is_made_anew_gets_its_addresses(host: Host, wired: Peer) -> None:
    async with host.agent() as addresses:
        await addresses.apply(plan("xenbr0", xenbr0=static("192.0.2.5/24", gateway="192.0.2.1")))
        run("ip", "link", "delete", "xenbr0")
        wired.wire("xenbr0", "eth0")
        wired.address("eth0", "192.0.2.1/24")
        await eventually(lambda: asyncio.to_thread(pings, BEYOND, wait=1))


async def test_name_servers_are_those_of_the_dns_interface(host: Host, wired: Peer) -> None:
    async with host.agent() as addresses:
        config = static("192.0.2.5/24")
        await addresses.apply(plan(xenbr0=config, servers=("192.0.2.53",)))
        assert not host.resolv_conf.exists()
        await addresses.apply(plan(dns="xenbr0", xenbr0=config, servers=("192.0.2.53", "192.0.2.54")))
        assert host.name_servers == ["192.0.2.53", "192.0.2.54"]
        assert [str(each) for each in (await addresses.state("xenbr0")).dns] == host.name_servers
        await addresses.apply(plan(xenbr0=config))
        assert host.name_servers == ["192.0.2.53", "192.0.2.54"], "left alone"
        await addresses.apply(plan(dns="xenbr0", xenbr0=config))
        assert host.name_servers == []


async def test_a_host_without_ipv6_has_a_problem_and_its_ipv4(host: Host, wired: Peer) -> None:
    Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
    async with host.agent() as addresses:
        (problem,) = await addresses.apply(plan(xenbr0=AUTOCONF, lo=NONE))
        assert (problem.place, "IPv6" in problem.message) == ("xenbr0", True)
        await addresses.apply(plan(xenbr0=static("192.0.2.5/24", "2001:db8::5/64")))
        assert addresses_of("xenbr0") == {"192.0.2.5/24"}


async def test_two_hundred_interfaces_are_set_up_at_once(host: Host, network: None) -> None:
    names = [f"xapi{number}" for number in range(200)]
    script = host.folder / "links"
    script.write_text("".join(f"link add {name} type bridge\nlink set {name} up\n" for name in names))
    run("ip", "-batch", str(script))
    wish = IpPlan({name: static(f"10.0.{number}.1/24") for number, name in enumerate(names)})
    async with host.agent() as addresses:
        assert not await addresses.apply(wish)
        assert addresses_of("xapi199") == {"10.0.199.1/24"}
        with Removals() as removals:
            await addresses.apply(wish)
            assert not removals.so_far()


async def test_an_address_that_another_machine_has_is_a_problem_and_not_acquired(host: Host, wired: Peer) -> None:
    wired.address("eth0", "2001:db8::5/64")
    wish = plan(xenbr0=static("2001:db8::5/64"))
    async with host.agent() as addresses:
        assert not await addresses.apply(wish)
        await eventually(lambda: "dadfailed" in run("ip", "-6", "address", "show", "xenbr0"))
        (problem,) = await addresses.apply(wish)
        assert "2001:db8::5" in problem.message
        assert not (await addresses.state("xenbr0")).ipv6


async def test_events_that_the_kernel_had_to_drop_count_as_any(host: Host, wired: Peer) -> None:
    heard: list[set[int]] = []
    monitor = Monitor(heard.append, buffer=4096)
    await asyncio.to_thread(monitor.open)
    script = host.folder / "many"
    many = (f"address add 10.0.{number // 250}.{number % 250 + 1}/32 dev xenbr0\n" for number in range(500))
    script.write_text("".join(many))
    run("ip", "-batch", str(script))
    for _ in range(200):
        monitor.read()
    monitor.close()
    assert any(EVERY in each for each in heard)
    assert any(each - {EVERY} for each in heard)
