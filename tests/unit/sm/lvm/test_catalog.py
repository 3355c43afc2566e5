"""What the volumes of a group stand for, above all when a crash has left more of them than there are VDIs."""

from dataclasses import replace

from xenhost.core.storage import VdiId, VdiType
from xenhost.sm.lvm import names
from xenhost.sm.lvm.catalog import catalog
from xenhost.sm.lvm.record import VdiRecord, tags
from xenhost.sm.lvm.report import Volume

VDI = VdiId("0c1d2e3f-8f19-4a9e-9d4b-5f3a0d62aaaa")
OTHER = VdiId("11111111-8f19-4a9e-9d4b-5f3a0d62aaaa")
DISK = VdiRecord("disk")
DESTROYED = VdiRecord("disk", type=VdiType.CBT_METADATA, virtual_size=99)


def volume(name: str, record: VdiRecord | None) -> Volume:
    return Volume(name, 1 << 20, False, False, False, tags(record) if record else ("junk",), names.POOL, 1, None)


def test_each_volume_of_ours_is_a_vdi_and_others_are_ignored() -> None:
    found = catalog(
        [
            volume(names.data_volume(VDI), DISK),
            volume(names.data_volume(OTHER, 3), DISK),
            volume(names.POOL, None),
            volume("swap", None),
        ]
    )
    assert set(found.entries) == {VDI, OTHER}
    assert found.entries[OTHER].generation == 3
    assert (found.stale, found.ignored) == ((), ("swap: not a volume of xenhost",))


def test_after_a_crash_in_a_revert_the_newer_generation_is_the_vdi() -> None:
    found = catalog([volume(names.data_volume(VDI, 2), DISK), volume(names.data_volume(VDI, 1), DISK)])
    assert found.entries[VDI].volume.name == names.data_volume(VDI, 2)
    assert found.stale == (names.data_volume(VDI, 1),)


def test_a_mapping_that_is_not_written_yet_is_stale_and_the_data_still_there() -> None:
    half = replace(DESTROYED, unfinished=True)
    found = catalog([volume(names.map_volume(VDI), half), volume(names.data_volume(VDI), DISK)])
    assert found.entries[VDI].has_data
    assert found.stale == (names.map_volume(VDI),)


def test_data_is_stale_as_soon_as_its_mapping_is_written() -> None:
    found = catalog([volume(names.data_volume(VDI), DISK), volume(names.map_volume(VDI), DESTROYED)])
    assert not found.entries[VDI].has_data
    assert found.entries[VDI].vdi().virtual_size == 99
    assert found.stale == (names.data_volume(VDI),)


def test_a_plain_volume_that_is_not_zeroed_yet_is_no_vdi() -> None:
    found = catalog([volume(names.data_volume(VDI), replace(DISK, unfinished=True))])
    assert (found.entries, found.stale) == ({}, (names.data_volume(VDI),))


def test_nothing_of_a_vdi_with_a_damaged_record_is_stale() -> None:
    for broken in (names.data_volume(VDI), names.data_volume(VDI, 1)):
        other = names.data_volume(VDI, 1) if broken == names.data_volume(VDI) else names.data_volume(VDI)
        found = catalog([volume(broken, None), volume(other, DISK)])
        assert found.stale == ()
        assert found.entries[VDI].vdi().problem == "it has no record"


def test_a_record_of_the_wrong_kind_is_a_problem() -> None:
    found = catalog([volume(names.data_volume(VDI), DESTROYED), volume(names.map_volume(OTHER), DISK)])
    assert all(entry.problem for entry in found.entries.values())
    assert found.stale == ()
