"""Addresses and routes of the kernel, over rtnetlink(7). Everything blocks: call it in a thread."""

import errno
import os
import socket
import struct
import sys
import threading
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Final

from xenhost.core.network import Problem
from xenhost.drivers.network.ip.layout import (
    ROUTE_PROTOCOL,
    Change,
    DropAddress,
    DropRoute,
    Found,
    FoundAddress,
    FoundRoute,
    Host,
    Interface,
    Network,
    SetAddress,
    SetRoute,
)
from xenhost.system.netlink import attribute, read_attributes, u32
from xenhost.system.netlink_client import CREATE, EXCLUSIVE, REPLACE, NetlinkClient

_NEW_ADDRESS, _DROP_ADDRESS, _GET_ADDRESSES = 20, 21, 22
_NEW_ROUTE, _DROP_ROUTE, _GET_ROUTES = 24, 25, 26
_ADDRESS: Final = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, index
_ROUTE: Final = struct.Struct("=BBBBBBBBI")  # rtmsg: family, bits to, from, tos, table, protocol, scope, type, flags
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST, _IFA_CACHEINFO = 1, 2, 4, 6
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY = 1, 4, 5, 6
_FAMILIES: Final = {4: int(socket.AF_INET), 6: int(socket.AF_INET6)}
_MAIN_TABLE: Final = 254
_UNICAST: Final = 1
_FOREVER: Final = struct.pack("=IIII", 0xFFFFFFFF, 0xFFFFFFFF, 0, 0)  # ifa_cacheinfo
_ON_LINK: Final = 4  # RTNH_F_ONLINK
_CACHED: Final = 0x200  # RTM_F_CLONED
_PERMANENT: Final = 0x80
_TENTATIVE: Final = 0x40
_DUPLICATE: Final = 0x08  # IFA_F_DADFAILED
_GONE: Final = {errno.EADDRNOTAVAIL, errno.ESRCH, errno.ENODEV, errno.ENOENT}


class Kernel:
    """What dom0's kernel has of addresses and routes, and how it is changed."""

    def __init__(self) -> None:
        self._netlink: NetlinkClient | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Raises OSError."""
        if self._netlink is None:
            self._netlink = NetlinkClient(strict=True)

    def close(self) -> None:
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def look(self) -> Found:
        """All addresses (but not link-local ones of IPv6), and routes through gateways. Raises OSError."""
        with self._lock:
            return self._look()

    def make(self, changes: Sequence[Change], found: Found) -> Sequence[Problem]:
        """Carry them out, each for itself: those that the kernel refuses are returned."""
        problems = []
        for change in changes:
            device = change.route.device if isinstance(change, DropRoute) else change.device
            try:
                with self._lock:
                    self._make(change, found.indexes[device])
            except OSError as refused:
                if refused.errno not in _GONE or isinstance(change, SetAddress | SetRoute):
                    problems.append(Problem(device, f"{_words(change)}: {os.strerror(refused.errno or 0)}"))
        return problems

    def _look(self) -> Found:
        indexes = {name: index for index, name in socket.if_nameindex()}
        names = {index: name for name, index in indexes.items()}
        addresses: dict[str, list[FoundAddress]] = {}
        for _, body in self._ask().dump(_GET_ADDRESSES, bytes(_ADDRESS.size)):
            device = names.get(_ADDRESS.unpack_from(body)[4])
            if device is not None and (address := _address(body)) is not None:
                addresses.setdefault(device, []).append(address)
        routes = []
        for family in _FAMILIES.values():
            asked = _ROUTE.pack(family, 0, 0, 0, _MAIN_TABLE, 0, 0, 0, 0)
            try:
                found = self._ask().dump(_GET_ROUTES, asked)
            except FileNotFoundError:  # no such table: there has never been a route in it, nor an address
                continue
            routes += [route for _, body in found if (route := _route(body, names)) is not None]
        return Found(indexes, {device: tuple(each) for device, each in addresses.items()}, tuple(routes))

    def _make(self, change: Change, index: int) -> None:
        match change:
            case SetAddress():
                body = _address_body(change.address, index) + attribute(_IFA_CACHEINFO, _FOREVER)
                self._ask().change(_NEW_ADDRESS, body + _broadcast(change.address), CREATE | REPLACE)
            case DropAddress():
                self._ask().change(_DROP_ADDRESS, _address_body(change.address, index))
            case SetRoute():
                mode = CREATE | (REPLACE if change.replace else EXCLUSIVE)
                flags = _ON_LINK if change.on_link else 0
                body = _route_body(change.network, change.gateway, index, ROUTE_PROTOCOL, flags)
                self._ask().change(_NEW_ROUTE, body, mode)
            case DropRoute():
                route = change.route
                body = _route_body(route.network, route.gateway, index, route.protocol, 0)
                self._ask().change(_DROP_ROUTE, body + u32(_RTA_PRIORITY, route.metric))

    def _ask(self) -> NetlinkClient:
        if self._netlink is None:
            raise OSError(errno.EBADF, "not open")
        return self._netlink


def _address(body: bytes) -> FoundAddress | None:
    family, length, flags, _, _ = _ADDRESS.unpack_from(body)
    attributes = read_attributes(body[_ADDRESS.size :])
    packed = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
    if packed is None or family not in _FAMILIES.values():
        return None
    if family == _FAMILIES[4]:
        return FoundAddress(IPv4Interface((packed, length)), bool(flags & _PERMANENT))
    address = IPv6Interface((packed, length))
    if address.ip.is_link_local:
        return None
    return FoundAddress(address, bool(flags & _PERMANENT), bool(flags & _TENTATIVE), bool(flags & _DUPLICATE))


def _route(body: bytes, names: Mapping[int, str]) -> FoundRoute | None:
    family, length, _, _, table, protocol, _, kind, flags = _ROUTE.unpack_from(body)
    if (table, kind, flags & _CACHED) != (_MAIN_TABLE, _UNICAST, 0) or family not in _FAMILIES.values():
        return None
    attributes = read_attributes(body[_ROUTE.size :])
    gateway = attributes.get(_RTA_GATEWAY)
    device = names.get(int.from_bytes(attributes.get(_RTA_OIF, b""), sys.byteorder))
    if gateway is None or device is None:
        return None
    metric = int.from_bytes(attributes.get(_RTA_PRIORITY, b""), sys.byteorder)
    to = attributes.get(_RTA_DST)
    if family == _FAMILIES[4]:
        network4 = IPv4Network((to or bytes(4), length))
        return FoundRoute(network4, IPv4Address(gateway), device, metric, protocol)
    return FoundRoute(IPv6Network((to or bytes(16), length)), IPv6Address(gateway), device, metric, protocol)


def _address_body(address: Interface, index: int) -> bytes:
    head = _ADDRESS.pack(_FAMILIES[address.version], address.network.prefixlen, 0, 0, index)
    return head + attribute(_IFA_LOCAL, address.packed) + attribute(_IFA_ADDRESS, address.packed)


def _broadcast(address: Interface) -> bytes:
    if address.version == 6 or address.network.prefixlen > 30:
        return b""
    return attribute(_IFA_BROADCAST, address.network.broadcast_address.packed)


def _route_body(network: Network, gateway: Host, index: int, protocol: int, flags: int) -> bytes:
    family, length = _FAMILIES[network.version], network.prefixlen
    head = _ROUTE.pack(family, length, 0, 0, _MAIN_TABLE, protocol, 0, _UNICAST, flags)
    to = attribute(_RTA_DST, network.network_address.packed) if length else b""
    return head + to + attribute(_RTA_GATEWAY, gateway.packed) + u32(_RTA_OIF, index)


def _words(change: Change) -> str:
    match change:
        case SetAddress():
            return f"the address {change.address} cannot be set"
        case DropAddress():
            return f"the address {change.address} cannot be removed"
        case SetRoute():
            return f"the route to {change.network} through {change.gateway} cannot be set"
        case DropRoute():
            return f"the route to {change.route.network} through {change.route.gateway} cannot be removed"
