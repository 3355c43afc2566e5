"""The host end of the channel to the dom0's agent (guest/agent.py has the protocol)."""

import base64
import json
import os
import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bed.report import BedError

GRACE = 10.0  # seconds beyond a command's own time-out before the channel itself is given up

Output = Callable[[bytes], None]


class ChannelClosed(BedError):
    """The machine or its agent went away."""


class DeadlinePassed(BedError):
    """No answer within the time allowed."""


class Channel:
    """A connection to one agent. Not for use by several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX)
        self._buffer = b""
        self._next_id = int(time.time() * 1000) % 1_000_000_000

    def connect(self, deadline: float, alive: Callable[[], None]) -> None:
        """Wait until the agent answers. ``deadline``: monotonic clock. ``alive`` raises if there is no hope."""
        while True:
            try:
                self._socket.connect(str(self._path))
                break
            except OSError:
                alive()
                if time.monotonic() > deadline:
                    raise DeadlinePassed("the agent's socket did not appear") from None
                time.sleep(0.02)
        # an empty line ends what a former host end may have left unfinished
        self._socket.sendall(b"\n")
        request = self._send("reset")
        while True:
            alive()
            answer = self._receive(min(deadline, time.monotonic() + 1.0))
            if answer and answer.get("id") == request:
                return
            if time.monotonic() > deadline:
                raise DeadlinePassed("dom0 did not come up in time")

    def close(self) -> None:
        """Drop the connection."""
        self._socket.close()

    def wake(self, *, share: bool) -> None:
        """Bring a restored dom0 into the present: clock, fresh randomness, the host's directory on /mnt/host."""
        seed = _text(os.urandom(64))
        request = self._send("wake", time=time.time(), seed=seed, share=share)
        deadline = time.monotonic() + 60
        while answer := self._receive(deadline):
            if answer.get("id") == request:
                if answer.get("error"):
                    raise BedError(f"dom0 could not wake up: {answer['error']}")
                return
        raise DeadlinePassed("dom0 did not wake up in time")

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float,
        output: Output,
        env: Mapping[str, str] | None = None,
        cwd: str = "/root",
        warm: bool = False,
        idle: float | None = None,
    ) -> int:
        """Run a command, pass on its output as it comes; its exit status (124: it took too long and was killed).

        ``warm``: the command is a Python module, run in a process that has made the usual imports already.
        ``idle``: seconds without output after which it counts as stuck (DeadlinePassed).
        """
        request = self._send("run", argv=list(argv), timeout=timeout, env=dict(env or {}), cwd=cwd, warm=warm)
        deadline = time.monotonic() + timeout + GRACE
        while True:
            limit = deadline if idle is None else min(deadline, time.monotonic() + idle)
            answer = self._receive(limit)
            if answer is None and limit < deadline:
                raise DeadlinePassed(f"`{argv[0]}` has said nothing for {idle:.0f} s")
            if answer is None:
                raise DeadlinePassed(f"`{' '.join(argv)}` did not end within {timeout:.0f} s")
            if answer.get("id") != request:
                continue
            if "exit" in answer:
                return int(answer["exit"])
            output(base64.b64decode(answer["out"]))

    def check(self, argv: Sequence[str], *, timeout: float = 60.0, cwd: str = "/root") -> str:
        """Output of a command that must succeed."""
        chunks: list[bytes] = []
        code = self.run(argv, timeout=timeout, output=chunks.append, cwd=cwd)
        text = b"".join(chunks).decode(errors="replace")
        if code:
            raise BedError(f"dom0: `{' '.join(argv)}` failed ({code}): {text[-2000:]}")
        return text

    def interact(self, argv: Sequence[str], terminal: int, size: Callable[[], tuple[int, int]], timeout: float) -> int:
        """Join a terminal (already raw) to a command on a pty; its exit status."""
        rows_columns = size()
        request = self._send("run", argv=list(argv), timeout=timeout, env={}, cwd="/root", pty=rows_columns)
        deadline = time.monotonic() + timeout + GRACE
        watched = [terminal, self._socket.fileno()]
        while time.monotonic() < deadline:
            ready = select.select(watched, [], [], 0.25)[0] if b"\n" not in self._buffer else []
            if terminal in ready:
                data = os.read(terminal, 4096)
                if data:
                    self._send_raw({"op": "input", "id": request, "data": _text(data)})
                else:
                    watched.remove(terminal)
                    self._send_raw({"op": "input", "id": request, "data": _text(b"\x04")})
            if size() != rows_columns:
                rows_columns = size()
                self._send_raw({"op": "size", "id": request, "pty": rows_columns})
            if self._socket.fileno() in ready or b"\n" in self._buffer:
                answer = self._receive(deadline) or {}
                if answer.get("id") == request:
                    if "exit" in answer:
                        return int(answer["exit"])
                    _write_all(terminal if terminal != 0 else 1, base64.b64decode(answer["out"]))
        raise DeadlinePassed("the shell's time is up")

    def _send(self, op: str, **fields: object) -> int:
        self._next_id += 1
        self._send_raw({"op": op, "id": self._next_id, **fields})
        return self._next_id

    def _send_raw(self, message: Mapping[str, object]) -> None:
        try:
            self._socket.settimeout(30)
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise ChannelClosed(f"the machine went away: {error}") from error

    def _receive(self, deadline: float) -> dict[str, Any] | None:
        """The next message; None at the deadline."""
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                return None
            except OSError as error:
                raise ChannelClosed(f"the machine went away: {error}") from error
            if not data:
                raise ChannelClosed("the machine went away")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            message = json.loads(line)
        except ValueError:
            return {}
        return message if isinstance(message, dict) else {}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
