"""What of networks can be set. Times in seconds."""

from dataclasses import dataclass

from xenhost.core.network import SwitchKind


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Deadlines are upper bounds on what a driver may take: it is meant to keep tighter ones itself."""

    switch: SwitchKind = SwitchKind.BRIDGE
    """Of a new host; later the stored one counts."""
    open_deadline: float = 20.0
    """Connecting to the switch, finding DHCP clients, listening to cards."""
    verb_deadline: float = 120.0
    """Making all bridges, giving all addresses, setting all cards."""
    look_deadline: float = 20.0
    """Listing bridges, addresses, cards."""
    cancel_grace: float = 10.0
    """How long a verb may go on, or take to notice, when its operation was cancelled."""
    start_patience: float = 60.0
    """How long the start waits for the networks to be there; then the rest goes on in the background."""
    dhcp_patience: float = 30.0
    """How long an operation waits for an address by DHCP."""
    retry_delays: tuple[float, ...] = (2.0, 5.0, 15.0, 30.0)
    """Pauses before what could not be made is tried again."""
    retry_cap: float = 60.0
    """Pause between all further tries."""
    settle: float = 0.1
    """How long after a change its effect is looked at: changes come in bursts."""
    release_after: float = 120.0
    """A network that VIFs needed is taken down so long after the last one has gone: one that starts again finds it."""
    release_period: float = 30.0
    """Between two looks for networks that no VIF needs any more."""
    most_needed: int = 4000
    """Bridges that VIFs may need at once."""
    max_operations: int = 200
    """Changes that wait at once; more are refused."""
    drain: float = 10.0
    """How long the end waits for the change under way to be undone."""
