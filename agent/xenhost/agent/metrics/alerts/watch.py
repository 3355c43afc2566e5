"""Whether somebody is to be told: one value a minute for each rule. Pure but for what it remembers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xenhost.agent.metrics.alerts.rule import Consolidation, Rule

STEP: Final = 60
"""Seconds between two values."""


@dataclass(frozen=True, slots=True)
class Dom0Usage:
    """What is not made of data sources. NaN: not known, or there is no such file system."""

    root: float = math.nan
    log: float = math.nan
    memory: float = math.nan


class RuleWatch:
    """One rule of one object."""

    def __init__(self, rule: Rule) -> None:
        self.rule: Final = rule
        self._left = rule.period
        self._quiet_until = -math.inf
        self._names: frozenset[str] = frozenset()
        self._matching: tuple[str, ...] = ()

    def alarm(self, value: float, now: float) -> str:
        """The body of the message to send, or empty. `now` is monotonic, in seconds."""
        if not self.rule.bad(value):
            self._left = self.rule.period
            return ""
        self._left -= STEP
        if self._left > 0:
            return ""
        self._left = self.rule.period
        if now < self._quiet_until:
            return ""
        self._quiet_until = now + self.rule.inhibit
        return f"value: {value:f}\nconfig:\n{self.rule.text}"

    def value(self, values: Mapping[str, float], dom0: Dom0Usage) -> float:
        """The rule's value from those of the object's data sources; NaN if there are none."""
        names = frozenset(values)
        if names != self._names:
            self._names = names
            self._matching = tuple(sorted(name for name in names if self.rule.pattern.fullmatch(name)))
        return consolidated(self.rule.consolidation, {name: values[name] for name in self._matching}, dom0)


def consolidated(how: Consolidation, values: Mapping[str, float], dom0: Dom0Usage) -> float:
    """One value of several."""
    found = list(values.values())
    match how:
        case Consolidation.SUM:
            return math.fsum(found) if found and not any(map(math.isinf, found)) else math.nan
        case Consolidation.AVERAGE:
            return math.fsum(found) / len(found) if found and not any(map(math.isinf, found)) else math.nan
        case Consolidation.MAX:
            return max(found) if found and not any(map(math.isnan, found)) else math.nan
        case Consolidation.GET_PERCENT_FS_USAGE:
            return dom0.root
        case Consolidation.GET_PERCENT_LOG_FS_USAGE:
            return dom0.log
        case Consolidation.GET_PERCENT_MEM_USAGE:
            return dom0.memory
        case Consolidation.GET_PERCENT_SR_USAGE:
            used, size = values.get("physical_utilisation", math.nan), values.get("size", math.nan)
            return used / size if size > 0 else math.nan
