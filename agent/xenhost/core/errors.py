"""Every error an operation may end with, each declared once.

One class gives three answers: the Python exception, the gRPC status with its ErrorInfo (`reason`, `values`), and the
XenAPI failure array (`as_xenapi`, in the order of `fields`). The names and fields are those of the XenServer
Management API wherever it has the error.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar


class Code(StrEnum):
    """Names of grpc.StatusCode; core itself never imports grpc."""

    ABORTED = "ABORTED"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    CANCELLED = "CANCELLED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    INTERNAL = "INTERNAL"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    UNAVAILABLE = "UNAVAILABLE"
    UNIMPLEMENTED = "UNIMPLEMENTED"


class XenhostError(Exception):
    """Base of every error an operation may raise; never raised itself.

    The message says what is wrong and what would be right; every changing part of it is also in `values`.
    """

    reason: ClassVar[str]
    code: ClassVar[Code]
    fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, message: str, /, **values: str) -> None:
        if set(values) != set(self.fields):
            raise TypeError(f"{type(self).__name__} takes {self.fields}, got {tuple(values)}")
        super().__init__(message)
        self.values: Mapping[str, str] = {name: values[name] for name in self.fields}

    def as_xenapi(self) -> list[str]:
        """The failure array of the Management API: code, then the fields in order."""
        return [self.reason, *self.values.values()]


def by_reason() -> Mapping[str, type[XenhostError]]:
    """Every declared error by its reason; of the family SR_BACKEND_FAILURE_<n> its head, as any number is one."""
    import xenhost.core.network_errors  # noqa: F401 - it declares more errors, and imports this module
    from xenhost.core.storage_errors import SrBackendFailure  # so does this

    leaves = _leaves(XenhostError)
    return {cls.reason: cls for cls in leaves if cls is SrBackendFailure or not issubclass(cls, SrBackendFailure)}


def rebuild(reason: str, message: str, values: Mapping[str, str]) -> XenhostError:
    """The error that was recorded as (reason, message, values); InternalError if the reason is unknown."""
    from xenhost.core.storage_errors import rebuild_backend_failure  # it imports this module

    if (failure := rebuild_backend_failure(reason, message, values)) is not None:
        return failure
    cls = by_reason().get(reason)
    if cls is None or set(values) != set(cls.fields):
        return InternalError(f"{reason}: {message}", message=message)
    return cls(message, **values)


def _leaves(cls: type[XenhostError]) -> list[type[XenhostError]]:
    found = []
    for sub in cls.__subclasses__():
        found += [sub, *_leaves(sub)]
    return found


class InternalError(XenhostError):
    """A fault of xenhost itself, or of something under it that has no better name."""

    reason = "INTERNAL_ERROR"
    code = Code.INTERNAL
    fields = ("message",)


class NotImplementedHere(XenhostError):
    """The driver in use cannot do this."""

    reason = "NOT_IMPLEMENTED"
    code = Code.UNIMPLEMENTED
    fields = ("function",)


class InvalidValue(XenhostError):
    """A field has a value that can never be right."""

    reason = "INVALID_VALUE"
    code = Code.INVALID_ARGUMENT
    fields = ("field", "value")


class ValueNotSupported(XenhostError):
    """A field has a value that is legal but not possible here."""

    reason = "VALUE_NOT_SUPPORTED"
    code = Code.INVALID_ARGUMENT
    fields = ("field", "value", "reason_text")


class UuidInvalid(XenhostError):
    """The text is not a UUID."""

    reason = "UUID_INVALID"
    code = Code.INVALID_ARGUMENT
    fields = ("type", "uuid")


class HandleInvalid(XenhostError):
    """There is no such object."""

    reason = "HANDLE_INVALID"
    code = Code.NOT_FOUND
    fields = ("class_name", "handle")


class DuplicateVm(XenhostError):
    """A VM with that UUID exists already, with another specification."""

    reason = "DUPLICATE_VM"
    code = Code.ALREADY_EXISTS
    fields = ("vm",)


class VmBadPowerState(XenhostError):
    """The VM is not in a state that allows the operation."""

    reason = "VM_BAD_POWER_STATE"
    code = Code.FAILED_PRECONDITION
    fields = ("vm", "expected", "actual")


class OtherOperationInProgress(XenhostError):
    """Another operation holds the object; try again when it has ended."""

    reason = "OTHER_OPERATION_IN_PROGRESS"
    code = Code.ABORTED
    fields = ("class_name", "object")


class OperationNotAllowed(XenhostError):
    """The operation makes no sense for this object."""

    reason = "OPERATION_NOT_ALLOWED"
    code = Code.FAILED_PRECONDITION
    fields = ("reason_text",)


class TaskCancelled(XenhostError):
    """The operation was cancelled, and what it had done was undone."""

    reason = "TASK_CANCELLED"
    code = Code.CANCELLED
    fields = ("task",)


class HostNotEnoughFreeMemory(XenhostError):
    """The host lacks memory for the domain. Sizes in bytes."""

    reason = "HOST_NOT_ENOUGH_FREE_MEMORY"
    code = Code.RESOURCE_EXHAUSTED
    fields = ("needed", "available")


class DomainExists(XenhostError):
    """A domain that xenhost did not make has this UUID."""

    reason = "DOMAIN_EXISTS"
    code = Code.ALREADY_EXISTS
    fields = ("vm", "domid")


class DomainGone(XenhostError):
    """The domain vanished while it was worked on."""

    reason = "VM_HALTED"
    code = Code.ABORTED
    fields = ("vm",)


class BootloaderFailed(XenhostError):
    """The boot loader of a PV domain found nothing to boot."""

    reason = "BOOTLOADER_FAILED"
    code = Code.FAILED_PRECONDITION
    fields = ("vm", "msg")


class DomainBuildFailed(XenhostError):
    """The domain could not be built from its kernel or firmware."""

    reason = "DOMAIN_BUILDER_ERROR"
    code = Code.FAILED_PRECONDITION
    fields = ("vm", "function", "msg")


class EmulatorFailed(XenhostError):
    """The device model did not start, or died."""

    reason = "FAILED_TO_START_EMULATOR"
    code = Code.INTERNAL
    fields = ("vm", "name", "msg")


class ShutdownNotAcknowledged(XenhostError):
    """The guest did not answer the request to shut down; a hard shutdown does not ask it."""

    reason = "VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT"
    code = Code.DEADLINE_EXCEEDED
    fields = ("vm",)


class ShutdownTimeout(XenhostError):
    """The guest acknowledged, but had not gone after so many seconds."""

    reason = "VM_SHUTDOWN_TIMEOUT"
    code = Code.DEADLINE_EXCEEDED
    fields = ("vm", "timeout")


class VmNonSuspendable(XenhostError):
    """The VM cannot be suspended, whatever its guest does."""

    reason = "VM_NON_SUSPENDABLE"
    code = Code.FAILED_PRECONDITION
    fields = ("vm", "reason_text")


class SuspendNotAcknowledged(XenhostError):
    """The guest did not answer the request to suspend."""

    reason = "VM_FAILED_SUSPEND_ACKNOWLEDGMENT"
    code = Code.DEADLINE_EXCEEDED
    fields = ("vm",)


class SuspendTimeout(XenhostError):
    """The guest acknowledged, but had not suspended after so many seconds."""

    reason = "VM_SUSPEND_TIMEOUT"
    code = Code.DEADLINE_EXCEEDED
    fields = ("vm", "timeout")


class SuspendImageUnusable(XenhostError):
    """The image of a suspended guest cannot be written, or the guest cannot go on from it."""

    reason = "SUSPEND_IMAGE_NOT_ACCESSIBLE"
    code = Code.FAILED_PRECONDITION
    fields = ("vdi",)


class DeviceAlreadyExists(XenhostError):
    """The VM has a device in that place."""

    reason = "DEVICE_ALREADY_EXISTS"
    code = Code.ALREADY_EXISTS
    fields = ("device",)


class DeviceAlreadyAttached(XenhostError):
    """The device is plugged."""

    reason = "DEVICE_ALREADY_ATTACHED"
    code = Code.FAILED_PRECONDITION
    fields = ("device",)


class DeviceAlreadyDetached(XenhostError):
    """The device is not plugged."""

    reason = "DEVICE_ALREADY_DETACHED"
    code = Code.FAILED_PRECONDITION
    fields = ("device",)


class DeviceAttachFailed(XenhostError):
    """The backend refused the device, and said why."""

    reason = "DEVICE_ATTACH_FAILED"
    code = Code.FAILED_PRECONDITION
    fields = ("device", "msg")


class DeviceAttachTimeout(XenhostError):
    """The backend did not take the device in time."""

    reason = "DEVICE_ATTACH_TIMEOUT"
    code = Code.DEADLINE_EXCEEDED
    fields = ("type", "ref")


class DeviceDetachRejected(XenhostError):
    """The guest refused to let the device go; `msg` is its own (bounded) text."""

    reason = "DEVICE_DETACH_REJECTED"
    code = Code.FAILED_PRECONDITION
    fields = ("type", "ref", "msg")


class DeviceDetachTimeout(XenhostError):
    """The guest did not let the device go in time; a forced unplug does not ask it."""

    reason = "DEVICE_DETACH_TIMEOUT"
    code = Code.DEADLINE_EXCEEDED
    fields = ("type", "ref")


class VbdIsEmpty(XenhostError):
    """The drive holds no medium."""

    reason = "VBD_IS_EMPTY"
    code = Code.FAILED_PRECONDITION
    fields = ("vbd",)


class VbdNotEmpty(XenhostError):
    """The drive holds a medium; eject it first."""

    reason = "VBD_NOT_EMPTY"
    code = Code.FAILED_PRECONDITION
    fields = ("vbd",)


class VbdNotRemovableMedia(XenhostError):
    """The VBD is a disk, not a drive."""

    reason = "VBD_NOT_REMOVABLE_MEDIA"
    code = Code.FAILED_PRECONDITION
    fields = ("vbd",)


class ResumeTokenExpired(XenhostError):
    """The event log no longer reaches back so far; list the objects again and watch from now."""

    reason = "EVENTS_LOST"
    code = Code.OUT_OF_RANGE
    fields = ()


class HypervisorUnavailable(XenhostError):
    """Xen, xenstored or one of their devices cannot be reached."""

    reason = "HYPERVISOR_UNAVAILABLE"
    code = Code.UNAVAILABLE
    fields = ("msg",)


class TooBusy(XenhostError):
    """More is asked at once than the agent takes; try again later."""

    reason = "TOO_BUSY"
    code = Code.RESOURCE_EXHAUSTED
    fields = ()


class PermissionDenied(XenhostError):
    """The caller's certificate is of the pool, but its name is not among those that may call."""

    reason = "PERMISSION_DENIED"
    code = Code.PERMISSION_DENIED
    fields = ("message",)


class HostStillBooting(XenhostError):
    """The agent is still recovering from its last life; try again shortly."""

    reason = "HOST_STILL_BOOTING"
    code = Code.UNAVAILABLE
    fields = ()


class AgentStopping(XenhostError):
    """The agent is about to stop; running VMs are not touched. Connect again shortly."""

    reason = "AGENT_STOPPING"
    code = Code.UNAVAILABLE
    fields = ()


class CallTimeout(XenhostError):
    """The agent did not answer in time. A change may still be carried out: repeat it with the same request_id."""

    reason = "CALL_TIMEOUT"
    code = Code.DEADLINE_EXCEEDED
    fields = ("method", "seconds")
