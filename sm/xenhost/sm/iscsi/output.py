"""What `iscsiadm` prints, parsed. Names and addresses come from a target: untrusted."""

import re
from dataclasses import dataclass
from typing import Final

_IQN: Final = re.compile(
    r"iqn\.\d{4}-\d\d\.[A-Za-z0-9.\-]+(?::[A-Za-z0-9.:_\-]{1,160})?|eui\.[0-9A-Fa-f]{16}|naa\.[0-9A-Fa-f]{16,32}"
)
_PORTAL: Final = re.compile(r"(?:\[([0-9A-Fa-f:.%a-z]{2,64})\]|([^\s\[\]:,]{1,255})):(\d{1,5}),(-?\d{1,5})")
_MAX: Final = 4096


@dataclass(frozen=True, slots=True, order=True)
class Portal:
    """An address where a target answers."""

    host: str
    port: int
    group: int = 1

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Target:
    """A target at a portal."""

    portal: Portal
    iqn: str


def is_iqn(untrusted_text: str) -> bool:
    """Is it the name of a target?"""
    return len(untrusted_text) <= 223 and _IQN.fullmatch(untrusted_text) is not None


def parse_portal(untrusted_text: str) -> Portal | None:
    """`10.0.0.1:3260,1` or `[fe80::1]:3260,1`."""
    match = _PORTAL.fullmatch(untrusted_text)
    if match is None or not 0 < int(match[3]) < 65536:
        return None
    return Portal(match[1] or match[2], int(match[3]), int(match[4]))


def discovered(untrusted_text: str) -> tuple[Target, ...]:
    """The lines of a discovery: `portal iqn`. What is no such line is left out."""
    found: dict[Target, None] = {}
    for line in untrusted_text.splitlines()[:_MAX]:
        words = line.split()
        portal = parse_portal(words[0]) if len(words) == 2 else None
        if portal is not None and is_iqn(words[1]):
            found[Target(portal, words[1])] = None
    return tuple(found)
