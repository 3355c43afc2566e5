"""OpenFlow 1.4, as much as rules for guests need: flow changes in bundles, and packets to send. No I/O.

Source: OpenFlow Switch Specification 1.4.0 (ONF TS-012), chapter 7.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Final

VERSION: Final = 5
"""1.4, the first with bundles."""
HEADER: Final = struct.Struct("!BBHI")
"""version, type, length, transaction"""
LOCAL: Final = 0xFFFFFFFE
"""The bridge's own interface."""
_NORMAL: Final = 0xFFFFFFFA
_ANY: Final = 0xFFFFFFFF
_NO_BUFFER: Final = 0xFFFFFFFF
_ALL_TABLES: Final = 0xFF
_BASIC: Final = 0x8000
_FLOW_MOD: Final = struct.Struct("!QQBBHHHIIIHH")
_BUNDLE: Final = struct.Struct("!IHH")
_APPLY_ACTIONS: Final = 4
_POP_VLAN: Final = 18


class Kind(IntEnum):
    """Types of messages."""

    HELLO = 0
    ERROR = 1
    ECHO_REQUEST = 2
    ECHO_REPLY = 3
    PACKET_OUT = 13
    FLOW_MOD = 14
    BARRIER_REQUEST = 20
    BARRIER_REPLY = 21
    BUNDLE_CONTROL = 33
    BUNDLE_ADD = 34


class Oxm(IntEnum):
    """Fields of a packet that a flow may match."""

    IN_PORT = 0
    ETH_DST = 3
    ETH_SRC = 4
    ETH_TYPE = 5
    VLAN_VID = 6
    IP_PROTO = 10
    IPV4_SRC = 11
    IPV4_DST = 12
    UDP_DST = 16
    ARP_OP = 21
    ARP_SPA = 22
    ARP_SHA = 24
    IPV6_SRC = 26
    IPV6_DST = 27
    ICMPV6_TYPE = 29
    ICMPV6_CODE = 30
    ND_TARGET = 31
    ND_SLL = 32
    ND_TLL = 33


@dataclass(frozen=True, slots=True)
class Match:
    """One field; those that others need (the type of frame before an address) come first."""

    field: Oxm
    value: bytes
    mask: bytes = b""
    """Empty: all of it."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What happens to packets that match: to `output`, or switched as ever (NORMAL), or dropped."""

    priority: int
    matches: tuple[Match, ...]
    normal: bool = True
    output: int | None = None
    untag: bool = False
    """Take the VLAN tag off before."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that came."""

    kind: int
    transaction: int
    body: bytes


class ProtocolViolation(ValueError):
    """It is no OpenFlow 1.4."""


# --- fields


def number(field: Oxm, value: int, size: int) -> Match:
    """A number of that many bytes."""
    return Match(field, value.to_bytes(size, "big"))


def mac(field: Oxm, address: str) -> Match:
    """`00:16:3e:00:00:01`."""
    return Match(field, bytes.fromhex(address.replace(":", "")))


def network(field: Oxm, addresses: IPv4Network | IPv6Network) -> tuple[Match, ...]:
    """Addresses of a network; nothing to match if it is the whole of them."""
    if addresses.prefixlen == 0:
        return ()
    whole = addresses.prefixlen == addresses.max_prefixlen
    return (Match(field, addresses.network_address.packed, b"" if whole else addresses.netmask.packed),)


# --- messages


def message(kind: Kind, transaction: int, body: bytes = b"", version: int = VERSION) -> bytes:
    """A whole message."""
    return HEADER.pack(version, kind, HEADER.size + len(body), transaction) + body


def hello(transaction: int) -> bytes:
    """We speak 1.4 and nothing else."""
    return message(Kind.HELLO, transaction, struct.pack("!HHI", 1, 8, 1 << VERSION))


def matching(matches: tuple[Match, ...]) -> bytes:
    """struct ofp_match."""
    fields = b"".join(
        struct.pack("!HBB", _BASIC, each.field << 1 | bool(each.mask), len(each.value) + len(each.mask))
        + each.value
        + each.mask
        for each in matches
    )
    length = 4 + len(fields)
    return struct.pack("!HH", 1, length) + fields + bytes(-length % 8)


def add_flow(transaction: int, flow: Flow, cookie: int) -> bytes:
    """Add a flow, or replace one with the same matches and priority."""
    body = _FLOW_MOD.pack(cookie, 0, 0, 0, 0, 0, flow.priority, _NO_BUFFER, _ANY, _ANY, 0, 0)
    port = flow.output if flow.output is not None else _NORMAL if flow.normal else None
    if port is not None:
        action = struct.pack("!HH4x", _POP_VLAN, 8) if flow.untag else b""
        action += struct.pack("!HHIH6x", 0, 16, port, 0)
        action = struct.pack("!HHI", _APPLY_ACTIONS, 8 + len(action), 0) + action
    else:
        action = b""
    return message(Kind.FLOW_MOD, transaction, body + matching(flow.matches) + action)


def delete_flows(transaction: int, cookie: int, cookie_mask: int, matches: tuple[Match, ...] = ()) -> bytes:
    """Delete those whose cookie is this in the bits of the mask, and which match these fields or more."""
    body = _FLOW_MOD.pack(cookie, cookie_mask, _ALL_TABLES, 3, 0, 0, 0, _NO_BUFFER, _ANY, _ANY, 0, 0)
    return message(Kind.FLOW_MOD, transaction, body + matching(matches))


class BundleControl(IntEnum):
    """What to do with a bundle; an answer is the number above."""

    OPEN = 0
    COMMIT = 4
    DISCARD = 6


_ATOMIC_ORDERED: Final = 3


def bundle(transaction: int, number: int, control: BundleControl) -> bytes:
    """Open, commit or discard a bundle whose changes all happen in order, unseen by any packet in between."""
    return message(Kind.BUNDLE_CONTROL, transaction, _BUNDLE.pack(number, control, _ATOMIC_ORDERED))


def bundled(number: int, inner: bytes) -> bytes:
    """A message, put into a bundle; it keeps its transaction."""
    transaction = HEADER.unpack_from(inner)[3]
    return message(Kind.BUNDLE_ADD, transaction, _BUNDLE.pack(number, 0, _ATOMIC_ORDERED) + inner)


def packet_out(transaction: int, port: int, packet: bytes) -> bytes:
    """Send a packet out of a port."""
    action = struct.pack("!HHIH6x", 0, 16, port, 0)
    return message(
        Kind.PACKET_OUT, transaction, struct.pack("!IIH6x", _NO_BUFFER, 0xFFFFFFFD, len(action)) + action + packet
    )


def parse_error(untrusted_body: bytes) -> str:
    """What the switch says is wrong, for people."""
    if len(untrusted_body) < 4:
        raise ProtocolViolation("an error without its type")
    kind, code = struct.unpack_from("!HH", untrusted_body)
    return f"OpenFlow error, type {kind}, code {code}"


class OpenFlowStream:
    """Cuts a stream into messages."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, untrusted_data: bytes) -> Iterator[Message]:
        """The messages that are complete now. Raises ProtocolViolation."""
        self._pending += untrusted_data
        while len(self._pending) >= HEADER.size:
            version, kind, length, transaction = HEADER.unpack_from(self._pending)
            if version != VERSION and kind not in (Kind.HELLO, Kind.ERROR):
                raise ProtocolViolation(f"a message of OpenFlow version {version}")
            if length < HEADER.size:
                raise ProtocolViolation(f"a message of {length} bytes")
            if len(self._pending) < length:
                return
            body = bytes(self._pending[HEADER.size : length])
            del self._pending[:length]
            yield Message(kind, transaction, body)
