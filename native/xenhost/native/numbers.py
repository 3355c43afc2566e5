"""Numbers as text, thousands at once: in C, without the interpreter's lock."""

from typing import Any, Final

from xenhost.native import _numbers  # type: ignore[attr-defined]  # generated, has no stubs

_ffi: Final[Any] = _numbers.ffi
_lib: Final[Any] = _numbers.lib


def numbers_text(values: bytes | memoryview, before: bytes, after: bytes) -> bytearray:
    """Floats of 32 bits, each with something before and after it.

    Written as printf's %.15g does, but 0.0 for zero, NaN, Infinity, -Infinity. `values` is contiguous. Pure.
    Raises ValueError: 8 bytes at most stand before and after.
    """
    if max(len(before), len(after)) > _lib.XH_NUMBERS_AROUND:
        raise ValueError(f"{_lib.XH_NUMBERS_AROUND} bytes at most stand before and after a number")
    floats = _ffi.from_buffer("float[]", values)
    out = bytearray(len(floats) * (_lib.XH_NUMBER_MAX + len(before) + len(after)) + _lib.XH_NUMBERS_AROUND)
    with _ffi.from_buffer("char[]", out) as room:
        written = _lib.xh_numbers_write(room, floats, len(floats), before, len(before), after, len(after))
    del out[written:]
    return out
