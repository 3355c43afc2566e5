"""Which agent to talk to."""

from dataclasses import dataclass
from typing import Final

DEFAULT_SOCKET: Final = "/run/xenhost/xenhostd.sock"


@dataclass(frozen=True, slots=True)
class Target:
    """One agent: a unix socket, or an address over TLS."""

    socket: str = DEFAULT_SOCKET
    address: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_ca: str = ""
    tls_server_name: str = ""
