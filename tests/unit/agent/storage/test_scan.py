"""A scan's report against the records."""

from dataclasses import replace

import pytest

from kit.shelf import sr_id, sr_spec, vdi_id
from xenhost.agent.events.hub import EventHub
from xenhost.agent.storage.records import Records, SrRecord
from xenhost.agent.storage.scan import Findings, compare
from xenhost.core.ids import OperationId
from xenhost.core.storage import AttachMode, ScanReport, Vdi
from xenhost.core.storage_allowed import VdiWord
from xenhost.core.units import MIB

SR = sr_id()


def vdi(number: int, size: int = MIB) -> Vdi:
    return Vdi(vdi_id(number), f"{number}.img", size)


@pytest.fixture
def records() -> Records:
    return Records(EventHub("instance"), {})


@pytest.fixture
def sr(records: Records) -> SrRecord:
    record = records.put_sr(sr_spec(), wanted=True)
    for number in (1, 2):
        records.put_vdi(SR, vdi(number))
    return record


def look(records: Records, sr: SrRecord, *vdis: Vdi, since: int | None = None) -> Findings:
    return compare(records, sr, ScanReport(vdis), records.changes if since is None else since)


def test_what_is_as_it_was_changes_nothing(records: Records, sr: SrRecord) -> None:
    assert look(records, sr, vdi(1), vdi(2)) == Findings((), (), (), ())


def test_what_is_new_changed_or_gone_is_told_apart(records: Records, sr: SrRecord) -> None:
    assert look(records, sr, vdi(1, 2 * MIB), vdi(3)) == Findings((vdi(1, 2 * MIB), vdi(3)), (), (vdi_id(2),), ())


def test_what_is_used_is_missing_and_not_told_twice(records: Records, sr: SrRecord) -> None:
    records.vdi(vdi_id(1)).users["vbd/a/xvda"] = AttachMode.RO
    assert look(records, sr, vdi(2)).missing == (vdi(1),)
    records.put_vdi(SR, vdi(1), missing=True)
    assert look(records, sr, vdi(2)) == Findings((), (), (), ())
    assert look(records, sr, vdi(1), vdi(2)).put == (vdi(1),)


def test_what_changed_since_it_began_is_left_as_it_is(records: Records, sr: SrRecord) -> None:
    since = records.changes
    records.put_vdi(SR, vdi(3))
    records.drop_vdi(vdi_id(2))
    records.put_vdi(SR, replace(vdi(1), name="new"))
    assert look(records, sr, vdi(1), vdi(2), since=since) == Findings((), (), (), ())


def test_what_an_operation_works_on_is_left_as_it_is(records: Records, sr: SrRecord) -> None:
    records.begin_vdi(records.vdi(vdi_id(1)), OperationId("o"), VdiWord.DESTROY)
    assert look(records, sr, vdi(2)) == Findings((), (), (), ())


def test_a_vdi_of_another_sr_is_not_taken_from_it(records: Records, sr: SrRecord) -> None:
    other = records.put_sr(sr_spec(2), wanted=True)
    findings = look(records, other, vdi(1))
    assert findings == Findings((), (), (), (vdi_id(1),))


def test_a_report_that_names_a_vdi_twice_is_one_vdi(records: Records, sr: SrRecord) -> None:
    assert look(records, sr, vdi(1), vdi(2), vdi(3), vdi(3, 2 * MIB)).put == (vdi(3, 2 * MIB),)


def test_what_is_being_made_is_not_found_before_it_is_finished(records: Records, sr: SrRecord) -> None:
    records.unfinished.add(vdi_id(3))
    assert look(records, sr, vdi(1), vdi(2), vdi(3)) == Findings((), (), (), ())
