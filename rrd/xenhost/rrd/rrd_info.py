"""What librrd says of a file. Asked here and not by its binding: Debian's leaves out every number that is not whole.

Source: rrd.h of rrdtool 1.7 (rrd_info_r); rrdtoolmodule.c of python3-rrdtool 1.7.2-4.
"""

import ctypes
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

_LIBRARY: Final = "librrd.so.8"


class _Value(ctypes.Union):
    _fields_ = (
        ("float", ctypes.c_double),
        ("count", ctypes.c_ulong),
        ("text", ctypes.c_char_p),
        ("int", ctypes.c_int),
        ("blob", ctypes.c_void_p * 2),
    )


class _Info(ctypes.Structure):
    pass


_Info._fields_ = (
    ("key", ctypes.c_char_p),
    ("type", ctypes.c_int),
    ("value", _Value),
    ("next", ctypes.POINTER(_Info)),
)
_KINDS: Final[Mapping[int, Callable[[Any], float | int | str]]] = {
    0: lambda value: float(value.float),
    1: lambda value: int(value.count),
    2: lambda value: bytes(value.text).decode(errors="replace"),
    3: lambda value: int(value.int),
}


def rrd_info(path: Path) -> dict[str, float | int | str]:
    """Names as `rrdtool info` shows them. What is not known is NaN. Raises OSError: librrd cannot read it."""
    library = _library()
    first = library.rrd_info_r(str(path).encode())
    if not first:
        said = library.rrd_get_error() or b""
        library.rrd_clear_error()
        raise OSError(bytes(said).decode(errors="replace"))
    found = {}
    try:
        entry = first
        while entry:
            here = entry.contents
            if (read := _KINDS.get(here.type)) is not None:
                found[here.key.decode(errors="replace")] = read(here.value)
            entry = here.next
    finally:
        library.rrd_info_free(first)
    return found


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(_LIBRARY)
    library.rrd_info_r.restype = ctypes.POINTER(_Info)
    library.rrd_info_r.argtypes = [ctypes.c_char_p]
    library.rrd_info_free.restype = None
    library.rrd_info_free.argtypes = [ctypes.POINTER(_Info)]
    library.rrd_get_error.restype = ctypes.c_char_p
    library.rrd_clear_error.restype = None
    return library
