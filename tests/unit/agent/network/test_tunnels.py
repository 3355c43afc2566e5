"""Tunnels and their keys."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from kit.intents import LINUX, Wanted
from xenhost.agent.network.changes.tunnels import key_of
from xenhost.core.errors import InvalidValue
from xenhost.core.network import SwitchFeature, TunnelProtocol
from xenhost.core.network_errors import (
    CannotAddTunnelToBondSlave,
    InvalidIpAddress,
    IsTunnelAccessPif,
    NetworkAlreadyConnected,
    OpenvswitchNotActive,
    PifIsSriovLogical,
    SwitchCannot,
    TransportPifNotConfigured,
    VifInUse,
)
from xenhost.core.network_records import NetworkId, PifId, PifKind, Tunnel, TunnelId
from xenhost.core.network_requests import CreateTunnel, CreateVlan, DestroyTunnel, UpdateTunnel

REMOTE = (IPv4Address("10.0.0.9"),)


def _over(host: Wanted, name: str, **more: object) -> CreateTunnel:
    return CreateTunnel(host.pif(name).id, host.network(), **{"remotes": REMOTE, **more})  # type: ignore[arg-type]


def test_a_tunnel_has_an_access_pif_that_is_plugged_with_its_transport() -> None:
    host = Wanted()
    host.address("eth0")
    host.tunnel("eth0", "10.0.0.9", "10.0.0.8", "10.0.0.9")
    pif = host.pif("tunnel0")
    assert (pif.kind, pif.plugged, host.pif("eth0").plugged) == (PifKind.TUNNEL, True, True)
    assert int(pif.mac[:2], 16) & 3 == 2, "a unicast address of our own making"
    assert host.the_tunnel().remotes == (IPv4Address("10.0.0.9"), IPv4Address("10.0.0.8"))
    host.tunnel("eth0", "10.0.0.9")
    assert host.has_pif("tunnel1")
    assert host.pif("tunnel1").mac != pif.mac


def test_a_tunnel_goes_as_it_came() -> None:
    host = Wanted()
    host.address("eth0")
    host.tunnel("eth0", "10.0.0.9")
    bridge = host.network_of("tunnel0").bridge
    host.put_vif(bridge)
    with pytest.raises(VifInUse):
        host.do(DestroyTunnel(host.the_tunnel().id))
    host.take_vif(bridge)
    host.do(DestroyTunnel(host.the_tunnel().id))
    assert host.intent.tunnels == {}
    assert not host.has_pif("tunnel0")


def test_a_tunnel_needs_an_address() -> None:
    host = Wanted()
    with pytest.raises(TransportPifNotConfigured):
        host.tunnel("eth0", "10.0.0.9")


def test_what_cannot_carry_a_tunnel() -> None:
    host = Wanted(5)
    host.bond("eth0", "eth1")
    with pytest.raises(CannotAddTunnelToBondSlave):
        host.tunnel("eth0", "10.0.0.9")
    host.address("bond0")
    host.tunnel("bond0", "10.0.0.9")
    with pytest.raises(IsTunnelAccessPif):
        host.tunnel("tunnel0", "10.0.0.9")
    host.sriov("eth2")
    logical = host.the_sriov().logical
    with pytest.raises(PifIsSriovLogical):
        host.do(CreateTunnel(logical, host.network(), remotes=REMOTE))
    host.do(CreateVlan(logical, 5, host.network(), PifId("00000000-1111-4000-8000-000000000000")))
    with pytest.raises(PifIsSriovLogical):
        host.do(CreateTunnel(PifId("00000000-1111-4000-8000-000000000000"), host.network(), remotes=REMOTE))
    with pytest.raises(NetworkAlreadyConnected):
        host.tunnel("bond0", "10.0.0.9", network=host.pif("eth3").network)


def test_a_switch_that_cannot_do_it_says_so() -> None:
    host = Wanted(features=frozenset({SwitchFeature.VXLAN}))
    host.address("eth0")
    with pytest.raises(SwitchCannot) as caught:
        host.tunnel("eth0", "10.0.0.9")
    assert caught.value.values == {"switch": "bridge", "feature": "gre"}
    host.do(_over(host, "eth0", protocol=TunnelProtocol.VXLAN))


def test_a_tunnel_without_remotes_needs_a_controller() -> None:
    host = Wanted(features=LINUX)
    host.address("eth0")
    with pytest.raises(OpenvswitchNotActive):
        host.tunnel("eth0")
    ovs = Wanted()
    ovs.address("eth0")
    ovs.tunnel("eth0")
    assert ovs.the_tunnel().remotes == ()


def test_the_last_remote_may_go() -> None:
    host = Wanted(features=LINUX)
    host.address("eth0")
    host.tunnel("eth0", "10.0.0.9")
    host.do(UpdateTunnel(host.the_tunnel().id, ()))
    assert host.the_tunnel().remotes == ()


@pytest.mark.parametrize(
    "remotes",
    [
        (IPv4Address("224.0.0.1"),),
        (IPv4Address("0.0.0.0"),),
        (IPv4Address("127.0.0.1"),),
        (IPv6Address("fe80::1%eth0"),),
        (IPv4Address("10.0.0.9"), IPv6Address("2001:db8::9")),
    ],
    ids=str,
)
def test_remotes_are_hosts_of_one_family(remotes: tuple[IPv4Address | IPv6Address, ...]) -> None:
    host = Wanted()
    host.address("eth0")
    with pytest.raises(InvalidIpAddress):
        host.do(CreateTunnel(host.pif("eth0").id, host.network(), remotes=remotes))
    host.tunnel("eth0", "10.0.0.9")
    with pytest.raises(InvalidIpAddress):
        host.do(UpdateTunnel(host.the_tunnel().id, remotes))


@pytest.mark.parametrize(
    ("protocol", "key", "fine"),
    [
        (TunnelProtocol.VXLAN, 2**24 - 1, True),
        (TunnelProtocol.VXLAN, 2**24, False),
        (TunnelProtocol.GRE, 2**32 - 1, True),
        (TunnelProtocol.GRE, 2**32, False),
        (TunnelProtocol.GRE, -1, False),
    ],
)
def test_keys_fit_their_protocol(protocol: TunnelProtocol, key: int, fine: bool) -> None:
    host = Wanted()
    host.address("eth0")
    if fine:
        host.do(_over(host, "eth0", protocol=protocol, key=key))
        assert key_of(host.the_tunnel(), host.pif("tunnel0").network) == key
    else:
        with pytest.raises(InvalidValue):
            host.do(_over(host, "eth0", protocol=protocol, key=key))


def test_a_key_is_used_once_for_each_protocol() -> None:
    host = Wanted()
    host.address("eth0")
    host.do(_over(host, "eth0", key=7), _over(host, "eth0", key=7, protocol=TunnelProtocol.VXLAN))
    with pytest.raises(InvalidValue):
        host.do(_over(host, "eth0", key=7))


def test_a_derived_key_is_the_same_on_all_hosts_and_releases() -> None:
    tunnel = Tunnel(TunnelId(""), PifId(""), PifId(""))
    assert key_of(tunnel, NetworkId("11111111-2222-4333-8444-555555555555")) == 8622548
    keys = {key_of(tunnel, NetworkId(str(number))) for number in range(1000)}
    assert len(keys) > 990
    assert all(0 < key < 2**24 for key in keys)
