"""What of storage can be set. Times in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """Deadlines are upper bounds on what a driver may take: it is meant to keep tighter ones itself."""

    attach_deadline: float = 120.0
    """Attaching, detaching an SR."""
    create_deadline: float = 900.0
    """Making an SR: a file system on a big disk takes its time."""
    scan_deadline: float = 300.0
    probe_deadline: float = 120.0
    verb_deadline: float = 120.0
    """Any verb on one VDI, and looks at an SR."""
    stall_deadline: float = 600.0
    """Work with progress (a merge, a copy, a comparison) may go on for ever, but not without progress."""
    cancel_grace: float = 10.0
    """How long a verb that was cancelled may take to notice; then it is left behind."""
    attach_delays: tuple[float, ...] = (2.0, 5.0, 15.0, 30.0)
    """Pauses before an SR that could not be attached is tried again."""
    attach_cap: float = 60.0
    """Pause between all further tries."""
    retry_delays: tuple[float, ...] = (1.0, 5.0, 15.0)
    """Pauses before a failed undo or disconnection is tried again; after the last, its operation is reported."""
    retry_cap: float = 60.0
    start_patience: float = 10.0
    """How long the start waits for SRs to be attached and interrupted operations to be undone."""
    drain: float = 10.0
    """How long the end waits for verbs under way."""
    max_operations: int = 2000
    """Unended operations of storage at once; more are refused."""
    stat_period: float = 60.0
    """Between two looks at the space and health of an SR."""
    chore_period: float = 300.0
    """Between two looks for chores when nothing has changed."""
    chore_settle: float = 2.0
    """How long after a change an SR is looked at: changes come in bursts."""
    chores_at_once: int = 2
    """For each SR; 0: chores only on request."""
    chore_bytes_per_second: int = 0
    """Limit of each chore that the agent begins by itself; 0: none."""
    chore_retry: float = 600.0
    """A chore that failed or was cancelled is not begun again for so long."""
