"""Listening sockets, and who is at the other end of a connection."""

import ipaddress
import os
import socket
import stat
import struct
from pathlib import Path
from typing import Final

BACKLOG: Final = 256
_UCRED: Final = struct.Struct("3i")


class SocketInUse(OSError):
    """Somebody else serves that socket."""


def tcp_socket(host: str, port: int) -> socket.socket:
    """A listening socket at a numeric address; "::" takes IPv4 as well. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
    )[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(address)
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def unix_socket(path: Path, mode: int = stat.S_IRUSR | stat.S_IWUSR) -> socket.socket:
    """A listening unix socket; one that nobody serves is replaced. Raises OSError, SocketInUse if somebody does."""
    _clear(path)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(made.fileno(), mode)  # before it has a name that others could reach
        made.bind(str(path))
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def _clear(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
    raise SocketInUse(f"something else serves {path}")


def peer_uid(connection: socket.socket) -> int | None:
    """Who connected to a unix socket, as the kernel says it; None for other sockets."""
    if connection.family != socket.AF_UNIX:
        return None
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    uid: int = _UCRED.unpack(raw)[1]
    return uid


def peer_address(connection: socket.socket) -> tuple[str, int]:
    """IP address, IPv4 in its own form, and port; empty for a unix socket. Raises OSError if it has gone."""
    if connection.family == socket.AF_UNIX:
        return "", 0
    name = connection.getpeername()
    return str(name[0]).removeprefix("::ffff:"), int(name[1])


def counted_address(address: str) -> str:
    """The client that an address belongs to: of IPv6 the /64, all of which one machine has. Others are as they are."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.IPv6Network((int(ipaddress.IPv6Address(address.partition("%")[0])), 64), strict=False))
    except ValueError:
        return address
