"""Link modes and features of a network card, by ethtool's generic netlink. All functions block.

Sources: linux/Documentation/networking/ethtool-netlink.rst, linux/include/uapi/linux/ethtool_netlink.h.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xenhost.system import genl, netlink

SECONDS: Final = 30.0
"""Longest wait for an answer."""
_FAMILY: Final = "ethtool"
_LINKMODES_GET: Final = 4
_LINKMODES_SET: Final = 5
_FEATURES_GET: Final = 11
_FEATURES_SET: Final = 12
_HEADER: Final = 1
_HEADER_NAME: Final = 2
_LINKMODES_AUTONEG: Final = 2
_LINKMODES_OURS: Final = 3
_LINKMODES_SPEED: Final = 5
_LINKMODES_DUPLEX: Final = 6
_FEATURES_HW: Final = 2
_FEATURES_WANTED: Final = 3
_FEATURES_ACTIVE: Final = 4
_BITSET_NOMASK: Final = 1
_BITSET_BITS: Final = 3
_BIT: Final = 1
_BIT_INDEX: Final = 1
_BIT_NAME: Final = 2
_BIT_VALUE: Final = 3
_HALF: Final = 0
_FULL: Final = 1
_UNKNOWN_SPEED: Final = 0xFFFFFFFF
_ATTRIBUTE: Final = struct.Struct("=HH")
_TYPE_MASK: Final = 0x3FFF


@dataclass(frozen=True, slots=True)
class LinkModes:
    """How a card talks to the other end of its cable."""

    speed: int
    """Mbit/s, 0: unknown."""
    duplex: str
    """`half`, `full`, empty: unknown."""
    autoneg: bool
    advertised: int
    """Bit mask of the modes that it offers."""


@dataclass(frozen=True, slots=True)
class LinkChange:
    """What shall be different; None: as it is."""

    speed: int | None = None
    duplex: str | None = None
    autoneg: bool | None = None
    advertised: int | None = None


@dataclass(frozen=True, slots=True)
class Features:
    """Names of features, as `ethtool -k` has them."""

    changeable: frozenset[str]
    wanted: frozenset[str]
    active: frozenset[str]


def link_modes(device: str) -> LinkModes:
    """Raises OSError: EOPNOTSUPP if the driver does not tell."""
    return parse_link_modes(genl.call(_FAMILY, _LINKMODES_GET, [_device(device)], SECONDS))


def set_link_modes(device: str, change: LinkChange) -> None:
    """Raises OSError."""
    request = [_device(device)]
    if change.autoneg is not None:
        request.append(netlink.attribute(_LINKMODES_AUTONEG, bytes([change.autoneg])))
    if change.advertised is not None:
        mask = change.advertised
        bits = [netlink.nested(_BIT, [netlink.u32(_BIT_INDEX, n)]) for n in range(mask.bit_length()) if mask >> n & 1]
        whole = netlink.attribute(_BITSET_NOMASK, b"")
        request.append(netlink.nested(_LINKMODES_OURS, [whole, netlink.nested(_BITSET_BITS, bits)]))
    if change.speed is not None:
        request.append(netlink.u32(_LINKMODES_SPEED, change.speed))
    if change.duplex is not None:
        request.append(netlink.attribute(_LINKMODES_DUPLEX, bytes([_FULL if change.duplex == "full" else _HALF])))
    genl.call(_FAMILY, _LINKMODES_SET, request, SECONDS)


def features(device: str) -> Features:
    """Raises OSError."""
    return parse_features(genl.call(_FAMILY, _FEATURES_GET, [_device(device)], SECONDS))


def set_features(device: str, changes: Mapping[str, bool]) -> None:
    """Switch features by name. The kernel leaves off what needs another one that is off. Raises OSError."""
    bits = [
        netlink.nested(_BIT, [netlink.text(_BIT_NAME, name), *([netlink.attribute(_BIT_VALUE, b"")] if on else [])])
        for name, on in changes.items()
    ]
    wanted = netlink.nested(_FEATURES_WANTED, [netlink.nested(_BITSET_BITS, bits)])
    genl.call(_FAMILY, _FEATURES_SET, [_device(device), wanted], SECONDS)


def parse_link_modes(untrusted_answer: Mapping[int, bytes]) -> LinkModes:
    """From the attributes of the kernel's answer."""
    speed = int.from_bytes(untrusted_answer.get(_LINKMODES_SPEED, b"")[:4], "little")
    duplex = untrusted_answer.get(_LINKMODES_DUPLEX, b"")[:1]
    advertised = 0
    for bit in _bits(untrusted_answer.get(_LINKMODES_OURS, b"")):
        index = int.from_bytes(bit.get(_BIT_INDEX, b"")[:4], "little")
        if _BIT_VALUE in bit and index < 1024:
            advertised |= 1 << index
    return LinkModes(
        speed=0 if speed == _UNKNOWN_SPEED else speed,
        duplex={bytes([_HALF]): "half", bytes([_FULL]): "full"}.get(duplex, ""),
        autoneg=any(untrusted_answer.get(_LINKMODES_AUTONEG, b"")),
        advertised=advertised,
    )


def parse_features(untrusted_answer: Mapping[int, bytes]) -> Features:
    """From the attributes of the kernel's answer."""

    def names(type_: int) -> frozenset[str]:
        found = (bit.get(_BIT_NAME, b"") for bit in _bits(untrusted_answer.get(type_, b"")))
        return frozenset(name.rstrip(b"\0").decode("ascii", "replace") for name in found)

    return Features(names(_FEATURES_HW), names(_FEATURES_WANTED), names(_FEATURES_ACTIVE))


def _device(name: str) -> bytes:
    return netlink.nested(_HEADER, [netlink.text(_HEADER_NAME, name)])


def _bits(bitset: bytes) -> Sequence[Mapping[int, bytes]]:
    """Attributes of each bit of a bitset in its long form."""
    found = netlink.read_attributes(bitset).get(_BITSET_BITS, b"")
    return [netlink.read_attributes(bit) for type_, bit in netlink.attributes(found) if type_ == _BIT]
