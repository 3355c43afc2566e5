"""Whose data sources a plugin may bring: the host's, those of VMs that run here and of SRs that are attached here."""

from collections.abc import Mapping
from typing import Final

from xenhost.core.metrics import OwnerKind, Reading, Source


class KnownOwners:
    """Takes out what belongs to nobody here: a plugin makes no databases for UUIDs that it made up.

    The store drops sources of VMs it does not know by itself; of SRs it takes any.
    """

    def __init__(self) -> None:
        self._seen: dict[
            str, tuple[tuple[Source, ...], frozenset[str], tuple[int, ...] | None, tuple[Source, ...]]
        ] = {}

    def known(self, readings: Mapping[str, Reading], srs: frozenset[str]) -> list[Reading]:
        """By plugin. Costs nothing for a plugin whose sources are those of the last time."""
        found = [self._filtered(name, reading, srs) for name, reading in readings.items()]
        if len(self._seen) > 2 * len(readings) + 64:
            self._seen = {name: self._seen[name] for name in readings}
        return found

    def _filtered(self, name: str, reading: Reading, srs: frozenset[str]) -> Reading:
        seen = self._seen.get(name)
        if seen is None or seen[0] is not reading.sources or seen[1] is not srs:
            seen = self._seen[name] = (reading.sources, srs, *_kept(reading.sources, srs))
        _, _, indices, sources = seen
        if indices is None or len(reading.values) != len(reading.sources):
            return reading
        return Reading(reading.timestamp, sources, tuple(reading.values[index] for index in indices))


def _kept(sources: tuple[Source, ...], srs: frozenset[str]) -> tuple[tuple[int, ...] | None, tuple[Source, ...]]:
    """Which stay, and they; None: all of them do."""
    stay: Final = tuple(
        index
        for index, source in enumerate(sources)
        if source.owner.kind is not OwnerKind.SR or source.owner.uuid in srs
    )
    if len(stay) == len(sources):
        return None, sources
    return stay, tuple(sources[index] for index in stay)
