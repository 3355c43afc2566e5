"""What bridges and devices are called. The kernel allows 15 characters."""

import hashlib
import re
from collections.abc import Collection, Mapping
from typing import Final

from xenhost.agent.network.facts import Facts
from xenhost.core.errors import InvalidValue
from xenhost.core.network_records import Pif, PifId

MAX_NAME: Final = 15
RESERVED: Final = ("xen", "xapi", "vif", "tap", "eth")
"""How names of bridges that users choose must not begin."""
_BRIDGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", re.ASCII)
_DEFAULT: Final = re.compile(r"xapi(0|[1-9][0-9]{0,8})", re.ASCII)
"""What a host calls the bridge of a network that names none; a pool master gives the others of its hosts the same."""


def check_bridge(untrusted_name: str) -> str:
    """A name for a bridge, of a user's choice or `xapi<N>`. Raises InvalidValue."""
    if _DEFAULT.fullmatch(untrusted_name):
        return untrusted_name
    if not _BRIDGE.fullmatch(untrusted_name) or untrusted_name.startswith(RESERVED):
        raise InvalidValue(
            f"{untrusted_name!r:.80} cannot be the name of a bridge; use at most {MAX_NAME} of a-z, A-Z, 0-9, _ . -"
            f", not beginning with {', '.join(RESERVED)}, or xapi<N>",
            field="bridge",
            value=untrusted_name[:80],
        )
    return untrusted_name


def position(device: str, facts: Facts) -> int:
    """Of a card; -1 if it has none."""
    card = facts.nics.get(device)
    if card is not None and card.position >= 0:
        return card.position
    return facts.positions.get(device, -1)


def card_bridge(device: str, facts: Facts) -> str:
    """The bridge of a network card by the rules; it may be taken. Empty: there is no such name."""
    number = position(device, facts)
    name = f"xenbr{number}" if number >= 0 else f"br{device}"
    return name if len(name) <= MAX_NAME else ""


def first_free(stem: str, taken: Collection[str]) -> str:
    """`xapi0`, `bond0`, `tunnel0`..., the first that is not taken."""
    number = 0
    while f"{stem}{number}" in taken:
        number += 1
    return f"{stem}{number}"


def interface(pif: Pif, tags: Mapping[PifId, int]) -> str:
    """What a PIF is called: its device, for a VLAN with the tag (`eth0.5`). `tags` are by untagged PIF."""
    tag = tags.get(pif.id)
    return pif.device if tag is None else f"{pif.device}.{tag}"


def local_mac(text: str) -> str:
    """A MAC of our own making (locally administered), always the same for the same text."""
    digest = bytearray(hashlib.sha256(text.encode()).digest()[:6])
    digest[0] = digest[0] & 0xFC | 0x02
    return digest.hex(":")
