"""Find the compiled modules; say clearly where one was not built."""

from importlib import import_module
from typing import Any

from xenhost.native.errors import NativeUnavailable


def compiled(stem: str) -> tuple[Any, Any]:
    """(ffi, lib) of xenhost.native._{stem}. Raises NativeUnavailable."""
    try:
        module = import_module(f"xenhost.native._{stem}")
    except ImportError as error:
        raise NativeUnavailable(f"xenhost.native._{stem}") from error
    return module.ffi, module.lib
