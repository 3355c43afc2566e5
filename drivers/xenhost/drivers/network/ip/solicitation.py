"""Asking routers to announce themselves (RFC 4861, 6.3.7): the kernel does so only when an interface comes up."""

import socket
import struct
from typing import Final

ATTEMPTS: Final = 3
INTERVAL: Final = 4.0
"""Seconds between them: RTR_SOLICITATION_INTERVAL."""
_SOLICITATION: Final = 133
_ALL_ROUTERS: Final = "ff02::2"


def solicit(interface: str) -> bool:
    """Send one; whether it could be: not before the interface has its link-local address. Blocks for a moment."""
    try:
        index = socket.if_nametoindex(interface)
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as raw:
            raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            raw.sendto(struct.pack("!BBHI", _SOLICITATION, 0, 0, 0), (_ALL_ROUTERS, 0, 0, index))
    except OSError:
        return False
    return True
