"""Failures on demand: by verb of the port, by nth call, at a chosen moment."""

import os
import signal
from asyncio import Event
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

from xenhost.core.errors import InternalError, XenhostError


class When(StrEnum):
    """The moment within a verb."""

    BEFORE = auto()
    """Nothing has happened."""
    DURING = auto()
    """Half of it has happened: a domain half built, a device half plugged, a teardown cut short."""
    AFTER = auto()
    """All of it has happened, but the caller does not know."""


class Killed(BaseException):
    """The simulated agent was killed here: no cleanup of it may touch the world any more."""


@dataclass(slots=True)
class _Rule:
    verb: str
    nth: int
    when: When
    act: Callable[[], BaseException | None]
    """What to raise; None to hang."""
    every: bool
    seen: int = 0


class Faults:
    """The failures that are planned. They belong to the world, and so survive a restart of the agent."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []
        self.calls: Final[list[str]] = []
        """Every verb called, in order, as `verb`; cleared by the test that reads it."""
        self.record_calls = False

    def fail(
        self,
        verb: str,
        nth: int = 1,
        when: When = When.BEFORE,
        error: XenhostError | None = None,
        every: bool = False,
    ) -> None:
        """Let the nth call from now (with `every`: and all later ones) of a verb raise `error`."""
        failure = error or InternalError(f"injected fault in {verb}", message=f"injected fault in {verb}")
        self._rules.append(_Rule(verb, nth, when, lambda: failure, every))

    def hang(self, verb: str, nth: int = 1, when: When = When.BEFORE) -> None:
        """Let the nth call from now never return; it can be cancelled."""
        self._rules.append(_Rule(verb, nth, when, lambda: None, every=False))

    def die(self, verb: str, nth: int = 1, when: When = When.BEFORE) -> None:
        """Let the nth call from now raise Killed, and the driver object be dead from then on."""
        self._rules.append(_Rule(verb, nth, when, Killed, every=False))

    def kill_process(self, verb: str, nth: int = 1, when: When = When.BEFORE) -> None:
        """Let the nth call from now end this process with SIGKILL."""

        def act() -> BaseException:
            os.kill(os.getpid(), signal.SIGKILL)
            return Killed()

        self._rules.append(_Rule(verb, nth, when, act, every=False))

    def clear(self) -> None:
        """Forget every plan."""
        self._rules.clear()

    async def reach(self, verb: str, when: When) -> None:
        """A verb is at that moment: raise or hang if so planned."""
        if self.record_calls and when is When.BEFORE:
            self.calls.append(verb)
        for rule in tuple(self._rules):
            if rule.when is not when or rule.verb not in {verb, "*"}:
                continue
            rule.seen += 1
            if rule.seen < rule.nth:
                continue
            if not rule.every:
                self._rules.remove(rule)
            failure = rule.act()
            if failure is None:
                await Event().wait()
            else:
                raise failure
