"""The VDIs that the logical volumes of a group stand for, and what a crash has left of others."""

from collections.abc import Iterable
from dataclasses import dataclass

from xenhost.core.record import BadRecord
from xenhost.core.storage import Vdi, VdiId, VdiType
from xenhost.sm.lvm import names
from xenhost.sm.lvm.record import VdiRecord, read_vdi
from xenhost.sm.lvm.report import Volume

_MAX_IGNORED = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """A VDI and the volume that holds it."""

    id: VdiId
    record: VdiRecord
    volume: Volume
    generation: int
    has_data: bool
    """False: its data is destroyed; the volume holds its mapping."""
    problem: str = ""

    def vdi(self, used: int = 0) -> Vdi:
        """As clients see it."""
        return self.record.vdi(self.id, self.volume.name, self.volume.size, used, self.problem)


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a group holds."""

    entries: dict[VdiId, Entry]
    stale: tuple[str, ...]
    """Volumes that a verb left which did not end: older generations, half-made ones. They hold nothing of any VDI."""
    ignored: tuple[str, ...]


def catalog(volumes: Iterable[Volume]) -> Catalog:
    """Sort out all volumes of a group.

    Of several volumes of a VDI, the mapping of destroyed data comes first, then the latest generation; what is behind
    it is stale. If any record of them cannot be read, nothing of that VDI is.
    """
    found: dict[VdiId, list[Entry]] = {}
    ignored: list[str] = []
    for volume in volumes:
        parsed = names.parse_volume(volume.name)
        if parsed is None:
            if volume.name != names.POOL and len(ignored) < _MAX_IGNORED:
                ignored.append(f"{volume.name}: not a volume of xenhost")
            continue
        found.setdefault(parsed[0], []).append(entry_of(volume))
    entries, stale = {}, []
    for vdi, each in found.items():
        each.sort(key=lambda entry: (not entry.has_data, entry.generation), reverse=True)
        if damaged := [entry for entry in each if entry.problem]:
            entries[vdi] = damaged[0]
            continue
        finished = [entry for entry in each if not entry.record.unfinished]
        if finished:
            entries[vdi] = finished[0]
        stale += [entry.volume.name for entry in each if not finished or entry is not finished[0]]
    return Catalog(entries, tuple(stale), tuple(ignored))


def entry_of(volume: Volume) -> Entry:
    """What one volume of ours stands for; with a problem if its record cannot be read."""
    parsed = names.parse_volume(volume.name)
    if parsed is None:
        raise ValueError(volume.name)
    vdi, generation, has_data = parsed
    try:
        record, problem = read_vdi(volume.tags), ""
        if (record.type is VdiType.CBT_METADATA) == has_data:
            problem = "its record is that of another volume"
    except BadRecord as error:
        record, problem = VdiRecord(), str(error.args[0])
    return Entry(vdi, record, volume, generation, has_data, problem)
