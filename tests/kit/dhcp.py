"""Servers for DHCP clients under test: dnsmasq, as found in the wild, and a small one that says what a test wants."""

import socket
import struct
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from kit.netns import Peer

_COOKIE: Final = b"\x63\x82\x53\x63"
_HEADER: Final = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s")
DISCOVER, OFFER, REQUEST, ACK, NAK = 1, 2, 3, 5, 6


@contextmanager
def dnsmasq(peer: Peer, folder: Path, interface: str, *options: str) -> Iterator[None]:
    """Serve there. `options`: of dnsmasq, such as `--dhcp-range=...`."""
    folder.mkdir(parents=True, exist_ok=True)
    fixed = (
        "--keep-in-foreground --conf-file=/dev/null --port=0 --dhcp-authoritative --bind-dynamic --no-ping "
        f"--interface={interface} --log-facility={folder}/log --dhcp-leasefile={folder}/leases --pid-file= --user=root"
    )
    with peer.inside():
        server = subprocess.Popen(["dnsmasq", *fixed.split(), *options])
    try:
        yield
    finally:
        server.kill()
        server.wait()


@dataclass
class SmallServer:
    """DHCP (RFC 2131) for one client. What it says may be changed at any time."""

    address: str = "192.0.2.50"
    """The client's."""
    lease: int = 3600
    """Seconds."""
    renew: int = 0
    """Seconds until the client asks again; 0: it decides."""
    options: dict[int, bytes] = field(default_factory=lambda: {1: bytes([255, 255, 255, 0])})
    silent: bool = False
    asked: list[int] = field(default_factory=list)
    """Types of messages that came."""
    server: str = "192.0.2.1"

    @contextmanager
    def serving(self, peer: Peer, interface: str) -> Iterator[None]:
        """It answers from a thread."""
        with peer.inside():
            wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
            wire.bind(("", 67))
            wire.settimeout(0.1)
            stop = threading.Event()
            thread = threading.Thread(target=self._serve, args=(wire, stop))
            thread.start()
            try:
                yield
            finally:
                stop.set()
                thread.join()

    def _serve(self, wire: socket.socket, stop: threading.Event) -> None:
        while not stop.is_set():
            with suppress(TimeoutError, OSError):
                data, _ = wire.recvfrom(2048)
                if (answer := self._answer(data)) is not None:
                    wire.sendto(*answer)

    def _answer(self, data: bytes) -> tuple[bytes, tuple[str, int]] | None:
        _, kind, length, _, xid, _, flags, client, _, _, relay, mac, _, _ = _HEADER.unpack_from(data)
        asked = dict(_options(data[_HEADER.size + 4 :]))
        message = asked[53][0]
        self.asked.append(message)
        if self.silent or message not in (DISCOVER, REQUEST):
            return None
        address = IPv4Address(self.address).packed
        wanted = asked.get(50, client)
        answer = OFFER if message == DISCOVER else ACK if wanted == address else NAK
        options = {53: bytes([answer]), 54: IPv4Address(self.server).packed}
        if answer != NAK:
            options |= {51: self.lease.to_bytes(4, "big"), **self.options}
            if self.renew:
                options |= {58: self.renew.to_bytes(4, "big")}
        yours = address if answer != NAK else bytes(4)
        head = _HEADER.pack(2, kind, length, 0, xid, 0, flags, client, yours, bytes(4), relay, mac, b"", b"")
        body = b"".join(bytes([code, len(value)]) + value for code, value in options.items())
        to = str(IPv4Address(client)) if any(client) else "255.255.255.255"
        return head + _COOKIE + body + b"\xff", (to, 68)


def hosts(*addresses: str) -> bytes:
    """An option that holds IPv4 addresses."""
    return b"".join(IPv4Address(each).packed for each in addresses)


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        yield data[at], data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]


def words(*options: str) -> Sequence[str]:
    """Options of dnsmasq that serve both families in 192.0.2.0/24 and 2001:db8::/64."""
    return (
        "--dhcp-range=192.0.2.50,192.0.2.60,2m",
        "--dhcp-range=2001:db8::100,2001:db8::200,64,2m",
        "--dhcp-option=option:dns-server,192.0.2.1",
        "--dhcp-option=option:domain-name,example.com",
        "--dhcp-option=option6:dns-server,[2001:db8::1]",
        "--enable-ra",
        *options,
    )
