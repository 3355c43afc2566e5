"""An open libxenctrl handle, and how its calls fail."""

from types import TracebackType
from typing import Any, Final, Self

from xenhost.native._load import compiled
from xenhost.native.errors import NativeError


class XenctrlError(NativeError):
    """A libxenctrl call failed: `errno`, and in `call` the hypercall, as "domctl:createdomain"."""


class XenHandle:
    """An open libxenctrl handle. Several threads may use it; `close` must come after their last call.

    Raises NativeUnavailable where the module was not built, XenctrlError without a hypervisor or the
    right to talk to it.
    """

    def __init__(self) -> None:
        self._ffi, self._lib = compiled("xenctrl")
        handle = self._lib.xh_open()
        if handle == self._ffi.NULL:
            raise XenctrlError(self._ffi.errno, "privcmd:open")
        self._handle: Final[Any] = handle
        self._open = True

    def __enter__(self) -> Self:
        """Nothing to do: the handle is open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the handle."""
        self.close()

    def close(self) -> None:
        """Close the handle. Idempotent."""
        if self._open:
            self._open = False
            self._lib.xh_close(self._handle)

    def _check(self, rc: int, call: str) -> int:
        if rc < 0:
            raise XenctrlError(self._ffi.errno, call)
        return rc
