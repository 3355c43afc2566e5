"""Requests made complete: ids filled in, and values that can never be right refused."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from xenhost.agent.network import keys, names
from xenhost.agent.network.changes.addressing import checked_ipv4, checked_ipv6
from xenhost.core.errors import InvalidValue, UuidInvalid
from xenhost.core.ids import is_uuid, parse_mac
from xenhost.core.network import MAX_VLAN, LockingMode, TunnelProtocol
from xenhost.core.network_errors import InvalidIpAddress, PifBondNeedsMoreMembers, VlanTagInvalid
from xenhost.core.network_records import ControllerProtocol
from xenhost.core.network_requests import (
    CreateBond,
    CreateNetwork,
    CreatePvsProxy,
    CreateSriov,
    CreateTunnel,
    CreateVlan,
    IntroduceController,
    IntroducePif,
    IntroducePvsServer,
    IntroducePvsSite,
    NetworkRequest,
    ReconfigureIp,
    ReconfigureManagement,
    ResetNetworking,
    ScanPifs,
    SetNetworkId,
    UpdateBond,
    UpdateNetwork,
    UpdatePif,
    UpdateTunnel,
)
from xenhost.core.network_settings import MAX_MTU, MIN_MTU

MAX_ENTRIES: Final = 256
MAX_KEY: Final = 256
MAX_VALUE: Final = 16 * 1024
MAX_TEXT: Final = 4096
MAX_MEMBERS: Final = 32
MAX_REMOTES: Final = 256
MAX_CONFIRM_SECONDS: Final = 3600
MAX_PORT: Final = 65535
CONTROLLER_PORTS: Final = {ControllerProtocol.SSL: 6632, ControllerProtocol.PSSL: 6640}
MAX_KEYS: Final = {TunnelProtocol.GRE: 2**32 - 1, TunnelProtocol.VXLAN: 2**24 - 1}

_NEW: Final[Mapping[type, tuple[str, ...]]] = {
    CreateNetwork: ("id",),
    SetNetworkId: ("new",),
    IntroducePif: ("id",),
    CreateBond: ("id", "master"),
    CreateVlan: ("untagged",),
    CreateTunnel: ("id", "access"),
    CreateSriov: ("id", "logical"),
    IntroduceController: ("id",),
    IntroducePvsSite: ("id",),
    IntroducePvsServer: ("id",),
    CreatePvsProxy: ("id",),
    ScanPifs: ("seed",),
    ResetNetworking: ("seed",),
}
"""Fields with ids of what is made."""


def normal(request: NetworkRequest, new_id: Callable[[], str]) -> NetworkRequest:
    """The same with all ids filled in, values checked.

    Raises InvalidValue, UuidInvalid, InvalidIpAddress, VlanTagInvalid, PifBondNeedsMoreMembers.
    """
    return _checked(_with_ids(request, new_id))


def _with_ids(request: NetworkRequest, new_id: Callable[[], str]) -> NetworkRequest:
    ids: dict[str, Any] = {}
    for field in _NEW.get(type(request), ()):
        text = str(getattr(request, field)).strip().lower() or new_id()
        if not is_uuid(text):
            message = f"{text!r:.80} is not a UUID; write it as 8-4-4-4-12 hexadecimal digits"
            raise UuidInvalid(message, type=type(request).__name__, uuid=text[:80])
        ids[field] = text
    return replace(request, **ids) if ids else request


def _checked(request: NetworkRequest) -> NetworkRequest:
    match request:
        case CreateNetwork():
            _check_texts(request.name, request.description)
            _check_map("other_config", request.other_config)
            if request.bridge:
                names.check_bridge(request.bridge)
            return replace(request, mtu=_mtu(request.mtu or 1500))
        case UpdateNetwork():
            _check_texts(request.name or "", request.description or "")
            _check_map("other_config", request.other_config or {})
            if request.mtu is not None:
                _mtu(request.mtu)
            if request.default_locking is LockingMode.LOCKED:
                raise _wrong("default_locking_mode", "locked", "unlocked or disabled: addresses are those of a VIF")
        case IntroducePif():
            if not request.mac and not request.device:
                raise _wrong("device", "", "the name of a network card, or its MAC")
            return replace(request, mac=parse_mac(request.mac) if request.mac else "")
        case UpdatePif():
            _check_map("other_config", request.other_config or {})
            for name, value in (request.properties or {}).items():
                if name != "gro" or value not in ("on", "off"):
                    raise _wrong("properties", f"{name} = {value}", "gro = on, or gro = off")
        case ReconfigureIp():
            return replace(
                request,
                ipv4=checked_ipv4(request.ipv4) if request.ipv4 else None,
                ipv6=checked_ipv6(request.ipv6) if request.ipv6 else None,
            )
        case ReconfigureManagement():
            if not 0 <= request.confirm_seconds <= MAX_CONFIRM_SECONDS:
                raise _wrong("confirm_seconds", str(request.confirm_seconds), f"0 to {MAX_CONFIRM_SECONDS}")
            return replace(
                request,
                ipv4=checked_ipv4(request.ipv4) if request.ipv4 else None,
                ipv6=checked_ipv6(request.ipv6) if request.ipv6 else None,
            )
        case ResetNetworking():
            _check_tag(request.vlan)
            return replace(request, ipv4=checked_ipv4(request.ipv4), ipv6=checked_ipv6(request.ipv6))
        case CreateBond():
            _check_map("properties", request.properties)
            mac = parse_mac(request.mac) if request.mac else ""
            return replace(request, members=_members(request.members), mac=mac)
        case UpdateBond():
            _check_map("properties", request.properties or {})
            if request.members is not None:
                return replace(request, members=_members(request.members))
        case CreateVlan():
            _check_tag(request.tag)
        case CreateTunnel():
            most = MAX_KEYS[request.protocol]
            if not 0 <= request.key <= most:
                raise _wrong("key", str(request.key), f"1 to {most}, or 0 for one that is derived from the network")
            return replace(request, remotes=_remotes(request.remotes))
        case UpdateTunnel():
            return replace(request, remotes=_remotes(request.remotes))
        case IntroduceController():
            return _controller(request)
        case IntroducePvsSite():
            _check_texts(request.name, request.description)
            _check_texts(request.pvs_uuid, "")
        case IntroducePvsServer():
            if not 1 <= request.first_port <= request.last_port <= MAX_PORT:
                ports = f"{request.first_port} to {request.last_port}"
                raise _wrong("ports", ports, f"a first and a last one, 1 to {MAX_PORT}")
            if not request.addresses:
                raise InvalidIpAddress("addresses: a PVS server needs one at least", parameter="addresses")
            return replace(request, addresses=_hosts(request.addresses, "addresses"))
        case CreatePvsProxy():
            return replace(request, mac=parse_mac(request.mac))
        case _:
            pass
    return request


_Members = tuple[Any, ...]


def _members(members: _Members) -> _Members:
    found = tuple(dict.fromkeys(members))
    if len(found) < 2:
        raise PifBondNeedsMoreMembers("a bond needs two members or more")
    if len(found) > MAX_MEMBERS:
        raise _wrong("members", str(len(found)), f"{MAX_MEMBERS} members at most")
    return found


def _hosts(addresses: tuple[Any, ...], field: str) -> tuple[Any, ...]:
    found = tuple(dict.fromkeys(addresses))
    if len(found) > MAX_REMOTES:
        raise _wrong(field, str(len(found)), f"{MAX_REMOTES} at most")
    for address in found:
        if not keys.is_host(address):
            raise InvalidIpAddress(f"{field}: {address} is no address of a host", parameter=field)
    return found


def _remotes(remotes: tuple[Any, ...]) -> tuple[Any, ...]:
    found = _hosts(remotes, "remotes")
    if len({remote.version for remote in found}) > 1:
        raise InvalidIpAddress("remotes: use addresses of one family, IPv4 or IPv6", parameter="remotes")
    return found


def _controller(request: IntroduceController) -> IntroduceController:
    if not 0 <= request.port <= MAX_PORT:
        raise _wrong("port", str(request.port), f"1 to {MAX_PORT}, or 0 for the usual one")
    if request.protocol is ControllerProtocol.PSSL and request.address is not None:
        raise _wrong("address", str(request.address), "none: with pssl the controller connects to this host")
    if request.protocol is ControllerProtocol.SSL and (request.address is None or not keys.is_host(request.address)):
        raise InvalidIpAddress("address: ssl needs the IP address of the controller", parameter="address")
    return replace(request, port=request.port or CONTROLLER_PORTS[request.protocol])


def _mtu(mtu: int) -> int:
    if not MIN_MTU <= mtu <= MAX_MTU:
        raise _wrong("MTU", str(mtu), f"{MIN_MTU} to {MAX_MTU}")
    return mtu


def _check_tag(tag: int) -> None:
    if not 0 <= tag <= MAX_VLAN:
        raise VlanTagInvalid(f"{tag} is no VLAN tag; use 0 to {MAX_VLAN}", VLAN=str(tag))


_NO_TEXT: Final = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _check_texts(name: str, description: str) -> None:
    for field, text in (("name", name), ("description", description)):
        if len(text) > MAX_TEXT or _NO_TEXT.search(text):
            raise _wrong(field, text, f"at most {MAX_TEXT} characters, none of them a control character")


def _check_map(field: str, entries: Mapping[str, str]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise _wrong(field, str(len(entries)), f"{MAX_ENTRIES} entries at most")
    for key, value in entries.items():
        if not key or len(key) > MAX_KEY or len(value) > MAX_VALUE:
            raise _wrong(
                f"{field}:{key:.40}", value, f"keys of 1 to {MAX_KEY} and values of at most {MAX_VALUE} letters"
            )


def _wrong(field: str, value: str, right: str) -> InvalidValue:
    shown = value if len(value) <= 80 else value[:80] + "…"
    return InvalidValue(f"{field} is {shown!r}; use {right}", field=field, value=shown)
