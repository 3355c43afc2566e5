"""What a client sends about networks becomes a request whose values are within their bounds, or one of our errors."""

from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Interface
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given, settings
from hypothesis import strategies as st

from xenhost.agent.rpc.convert import network_update
from xenhost.agent.rpc.convert.addresses import MAX_ADDRESSES, MAX_DNS, ipv4_from_proto, ipv6_from_proto, mac
from xenhost.agent.rpc.convert.bounds import MAX_KEYS, MAX_NAME
from xenhost.api.host.v1 import (
    bond_service_pb2,
    network_pb2,
    network_service_pb2,
    pif_service_pb2,
    tunnel_service_pb2,
    vlan_service_pb2,
)
from xenhost.core.errors import XenhostError
from xenhost.core.network import MAX_VLAN, Ipv4Mode, Ipv6Mode
from xenhost.core.network_records import BondId, NetworkId, PifId, TunnelId

ID = "6a1f4d0e-0000-4000-8000-00000000000a"
WORD = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    st.sampled_from(["eth0", "10.0.0.2/24", "10.0.0.1", "fd00::2/64", "fe80::1%eth0", "00:16:3e:00:00:01", ID, "off"]),
    st.ip_addresses().map(str),
)
NUMBER = st.integers(0, 2**32 - 1)


def message(kind: Any) -> st.SearchStrategy[Any]:
    """Any message of a class, parsed from the bytes of its fields."""
    return st.builds(lambda fields: _built(kind, fields), st.lists(st.tuples(NUMBER, WORD, NUMBER), max_size=8))


def _built(kind: Any, fields: list[tuple[int, str, int]]) -> Any:
    built = kind()
    descriptors = list(kind.DESCRIPTOR.fields)
    for which, word, number in fields:
        field = descriptors[which % len(descriptors)]
        target = getattr(built, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            target[word] = word
        elif field.message_type is not None:
            inner = _built(field.message_type._concrete_class, [(number, word, which)])
            (target if field.label != field.LABEL_REPEATED else target.add()).MergeFrom(inner)
        elif field.label == field.LABEL_REPEATED:
            target.append(word if field.type == field.TYPE_STRING else number % 2**31)
        elif field.type == field.TYPE_STRING:
            setattr(built, field.name, word)
        elif field.type == field.TYPE_BOOL:
            setattr(built, field.name, bool(number % 2))
        elif field.enum_type is not None:
            setattr(built, field.name, number % 7)
        else:
            setattr(built, field.name, number % 2**31)
    return built


def named(text: str, field: str) -> PifId:
    return PifId(text[:36])


@settings(max_examples=300)
@given(message(network_pb2.Ipv4Config))
def test_ipv4_configurations(sent: network_pb2.Ipv4Config) -> None:
    try:
        found = ipv4_from_proto(sent, "ipv4")
    except XenhostError:
        return
    assert (found.address is not None) is (found.mode is Ipv4Mode.STATIC)
    assert isinstance(found.address, IPv4Interface | None)
    assert len(found.dns) <= MAX_DNS


@settings(max_examples=300)
@given(message(network_pb2.Ipv6Config))
def test_ipv6_configurations(sent: network_pb2.Ipv6Config) -> None:
    try:
        found = ipv6_from_proto(sent, "ipv6")
    except XenhostError:
        return
    assert bool(found.addresses) is (found.mode is Ipv6Mode.STATIC)
    assert len(found.addresses) <= MAX_ADDRESSES
    assert all(address.scope_id is None for address in found.addresses)


@settings(max_examples=300)
@given(message(network_pb2.Network))
def test_networks(sent: network_pb2.Network) -> None:
    try:
        found = network_update.new_network(sent)
    except XenhostError:
        return
    assert len(found.bridge) <= 15
    assert "/" not in found.bridge
    assert len(found.name) <= MAX_NAME
    assert len(found.other_config) <= MAX_KEYS
    assert 68 <= found.mtu <= 65535


@settings(max_examples=300)
@given(message(network_service_pb2.ResetNetworkingRequest))
def test_resets(sent: network_service_pb2.ResetNetworkingRequest) -> None:
    try:
        found = network_update.reset(sent)
    except XenhostError:
        return
    assert 0 < len(found.device) <= 15
    assert 0 <= found.vlan <= MAX_VLAN


@settings(max_examples=500)
@given(st.data(), st.lists(WORD, max_size=3))
def test_everything_else_is_a_request_or_one_of_our_errors(data: st.DataObject, paths: list[str]) -> None:
    mask = FieldMask(paths=[*paths, *data.draw(st.lists(st.sampled_from(["mtu", "mode", "other_config", "remotes"])))])
    network, pif = NetworkId(ID), PifId(ID)
    calls: list[tuple[Any, Callable[[Any], object]]] = [
        (network_pb2.Network, lambda sent: network_update.network_change(network, sent, mask)),
        (network_pb2.Pif, lambda sent: network_update.pif_change(pif, sent, mask)),
        (network_pb2.Bond, lambda sent: network_update.bond_change(BondId(ID), sent, mask, named)),
        (network_pb2.Tunnel, lambda sent: network_update.tunnel_change(TunnelId(ID), sent, mask)),
        (pif_service_pb2.IntroducePifRequest, lambda sent: network_update.introduced(sent, network)),
        (bond_service_pb2.CreateBondRequest, lambda sent: network_update.new_bond(sent, network, named)),
        (vlan_service_pb2.CreateVlanRequest, lambda sent: network_update.new_vlan(sent, pif, network)),
        (tunnel_service_pb2.CreateTunnelRequest, lambda sent: network_update.new_tunnel(sent, pif, network)),
        (network_service_pb2.ReconfigureManagementRequest, lambda sent: network_update.management(sent, pif)),
        (network_service_pb2.SetSwitchRequest, network_update.switch),
    ]
    kind, convert = data.draw(st.sampled_from(calls))
    with suppress(XenhostError):  # anything else fails
        convert(data.draw(message(kind)))


@given(st.text(max_size=100))
def test_macs(text: str) -> None:
    try:
        found = mac(text, "mac")
    except XenhostError:
        return
    assert found == "" or (len(found) == 17 and found == found.lower())
