"""Event channels of this domain (libxenevtchn), for use with an event loop's `add_reader`."""

from types import TracebackType
from typing import Final, Self

from xenhost.native._load import compiled
from xenhost.native.errors import NativeError


class EventChannelError(NativeError):
    """A libxenevtchn call failed."""


class EventChannels:
    """One handle on /dev/xen/evtchn; every port bound through it goes away with `close`.

    Wait until `fileno()` is readable, then `pending()` names the port, masked; after handling it call
    `unmask(port)`. Each call but `pending` with nothing pending returns at once. Raises
    NativeUnavailable where the module was not built, EventChannelError for the rest.
    """

    def __init__(self) -> None:
        self._ffi, self._lib = compiled("evtchn")
        handle = self._lib.xh_evtchn_open()
        if handle == self._ffi.NULL:
            raise EventChannelError(self._ffi.errno, "evtchn:open")
        self._handle: Final = handle
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
        """Unbind every port and close. Idempotent."""
        if self._open:
            self._open = False
            self._lib.xh_evtchn_close(self._handle)

    def fileno(self) -> int:
        """A file descriptor that is readable while a port is pending."""
        return self._check(self._lib.xh_evtchn_fd(self._handle), "fd")

    def bind_virq(self, virq: int) -> int:
        """Bind a virtual interrupt (`Virq`); gives the local port."""
        return self._check(self._lib.xh_evtchn_bind_virq(self._handle, virq), "bind_virq")

    def bind_interdomain(self, domid: int, remote_port: int) -> int:
        """Connect to a port another domain offers us; gives the local port."""
        rc = self._lib.xh_evtchn_bind_interdomain(self._handle, domid, remote_port)
        return self._check(rc, "bind_interdomain")

    def bind_unbound(self, domid: int) -> int:
        """A new local port that domain `domid` may connect to."""
        return self._check(self._lib.xh_evtchn_bind_unbound(self._handle, domid), "bind_unbound")

    def unbind(self, port: int) -> None:
        """Release a local port."""
        self._check(self._lib.xh_evtchn_unbind(self._handle, port), "unbind")

    def pending(self) -> int:
        """Take the next pending port. Blocks if there is none."""
        return self._check(self._lib.xh_evtchn_pending(self._handle), "pending")

    def unmask(self, port: int) -> None:
        """Let a port that `pending` gave fire again."""
        self._check(self._lib.xh_evtchn_unmask(self._handle, port), "unmask")

    def notify(self, port: int) -> None:
        """Signal the other end of a port."""
        self._check(self._lib.xh_evtchn_notify(self._handle, port), "notify")

    def _check(self, rc: int, call: str) -> int:
        if rc < 0:
            raise EventChannelError(self._ffi.errno, f"evtchn:{call}")
        return rc
