"""Sidecars and logs of changes: what is written is read, and whatever else lies there is refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.core.errors import InvalidValue
from xenhost.core.storage import OnBoot, VdiId, VdiType
from xenhost.sm.directory import cbtlog, record
from xenhost.sm.directory.cbtlog import BadLog, CbtLog
from xenhost.sm.directory.record import BadRecord, VdiRecord

VDI = VdiId("11111111-1111-4111-8111-111111111111")
OTHER = VdiId("22222222-2222-4222-8222-222222222222")
FULL = VdiRecord(
    VDI,
    "image-x.qcow2",
    name="ein Name\n<&>",
    description="…",
    type=VdiType.SYSTEM,
    read_only=True,
    sharable=True,
    is_a_snapshot=True,
    snapshot_of=OTHER,
    snapshot_time=1_700_000_000.5,
    on_boot=OnBoot.RESET,
    cbt=True,
    cbt_images=("image-x.qcow2", "image-y.qcow2"),
    cbt_problem="",
    sm_config={"type": "raw"},
    owns=("x.raw",),
    scratch="image-z.qcow2",
)


def test_a_record_is_read_as_it_was_written() -> None:
    for each in (FULL, VdiRecord(VDI, "a.raw"), VdiRecord(VDI, "", deleted=True, owns=("b.vhd",))):
        assert record.parse(VDI, record.pack(each)) == each


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image", "../etc/shadow"),
        ("image", "/etc/shadow"),
        ("image", "json:{}"),
        ("image", ""),
        ("image", 7),
        ("scratch", "a/b"),
        ("owns", ["..", "x"]),
        ("cbt_images", "image-x.qcow2"),
        ("name", "x" * 9000),
        ("read_only", 1),
        ("snapshot_of", "no-uuid"),
        ("snapshot_time", -1),
        ("snapshot_time", float("inf")),
        ("type", "surprise"),
        ("on_boot", None),
        ("sm_config", {"a": 1}),
        ("version", 2),
        ("size", -1),
    ],
)
def test_a_sidecar_with_a_wrong_field_is_refused(field: str, value: object) -> None:
    document = {**json.loads(record.pack(FULL)), field: value}
    with pytest.raises(BadRecord):
        record.parse(VDI, json.dumps(document).encode())


@given(st.binary(max_size=300) | st.recursive(st.none() | st.text(), st.lists).map(lambda x: json.dumps(x).encode()))
def test_any_bytes_are_a_record_or_refused(data: bytes) -> None:
    with pytest.raises(BadRecord):
        record.parse(VDI, data)


def test_a_document_nested_without_end_is_refused() -> None:
    with pytest.raises(BadRecord):
        record.parse(VDI, b"[" * 60_000)


def test_what_does_not_fit_into_a_sidecar_is_refused_before_it_is_written() -> None:
    with pytest.raises(InvalidValue):
        record.pack(VdiRecord(VDI, "a.raw", description="x" * 100_000))


def test_a_log_has_xenservers_bytes() -> None:
    log = CbtLog(VDI, None, 9 * 65536, b"\x05\x01")
    expected = bytes.fromhex("11" * 6 + "4111" + "8111" + "11" * 6) + bytes(16) + b"\x01\0\0\0" + bytes(4)
    assert cbtlog.pack(log) == expected + (9 * 65536).to_bytes(8, "little") + b"\x05\x01"
    assert cbtlog.parse(cbtlog.pack(log)) == log


@given(st.binary(max_size=200))
def test_any_bytes_are_a_log_or_refused(data: bytes) -> None:
    try:
        log = cbtlog.parse(data)
    except BadLog:
        return
    assert len(log.bits) == cbtlog.length(log.size)


@given(st.binary(max_size=40), st.integers(1, 40 * 8 * 65536))
def test_a_bitmap_never_says_more_than_its_disk_is_long(bits: bytes, size: int) -> None:
    fitted = cbtlog.padded(bits, size)
    assert len(fitted) == cbtlog.length(size)
    assert int.from_bytes(fitted, "little") >> -(-size // 65536) == 0


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_a_union_holds_what_either_holds(one: bytes, other: bytes) -> None:
    both = int.from_bytes(cbtlog.union(one, other), "little")
    assert both == int.from_bytes(one, "little") | int.from_bytes(other, "little")
