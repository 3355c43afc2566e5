"""What a guest tells of itself, and what XenAPI's class VM_guest_metrics makes of it. Pure; all of it is untrusted.

Source: the nodes which XenServer's guest agents write (xe-guest-utilities; xapi's xapi_guest_agent.ml reads them).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

MAX_ENTRIES: Final = 256
"""Of one map, such as the networks."""


@dataclass(frozen=True, slots=True)
class GuestData:
    """Nodes that a guest may write, at one moment."""

    nodes: Mapping[str, str] = field(default_factory=dict)
    """Path below the domain's home ("attr/vif/0/ipv4/0") to value; characters that XML cannot carry are replaced."""
    complete: bool = True
    """False: there was more than is ever read."""


class Hotplug(StrEnum):
    """Can the guest take a device while it runs? XenAPI's tristate_type."""

    YES = "yes"
    NO = "no"
    UNSPECIFIED = "unspecified"


@dataclass(frozen=True, slots=True)
class GuestMetrics:
    """The fields of VM_guest_metrics that come from the guest; its words, which may be lies."""

    live: bool = False
    """Is the guest that said it still there?"""
    os_version: Mapping[str, str] = field(default_factory=dict)
    netbios_name: Mapping[str, str] = field(default_factory=dict)
    pv_drivers_version: Mapping[str, str] = field(default_factory=dict)
    pv_drivers_detected: bool = False
    networks: Mapping[str, str] = field(default_factory=dict)
    """Addresses: "0/ip" and "0/ipv4/0" of VIF 0, "0/ipv6/1" and so on."""
    memory: Mapping[str, str] = field(default_factory=dict)
    """KiB: "free" and "total"."""
    disks: Mapping[str, str] = field(default_factory=dict)
    """Of its volumes: "0/size", "0/free", "0/mount_points/0"..."""
    drivers: Mapping[str, str] = field(default_factory=dict)
    """Number to "vendor name version" of each."""
    services: Mapping[str, str] = field(default_factory=dict)
    other: Mapping[str, str] = field(default_factory=dict)
    """What it can do ("feature-suspend"), and "platform-..." that it was told."""
    can_use_hotplug_vbd: Hotplug = Hotplug.UNSPECIFIED
    can_use_hotplug_vif: Hotplug = Hotplug.UNSPECIFIED


@dataclass(frozen=True, slots=True)
class GuestMetricsView:
    """The newest ones of a VM."""

    metrics: GuestMetrics
    last_updated: float
    """Seconds since the epoch."""
    revision: int


_OS_VERSION: Final = {
    "data/os_name": "name",
    "data/os_uname": "uname",
    "data/os_distro": "distro",
    "data/os_majorver": "major",
    "data/os_minorver": "minor",
    "attr/os/spmajor": "spmajor",
    "attr/os/spminor": "spminor",
}
_NETBIOS_NAME: Final = {"data/host_name": "host_name", "data/host_name_dns": "dns_name", "data/domain": "domain"}
_PV_DRIVERS: Final = {
    "drivers/xenevtchn": "xenevtchn",
    "drivers/xenvbd": "xenvbd",
    "drivers/xennet": "xennet",
    "attr/PVAddons/MajorVersion": "major",
    "attr/PVAddons/MinorVersion": "minor",
    "attr/PVAddons/MicroVersion": "micro",
    "attr/PVAddons/BuildVersion": "build",
    "attr/PVAddons/Application": "application",
}
_MEMORY: Final = {"data/meminfo_free": "free", "data/meminfo_total": "total"}
_HOTPLUG: Final = {"1": Hotplug.YES, "0": Hotplug.NO}
_VIF: Final = re.compile(r"attr/vif/(\d{1,3})/(ipv4|ipv6)/(\d{1,3})")
_ETH_IP: Final = re.compile(r"attr/(?:eth|xenbr)(\d{1,3})/ip")
_ETH_IPV6: Final = re.compile(r"attr/(?:eth|xenbr)(\d{1,3})/ipv6/(\d{1,3})/addr")
_DRIVER: Final = re.compile(r"drivers/(\d{1,4})")
_NUMBER: Final = re.compile(r"\d{1,15}")


def guest_metrics(untrusted: GuestData) -> GuestMetrics:
    """What the nodes mean. Nothing is made of them before the guest's agent says that they are complete."""
    nodes = untrusted.nodes
    other = dict(_bounded(_below(nodes, "control/")))
    cannot_suspend = nodes.get("data/cant_suspend_reason")
    if cannot_suspend is not None:
        other.pop("feature-suspend", None)
        other["data-cant-suspend-reason"] = cannot_suspend
    suspends = nodes.get("control/feature-suspend") == "1"
    if "data/updated" not in nodes:
        return GuestMetrics(live=True, other=other, pv_drivers_detected=suspends)
    version = _named(nodes, _PV_DRIVERS)
    if "data/ts" in nodes:
        other["data-ts"] = nodes["data/ts"]
    return GuestMetrics(
        live=True,
        os_version=_named(nodes, _OS_VERSION),
        netbios_name=_named(nodes, _NETBIOS_NAME),
        pv_drivers_version={"micro": "-1", **version} if version else {},
        pv_drivers_detected=suspends or nodes.get("attr/PVAddons/Installed") == "1",
        networks=dict(_bounded(_networks(nodes))),
        memory={key: value for key, value in _named(nodes, _MEMORY).items() if _NUMBER.fullmatch(value)},
        disks=dict(_bounded(_below(nodes, "data/volumes/"))),
        drivers=dict(_bounded(_drivers(nodes))),
        services=dict(_bounded(_below(nodes, "data/service/"))),
        other=other,
        can_use_hotplug_vbd=_HOTPLUG.get(nodes.get("feature/hotplug/vbd", ""), Hotplug.UNSPECIFIED),
        can_use_hotplug_vif=_HOTPLUG.get(nodes.get("feature/hotplug/vif", ""), Hotplug.UNSPECIFIED),
    )


def _named(nodes: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {name: nodes[path] for path, name in names.items() if path in nodes}


def _below(nodes: Mapping[str, str], prefix: str) -> Iterator[tuple[str, str]]:
    """Values, of nodes that have one."""
    return ((path.removeprefix(prefix), value) for path, value in nodes.items() if path.startswith(prefix) and value)


def _bounded(items: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    return (item for _, item in zip(range(MAX_ENTRIES), items, strict=False))


def _networks(nodes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Addresses in the form of today's agents and that of older ones; what is no address is left out."""
    for path, value in nodes.items():
        if not path.startswith("attr/") or not _is_address(value):
            continue
        if found := _VIF.fullmatch(path):
            vif, family, number = found.groups()
            if family == "ipv4" and int(number) == 0:
                yield f"{int(vif)}/ip", value
            yield f"{int(vif)}/{family}/{int(number)}", value
        elif found := _ETH_IP.fullmatch(path):
            yield f"{int(found[1])}/ip", value
        elif found := _ETH_IPV6.fullmatch(path):
            yield f"{int(found[1])}/ipv6/{int(found[2])}", value


def _is_address(text: str) -> bool:
    try:
        return bool(ip_address(text))
    except ValueError:
        return False


def _drivers(nodes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((found[1], value) for path, value in nodes.items() if (found := _DRIVER.fullmatch(path)))
