"""The beginning of URLs of the pool master, such as those of consoles. Pure."""

from collections.abc import Sequence
from typing import Final

_HTTPS: Final = 443
_HTTP: Final = 80


def door(address: str, https: Sequence[int], http: Sequence[int]) -> str:
    """Such as `https://192.0.2.1`, for the pool master's address and its ports; those of HTTPS come first."""
    host = f"[{address}]" if ":" in address else address
    if https or not http:
        return f"https://{host}{_port(https, _HTTPS)}"
    return f"http://{host}{_port(http, _HTTP)}"


def _port(ports: Sequence[int], usual: int) -> str:
    return "" if not ports or usual in ports else f":{ports[0]}"
