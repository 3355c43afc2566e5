"""A scan's report against the records. Pure, and linear in the number of VDIs."""

from collections.abc import Iterable
from dataclasses import dataclass

from xenhost.agent.storage.records import Records, SrRecord
from xenhost.core.storage import ScanReport, Vdi, VdiId


@dataclass(frozen=True, slots=True)
class Findings:
    """What a scan changes."""

    put: tuple[Vdi, ...]
    """New, or not as they were."""
    missing: tuple[Vdi, ...]
    """Gone, but something uses them."""
    dropped: tuple[VdiId, ...]
    """Gone."""
    foreign: tuple[VdiId, ...]
    """Found here, but recorded on another SR."""


def compare(records: Records, sr: SrRecord, report: ScanReport, since: int) -> Findings:
    """`since`: the count of changes when the scan began; it says nothing of what has changed meanwhile."""
    put, foreign, seen = [], [], set()
    for vdi in report.vdis:
        seen.add(vdi.id)
        record = records.get_vdi(vdi.id)
        if record is None:
            if not records.gone_since(vdi.id, since) and vdi.id not in records.unfinished:
                put.append(vdi)
        elif record.sr != sr.spec.id:
            foreign.append(vdi.id)
        elif record.touched <= since and not record.busy and (record.missing or record.vdi != vdi):
            put.append(vdi)
    missing, dropped = [], []
    for record in sr.vdis.values():
        if record.vdi.id in seen or record.touched > since or record.busy:
            continue
        if not record.users:
            dropped.append(record.vdi.id)
        elif not record.missing:
            missing.append(record.vdi)
    return Findings(tuple(_last_of_each(put)), tuple(missing), tuple(dropped), tuple(foreign))


def _last_of_each(vdis: Iterable[Vdi]) -> Iterable[Vdi]:
    """A report that names a VDI twice is taken at its last word."""
    return {vdi.id: vdi for vdi in vdis}.values()
