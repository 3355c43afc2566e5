"""Units. The only place with 1024."""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB
TIB: Final = 1024 * GIB
PAGE: Final = 4 * KIB
"""Bytes in a page of guest memory."""


def pages(size_bytes: int) -> int:
    """Pages that hold so many bytes, rounded up."""
    return -(-size_bytes // PAGE)


def kib(size_bytes: int) -> int:
    """KiB that hold so many bytes, rounded up: the unit of xenstore's memory nodes."""
    return -(-size_bytes // KIB)


def human_size(size_bytes: int) -> str:
    """`1.5 GiB`: three significant digits at most."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.4g} TiB"
