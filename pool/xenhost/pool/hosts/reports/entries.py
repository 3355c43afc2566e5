"""What a report can hold: keys that clients choose from, as `xen-bugtool --capabilities` lists them."""

from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

POOL_DATABASE: Final = "xapi-subprocess"
"""xen-bugtool's key of what xapi itself knows."""


@dataclass(frozen=True, slots=True)
class Capability:
    """One part."""

    key: str
    personal: str
    """May it hold what belongs to people: no, maybe, if_customized, yes."""
    size: int
    """Bytes that it has at most, about."""
    seconds: int
    """That it takes at most, about."""


CAPABILITIES: Final = (
    Capability("xen-info", "maybe", 16 << 20, 80),
    Capability("host-logs", "maybe", 8 << 20, 40),
    Capability("network-status", "yes", 20 << 20, 80),
    Capability("disk-info", "maybe", 16 << 20, 60),
    Capability("system-info", "maybe", 24 << 20, 40),
    Capability(POOL_DATABASE, "yes", 64 << 20, 10),
)


def as_xml() -> str:
    """What host.get_system_status_capabilities answers."""
    found = "".join(_element(each) for each in CAPABILITIES)
    return f'<?xml version="1.0" ?><system-status-capabilities version="1.0">{found}</system-status-capabilities>'


def _element(part: Capability) -> str:
    attributes = {
        "content-type": "text/plain",
        "default-checked": "yes",
        "key": part.key,
        "max-size": part.size,
        "max-time": part.seconds,
        "min-size": 0,
        "min-time": 0,
        "pii": part.personal,
    }
    return f"<capability {' '.join(f'{name}={quoteattr(str(value))}' for name, value in attributes.items())}/>"


def chosen(untrusted: str) -> frozenset[str]:
    """Of a list with commas; everything, if it is empty. What is unknown is left out."""
    known = frozenset(each.key for each in CAPABILITIES)
    return known & frozenset(untrusted.split(",")) if untrusted else known
