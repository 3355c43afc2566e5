"""Addresses and routes of the kernel, over rtnetlink(7). Everything blocks: call it in a thread."""

import errno
import os
import socket
import threading
from collections.abc import Sequence
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, Final

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from xenhost.core.network import Problem
from xenhost.drivers.network.ip.layout import (
    EVERYWHERE,
    ROUTE_PROTOCOL,
    Change,
    DropAddress,
    DropRoute,
    Found,
    FoundAddress,
    FoundRoute,
    SetAddress,
    SetRoute,
)

_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
_VERSIONS: Final = {int(socket.AF_INET): 4, int(socket.AF_INET6): 6}
_MAIN_TABLE: Final = 254
_UNICAST: Final = 1
_FOREVER: Final = 0xFFFFFFFF
_ON_LINK: Final = 4  # RTNH_F_ONLINK
_CACHED: Final = 0x200  # RTM_F_CLONED
_PERMANENT: Final = 0x80
_TENTATIVE: Final = 0x40
_DUPLICATE: Final = 0x08  # IFA_F_DADFAILED
_GONE: Final = {errno.EADDRNOTAVAIL, errno.ESRCH, errno.ENODEV, errno.ENOENT}


class Kernel:
    """What dom0's kernel has of addresses and routes, and how it is changed."""

    def __init__(self) -> None:
        self._netlink: IPRoute | None = None
        self._lock = threading.Lock()

    def open(self) -> None:
        """Raises OSError."""
        if self._netlink is None:
            self._netlink = IPRoute(strict_check=True)  # strict: the kernel leaves out what was not asked for

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
            except NetlinkError as refused:
                if refused.code not in _GONE or isinstance(change, SetAddress | SetRoute):
                    problems.append(Problem(device, f"{_words(change)}: {os.strerror(refused.code)}"))
        return problems

    def _look(self) -> Found:
        indexes = {name: index for index, name in socket.if_nameindex()}
        names = {index: name for name, index in indexes.items()}
        addresses: dict[str, list[FoundAddress]] = {}
        for message in self._ask().get_addr():
            device = names.get(message["index"])
            if device is not None and (address := _address(message)) is not None:
                addresses.setdefault(device, []).append(address)
        routes = [
            route
            for family in _FAMILIES.values()
            for message in self._ask().get_routes(family=family, table=_MAIN_TABLE)
            if (route := _route(message, names)) is not None
        ]
        return Found(indexes, {device: tuple(each) for device, each in addresses.items()}, tuple(routes))

    def _make(self, change: Change, index: int) -> None:
        match change:
            case SetAddress():
                address = change.address
                wide = address.version == 4 and address.network.prefixlen < 31
                self._ask().addr(
                    "replace",
                    index=index,
                    family=_FAMILIES[address.version],
                    address=str(address.ip),
                    prefixlen=address.network.prefixlen,
                    preferred=_FOREVER,
                    valid=_FOREVER,
                    **({"broadcast": str(address.network.broadcast_address)} if wide else {}),
                )
            case DropAddress():
                self._ask().addr(
                    "del",
                    index=index,
                    family=_FAMILIES[change.address.version],
                    address=str(change.address.ip),
                    prefixlen=change.address.network.prefixlen,
                )
            case SetRoute():
                self._ask().route(
                    "replace" if change.replace else "add",
                    family=_FAMILIES[change.network.version],
                    dst=_destination(change.network.compressed),
                    gateway=str(change.gateway),
                    oif=index,
                    proto=ROUTE_PROTOCOL,
                    **({"flags": _ON_LINK} if change.on_link else {}),
                )
            case DropRoute():
                route = change.route
                self._ask().route(
                    "del",
                    family=_FAMILIES[route.network.version],
                    dst=_destination(route.network.compressed),
                    gateway=str(route.gateway),
                    oif=index,
                    proto=route.protocol,
                    **({"priority": route.metric} if route.metric else {}),
                )

    def _ask(self) -> IPRoute:
        if self._netlink is None:
            raise OSError(errno.EBADF, "not open")
        return self._netlink


def _address(message: Any) -> FoundAddress | None:
    text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    address = ip_interface(f"{text}/{message['prefixlen']}")
    if address.version == 6 and address.ip.is_link_local:
        return None
    flags = message.get_attr("IFA_FLAGS") or message["flags"]
    v6 = address.version == 6  # IPv4 has other meanings for these bits
    return FoundAddress(
        address, bool(flags & _PERMANENT), v6 and bool(flags & _TENTATIVE), v6 and bool(flags & _DUPLICATE)
    )


def _route(message: Any, names: dict[int, str]) -> FoundRoute | None:
    gateway, device = message.get_attr("RTA_GATEWAY"), names.get(message.get_attr("RTA_OIF"))
    kind = (message["type"], message.get_attr("RTA_TABLE"), message["flags"] & _CACHED)
    if gateway is None or device is None or kind != (_UNICAST, _MAIN_TABLE, 0):
        return None
    destination = message.get_attr("RTA_DST")
    network = EVERYWHERE[_VERSIONS[message["family"]]]
    if destination is not None:
        network = ip_network(f"{destination}/{message['dst_len']}")
    metric = message.get_attr("RTA_PRIORITY") or 0
    return FoundRoute(network, ip_address(gateway), device, metric, message["proto"])


def _destination(network: str) -> str:
    return "default" if network.endswith("/0") else network


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
