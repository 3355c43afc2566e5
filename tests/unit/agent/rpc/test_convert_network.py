"""Networks on the wire."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.agent.rpc.convert import network_update
from xenhost.agent.rpc.convert.addresses import (
    MAX_ADDRESSES,
    MAX_DNS,
    ipv4_from_proto,
    ipv4_to_proto,
    ipv6_from_proto,
    ipv6_to_proto,
)
from xenhost.agent.rpc.convert.network import (
    PART,
    bond_to_proto,
    controller_to_proto,
    host_network_to_proto,
    network_to_proto,
    pif_to_proto,
    sriov_to_proto,
    tunnel_to_proto,
    vlan_to_proto,
)
from xenhost.api.host.v1 import (
    bond_service_pb2,
    network_pb2,
    network_service_pb2,
    pif_service_pb2,
    tunnel_service_pb2,
    vlan_service_pb2,
)
from xenhost.core.errors import InvalidValue, UuidInvalid, XenhostError
from xenhost.core.network import (
    AddressFamily,
    BondMode,
    IpState,
    Ipv4Mode,
    Ipv6Mode,
    LockingMode,
    MemberState,
    Nic,
    SriovMode,
    SwitchKind,
    TunnelProtocol,
)
from xenhost.core.network_errors import InvalidIpAddress, VlanTagInvalid
from xenhost.core.network_records import (
    Bond,
    BondId,
    Controller,
    ControllerId,
    ControllerProtocol,
    Ipv4Config,
    Ipv6Config,
    Network,
    NetworkId,
    NetworkSriov,
    Pif,
    PifId,
    PifKind,
    SriovId,
    Tunnel,
    TunnelId,
    Vlan,
)
from xenhost.core.network_requests import ReconfigureManagement, ResetNetworking, SetSwitch, UpdateNetwork
from xenhost.core.network_views import (
    BondView,
    ControllerView,
    HostNetwork,
    ManagementView,
    NetworkView,
    PifView,
    SriovView,
    TunnelView,
    VifOnNetwork,
)

ID = "6a1f4d0e-0000-4000-8000-00000000000a"
PIF, NETWORK = PifId(ID), NetworkId(ID)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STATE = IpState((IPv4Interface("10.0.0.2/24"),), IPv4Address("10.0.0.1"), dns=(IPv4Address("10.0.0.53"),))
NIC = Nic("eth0", "00:16:3e:00:00:01", 1500, True, True, 10000, True, "0000:03:00.0", vendor_name="Intel")
VIEW = PifView(
    Pif(
        PIF,
        PifKind.PHYSICAL,
        "eth0",
        NETWORK,
        "00:16:3e:00:00:01",
        ipv4=Ipv4Config(Ipv4Mode.DHCP),
        primary=AddressFamily.IPV6,
    ),
    *(True, "xenbr0", -1, STATE, NIC, "", "slow", NOW, 7),
)
CONFIGS4 = (
    Ipv4Config(),
    Ipv4Config(Ipv4Mode.DHCP),
    Ipv4Config(
        Ipv4Mode.STATIC,
        IPv4Interface("10.0.0.2/24"),
        IPv4Address("10.0.0.1"),
        (IPv4Address("10.0.0.53"), IPv6Address("fd00::53")),
    ),
)
CONFIGS6 = (
    Ipv6Config(),
    Ipv6Config(Ipv6Mode.AUTOCONF),
    Ipv6Config(Ipv6Mode.DHCP),
    Ipv6Config(Ipv6Mode.STATIC, (IPv6Interface("2001:db8::2/64"),), IPv6Address("fe80::1")),
)


def named(text: str, field: str) -> PifId:
    return PifId(f"{text}@{field}")


def test_a_network_is_shown_whole() -> None:
    vif = VifOnNetwork("vm", 2, "vif1.2", "00:16:3e:00:00:02", LockingMode.LOCKED)
    network = Network(NETWORK, "xenbr0", "LAN", "d", 9000, LockingMode.DISABLED, {"a": "b"})
    shown = network_to_proto(NetworkView(network, (PIF,), (vif,), True, ("eth0", "vif1.2"), "slow", 3))
    assert (shown.bridge, shown.name, shown.mtu, dict(shown.other_config)) == ("xenbr0", "LAN", 9000, {"a": "b"})
    assert shown.default_locking_mode == network_pb2.EFFECTIVE_LOCKING_MODE_DISABLED
    assert (shown.status.up, list(shown.status.ports), shown.status.problem) == (True, ["eth0", "vif1.2"], "slow")
    assert (shown.status.vifs[0].index, shown.status.vifs[0].mac) == (2, "00:16:3e:00:00:02")


def test_a_pif_is_shown_with_its_addresses_and_metrics() -> None:
    shown = pif_to_proto(VIEW)
    assert (shown.name, shown.kind) == ("eth0", network_pb2.PIF_KIND_PHYSICAL)
    assert shown.primary_address_type == network_pb2.ADDRESS_FAMILY_IPV6
    assert (list(shown.status.ipv4_addresses), shown.status.ipv4_gateway) == (["10.0.0.2/24"], "10.0.0.1")
    assert (list(shown.status.dns), shown.status.vlan, shown.status.problem) == (["10.0.0.53"], -1, "slow")
    assert (shown.status.metrics.speed_mbits, shown.status.metrics.vendor_name) == (10000, "Intel")
    assert shown.status.metrics.last_updated.ToDatetime(UTC) == NOW
    assert not pif_to_proto(replace(VIEW, nic=None)).status.HasField("metrics")


def test_the_pif_of_a_vlan_is_called_by_its_tag() -> None:
    view = replace(VIEW, pif=replace(VIEW.pif, kind=PifKind.VLAN), vlan=5)
    assert (pif_to_proto(view).name, pif_to_proto(view).device) == ("eth0.5", "eth0")


def test_everything_of_a_host_is_shown_in_parts() -> None:
    def number(at: int) -> NetworkId:
        return NetworkId(f"6a1f4d0e-0000-4000-8000-{at:012}")

    networks = tuple(
        NetworkView(Network(number(at), f"br{at}"), (), (), False, (), "", at) for at in range(2 * PART + 1)
    )
    bond = BondView(Bond(BondId(ID), PIF, (PIF,), BondMode.LACP), 1, (MemberState("eth0", up=True, active=True),), True)
    vlan = Vlan(PIF, PIF, 5)
    tunnel = TunnelView(
        Tunnel(TunnelId(ID), PIF, PIF, TunnelProtocol.VXLAN, (IPv4Address("10.0.0.3"),)), active=True, key=77
    )
    sriov = SriovView(NetworkSriov(SriovId(ID), PIF, PIF, SriovMode.SYSFS), 8, 7)
    management = ManagementView(PIF, NOW)
    controller = Controller(ControllerId(ID), ControllerProtocol.SSL, IPv4Address("192.0.2.9"), 6632)
    sdn = ControllerView(controller, connected=True, problem="")
    host = HostNetwork(
        *(
            "openvswitch",
            networks,
            (VIEW,),
            (bond,),
            (vlan,),
            (tunnel,),
            (sriov,),
            (sdn,),
            (),
            management,
            ("docker0",),
        ),
        igmp_snooping=True,
    )
    parts = list(host_network_to_proto(host))
    assert [len(part.networks) for part in parts] == [PART, PART, 1]
    whole = network_pb2.HostNetwork()
    for part in parts:
        whole.MergeFrom(part)
    assert [network.id for network in whole.networks] == [number(at) for at in range(2 * PART + 1)]
    assert list(whole.bonds) == [bond_to_proto(bond, "eth0")]
    assert (list(whole.vlans), list(whole.tunnels)) == ([vlan_to_proto(vlan)], [tunnel_to_proto(tunnel)])
    assert (list(whole.sriovs), list(whole.foreign_bridges)) == ([sriov_to_proto(sriov)], ["docker0"])
    assert (whole.switch, whole.management.pif_id) == (network_pb2.SWITCH_KIND_OPENVSWITCH, ID)
    assert whole.management.unconfirmed_until.ToDatetime(UTC) == NOW
    assert whole.igmp_snooping
    assert list(whole.sdn_controllers) == [controller_to_proto(sdn)]
    assert (whole.sdn_controllers[0].address, whole.sdn_controllers[0].status.connected) == ("192.0.2.9", True)
    nothing = HostNetwork("sim", (), (), (), (), (), (), (), (), ManagementView(None, None), ())
    (only,) = host_network_to_proto(nothing)
    assert not only.management.HasField("unconfirmed_until")


@pytest.mark.parametrize("config", CONFIGS4)
def test_ipv4_goes_there_and_back(config: Ipv4Config) -> None:
    assert ipv4_from_proto(ipv4_to_proto(config), "ipv4") == config


@pytest.mark.parametrize("config", CONFIGS6)
def test_ipv6_goes_there_and_back(config: Ipv6Config) -> None:
    assert ipv6_from_proto(ipv6_to_proto(config), "ipv6") == config


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "ipv4.mode"),
        ({"mode": "IPV4_MODE_STATIC"}, "ipv4.address"),
        ({"mode": "IPV4_MODE_STATIC", "address": "10.0.0.2"}, "ipv4.address"),
        ({"mode": "IPV4_MODE_STATIC", "address": "10.0.0.2/33"}, "ipv4.address"),
        ({"mode": "IPV4_MODE_STATIC", "address": "fd00::2/64"}, "ipv4.address"),
        ({"mode": "IPV4_MODE_STATIC", "address": "10.0.0.2/24" + " " * 100}, "ipv4.address"),
        ({"mode": "IPV4_MODE_STATIC", "address": "10.0.0.2/24", "gateway": "fe80::1"}, "ipv4.gateway"),
        ({"mode": "IPV4_MODE_STATIC", "address": "10.0.0.2/24", "gateway": "x"}, "ipv4.gateway"),
        ({"mode": "IPV4_MODE_DHCP", "gateway": "10.0.0.1"}, "ipv4.mode"),
        ({"mode": "IPV4_MODE_DHCP", "dns": ["10.0.0.300"]}, "ipv4.dns"),
        ({"mode": "IPV4_MODE_DHCP", "dns": ["10.0.0.1"] * (MAX_DNS + 1)}, "ipv4.dns"),
    ],
)
def test_a_wrong_ipv4_configuration_names_its_field(fields: dict[str, object], field: str) -> None:
    message = network_pb2.Ipv4Config(**fields)  # type: ignore[arg-type] # any field
    with pytest.raises((InvalidIpAddress, InvalidValue)) as caught:
        ipv4_from_proto(message, "ipv4")
    assert field in caught.value.values.values()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"mode": "IPV6_MODE_STATIC"}, "ipv6.addresses"),
        ({"mode": "IPV6_MODE_STATIC", "addresses": ["2001:db8::2"]}, "ipv6.addresses"),
        ({"mode": "IPV6_MODE_STATIC", "addresses": ["10.0.0.2/24"]}, "ipv6.addresses"),
        ({"mode": "IPV6_MODE_STATIC", "addresses": ["fe80::1%eth0/64"]}, "ipv6.addresses"),
        ({"mode": "IPV6_MODE_STATIC", "addresses": ["fd00::1/64"] * (MAX_ADDRESSES + 1)}, "ipv6.addresses"),
        ({"mode": "IPV6_MODE_STATIC", "addresses": ["fd00::1/64"], "gateway": "10.0.0.1"}, "ipv6.gateway"),
        ({"mode": "IPV6_MODE_STATIC", "addresses": ["fd00::1/64"], "gateway": "fe80::1%eth0"}, "ipv6.gateway"),
        ({"mode": "IPV6_MODE_AUTOCONF", "addresses": ["fd00::1/64"]}, "ipv6.mode"),
    ],
)
def test_a_wrong_ipv6_configuration_names_its_field(fields: dict[str, object], field: str) -> None:
    message = network_pb2.Ipv6Config(**fields)  # type: ignore[arg-type] # any field
    with pytest.raises((InvalidIpAddress, InvalidValue)) as caught:
        ipv6_from_proto(message, "ipv6")
    assert field in caught.value.values.values()


def _new_network(**fields: object) -> object:
    return network_update.new_network(network_pb2.Network(**fields))  # type: ignore[arg-type] # any field


def _reset(**fields: object) -> object:
    return network_update.reset(network_service_pb2.ResetNetworkingRequest(**fields))  # type: ignore[arg-type] # any


def _management(**fields: object) -> object:
    request = network_service_pb2.ReconfigureManagementRequest(**fields)  # type: ignore[arg-type] # any field
    return network_update.management(request, PIF)


def _bond(**fields: object) -> object:
    request = bond_service_pb2.CreateBondRequest(**fields)  # type: ignore[arg-type] # any field
    return network_update.new_bond(request, NETWORK, named)


def _vlan(**fields: object) -> object:
    request = vlan_service_pb2.CreateVlanRequest(**fields)  # type: ignore[arg-type] # any field
    return network_update.new_vlan(request, PIF, NETWORK)


def _tunnel(**fields: object) -> object:
    request = tunnel_service_pb2.CreateTunnelRequest(**fields)  # type: ignore[arg-type] # any field
    return network_update.new_tunnel(request, PIF, NETWORK)


def _introduced(**fields: object) -> object:
    request = pif_service_pb2.IntroducePifRequest(**fields)  # type: ignore[arg-type] # any field
    return network_update.introduced(request, NETWORK)


@pytest.mark.parametrize(
    ("make", "fields", "error"),
    [
        (_new_network, {"id": "x"}, UuidInvalid),
        (_new_network, {"bridge": "a" * 16}, InvalidValue),
        (_new_network, {"bridge": "a/b"}, InvalidValue),
        (_new_network, {"bridge": "a b"}, InvalidValue),
        (_new_network, {"bridge": ".."}, InvalidValue),
        (_new_network, {"name": "a\nb"}, InvalidValue),
        (_new_network, {"mtu": 67}, InvalidValue),
        (_new_network, {"mtu": 65536}, InvalidValue),
        (_new_network, {"default_locking_mode": "EFFECTIVE_LOCKING_MODE_LOCKED"}, InvalidValue),
        (_new_network, {"other_config": {"": "x"}}, InvalidValue),
        (_reset, {}, InvalidValue),
        (_reset, {"device": "eth0", "vlan": 4095}, VlanTagInvalid),
        (_management, {"confirm_seconds": 3601}, InvalidValue),
        (_bond, {"mac": "01:00:00:00:00:00"}, InvalidValue),
        (_bond, {"mode": 99}, InvalidValue),
        (_bond, {"member_pif_ids": ["eth0"] * 33}, InvalidValue),
        (_vlan, {"tag": 4095}, VlanTagInvalid),
        (_tunnel, {"protocol": "TUNNEL_PROTOCOL_VXLAN", "key": 1 << 24}, InvalidValue),
        (_tunnel, {"remotes": ["x"]}, InvalidIpAddress),
        (_tunnel, {"remotes": ["10.0.0.1"] * 257}, InvalidValue),
        (_introduced, {}, InvalidValue),
        (_introduced, {"mac": "x"}, InvalidValue),
    ],
)
def test_what_cannot_be_is_refused(
    make: Callable[..., object], fields: dict[str, object], error: type[XenhostError]
) -> None:
    with pytest.raises(error):
        make(**fields)


def test_what_is_not_said_is_the_default() -> None:
    assert _management() == ReconfigureManagement(PIF, None, None, 60)
    assert _management(confirm_seconds=0) == ReconfigureManagement(PIF, None, None, 0)
    assert _reset(device="eth0") == ResetNetworking("eth0")
    assert network_update.new_network(network_pb2.Network()).mtu == 1500
    request = pif_service_pb2.IntroducePifRequest
    assert network_update.introduced(request(device="eth0"), NETWORK).managed
    assert not network_update.introduced(request(device="eth0", managed=False), NETWORK).managed
    switch = network_service_pb2.SetSwitchRequest(switch="SWITCH_KIND_OPENVSWITCH")
    assert network_update.switch(switch) == SetSwitch(SwitchKind.OPENVSWITCH)


def test_members_of_a_bond_are_found_by_their_names() -> None:
    request = bond_service_pb2.CreateBondRequest(member_pif_ids=["eth0", "eth1"], mode="BOND_MODE_LACP")
    made = network_update.new_bond(request, NETWORK, named)
    assert made.members == ("eth0@member_pif_ids", "eth1@member_pif_ids")
    assert made.mode is BondMode.LACP


def test_only_what_the_mask_names_changes() -> None:
    message = network_pb2.Network(name="n", mtu=9000, default_locking_mode="EFFECTIVE_LOCKING_MODE_DISABLED")
    change = network_update.network_change(NETWORK, message, FieldMask(paths=["mtu", "default_locking_mode"]))
    assert change == UpdateNetwork(NETWORK, mtu=9000, default_locking=LockingMode.DISABLED)
    members = network_pb2.Bond(member_pif_ids=["eth0"])
    bond = network_update.bond_change(BondId(ID), members, FieldMask(paths=["member_pif_ids"]), named)
    assert (bond.members, bond.mode, bond.properties) == (("eth0@bond.member_pif_ids",), None, None)
    pif = network_update.pif_change(PIF, network_pb2.Pif(), FieldMask(paths=["disallow_unplug", "properties"]))
    assert (pif.disallow_unplug, pif.properties, pif.other_config) == (False, {}, None)


@pytest.mark.parametrize("paths", [[], ["id"], ["nothing"], ["status.up"]])
def test_a_mask_that_cannot_be_is_refused(paths: list[str]) -> None:
    mask = FieldMask(paths=paths)
    for change in (
        lambda: network_update.network_change(NETWORK, network_pb2.Network(), mask),
        lambda: network_update.pif_change(PIF, network_pb2.Pif(), mask),
        lambda: network_update.bond_change(BondId(ID), network_pb2.Bond(), mask, named),
        lambda: network_update.tunnel_change(TunnelId(ID), network_pb2.Tunnel(), mask),
    ):
        with pytest.raises(InvalidValue, match=r"update_mask is empty|cannot be changed"):
            change()
