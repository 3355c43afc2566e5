"""Which operation is legal in which life of a VM, and beside which running operation.

One function decides for admission and for the `allowed_operations` that clients see; the words are XenAPI's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from xenhost.core.errors import OperationNotAllowed, OtherOperationInProgress, VmBadPowerState, XenhostError
from xenhost.core.ids import VmId
from xenhost.core.requests import (
    CheckpointVm,
    EjectVbd,
    InsertVbd,
    LimitVbd,
    PauseVm,
    PlugVbd,
    PlugVif,
    RebootVm,
    Request,
    ResumeVm,
    ShutdownVm,
    StartVm,
    SuspendVm,
    UnpauseVm,
    UnplugVbd,
    UnplugVif,
    UpdateVif,
)
from xenhost.core.states import POWER, Life


class Word(StrEnum):
    """What may be done to a VM, in XenAPI's words (vm_operations, vbd_operations)."""

    START = auto()
    CLEAN_SHUTDOWN = auto()
    HARD_SHUTDOWN = auto()
    CLEAN_REBOOT = auto()
    HARD_REBOOT = auto()
    PAUSE = auto()
    UNPAUSE = auto()
    SUSPEND = auto()
    CHECKPOINT = auto()
    RESUME = auto()
    DESTROY = auto()
    PLUG = auto()
    UNPLUG = auto()
    INSERT = auto()
    EJECT = auto()
    LIMIT = auto()
    CHANGE = auto()
    """The last two are not XenAPI's, which sets fields of VBDs and VIFs."""


VM_WORDS: Final = (
    Word.START,
    Word.CLEAN_SHUTDOWN,
    Word.HARD_SHUTDOWN,
    Word.CLEAN_REBOOT,
    Word.HARD_REBOOT,
    Word.PAUSE,
    Word.UNPAUSE,
    Word.SUSPEND,
    Word.CHECKPOINT,
    Word.RESUME,
    Word.DESTROY,
)
"""The words that XenAPI has for VMs; the others belong to devices."""

_ALIVE: Final = frozenset({Life.RUNNING, Life.PAUSED})
_EXISTS: Final = _ALIVE | {Life.STOPPED}

LIVES: Final[Mapping[Word, frozenset[Life]]] = {
    Word.START: frozenset({Life.HALTED}),
    Word.CLEAN_SHUTDOWN: frozenset({Life.RUNNING}),
    Word.HARD_SHUTDOWN: _EXISTS | {Life.SUSPENDED},
    Word.CLEAN_REBOOT: frozenset({Life.RUNNING}),
    Word.HARD_REBOOT: _EXISTS,
    Word.PAUSE: frozenset({Life.RUNNING}),
    Word.UNPAUSE: frozenset({Life.PAUSED}),
    Word.SUSPEND: frozenset({Life.RUNNING}),
    Word.CHECKPOINT: frozenset({Life.RUNNING}),
    Word.RESUME: frozenset({Life.SUSPENDED}),
    Word.DESTROY: frozenset({Life.HALTED}),
    Word.PLUG: _ALIVE | {Life.HALTED},
    Word.UNPLUG: _ALIVE | {Life.HALTED},
    Word.INSERT: _ALIVE | {Life.HALTED},
    Word.EJECT: _ALIVE | {Life.HALTED},
    Word.LIMIT: _ALIVE | {Life.HALTED},
    Word.CHANGE: _ALIVE | {Life.HALTED},
}
"""The lives of a VM in which a word makes sense."""

PREEMPTS: Final = frozenset({Word.HARD_SHUTDOWN})
"""What need not wait for an operation that is itself waiting (for a guest, for a delay): it cancels that."""


@dataclass(frozen=True, slots=True)
class Busy:
    """The operation that a VM is in."""

    operation: str
    """Its id."""
    kind: str
    waits: bool
    """It is waiting for a guest or for time to pass, and can be cancelled for something more urgent."""


class Verdict(StrEnum):
    """How an admitted operation begins."""

    GO = auto()
    PREEMPT = auto()
    """Cancel the running operation first."""


def word_of(request: Request) -> Word:
    """What a request asks, in XenAPI's word."""
    match request:
        case ShutdownVm(hard=hard):
            return Word.HARD_SHUTDOWN if hard else Word.CLEAN_SHUTDOWN
        case RebootVm(hard=hard):
            return Word.HARD_REBOOT if hard else Word.CLEAN_REBOOT
        case _:
            return _WORDS[type(request)]


_WORDS: Final[Mapping[type[Request], Word]] = {
    StartVm: Word.START,
    PauseVm: Word.PAUSE,
    UnpauseVm: Word.UNPAUSE,
    SuspendVm: Word.SUSPEND,
    CheckpointVm: Word.CHECKPOINT,
    ResumeVm: Word.RESUME,
    PlugVbd: Word.PLUG,
    PlugVif: Word.PLUG,
    UnplugVbd: Word.UNPLUG,
    UnplugVif: Word.UNPLUG,
    InsertVbd: Word.INSERT,
    EjectVbd: Word.EJECT,
    LimitVbd: Word.LIMIT,
    UpdateVif: Word.CHANGE,
}


def decide(vm: VmId, word: Word, life: Life, busy: Busy | None, attention: str) -> Verdict | XenhostError:
    """May this be done to the VM now? The error is returned, not raised: asking is not failing.

    `attention` is why only a hard shutdown is safe (an operation in the journal cannot be read), or empty.
    """
    if busy is not None:
        if word in PREEMPTS and busy.waits:
            return Verdict.PREEMPT
        return OtherOperationInProgress(
            f"operation {busy.operation} ({busy.kind}) holds VM {vm}; try again when it has ended",
            class_name="VM",
            object=vm,
        )
    if attention and word is not Word.HARD_SHUTDOWN:
        return OperationNotAllowed(
            f"VM {vm} needs attention: {attention}; only a hard shutdown is safe",
            reason_text=attention,
        )
    if life not in LIVES[word]:
        expected = ", ".join(sorted({POWER[right].value for right in LIVES[word]}))
        actual = POWER[life].value
        if life is Life.STOPPED:
            return OperationNotAllowed(
                f"the guest of VM {vm} has stopped and its domain is kept for inspection; shut it down hard first",
                reason_text="the domain has stopped",
            )
        return VmBadPowerState(
            f"VM {vm} is {actual}; {word} needs it {expected}",
            vm=vm,
            expected=expected,
            actual=actual,
        )
    return Verdict.GO


def allowed_operations(vm: VmId, life: Life, busy: Busy | None, attention: str) -> tuple[str, ...]:
    """The words that `decide` would let through now."""
    return tuple(
        word.value for word in VM_WORDS if not isinstance(decide(vm, word, life, busy, attention), XenhostError)
    )
