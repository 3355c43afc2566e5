"""What the keys of a PIF say about its card's settings.

The keys are XenServer's: PIF.other_config and network.other_config `ethtool-speed`, `-duplex`, `-autoneg`,
`-advertise`, `ethtool-{rx,tx,sg,tso,ufo,gso,gro,lro}` and `mtu`; PIF.properties `gro`.
"""

import re
from collections.abc import Mapping
from typing import Final, Never

from xenhost.core.errors import InvalidValue
from xenhost.core.network import NicSettings

OFFLOADS: Final = ("rx", "tx", "sg", "tso", "ufo", "gso", "gro", "lro")
MIN_MTU: Final = 68
"""Of IPv4, RFC 791."""
MAX_MTU: Final = 65535
MAX_SPEED: Final = 10_000_000
"""Mbit/s; guards the kernel's 32 bits."""
_SWITCH: Final = {"on": True, "true": True, "off": False, "false": False}
_ADVERTISE: Final = re.compile(r"0[xX][0-9a-fA-F]{1,32}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


def nic_settings(properties: Mapping[str, str], other_config: Mapping[str, str], network_mtu: int) -> NicSettings:
    """Settings from PIF.properties, other_config and network.MTU. `gro` is on and `lro` off unless they say otherwise.

    Keys that are none of ours are ignored. Raises InvalidValue.
    """
    offload = {"gro": _switch("properties:gro", properties.get("gro", "on")), "lro": False}
    for name in OFFLOADS:
        if (value := other_config.get(f"ethtool-{name}")) is not None:
            offload[name] = _switch(f"other_config:ethtool-{name}", value)
    autoneg = other_config.get("ethtool-autoneg")
    duplex = other_config.get("ethtool-duplex", "")
    if duplex not in ("", "half", "full"):
        _wrong("other_config:ethtool-duplex", duplex, "half or full")
    return NicSettings(
        mtu=_number(other_config, "mtu", MIN_MTU, MAX_MTU, network_mtu),
        speed=_number(other_config, "ethtool-speed", 1, MAX_SPEED, 0),
        duplex=duplex,
        autoneg=None if autoneg is None else _switch("other_config:ethtool-autoneg", autoneg),
        advertise=_advertise(other_config.get("ethtool-advertise")),
        offload=offload,
    )


def _switch(field: str, value: str) -> bool:
    if (found := _SWITCH.get(value)) is None:
        _wrong(field, value, "on, true, off or false")
    return found


def _number(config: Mapping[str, str], key: str, least: int, most: int, default: int) -> int:
    if (value := config.get(key)) is None:
        return default
    if not _NUMBER.fullmatch(value) or not least <= int(value) <= most:
        _wrong(f"other_config:{key}", value, f"a number from {least} to {most}")
    return int(value)


def _advertise(value: str | None) -> int:
    if value is None:
        return 0
    if not _ADVERTISE.fullmatch(value) or not int(value, 16):
        _wrong("other_config:ethtool-advertise", value, "a mask of link modes as in ethtool(8), such as 0x1000")
    return int(value, 16)


def _wrong(field: str, value: str, right: str) -> Never:
    shown = value if len(value) <= 40 else value[:40] + "…"
    raise InvalidValue(f"{field} is {shown!r}; use {right}", field=field, value=value)
