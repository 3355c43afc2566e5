"""What a plugin may bring: data sources of the host, of VMs that run here and of SRs that are attached here, but none
that the agent has itself."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xenhost.core.metrics import Owner, OwnerKind, Reading, Source


class Claims:
    """Names of the agent's own data sources. Costs a look at each reading; names are gone through when they change."""

    def __init__(self) -> None:
        self._sources: dict[int, tuple[Source, ...]] = {}
        self._names: dict[Owner, set[str]] = {}
        self.generation = 0
        """Grows whenever they change."""

    def note(self, readings: Iterable[Reading]) -> None:
        """What the meters read in this tick."""
        # by identity, which the sources keep while they are the same; what is held here cannot be another object's
        found = {id(reading.sources): reading.sources for reading in readings}
        if found.keys() == self._sources.keys():
            return
        self._sources = found
        self._names = {}
        for sources in found.values():
            for source in sources:
                self._names.setdefault(source.owner, set()).add(source.name)
        self.generation += 1

    def has(self, source: Source) -> bool:
        """Is it one of them?"""
        return source.name in self._names.get(source.owner, ())


@dataclass(frozen=True, slots=True)
class _Seen:
    sources: tuple[Source, ...]
    """As the plugin has them."""
    srs: frozenset[str]
    generation: int
    kept: tuple[int, ...] | None
    """Which stay; None: all."""
    left: tuple[Source, ...]


class KnownOwners:
    """Takes out what belongs to nobody here, or to the agent.

    A plugin makes no databases for UUIDs that it made up; of VMs the store drops those it does not know by itself.
    """

    def __init__(self) -> None:
        self._claims: Final = Claims()
        self._seen: dict[str, _Seen] = {}

    def known(self, own: Sequence[Reading], readings: Mapping[str, Reading], srs: frozenset[str]) -> list[Reading]:
        """Readings of plugins, by name; `own`: those of our meters. Costs next to nothing while nothing changes."""
        self._claims.note(own)
        found = [self._filtered(name, reading, srs) for name, reading in readings.items()]
        if len(self._seen) > 2 * len(readings) + 64:
            self._seen = {name: self._seen[name] for name in readings}
        return found

    def _filtered(self, name: str, reading: Reading, srs: frozenset[str]) -> Reading:
        seen = self._seen.get(name)
        generation = self._claims.generation
        if seen is None or seen.sources is not reading.sources or seen.srs is not srs or seen.generation != generation:
            kept, left = self._kept(reading.sources, srs)
            if seen is not None and seen.sources is reading.sources and seen.kept == kept:
                left = seen.left  # the same object: the store goes by identity
            seen = self._seen[name] = _Seen(reading.sources, srs, generation, kept, left)
        if seen.kept is None or len(reading.values) != len(reading.sources):
            return reading
        return Reading(reading.timestamp, seen.left, tuple(reading.values[index] for index in seen.kept))

    def _kept(
        self, sources: tuple[Source, ...], srs: frozenset[str]
    ) -> tuple[tuple[int, ...] | None, tuple[Source, ...]]:
        stay = tuple(
            index
            for index, source in enumerate(sources)
            if (source.owner.kind is not OwnerKind.SR or source.owner.uuid in srs) and not self._claims.has(source)
        )
        if len(stay) == len(sources):
            return None, sources
        return stay, tuple(sources[index] for index in stay)
