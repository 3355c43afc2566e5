"""What of the engine can be set."""

from dataclasses import dataclass, field

from xenhost.agent.plans.after_stop import Damping


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Times in seconds."""

    damping: Damping = field(default_factory=Damping)
    """Bounds on restarting guests that stop soon after their start."""
    restart_delays: tuple[float, ...] = (5.0, 15.0, 60.0)
    """Pauses before a restart that nobody waits for (a guest's own reboot, an interrupted one) is tried again."""
    undo_delays: tuple[float, ...] = (1.0, 5.0, 10.0)
    """Pauses before a failed undo or teardown is tried again; after the last the operation is reported as failed."""
    undo_cap: float = 60.0
    """Pause between all further tries."""
    observe_delay: float = 5.0
    """Pause before a failed look at a domain is repeated."""
    start_patience: float = 10.0
    """How long the start of the agent waits for interrupted operations to be undone."""
    drain: float = 10.0
    """How long the end of the agent waits for running steps."""
    keep_operations: int = 1000
    """Ended operations kept."""
    keep_seconds: float = 24 * 3600.0
    """How long they are kept."""
    max_operations: int = 2000
    """Unended operations at once; more are refused."""
    max_vms: int = 10_000
