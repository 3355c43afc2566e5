"""What systemd wants to know of a service: sd_notify(3), a datagram to the socket in NOTIFY_SOCKET."""

import os
import socket
from collections.abc import Mapping
from typing import Final, Self

from xenhost.core.clock import Clock

PINGS_PER_PERIOD: Final = 3


class Notifier:
    """Tells systemd; does nothing where there is none. Telling never blocks and never fails."""

    def __init__(self, address: str, watchdog_seconds: float) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_seconds = watchdog_seconds

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """As systemd asks for it: NOTIFY_SOCKET, and WATCHDOG_USEC if it is meant for this process."""
        microseconds = environ.get("WATCHDOG_USEC", "0")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        seconds = int(microseconds) / 1e6 if ours and microseconds.isdigit() else 0.0
        return cls(environ.get("NOTIFY_SOCKET", ""), seconds)

    def ready(self, status: str) -> None:
        """Start-up is done."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, status: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={status}")

    def extend(self, seconds: float) -> None:
        """Start-up or stop needs so much longer."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1\nSTATUS=stopping")

    async def watchdog(self, clock: Clock) -> None:
        """Say from the event loop that it turns, as often as systemd wants; returns at once if it does not."""
        while self._address and self._watchdog_seconds:
            self._send("WATCHDOG=1")
            await clock.sleep(self._watchdog_seconds / PINGS_PER_PERIOD)

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(text.encode(), self._address)
            except OSError:
                return  # systemd is busy or away: it judges by what it gets
