"""What the demo hears while it works: events of the agent, and the guest's console. Each in a thread of its own."""

import queue
import threading
import time
from collections import Counter
from typing import Any, Final

from xenhost.agent.cli.client import Client
from xenhost.agent.cli.demo.stage import Stage
from xenhost.agent.cli.failure import Failure
from xenhost.agent.cli.shapes import shape
from xenhost.agent.cli.target import Target

JOIN_SECONDS: Final = 5.0


class Events:
    """Counts what changes, until the agent goes away."""

    def __init__(self, target: Target) -> None:
        self._client: Final = Client(target)
        self._counts: Counter[str] = Counter()
        self._ready: Final = threading.Event()
        self._thread: Final = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Return when the agent has begun to tell."""
        self._thread.start()
        self._ready.wait(JOIN_SECONDS)

    def wait_for(self, what: str) -> None:
        """Return when such a change was told, or after a while if not."""
        deadline = time.monotonic() + JOIN_SECONDS
        while not self._counts[what] and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)

    def stop(self) -> Counter[str]:
        """How often each kind of change was told."""
        self._client.close()
        self._thread.join(JOIN_SECONDS)
        return self._counts

    def _watch(self) -> None:
        try:
            for message in self._client.events("", []):
                for change in message.events:
                    row = shape(change)
                    self._counts[f"{row['kind']} {row['change']}"] += 1
                self._ready.set()
        except (Failure, ValueError):  # ValueError: the channel was closed by stop()
            self._ready.set()


class GuestConsole:
    """Shows what the guest says, until its domain or the agent goes away."""

    def __init__(self, target: Target, stage: Stage, vm: str) -> None:
        self._client: Final = Client(target)
        self._stage: Final = stage
        self._vm: Final = vm
        self._keys: Final[queue.Queue[bytes | None]] = queue.Queue()
        self._thread: Final = threading.Thread(target=self._watch, daemon=True)
        self._heard: Final[queue.Queue[str]] = queue.Queue()
        self.lines = 0

    def start(self) -> None:
        """Attach."""
        self._thread.start()

    def type(self, keys: bytes) -> None:
        """Type something."""
        self._keys.put(keys)

    def wait_for(self, text: str, seconds: float) -> bool:
        """Did the guest write a line with that text, from now or before, within so many seconds?"""
        try:
            while text not in self._heard.get(timeout=seconds):
                pass
        except queue.Empty:
            return False
        return True

    def stop(self) -> None:
        """Detach."""
        self._keys.put(None)
        self._thread.join(JOIN_SECONDS)
        self._client.close()

    def _watch(self) -> None:
        rest = ""
        try:
            for output in self._client.attach(self._vm, iter(self._keys.get, None)):
                *lines, rest = (rest + output.decode("utf-8", "replace")).replace("\r", "").split("\n")
                for line in lines:
                    self._tell(line)
        except (Failure, ValueError):  # the agent was killed, or the domain is gone
            pass
        if rest.strip():
            self._tell(rest)

    def _tell(self, untrusted_line: str) -> None:
        if untrusted_line.strip():
            self.lines += 1
            self._stage.guest(untrusted_line)
            self._heard.put(untrusted_line)


def words(counts: Counter[str]) -> str:
    """`3 vm modified, 1 vm added`."""
    return ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))


def shown_devices(vm: Any) -> dict[str, str]:
    """The state of each device: xvda, nic0, ..."""
    row = shape(vm)
    return {each["device"]: each["state"] for each in row["vbds"]} | {
        f"nic{each['index']}": each["state"] for each in row["vifs"]
    }
