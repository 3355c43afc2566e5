"""What may follow what. The only place that knows.

Life of a VM, as its host sees it (derived from observation, never stored):

    HALTED --start--> RUNNING <--pause/unpause--> PAUSED
       ^                 | the guest stops by itself
       |                 v
       +---destroy--- STOPPED (its dead domain waits for its after_* action, or is preserved)

    RUNNING --suspend--> SUSPENDED --resume--> RUNNING; --hard shutdown--> HALTED

Life of an operation: PENDING, RUNNING, (CANCELLING), then one of SUCCEEDED, FAILED, CANCELLED: `OPERATION`.
Life of a step of a plan, folded from journal records: `STEP`.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum, auto
from typing import Final

from xenhost.core.views import OperationState
from xenhost.core.vm import Domain, PowerState


class Life(StrEnum):
    """A VM on this host."""

    HALTED = auto()
    RUNNING = auto()
    PAUSED = auto()
    STOPPED = auto()
    """Its guest has stopped; the domain still exists."""
    SUSPENDED = auto()
    """It has no domain, and its guest's memory is in an image."""


POWER: Final[Mapping[Life, PowerState]] = {
    Life.HALTED: PowerState.HALTED,
    Life.RUNNING: PowerState.RUNNING,
    Life.PAUSED: PowerState.PAUSED,
    Life.STOPPED: PowerState.PAUSED,
    Life.SUSPENDED: PowerState.SUSPENDED,
}
"""What clients see: a preserved dead domain is paused, as XenServer shows it."""


def life_of(domain: Domain | None, suspended: bool = False) -> Life:
    """The life of a VM with that domain, or that image. A domain that is being torn down counts as none."""
    if domain is None or domain.dying:
        return Life.SUSPENDED if suspended else Life.HALTED
    if domain.shutdown is not None:
        return Life.STOPPED
    return Life.PAUSED if domain.paused else Life.RUNNING


class OnOperation(StrEnum):
    """What happens to an operation."""

    RUN = auto()
    CANCEL = auto()
    SUCCEED = auto()
    FAIL = auto()
    GIVE_UP = auto()
    """What a cancelled operation did was undone."""


OPERATION: Final[Mapping[tuple[OperationState, OnOperation], OperationState]] = {
    (OperationState.PENDING, OnOperation.RUN): OperationState.RUNNING,
    (OperationState.PENDING, OnOperation.CANCEL): OperationState.CANCELLING,
    (OperationState.PENDING, OnOperation.FAIL): OperationState.FAILED,
    (OperationState.RUNNING, OnOperation.CANCEL): OperationState.CANCELLING,
    (OperationState.RUNNING, OnOperation.SUCCEED): OperationState.SUCCEEDED,
    (OperationState.RUNNING, OnOperation.FAIL): OperationState.FAILED,
    # The cancel came too late: the operation had its effect, or broke on its own.
    (OperationState.CANCELLING, OnOperation.SUCCEED): OperationState.SUCCEEDED,
    (OperationState.CANCELLING, OnOperation.FAIL): OperationState.FAILED,
    (OperationState.CANCELLING, OnOperation.GIVE_UP): OperationState.CANCELLED,
}


class StepEvent(StrEnum):
    """One journal record of a step."""

    STARTED = auto()
    DONE = auto()
    UNDO_STARTED = auto()
    UNDONE = auto()


class StepStatus(StrEnum):
    """What is known of a step's effect."""

    NEW = auto()
    """No record. In an interrupted plan it may have begun all the same: see the journal's docstring."""
    MAYBE = auto()
    """Begun, outcome unknown: apply and undo must both be safe."""
    APPLIED = auto()
    UNDOING = auto()
    UNDONE = auto()


STEP: Final[Mapping[tuple[StepStatus, StepEvent], StepStatus]] = {
    (StepStatus.NEW, StepEvent.STARTED): StepStatus.MAYBE,
    (StepStatus.MAYBE, StepEvent.STARTED): StepStatus.MAYBE,  # again, after an interruption
    (StepStatus.MAYBE, StepEvent.DONE): StepStatus.APPLIED,
    (StepStatus.NEW, StepEvent.UNDO_STARTED): StepStatus.UNDOING,
    (StepStatus.MAYBE, StepEvent.UNDO_STARTED): StepStatus.UNDOING,
    (StepStatus.APPLIED, StepEvent.UNDO_STARTED): StepStatus.UNDOING,
    (StepStatus.UNDOING, StepEvent.UNDO_STARTED): StepStatus.UNDOING,  # interrupted, or tried again
    (StepStatus.UNDONE, StepEvent.UNDO_STARTED): StepStatus.UNDOING,
    (StepStatus.UNDOING, StepEvent.UNDONE): StepStatus.UNDONE,
    (StepStatus.UNDONE, StepEvent.STARTED): StepStatus.MAYBE,  # a reboot tries its start again
}


def fold(records: Iterable[tuple[int, StepEvent]], steps: int) -> list[StepStatus]:
    """Status of every step. The same fold runs live and in recovery.

    A record that the table does not allow, or for a step that is not there, is a LookupError: a corrupt journal.
    """
    status = [StepStatus.NEW] * steps
    for index, event in records:
        if not 0 <= index < steps:
            raise IndexError(f"record of step {index}; the plan has {steps}")
        status[index] = STEP[status[index], event]
    return status
