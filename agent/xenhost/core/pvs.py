"""Citrix Provisioning (PVS): what guests stream their disks from, and proxies that cache it. Frozen values.

The words are those of the XenServer Management API (classes PVS_site, PVS_server, PVS_proxy). The proxy itself is a
daemon of XenServer; what is ours is to send a guest's traffic with its servers there.
"""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NewType

PvsSiteId = NewType("PvsSiteId", str)
PvsServerId = NewType("PvsServerId", str)
PvsProxyId = NewType("PvsProxyId", str)
"""UUIDs."""
PVS: Final = "pvs"
"""Place of a problem with proxies as such."""


@dataclass(frozen=True, slots=True)
class PvsSite:
    """Machines that share a set of servers."""

    id: PvsSiteId
    name: str
    description: str = ""
    pvs_uuid: str = ""
    """As the site calls itself."""


@dataclass(frozen=True, slots=True)
class PvsServer:
    """One that streams disks."""

    id: PvsServerId
    site: PvsSiteId
    addresses: tuple[IPv4Address | IPv6Address, ...]
    first_port: int
    last_port: int
    """Of UDP, on both sides; included."""


@dataclass(frozen=True, slots=True)
class PvsProxy:
    """A VIF whose traffic with the servers of a site shall go through the proxy."""

    id: PvsProxyId
    site: PvsSiteId
    vm: str
    devid: int
    mac: str
    bridge: str
    """Of the VIF, when the proxy was made; while it is plugged, where it is counts."""


class PvsProxyStatus(StrEnum):
    """PVS_proxy.status; what else it can be, only the proxy daemon knows."""

    STOPPED = "stopped"
    INITIALISED = "initialised"


@dataclass(frozen=True, slots=True)
class PvsRange:
    """Where a server is."""

    address: IPv4Address | IPv6Address
    first_port: int
    last_port: int


@dataclass(frozen=True, slots=True)
class PvsPort:
    """A port of a bridge at which the proxy of one guest is, and whose traffic goes there."""

    bridge: str
    mac: str
    servers: tuple[PvsRange, ...]

    @property
    def name(self) -> str:
        """As XenServer calls it, and its daemon finds it."""
        return port_name(self.mac)


def port_name(mac: str) -> str:
    """Of the proxy of a guest's card: `pvs0123456789ab`, as long as the kernel allows."""
    return "pvs" + mac.replace(":", "").lower()


@dataclass(frozen=True, slots=True)
class PvsProxyView:
    """A proxy."""

    proxy: PvsProxy
    attached: bool
    """Its traffic is sent to the port."""
    status: PvsProxyStatus
    problem: str
    """Why it is not; empty: it is."""


@dataclass(frozen=True, slots=True)
class PvsSiteView:
    """A site, its servers and proxies."""

    site: PvsSite
    servers: tuple[PvsServer, ...]
    proxies: tuple[PvsProxyView, ...]
