"""Checksums of chunks, each in a member of its own behind the chunk."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

import xxhash

XXHASH: Final = ".xxhash"
SHA1: Final = ".checksum"
"""What was written before."""
MAX_BYTES: Final = 64

SUMS: Final[Mapping[str, Callable[[bytes], str]]] = {
    XXHASH: lambda data: xxhash.xxh64_hexdigest(data).upper(),
    SHA1: lambda data: hashlib.sha1(data, usedforsecurity=False).hexdigest(),
}
"""By the end of the member's name."""
