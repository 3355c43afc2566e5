"""Settings of the kernel's IPv6 for an interface (Documentation/networking/ip-sysctl.rst). Blocking, and quick."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from xenhost.core.network import Ipv6Mode

IPV6: Final = Path("/proc/sys/net/ipv6/conf")
IPV4: Final = Path("/proc/sys/net/ipv4/conf")
_NO_LINK_LOCAL: Final = "1"
_EUI64: Final = "0"
T = TypeVar("T")


def has_ipv6() -> bool:
    """Whether the host has IPv6: the kernel does, and it is not turned off for all interfaces."""
    return _read(IPV6 / "all" / "disable_ipv6") == "0"


def set_ipv6(interface: str, mode: Ipv6Mode, takes_default: bool | None) -> bool:
    """Make them fit the mode; whether router advertisements mean more than before. Raises OSError.

    `takes_default`: of router advertisements; None: leave it. They are heeded although the host may forward packets
    (2), as a host with routed networks of its own does.
    """
    place = IPV6 / interface
    by_router = mode in (Ipv6Mode.AUTOCONF, Ipv6Mode.DHCP)
    wanted = {
        "disable_ipv6": "0",
        "autoconf": "1" if mode is Ipv6Mode.AUTOCONF else "0",
        "accept_ra": "2" if by_router else "0",
    }
    if by_router:
        wanted |= {"accept_ra_pinfo": "1", "use_tempaddr": "0"}
        if takes_default is not None:
            wanted["accept_ra_defrtr"] = "1" if takes_default else "0"
    if _read(place / "addr_gen_mode") == _NO_LINK_LOCAL:
        wanted["addr_gen_mode"] = _EUI64  # some DHCP client turned it off
    changed = {name for name, value in wanted.items() if _write(place / name, value)}
    return by_router and not changed.isdisjoint({"autoconf", "accept_ra", "accept_ra_defrtr"})


def set_ipv4(interface: str) -> None:
    """When the first address of a network goes, the next one takes its place: else the kernel removes them all."""
    _write(IPV4 / interface / "promote_secondaries", "1")


def _read(file: Path) -> str:
    try:
        return _through(file, os.O_RDONLY, lambda there: os.read(there, 64)).decode().strip()
    except OSError:
        return ""


def _write(file: Path, value: str) -> bool:
    if _read(file) == value:
        return False
    _through(file, os.O_WRONLY, lambda there: os.write(there, value.encode()))
    return True


def _through(file: Path, flags: int, do: Callable[[int], T]) -> T:
    """Some hundred networks have thousands of these: as few calls of the kernel as it takes."""
    there = os.open(file, flags | os.O_CLOEXEC)
    try:
        return do(there)
    finally:
        os.close(there)
