"""Numbers as XenServer writes them: 15 digits, 0.0 for zero, NaN, Infinity."""

import math

import numpy
from numpy.typing import NDArray

from xenhost.native.numbers import numbers_text


def text(value: float) -> str:
    """One."""
    if value == 0:
        return "0.0"
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return f"{value:.15g}"


def row_text(values: NDArray[numpy.float32], before: bytes, after: bytes) -> bytearray:
    """A row, each number with something before and after it."""
    return numbers_text(numpy.ascontiguousarray(values, numpy.float32).data, before, after)
