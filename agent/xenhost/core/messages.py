"""Messages to whoever runs the pool: XenAPI's class message."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One, as it was sent."""

    id: str
    """UUID."""
    name: str
    """What it is about, in XenServer's words: ALARM, BOND_STATUS_CHANGED."""
    priority: int
    """1: data may be lost, 2: a service is lost, 3: a service is degraded, 4: it works again, 5: for information."""
    class_name: str
    """Of what it is about: VM, Host or SR."""
    object_id: str
    """UUID of what it is about."""
    time: float
    """Seconds since the epoch."""
    body: str
