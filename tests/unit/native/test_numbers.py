"""Numbers as text, in C."""

import math
import struct
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.native.numbers import numbers_text


def expected(value: float) -> str:
    if value == 0:
        return "0.0"
    if math.isfinite(value):
        return f"{value:.15g}"
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


@given(st.lists(st.one_of(st.integers(0, 2**32 - 1), st.integers(0x38000000, 0x58000000)), max_size=200))
def test_any_float_is_written_as_printf_does(bits: list[int]) -> None:
    values = array("f", struct.pack(f"={len(bits)}I", *bits))
    assert numbers_text(memoryview(values), b"<", b">") == "".join(f"<{expected(value)}>" for value in values).encode()


def test_floats_around_powers_of_ten_are_written_as_printf_does() -> None:
    (bits,) = struct.unpack("=I", struct.pack("=f", 1.0))
    near = [
        struct.unpack("=I", struct.pack("=f", 10.0**power))[0] + off for power in range(-8, 20) for off in (-1, 0, 1)
    ]
    values = array("f", struct.pack(f"={len(near) + 1}I", bits, *near))
    assert numbers_text(memoryview(values), b"", b" ").decode().split() == [expected(value) for value in values]


def test_no_numbers_are_no_text() -> None:
    assert numbers_text(b"", b"<", b">") == b""


def test_what_stands_around_is_short() -> None:
    assert numbers_text(struct.pack("=f", 1.5), b"12345678", b"87654321") == b"123456781.587654321"
    with pytest.raises(ValueError, match="8 bytes at most"):
        numbers_text(struct.pack("=f", 1.5), b"123456789", b"")
