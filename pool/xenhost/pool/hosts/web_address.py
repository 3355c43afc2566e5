"""Addresses in the web that clients give. Pure."""

from urllib.parse import urlsplit


def is_web_address(untrusted_url: str) -> bool:
    """Whether it is a URL of HTTP or HTTPS that names a host, and a port if any."""
    try:
        parts = urlsplit(untrusted_url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return named and untrusted_url.isprintable()
