"""Plans as data: what will be done, in what order, and what to do when it is interrupted.

A plan is a sequence of stages; the steps of a stage form a graph and run as soon as the steps they come `after` are
done. Steps are small frozen dataclasses with one effect; they are stored as `kind` and fields.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import ClassVar, Protocol

from xenhost.core.clock import Clock
from xenhost.core.devices import Source
from xenhost.core.ids import DomId
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.ports.network import Networks
from xenhost.core.ports.storage import Datapaths
from xenhost.core.vm import ShutdownReason, VmSpec


@dataclass(slots=True)
class Work:
    """What the steps of one running operation share. The only mutable thing steps see."""

    hypervisor: Hypervisor
    storage: Datapaths
    networks: Networks
    clock: Clock
    spec: VmSpec
    """As it was when the operation was planned."""
    domid: DomId | None = None
    """The domain the steps work on: given, or found by the step that creates it."""
    stopped: ShutdownReason | None = None
    """Why the guest stopped, once a step has waited for that."""
    recovering: bool = False
    """The operation was interrupted by the end of an earlier agent."""
    unreleased: bool = False
    """A VDI could not be let go, which is to be tried again."""
    image: Source | None = None
    """Where the guest's memory goes, or comes from: a file, or a VDI."""
    sealed: bool = False
    """The image may be whole."""
    part: float = 0.0
    """How far the long step is that is running, 0 to 1."""
    on_part: Callable[[], None] = lambda: None
    """Called when that has changed."""


class Step(Protocol):
    """One effect, one port call."""

    kind: ClassVar[str]
    weight: ClassVar[int]
    """Its share of the operation's progress."""
    waits: ClassVar[bool]
    """It only waits, for a guest or for time: something more urgent may cancel it."""

    @property
    def deadline(self) -> float:
        """Seconds after which it is stopped and has failed, whatever it waits for."""
        ...

    def text(self, work: Work) -> str:
        """What it does, for humans: `building domain 5`."""
        ...

    async def apply(self, work: Work) -> None:
        """Have the effect. Safe to repeat. Raises XenhostError."""
        ...

    async def find(self, work: Work) -> None:
        """Find out what the undo will need and `work` does not know yet, so that it can be journaled before."""
        ...

    async def undo(self, work: Work) -> None:
        """Take the effect back. Safe to repeat, and if apply never ran. Raises XenhostError."""
        ...

    async def happened(self, work: Work) -> bool:
        """After an interruption: is the effect there for certain, so that the stage needs no undo? May say no."""
        ...


class OnFailure(StrEnum):
    """When a step of a stage fails, or the operation is cancelled in it."""

    UNWIND = auto()
    """Undo what may have happened, last first; the operation has failed."""
    FORWARD = auto()
    """Do the others, then try again what failed: tearing down never turns back, and is not cancelled."""


class OnRecovery(StrEnum):
    """When the agent died in a stage."""

    UNWIND = auto()
    """Undo it; the operation has failed."""
    FORWARD = auto()
    """Do it, from where it was."""
    RETRY = auto()
    """Undo it, and do it again: for a VM that must not be lost."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A step in its place."""

    step: Step
    after: tuple[int, ...] = ()
    """Steps of the stage that must be done before, by position."""
    undone_with: int | None = None
    """The undo of that step takes this one's effect back too, so its own is not called."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps that fail, recover and commit together."""

    steps: tuple[Planned, ...]
    on_failure: OnFailure
    on_recovery: OnRecovery

    def __post_init__(self) -> None:
        for index, planned in enumerate(self.steps):
            if any(not 0 <= before < index for before in planned.after):
                raise ValueError(f"step {index} comes after {planned.after}: only earlier steps are possible")


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything one operation does."""

    stages: tuple[Stage, ...]
    spec_after: VmSpec | None = None
    """The specification to store in the same transaction as the operation's success."""

    @property
    def weight(self) -> int:
        """Sum of the weights of its steps."""
        return sum(planned.step.weight for stage in self.stages for planned in stage.steps)

    @property
    def size(self) -> int:
        """Number of steps."""
        return sum(len(stage.steps) for stage in self.stages)
