"""How large a document from a client may be. Whoever has no session yet is bounded by the same."""

from collections.abc import Mapping, Sequence
from typing import Final

MAX_BYTES: Final = 1 << 20
"""xapi takes 300 KiB."""
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 50_000
MAX_PARAMS: Final = 64
MAX_METHOD: Final = 128
MAX_BATCH: Final = 100
MAX_BATCH_ANSWERS: Final = 32 << 20
"""Bytes of the answers of a batch, about; requests that come after so many are not answered."""
INLINE_BYTES: Final = 64 << 10
"""Larger documents are read in a thread."""


class WireError(Exception):
    """The document is none, or larger than it may be. The message says what is wrong."""


def check_shape(untrusted: object) -> None:
    """Whether lists and maps are bounded in depth and number. Raises WireError."""
    waiting: list[tuple[object, int]] = [(untrusted, 1)]
    seen = 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if depth > MAX_DEPTH:
            raise WireError(f"values within values, deeper than {MAX_DEPTH}")
        if seen > MAX_VALUES:
            raise WireError(f"more than {MAX_VALUES} values")
        if isinstance(value, Mapping):
            waiting += ((each, depth + 1) for each in value.values())
        elif isinstance(value, Sequence) and not isinstance(value, str):
            waiting += ((each, depth + 1) for each in value)
