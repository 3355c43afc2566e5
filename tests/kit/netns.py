"""Network namespaces for tests that send real packets, all within the process of the test.

`fresh()` moves the calling thread into an empty network, with its own /sys and /proc/sys/net; threads and processes
that it starts are born there too. A `Peer` is another machine, joined by wires (veth). Needs root.
"""

import ctypes
import os
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from pyroute2 import IPRoute

CLONE_FS: Final = 0x200
CLONE_NEWNS: Final = 0x20000
CLONE_NEWNET: Final = 0x40000000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _unshare(flags: int) -> None:
    _check(_libc.unshare(flags))


def _setns(namespace: int, kind: int) -> None:
    _check(_libc.setns(namespace, kind))


def _own(kind: str) -> int:
    return os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def _loopback_up() -> None:
    with IPRoute() as netlink:
        netlink.link("set", index=1, state="up")


@contextmanager
def fresh() -> Iterator[None]:
    """The calling thread, and what it starts, in an empty network with `lo` up, and with mounts of its own.

    Sockets and threads made before stay where they were: enter before the event loop runs its first executor thread.
    """
    network, mounts, folder = _own("net"), _own("mnt"), Path.cwd()
    _unshare(CLONE_NEWNET | CLONE_NEWNS)
    try:
        _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
        _check(_libc.mount(b"sysfs", b"/sys", b"sysfs", 0, None))  # /sys/class/net is that of whoever mounted it
        _loopback_up()
        yield
    finally:
        _setns(network, CLONE_NEWNET)
        _unshare(CLONE_FS)  # threads started meanwhile share our root and working directory; setns would refuse
        _setns(mounts, CLONE_NEWNS)
        os.chdir(folder)
        os.close(network)
        os.close(mounts)


class Peer:
    """Another machine: a network namespace that lives as long as this object is open."""

    def __init__(self) -> None:
        before = _own("net")
        try:
            _unshare(CLONE_NEWNET)
            self.namespace = _own("net")
            _loopback_up()
        finally:
            _setns(before, CLONE_NEWNET)
            os.close(before)

    def close(self) -> None:
        """Forget it. The kernel removes its interfaces, and the other ends of its wires, when nothing runs in it."""
        os.close(self.namespace)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The calling thread is there: sockets and processes that it makes belong to the peer. No `await` in it."""
        before = _own("net")
        _setns(self.namespace, CLONE_NEWNET)
        try:
            yield
        finally:
            _setns(before, CLONE_NEWNET)
            os.close(before)

    def wire(self, here: str, there: str, here_mac: str = "", there_mac: str = "", up: bool = True) -> None:
        """A cable between an interface of ours and one of the peer, both up unless told otherwise."""
        with IPRoute() as netlink:
            netlink.link("add", ifname=here, kind="veth", peer={"ifname": there, "net_ns_fd": self.namespace})
            (index,) = netlink.link_lookup(ifname=here)
            if here_mac:
                netlink.link("set", index=index, address=here_mac)
            if up:
                netlink.link("set", index=index, state="up")
        with self.inside(), IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname=there)
            if there_mac:
                netlink.link("set", index=index, address=there_mac)
            if up:
                netlink.link("set", index=index, state="up")

    def address(self, interface: str, address: str) -> None:
        """Give one of its interfaces `192.0.2.1/24` or `2001:db8::1/64` (usable at once)."""
        ip, _, length = address.partition("/")
        with self.inside(), IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname=interface)
            flags = {"flags": 2} if ":" in ip else {}  # IFA_F_NODAD
            netlink.addr("add", index=index, address=ip, prefixlen=int(length), **flags)

    def run(self, *command: str) -> str:
        """Output of a command that runs there. Raises CalledProcessError."""
        with self.inside():
            return run(*command)


@contextmanager
def peer() -> Iterator[Peer]:
    """A machine to send packets to."""
    made = Peer()
    try:
        yield made
    finally:
        made.close()


def run(*command: str) -> str:
    """Output of a command in the network of the calling thread. Raises CalledProcessError."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=30).stdout


def pings(address: str, interface: str = "", wait: float = 5.0, source: str = "") -> bool:
    """Whether an address answers an echo request within `wait` seconds; lost ones are repeated. Blocks."""
    v6 = ":" in address
    request, answer = (128, 129) if v6 else (8, 0)
    mark = os.urandom(16)
    deadline = time.monotonic() + wait
    protocol = socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP
    with socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW, protocol) as raw:
        if interface:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        if source:
            raw.bind((source, 0))
        sent = 0.0
        while (now := time.monotonic()) < deadline:
            if now - sent > 0.2:
                sent = now
                with suppress(OSError):  # no route yet
                    raw.sendto(_echo(request, mark), (address, 0))
            raw.settimeout(0.05)
            with suppress(TimeoutError, OSError):
                packet, _ = raw.recvfrom(2048)
                header = 0 if v6 else (packet[0] & 15) * 4
                if packet[header] == answer and packet[header + 8 :] == mark:
                    return True
    return False


def _echo(kind: int, payload: bytes) -> bytes:
    words = struct.unpack(f"!{len(payload) // 2}H", payload)
    total = (kind << 8) + sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!BBHI", kind, 0, ~total & 0xFFFF, 0) + payload  # the kernel replaces the sum for IPv6
