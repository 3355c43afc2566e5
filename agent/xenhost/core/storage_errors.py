"""Errors of storage, each declared once. `SR_BACKEND_FAILURE_<n>` is a family: one class for each number."""

import re
from collections.abc import Mapping
from typing import ClassVar, Final

from xenhost.core.errors import Code, XenhostError


class SrBackendFailure(XenhostError):
    """A storage driver failed. `number` is that of XenServer's table (XE_SR_ERRORCODES); use `backend_failure`.

    As XenServer's: `msg` is the text, `detail` what a plugin wrote to standard error, such as a probe's document.
    """

    reason = "SR_BACKEND_FAILURE"
    code = Code.FAILED_PRECONDITION
    fields = ("status", "msg", "detail")
    number: ClassVar[int] = 0


_FAMILY: Final[dict[int, type[SrBackendFailure]]] = {}
_REASON: Final = re.compile(r"SR_BACKEND_FAILURE_([1-9][0-9]{0,8})")


def backend_failure_class(number: int) -> type[SrBackendFailure]:
    """The class of one number; a plugin may use any."""
    cls = _FAMILY.get(number)
    if cls is None:
        body = {"reason": f"SR_BACKEND_FAILURE_{number}", "number": number, "__doc__": SrBackendFailure.__doc__}
        cls = _FAMILY[number] = type(f"SrBackendFailure{number}", (SrBackendFailure,), body)
    return cls


def backend_failure(number: int, message: str, detail: str = "") -> SrBackendFailure:
    """SR_BACKEND_FAILURE_<number> with that message."""
    return backend_failure_class(number)(message, status="", msg=message, detail=detail)


def rebuild_backend_failure(reason: str, message: str, values: Mapping[str, str]) -> SrBackendFailure | None:
    """The one that was recorded; None if the reason is not of the family."""
    match = _REASON.fullmatch(reason)
    if match is None or set(values) != set(SrBackendFailure.fields):
        return None
    return backend_failure_class(int(match[1]))(message, **values)


class SrNotAttached(XenhostError):
    """The SR is not attached to this host."""

    reason = "SR_NOT_ATTACHED"
    code = Code.FAILED_PRECONDITION
    fields = ("sr",)


class SrAttached(XenhostError):
    """The SR is attached; detach it first. XenAPI: its PBD is plugged."""

    reason = "SR_HAS_PBD"
    code = Code.FAILED_PRECONDITION
    fields = ("sr",)


class SrUuidExists(XenhostError):
    """There is an SR with that UUID."""

    reason = "SR_UUID_EXISTS"
    code = Code.ALREADY_EXISTS
    fields = ("uuid",)


class SrUnknownDriver(XenhostError):
    """There is no driver for that type of SR."""

    reason = "SR_UNKNOWN_DRIVER"
    code = Code.NOT_FOUND
    fields = ("driver",)


class SrOperationNotSupported(XenhostError):
    """The driver of this SR cannot do that."""

    reason = "SR_OPERATION_NOT_SUPPORTED"
    code = Code.UNIMPLEMENTED
    fields = ("sr",)


class SrNotEmpty(XenhostError):
    """The SR holds VDIs."""

    reason = "SR_NOT_EMPTY"
    code = Code.FAILED_PRECONDITION


class SrDeviceInUse(XenhostError):
    """VDIs of the SR are in use on this host, or its device belongs to something else."""

    reason = "SR_DEVICE_IN_USE"
    code = Code.FAILED_PRECONDITION


class SrFull(XenhostError):
    """The SR lacks space. Sizes in bytes."""

    reason = "SR_FULL"
    code = Code.RESOURCE_EXHAUSTED
    fields = ("requested", "maximum")


class VdiMissing(XenhostError):
    """The VDI is recorded, but not on its SR."""

    reason = "VDI_MISSING"
    code = Code.NOT_FOUND
    fields = ("sr", "vdi")


class VdiLocationMissing(XenhostError):
    """There is no such file or volume on the SR."""

    reason = "VDI_LOCATION_MISSING"
    code = Code.NOT_FOUND
    fields = ("sr", "location")


class VdiInUse(XenhostError):
    """The VDI is in use, here or on another host."""

    reason = "VDI_IN_USE"
    code = Code.FAILED_PRECONDITION
    fields = ("vdi", "operation")


class VdiReadonly(XenhostError):
    """The VDI may not be written to."""

    reason = "VDI_READONLY"
    code = Code.FAILED_PRECONDITION
    fields = ("vdi",)


class VdiNotManaged(XenhostError):
    """The VDI is a base copy, which only its descendants use."""

    reason = "VDI_NOT_MANAGED"
    code = Code.FAILED_PRECONDITION
    fields = ("vdi",)


class VdiNotAvailable(XenhostError):
    """The VDI cannot be used; the message says why."""

    reason = "VDI_NOT_AVAILABLE"
    code = Code.FAILED_PRECONDITION
    fields = ("vdi",)


class VdiIncompatibleType(XenhostError):
    """A VDI of this type cannot be used so."""

    reason = "VDI_INCOMPATIBLE_TYPE"
    code = Code.FAILED_PRECONDITION
    fields = ("vdi", "type")


class VdiTooSmall(XenhostError):
    """The VDI is too small, or would become smaller, which is not possible. Sizes in bytes."""

    reason = "VDI_TOO_SMALL"
    code = Code.INVALID_ARGUMENT
    fields = ("vdi", "minimum_size")


class VdiNoCbtMetadata(XenhostError):
    """What changed is not known of this VDI: changed block tracking was not enabled when it was made."""

    reason = "VDI_NO_CBT_METADATA"
    code = Code.FAILED_PRECONDITION
    fields = ("vdi",)


class VdiCbtEnabled(XenhostError):
    """Not possible while changed block tracking is enabled."""

    reason = "VDI_CBT_ENABLED"
    code = Code.FAILED_PRECONDITION
    fields = ("vdi",)


class VdiContentDiffers(XenhostError):
    """The two VDIs do not hold the same bytes."""

    reason = "VDI_CONTENT_DIFFERS"
    code = Code.FAILED_PRECONDITION
    fields = ("vdi", "other", "offset")


class VdiIsSharable(XenhostError):
    """Not possible for a VDI that several VMs may write to."""

    reason = "VDI_IS_SHARABLE"
    code = Code.FAILED_PRECONDITION
    fields = ("vdi",)


class VdiOnBootIncompatible(XenhostError):
    """Not possible for a VDI that is reset at each boot."""

    reason = "VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION"
    code = Code.FAILED_PRECONDITION
