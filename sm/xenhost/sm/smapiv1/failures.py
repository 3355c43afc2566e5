"""What a plugin's failure is to us: a fault with a number, or a fact about how the process ended."""

from dataclasses import dataclass
from typing import Final

from xenhost.core.errors import XenhostError
from xenhost.core.storage import SrId, VdiId
from xenhost.core.storage_errors import (
    SrBackendFailure,
    SrDeviceInUse,
    SrNotEmpty,
    SrOperationNotSupported,
    VdiInUse,
    VdiMissing,
    backend_failure,
)
from xenhost.sm.codes import describe
from xenhost.system.xmlrpc import Fault

MAX_TEXT: Final = 16384
"""Characters that an error carries of what a plugin wrote."""
_MAX_NUMBER: Final = 99999
_GENERIC: Final = 1200


@dataclass(frozen=True, slots=True)
class Subject:
    """What a command was about."""

    command: str
    sr: SrId | None = None
    vdi: VdiId | None = None


def from_fault(fault: Fault, untrusted_stderr: str, subject: Subject) -> XenhostError:
    """The error for a fault. Five numbers are errors of their own, as in xapi."""
    text = printable(fault.text)
    sr, vdi = subject.sr or "", subject.vdi or ""
    match fault.code:
        case 16:
            return SrDeviceInUse(f"the SR is in use: {text}")
        case 24:
            return VdiInUse(f"VDI {vdi} is in use: {text}", vdi=vdi, operation=subject.command)
        case 38:
            return SrOperationNotSupported(f"the driver of SR {sr} cannot do {subject.command}", sr=sr)
        case 39:
            return SrNotEmpty(f"SR {sr} is not empty: {text}")
        case 144:
            return VdiMissing(f"VDI {vdi} is missing on SR {sr}: {text}", sr=sr, vdi=vdi)
    if not 0 < fault.code <= _MAX_NUMBER:
        return backend_failure(_GENERIC, f"{text} (number {fault.code})", untrusted_stderr)
    return backend_failure(fault.code, text or describe(fault.code), untrusted_stderr)


def process_failure(reason: str, stdout: str, stderr: str) -> SrBackendFailure:
    """SR_BACKEND_FAILURE without a number: the process did not end with an answer. `reason` says how it did."""
    message = f"the plugin failed: {reason}: {stderr.strip()[-500:] or 'it said nothing'}"
    return SrBackendFailure(message, status=reason, msg=stdout, detail=stderr)


def printable(untrusted: str) -> str:
    """A plugin's text without control characters, and not too long."""
    return "".join(sign if sign.isprintable() else " " for sign in untrusted[:MAX_TEXT]).strip()
