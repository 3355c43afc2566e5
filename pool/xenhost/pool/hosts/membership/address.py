"""Addresses of masters, as administrators type them. Pure."""

from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import urlsplit

from xenhost.pool.call import ApiError

HTTPS_PORT: Final = 443
_MAX_NAME: Final = 255


@dataclass(frozen=True, slots=True)
class MasterAddress:
    """A host, by name or number, and a port."""

    host: str
    port: int

    def target(self, port: int) -> str:
        """Another port of that host, as gRPC names it."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"


def parse_address(untrusted_text: str) -> MasterAddress:
    """`HOST`, `HOST:PORT`, `[IPV6]:PORT`; without a port that of HTTPS. Raises ApiError INVALID_VALUE."""
    try:
        text = f"[{IPv6Address(untrusted_text)}]"
    except ValueError:
        text = untrusted_text
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", HTTPS_PORT if parts.port is None else parts.port
        plain = parts.netloc == text and "@" not in text and text.isascii() and text.isprintable()
    except ValueError:
        host, port, plain = "", 0, False
    if not plain or not host or " " in host or len(host) > _MAX_NAME or not port:
        raise ApiError("INVALID_VALUE", "master_address", untrusted_text[:_MAX_NAME])
    return MasterAddress(host, port)
