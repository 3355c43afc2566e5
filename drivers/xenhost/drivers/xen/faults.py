"""What the layers below raise, in the words of the port."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from xenhost.core.errors import DomainGone, HypervisorUnavailable, InternalError, XenhostError
from xenhost.core.ids import VmId
from xenhost.native.errors import NativeError, NativeUnavailable
from xenhost.native.xenctrl import XenctrlError
from xenhost.native.xenstore import ConnectionLost

_UNREACHABLE: Final = (errno.ENODEV, errno.ENXIO)


@contextmanager
def translated(vm: VmId | None = None) -> Iterator[None]:
    """Let only XenhostErrors through; `vm` is whom a vanished domain is reported to belong to."""
    try:
        yield
    except (NativeError, NativeUnavailable) as error:
        raise translate(error, vm) from error


def translate(error: NativeError | NativeUnavailable, vm: VmId | None = None) -> XenhostError:
    """The error of the port that says the same."""
    if isinstance(error, NativeUnavailable):
        return HypervisorUnavailable(str(error), msg=str(error))
    message = str(error.args[1]) if len(error.args) > 1 else str(error)
    if isinstance(error, ConnectionLost) or error.errno in _UNREACHABLE or error.call == "privcmd:open":
        return HypervisorUnavailable(f"Xen or xenstored cannot be reached: {message}", msg=message)
    if isinstance(error, XenctrlError) and error.errno == errno.ESRCH:
        return gone(vm)
    return InternalError(message, message=message)


def gone(vm: VmId | None) -> DomainGone:
    """A domain vanished."""
    return DomainGone(f"the domain of VM {vm or '?'} is gone", vm=vm or "")
