"""PVS sites, servers and proxies: what is wanted."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from kit.intents import LINUX, Wanted
from xenhost.core.errors import HandleInvalid, InvalidValue
from xenhost.core.network_errors import (
    InvalidIpAddress,
    OpenvswitchNotActive,
    PvsProxyAlreadyPresent,
    PvsServerAddressInUse,
    PvsSiteContainsRunningProxies,
    PvsSiteContainsServers,
)
from xenhost.core.network_requests import (
    CreatePvsProxy,
    DestroyPvsProxy,
    ForgetPvsServer,
    ForgetPvsSite,
    IntroducePvsServer,
    IntroducePvsSite,
)
from xenhost.core.pvs import PvsPort, PvsProxyId, PvsRange, PvsServerId, PvsSiteId

MAC = "00:16:3E:00:00:0A"
ONE, TWO = IPv4Address("10.7.0.9"), IPv6Address("fd00::9")


def with_site(host: Wanted) -> PvsSiteId:
    host.do(IntroducePvsSite("site"))
    (site,) = host.intent.pvs_sites
    return site


def with_proxy(host: Wanted) -> PvsSiteId:
    """Of a VIF on the network of eth0."""
    site = with_site(host)
    host.do(IntroducePvsServer(site, (ONE, TWO), 6910, 6930))
    host.do(CreatePvsProxy(site, "vm", 0, MAC, host.network_of("eth0").bridge))
    return site


def test_a_proxy_is_wished_where_its_bridge_is() -> None:
    host = Wanted()
    site = with_proxy(host)
    bridge = host.network_of("eth0").bridge
    assert host.wish().topology.proxies == ()
    host.plug("eth0")
    servers = (PvsRange(ONE, 6910, 6930), PvsRange(TWO, 6910, 6930))
    (port,) = host.wish().topology.proxies
    assert (port.bridge, port.mac, set(port.servers)) == (bridge, MAC.lower(), set(servers))
    assert port.name == "pvs00163e00000a"
    (server,) = host.intent.pvs_servers
    host.do(ForgetPvsServer(server))
    assert host.wish().topology.proxies == (), "without a server nothing is sent there"
    (proxy,) = host.intent.pvs_proxies
    host.do(DestroyPvsProxy(proxy), ForgetPvsSite(site))
    assert not host.intent.pvs_sites


def test_a_proxy_is_where_its_vif_is() -> None:
    host = Wanted()
    with_proxy(host)
    host.plug("eth0", "eth1")
    here, there = host.network_of("eth0").bridge, host.network_of("eth1").bridge
    assert [each.bridge for each in host.wish().topology.proxies] == [here]
    host.put_vif(there)  # VIF 0 of the same VM
    assert [each.bridge for each in host.wish().topology.proxies] == [there]


def test_a_port_is_called_as_long_as_a_name_may_be() -> None:
    assert len(PvsPort("b", MAC, ()).name) == 15


def test_a_site_in_use_stays() -> None:
    host = Wanted()
    site = with_proxy(host)
    with pytest.raises(PvsSiteContainsRunningProxies):
        host.do(ForgetPvsSite(site))
    (proxy,) = host.intent.pvs_proxies
    host.do(DestroyPvsProxy(proxy))
    with pytest.raises(PvsSiteContainsServers):
        host.do(ForgetPvsSite(site))


def test_a_vif_has_one_proxy_and_an_address_one_server() -> None:
    host = Wanted()
    site = with_proxy(host)
    for vm, devid, mac in (("vm", 0, "00:16:3e:00:00:0b"), ("other", 0, MAC)):
        with pytest.raises(PvsProxyAlreadyPresent):
            host.do(CreatePvsProxy(site, vm, devid, mac, "xenbr0"))
    with pytest.raises(PvsServerAddressInUse):
        host.do(IntroducePvsServer(site, (TWO,), 1, 2))


@pytest.mark.parametrize(
    ("addresses", "first", "last"),
    [((), 1, 2), ((ONE,), 0, 2), ((ONE,), 3, 2), ((ONE,), 1, 65536), ((IPv4Address("224.0.0.1"),), 1, 2)],
)
def test_what_can_never_be_a_server(addresses: tuple[IPv4Address, ...], first: int, last: int) -> None:
    host = Wanted()
    site = with_site(host)
    with pytest.raises((InvalidValue, InvalidIpAddress)):
        host.do(IntroducePvsServer(site, addresses, first, last))


def test_linux_bridges_have_no_proxies_and_may_know_of_sites() -> None:
    host = Wanted(features=LINUX)
    site = with_site(host)
    with pytest.raises(OpenvswitchNotActive, match="set-switch"):
        host.do(CreatePvsProxy(site, "vm", 0, MAC, "xenbr0"))
    other = Wanted()
    with_proxy(other)
    other.plug("eth0")
    other.facts = replace(other.facts, features=LINUX)
    assert other.wish().topology.proxies == ()


def test_what_is_not_there_is_said() -> None:
    host = Wanted()
    for request in (
        ForgetPvsSite(PvsSiteId("no")),
        ForgetPvsServer(PvsServerId("no")),
        DestroyPvsProxy(PvsProxyId("no")),
        IntroducePvsServer(PvsSiteId("no"), (ONE,), 1, 2),
        CreatePvsProxy(PvsSiteId("no"), "vm", 0, MAC, "xenbr0"),
    ):
        with pytest.raises(HandleInvalid):
            host.do(request)
