"""How much a client may send, and how long it may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one server. Sizes in bytes, times in seconds."""

    head: int = 32 << 10
    """Request line and headers together."""
    body: int = 1 << 20
    """What a handler reads that says nothing else."""
    drained: int = 256 << 10
    """Of a body that nobody read; past this the connection is closed instead of used again."""
    connections: int = 512
    """Over the network, and as many over unix sockets; one more closes the one that was idle longest."""
    connections_per_address: int = 256
    """Of IPv6, per /64. Those over a unix socket have no address, and no such limit."""
    requests: int = 100_000
    """On one connection, which is closed then."""
    handshake_seconds: float = 10.0
    """TLS."""
    head_seconds: float = 20.0
    """From the first byte of a request to the end of its headers; of the first request, from the beginning."""
    idle_seconds: float = 300.0
    """Between two requests of one connection."""
    stranger_seconds: float = 30.0
    """The same, while nobody knows who is there."""
    read_seconds: float = 60.0
    """Until something more of a body comes."""
    body_seconds: float = 300.0
    """For a body that is read whole."""
    write_seconds: float = 60.0
    """Until the client takes something more."""
