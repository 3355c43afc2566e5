"""How full SRs are, as the storage engine knows."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from xenhost.core.metrics import Owner, OwnerKind, Reading, Source
from xenhost.core.ports.metrics import MeteredVm, SrSpaces
from xenhost.drivers.metrics import catalog
from xenhost.drivers.metrics.shapes import Shapes


class SpaceMeter:
    """size and physical_utilisation of SRs."""

    name: Final = "space"

    def __init__(self, spaces: SrSpaces) -> None:
        self._spaces: Final = spaces
        self._shapes = Shapes()
        self._srs: frozenset[str] = frozenset()

    def read(self, now: float, vms: Sequence[MeteredVm]) -> Sequence[Reading]:
        """No I/O: what the engine saw last."""
        spaces = self._spaces()
        if not self._srs <= spaces.keys():
            self._shapes = Shapes()  # some went: forget all
        self._srs = frozenset(spaces)
        readings = []
        for uuid, space in spaces.items():
            owner = Owner(OwnerKind.SR, uuid)
            sources = self._shapes.of(owner, None, partial(_sources, owner))
            readings.append(Reading(now, sources, (float(space.size), float(space.used))))
        return readings


def _sources(owner: Owner) -> tuple[Source, ...]:
    return catalog.SR_SIZE.source(owner), catalog.SR_USED.source(owner)
