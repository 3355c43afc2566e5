"""A store to try things on, and readings for it."""

import math
from collections.abc import Mapping

from xenhost.core.metrics import HOST, Owner, OwnerKind, Reading, Source, SourceType, Transform
from xenhost.rrd.store import Store

HOST_UUID = "4c1b0c5e-0000-4000-8000-00000000000a"
VM = Owner(OwnerKind.VM, "9d2f0000-0000-4000-8000-000000000001")
OTHER_VM = Owner(OwnerKind.VM, "9d2f0000-0000-4000-8000-000000000002")
SR = Owner(OwnerKind.SR, "5a000000-0000-4000-8000-000000000003")
START = 1_700_006_400.0
"""Midnight: a row of every archive ends here."""
MIDDLE = START + 2.5
"""Of its slot."""


def gauge(name: str, owner: Owner = HOST, **more: float) -> Source:
    return Source(name, owner, SourceType.GAUGE, default=True, **more)  # type: ignore[arg-type]  # min and max alone


def counter(name: str, owner: Owner = HOST, low: float = 0.0, high: float = math.inf, idle: bool = False) -> Source:
    transform = Transform.INVERSE if idle else Transform.IDENTITY
    return Source(name, owner, SourceType.DERIVE, default=True, min=low, max=high, transform=transform)


def counted(name: str, owner: Owner = HOST) -> Source:
    return Source(name, owner, SourceType.ABSOLUTE, default=True)


class Bench:
    """A store, its clock, and data sources that keep their identity."""

    def __init__(self, store: Store | None = None, now: float = MIDDLE) -> None:
        self.store = store or Store(HOST_UUID, now)
        self.now = now
        self._known: dict[tuple[Source, ...], tuple[Source, ...]] = {}

    def tick(self, values: Mapping[Source, float], late: float = 0.0) -> None:
        """Read them `late` seconds ago, then let 5 s pass."""
        self.store.tick(self.now, [self.reading(values, late)] if values else [])
        self.now += 5

    def reading(self, values: Mapping[Source, float], late: float = 0.0) -> Reading:
        sources = tuple(values)
        return Reading(self.now - late, self._known.setdefault(sources, sources), tuple(values.values()))

    def row(self, source: Source, back: int = 0) -> float:
        """A row of 5 s, so many before the newest complete one."""
        document = self.store.document(source.owner)
        column = [each.name for each in document.sources].index(source.name)
        return float(document.archives[0].values[-1 - back, column])
