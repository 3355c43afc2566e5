"""What a script's failure is to us."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xenhost.core.errors import TaskCancelled, XenhostError
from xenhost.core.storage_errors import (
    SrBackendFailure,
    SrNotAttached,
    SrOperationNotSupported,
    VdiInUse,
    VdiMissing,
    backend_failure,
)

MAX_TEXT: Final = 16384
"""Characters that an error carries of what a plugin wrote."""
_NUMBERED: Final = re.compile(r"SR_BACKEND_FAILURE_([1-9][0-9]{0,4})")
_NO_SUCH_SR: Final = 47


@dataclass(frozen=True, slots=True)
class Subject:
    """What a call is about."""

    sr: str = ""
    vdi: str = ""


def from_report(
    method: str, untrusted_code: str, untrusted_params: Sequence[str], untrusted_detail: str, subject: Subject
) -> XenhostError:
    """The error for the code that a script failed with."""
    params = [printable(text) for text in untrusted_params]
    text = f"{method} failed: {printable(untrusted_code)}" + (f": {', '.join(params)}" if params else "")
    match untrusted_code:
        case "Volume_does_not_exist":
            return VdiMissing(text, sr=subject.sr, vdi=subject.vdi)
        case "SR_does_not_exist":
            return backend_failure(_NO_SUCH_SR, text, untrusted_detail)
        case "Sr_not_attached":
            return SrNotAttached(text, sr=subject.sr)
        case "Unimplemented":
            return SrOperationNotSupported(text, sr=subject.sr)
        case "Cancelled":
            return TaskCancelled(text, task=method)
        case "Activated_on_another_host":
            where = params[0] if params else "another host"
            return VdiInUse(f"VDI {subject.vdi} is active on host {where}", vdi=subject.vdi, operation=method)
    if match := _NUMBERED.fullmatch(untrusted_code):
        return backend_failure(int(match[1]), ", ".join(params) or text, untrusted_detail)
    return SrBackendFailure(text, status=printable(untrusted_code), msg=", ".join(params), detail=untrusted_detail)


def process_failure(method: str, reason: str, untrusted_detail: str) -> SrBackendFailure:
    """A script that ended without an answer: killed, hung, or printing something else than JSON."""
    said = " ".join(untrusted_detail.split())[-500:] or "it said nothing"
    return SrBackendFailure(
        f"{method}: the plugin failed: {reason}: {printable(said)}", status=reason, msg=method, detail=untrusted_detail
    )


def bad_answer(method: str, problem: str) -> SrBackendFailure:
    """A script that answered with something that its method must not answer."""
    text = f"{method}: the plugin's answer cannot be used: {problem}"
    return SrBackendFailure(text, status="bad answer", msg=text, detail="")


def printable(untrusted: str) -> str:
    """A plugin's text without control characters, and not too long."""
    return "".join(sign if sign.isprintable() else " " for sign in untrusted[:MAX_TEXT]).strip()
