"""Settings of one interface: what differs from the wish, and making it so.

Of each wish only what differs is asked of the kernel, so a link that is as wanted is not negotiated again.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from xenhost.core.network import NicSettings, Problem
from xenhost.drivers.network.nics import ethtool, links
from xenhost.drivers.network.nics.ethtool import Features, LinkChange, LinkModes
from xenhost.drivers.network.nics.links import Link

GROUPS: Final[Mapping[str, str]] = {
    "rx": "rx-checksum",
    "tx": "tx-checksum-*",
    "sg": "tx-scatter-gather*",
    "tso": "tx-tcp*-segmentation",
    "ufo": "tx-udp-fragmentation",
    "gso": "tx-generic-segmentation",
    "gro": "rx-gro",
    "lro": "rx-lro",
}
"""Features of the kernel behind each of ethtool's short names, as ethtool(8) has them."""
_PRINCIPAL: Final = {"tso": "tx-tcp-segmentation", "sg": "tx-scatter-gather"}
"""What a short name means above all; others of its features may be left on by the kernel, or off."""
_NEVER_ON: Final = frozenset({"tx-tcp-mangleid-segmentation"})
"""Breaks IP identifiers: drivers that can do it leave it off, and a wish for `tso` does not mean it."""
_NO_SPEED: Final = sum(1 << bit for bit in (6, 7, 8, 9, 10, 11, 13, 14, 16, 49, 50, 51, 74))
"""Link mode bits that are no speeds: negotiation itself, ports, pause frames, error correction."""


def plan_features(now: Features, wish: Mapping[str, bool]) -> Mapping[str, bool]:
    """What to switch, of the features that the driver lets be switched."""
    changes: dict[str, bool] = {}
    for name, on in wish.items():
        changeable = _group(now.changeable, name)
        if on:
            changes |= dict.fromkeys(sorted(changeable - _NEVER_ON - now.wanted), True)
        else:
            changes |= dict.fromkeys(sorted(changeable & (now.wanted | now.active)), False)
    return changes


def unmet_features(now: Features, wish: Mapping[str, bool]) -> Sequence[str]:
    """Which wishes are not so: the card cannot, or the feature needs another one, as `tso` needs `tx`."""
    return [f"{name} {'on' if on else 'off'}" for name, on in wish.items() if _is_on(now, name) != on]


def _is_on(now: Features, name: str) -> bool:
    principal = _PRINCIPAL.get(name)
    return principal in now.active if principal in now.changeable else bool(_group(now.active, name))


def plan_link(now: LinkModes, wish: NicSettings) -> LinkChange | None:
    """What to negotiate or force; None: nothing."""
    modes = wish.advertise | (now.advertised & _NO_SPEED) if wish.advertise else now.advertised
    fixed = not (now.autoneg if wish.autoneg is None else wish.autoneg)
    change = LinkChange(
        # negotiated: the kernel offers the modes of that speed, and knows whether it does so already
        speed=wish.speed if wish.speed and (not fixed or wish.speed != now.speed) else None,
        duplex=wish.duplex if wish.duplex and (not fixed or wish.duplex != now.duplex) else None,
        autoneg=wish.autoneg if wish.autoneg not in (None, now.autoneg) else None,
        advertised=modes if modes != now.advertised else None,
    )
    return None if change == LinkChange() else change


def configure_all(wanted: Mapping[str, NicSettings], done: dict[str, Sequence[Problem]]) -> None:
    """Give each its settings; what became of it goes to `done` at once. Blocks; raises nothing.

    What was refused is tried again in the end: a VLAN cannot have a greater MTU than the card that it is on.
    """
    for device, wish in wanted.items():
        done[device] = configure(device, wish)
    for device in [device for device, problems in done.items() if problems]:
        done[device] = configure(device, wanted[device])


def configure(device: str, wish: NicSettings) -> Sequence[Problem]:
    """Give an interface its settings. Blocks; raises nothing."""
    try:
        link = links.find(device)
    except OSError as error:
        return [Problem(device, f"{device} cannot be looked at: {_words(error)}")]
    if link is None:
        return [Problem(device, f"there is no interface {device}")]
    found = [_mtu(link, wish.mtu), _link(device, wish), _offload(device, wish.offload)]
    return [Problem(device, message) for message in found if message]


def _mtu(link: Link, mtu: int) -> str:
    if link.mtu == mtu:
        return ""
    limit = f"; it can have {link.least_mtu} to {link.most_mtu}" if link.most_mtu else ""
    return _try(f"{link.name} refuses an MTU of {mtu}{limit}", lambda: links.set_mtu(link, mtu))


def _link(device: str, wish: NicSettings) -> str:
    if not (wish.speed or wish.duplex or wish.advertise or wish.autoneg is not None):
        return ""

    def change() -> None:
        if (wanted := plan_link(ethtool.link_modes(device), wish)) is not None:
            ethtool.set_link_modes(device, wanted)

    return _try(f"{device} refuses {_asked(wish)}", change)


def _offload(device: str, wish: Mapping[str, bool]) -> str:
    if not wish:
        return ""
    unmet: Sequence[str] = ()

    def change() -> None:
        nonlocal unmet
        now = ethtool.features(device)
        if changes := plan_features(now, wish):
            ethtool.set_features(device, changes)
            now = ethtool.features(device)
        unmet = unmet_features(now, wish)

    asked = ", ".join(f"{name} {'on' if on else 'off'}" for name, on in wish.items())
    return _try(f"{device} refuses {asked}", change) or (f"{device} cannot have {', '.join(unmet)}" if unmet else "")


def _try(refusal: str, change: Callable[[], None]) -> str:
    try:
        change()
    except OSError as error:
        return f"{refusal}: {_words(error)}"
    return ""


def _asked(wish: NicSettings) -> str:
    parts = [
        f"speed {wish.speed} Mbit/s" if wish.speed else "",
        f"{wish.duplex} duplex" if wish.duplex else "",
        "" if wish.autoneg is None else f"negotiation {'on' if wish.autoneg else 'off'}",
        f"modes {wish.advertise:#x}" if wish.advertise else "",
    ]
    return ", ".join(part for part in parts if part)


def _group(names: frozenset[str], short: str) -> frozenset[str]:
    pattern = GROUPS[short]
    return frozenset(name for name in names if fnmatchcase(name, pattern))


def _words(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
