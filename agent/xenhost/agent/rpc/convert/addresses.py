"""Addresses, as text on the wire. All raise InvalidIpAddress or InvalidValue, naming the field."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address
from typing import Final

from xenhost.agent.rpc.convert import bounds
from xenhost.agent.rpc.convert.choice import Choice
from xenhost.api.host.v1 import network_pb2
from xenhost.core.errors import InvalidValue
from xenhost.core.ids import parse_mac
from xenhost.core.network import AddressFamily, IpState, Ipv4Mode, Ipv6Mode
from xenhost.core.network_errors import InvalidIpAddress
from xenhost.core.network_records import Ipv4Config, Ipv6Config

IPV4_MODE: Final = Choice(Ipv4Mode, network_pb2.Ipv4Mode.Value, "IPV4_MODE")
IPV6_MODE: Final = Choice(Ipv6Mode, network_pb2.Ipv6Mode.Value, "IPV6_MODE")
ADDRESS_FAMILY: Final = Choice(AddressFamily, network_pb2.AddressFamily.Value, "ADDRESS_FAMILY")
MAX_TEXT: Final = 64
"""Characters of one address; the longest has 43."""
MAX_ADDRESSES: Final = 64
MAX_DNS: Final = 16


def mac(untrusted_text: str, field: str) -> str:
    """A unicast MAC, or empty. Raises InvalidValue."""
    if not untrusted_text:
        return ""
    try:
        return parse_mac(untrusted_text[:MAX_TEXT])
    except InvalidValue as error:
        raise InvalidValue(str(error), field=field, value=untrusted_text[:80]) from None


def address(untrusted_text: str, field: str) -> IPv4Address | IPv6Address:
    """An address of either family."""
    _short(untrusted_text, field)
    try:
        found = ip_address(untrusted_text.strip())
    except ValueError:
        raise _wrong(untrusted_text, field, "10.0.0.2 or 2001:db8::2") from None
    if isinstance(found, IPv6Address) and found.scope_id is not None:
        raise _wrong(untrusted_text, field, "an address without a zone")
    return found


def addresses(untrusted_texts: Iterable[str], field: str, most: int) -> tuple[IPv4Address | IPv6Address, ...]:
    """Some of them, of either family."""
    texts = tuple(untrusted_texts)
    _few(texts, field, most)
    return tuple(address(text, field) for text in texts)


def ipv4_from_proto(message: network_pb2.Ipv4Config, field: str) -> Ipv4Config:
    """What dom0 shall have. Whether it makes sense there is the engine's to say."""
    mode = IPV4_MODE.from_wire(message.mode, f"{field}.mode")
    own = _ipv4(message.address, f"{field}.address") if message.address else None
    gateway = address(message.gateway, f"{field}.gateway") if message.gateway else None
    if isinstance(gateway, IPv6Address):
        raise _wrong(message.gateway, f"{field}.gateway", "an IPv4 address")
    if mode is Ipv4Mode.STATIC and own is None:
        raise _wrong("", f"{field}.address", "an address such as 10.0.0.2/24: mode static needs one")
    if mode is not Ipv4Mode.STATIC and (own is not None or gateway is not None):
        raise InvalidValue(
            f"{field} has an address or gateway, but its mode is {mode.value}; those go with mode static",
            field=f"{field}.mode",
            value=mode.value,
        )
    return Ipv4Config(mode, own, gateway, addresses(message.dns, f"{field}.dns", MAX_DNS))


def ipv6_from_proto(message: network_pb2.Ipv6Config, field: str) -> Ipv6Config:
    """As `ipv4_from_proto`."""
    mode = IPV6_MODE.from_wire(message.mode, f"{field}.mode")
    texts = tuple(message.addresses)
    _few(texts, f"{field}.addresses", MAX_ADDRESSES)
    own = tuple(_ipv6(text, f"{field}.addresses") for text in texts)
    gateway = address(message.gateway, f"{field}.gateway") if message.gateway else None
    if isinstance(gateway, IPv4Address):
        raise _wrong(message.gateway, f"{field}.gateway", "an IPv6 address")
    if mode is Ipv6Mode.STATIC and not own:
        raise _wrong("", f"{field}.addresses", "an address such as 2001:db8::2/64: mode static needs one")
    if mode is not Ipv6Mode.STATIC and (own or gateway is not None):
        raise InvalidValue(
            f"{field} has addresses or a gateway, but its mode is {mode.value}; those go with mode static",
            field=f"{field}.mode",
            value=mode.value,
        )
    return Ipv6Config(mode, own, gateway)


def ipv4_to_proto(config: Ipv4Config) -> network_pb2.Ipv4Config:
    """What dom0 shall have."""
    return network_pb2.Ipv4Config(
        mode=IPV4_MODE.to_wire(config.mode),
        address=text_of(config.address),
        gateway=text_of(config.gateway),
        dns=map(str, config.dns),
    )


def ipv6_to_proto(config: Ipv6Config) -> network_pb2.Ipv6Config:
    """What dom0 shall have."""
    return network_pb2.Ipv6Config(
        mode=IPV6_MODE.to_wire(config.mode),
        addresses=map(str, config.addresses),
        gateway=text_of(config.gateway),
    )


def state_to_proto(state: IpState) -> network_pb2.PifStatus:
    """What dom0 has."""
    return network_pb2.PifStatus(
        ipv4_addresses=map(str, state.ipv4),
        ipv4_gateway=text_of(state.ipv4_gateway),
        ipv6_addresses=map(str, state.ipv6),
        ipv6_gateway=text_of(state.ipv6_gateway),
        dns=map(str, state.dns),
    )


def text_of(found: object | None) -> str:
    """An address as text; none is empty."""
    return "" if found is None else str(found)


def _ipv4(untrusted_text: str, field: str) -> IPv4Interface:
    _with_prefix(untrusted_text, field, "10.0.0.2/24")
    try:
        return IPv4Interface(untrusted_text.strip())
    except ValueError:
        raise _wrong(untrusted_text, field, "an IPv4 address with its prefix length, such as 10.0.0.2/24") from None


def _ipv6(untrusted_text: str, field: str) -> IPv6Interface:
    _with_prefix(untrusted_text, field, "2001:db8::2/64")
    try:
        found = IPv6Interface(untrusted_text.strip())
    except ValueError:
        right = "an IPv6 address with its prefix length, such as 2001:db8::2/64"
        raise _wrong(untrusted_text, field, right) from None
    if found.scope_id is not None:
        raise _wrong(untrusted_text, field, "an address without a zone")
    return found


def _with_prefix(untrusted_text: str, field: str, example: str) -> None:
    _short(untrusted_text, field)
    if "/" not in untrusted_text:
        raise _wrong(untrusted_text, field, f"an address with its prefix length, such as {example}")


def _short(untrusted_text: str, field: str) -> None:
    if len(untrusted_text) > MAX_TEXT:
        raise _wrong(untrusted_text, field, "an address")


def _few(texts: tuple[str, ...], field: str, most: int) -> None:
    if len(texts) > most:
        raise InvalidValue(f"{field} has {len(texts)} entries; {most} are allowed", field=field, value=str(len(texts)))


def _wrong(untrusted_text: str, field: str, right: str) -> InvalidIpAddress:
    shown = bounds.shown(untrusted_text)
    return InvalidIpAddress(f"{field} is {shown}; use {right}", parameter=field)
