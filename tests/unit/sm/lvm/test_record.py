"""Records survive LVM's tags whatever a user typed; damaged ones are refused, not guessed."""

import base64
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.core.record import BadRecord
from xenhost.core.storage import NewSnapshot, VdiChange, VdiId, VdiType
from xenhost.sm.lvm.record import GroupRecord, VdiRecord, read_group, read_vdi, tags

TAG = re.compile(r"[A-Za-z0-9_+.\-/=!:&#]{1,1024}")
ID = VdiId("0c1d2e3f-8f19-4a9e-9d4b-5f3a0d62aaaa")


def tag_of(body: object) -> str:
    return "xenhost.r0." + base64.b64encode(json.dumps(body).encode()).decode()


@given(st.text(max_size=300), st.text(max_size=800), st.sampled_from(VdiType), st.booleans())
def test_a_record_comes_back_from_tags_that_lvm_takes(name: str, description: str, kind: VdiType, flag: bool) -> None:
    record = VdiRecord(name, description, kind, flag, not flag, ID if flag else None, 1.5 if flag else None, flag, 7)
    written = tags(record)
    assert all(TAG.fullmatch(tag) for tag in written)
    assert read_vdi(reversed(["other", *written])) == record


def test_the_record_of_an_sr_says_how_it_allocates() -> None:
    for thin in (True, False):
        assert read_group(tags(GroupRecord("größer", "", thin))).thin is thin


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(BadRecord, match="fit"):
        tags(VdiRecord("x" * 20_000))


@pytest.mark.parametrize(
    "damaged",
    [
        [],
        ["xenhost.r0.***"],
        ["xenhost.r1." + tag_of({})[11:]],
        ["xenhost.rx.e30="],
        ["xenhost.r0"],
        [tag_of({}), tag_of({})],
        [tag_of([1])],
        [tag_of({"name": 3})],
        [tag_of({"unheard_of": 1})],
        [tag_of({"virtual_size": -1})],
        [tag_of({"virtual_size": 1 << 70})],
        [tag_of({"snapshot_time": float("nan")})],
        [tag_of({"snapshot_time": float("inf")})],
        ["xenhost.r0." + base64.b64encode(b"[" * 5000).decode()],
    ],
)
def test_a_damaged_record_is_refused(damaged: list[str]) -> None:
    with pytest.raises(BadRecord):
        read_vdi(damaged)


def test_a_snapshot_is_read_only_and_keeps_tracking_and_a_clone_does_neither() -> None:
    origin = VdiRecord("disk", "d", cbt=True)
    snapshot = origin.snapshot(ID, NewSnapshot(ID, time=5.0))
    assert (snapshot.read_only, snapshot.snapshot_of, snapshot.snapshot_time, snapshot.cbt) == (True, ID, 5.0, True)
    clone = snapshot.clone(NewSnapshot(ID, "copy"))
    assert (clone.name, clone.description) == ("copy", "d")
    assert (clone.read_only, clone.snapshot_of, clone.cbt) == (False, None, False)


def test_a_change_leaves_what_it_does_not_name() -> None:
    assert VdiRecord("a", "b", sharable=True).changed(VdiChange(name="c")) == VdiRecord("c", "b", sharable=True)
