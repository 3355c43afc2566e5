"""Whatever is done to relationships, both ends agree: compared with a model that computes one end from the other."""

import random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.pool.call import NULL_REF, ApiError, Ref, Value
from xenhost.pool.database.tables import Tables
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.model.catalogue import MODEL

LINKS: Final = (("VBD", "VM", "VM", "VBDs"), ("VBD", "VDI", "VDI", "VBDs"), ("VM", "parent", "VM", "children"))
PAIRS: Final = ("PGPU", "enabled_VGPU_types", "VGPU_type", "enabled_on_PGPUs")
CLASSES: Final = ("VM", "VDI", "VBD", "PGPU", "VGPU_type", "pool")


class SlowModel:
    """Objects with the referring end only; everything else is looked for."""

    def __init__(self) -> None:
        self.objects: dict[Ref, str] = {}
        self.one: dict[tuple[Ref, str], Ref] = {}
        self.pairs: set[tuple[Ref, Ref]] = set()
        self.default_sr: dict[Ref, Ref] = {}

    def delete(self, ref: Ref) -> None:
        del self.objects[ref]
        self.one = {key: to for key, to in self.one.items() if key[0] != ref and to != ref}
        self.pairs = {pair for pair in self.pairs if ref not in pair}

    def many(self, cls: str, field: str, ref: Ref) -> set[Ref]:
        return {one for (one, name), to in self.one.items() if to == ref and name == field and self.objects[one] == cls}


def refs(value: Value) -> list[Ref]:
    assert isinstance(value, tuple)
    return [Ref(str(each)) for each in value]


def check(tables: Tables, slow: SlowModel) -> None:
    for cls in CLASSES:
        assert set(tables.rows(cls)) == {ref for ref, its in slow.objects.items() if its == cls}
    for one, field, other, back in LINKS:
        for ref in tables.rows(one):
            assert tables.get(one, ref)[field] == slow.one.get((ref, field), NULL_REF)
        for ref in tables.rows(other):
            found = refs(tables.get(other, ref)[back])
            assert len(found) == len(set(found))
            assert set(found) == slow.many(one, field, ref)
    one, field, other, back = PAIRS
    for ref in tables.rows(one):
        assert set(refs(tables.get(one, ref)[field])) == {b for a, b in slow.pairs if a == ref}
    for ref in tables.rows(other):
        assert set(refs(tables.get(other, ref)[back])) == {a for a, b in slow.pairs if b == ref}


class Walk:
    """Random changes to both."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.tables = Tables(MODEL)
        self.slow = SlowModel()

    def some(self, cls: str) -> Ref:
        found = [ref for ref, its in self.slow.objects.items() if its == cls]
        return self.random.choice(found) if found and self.random.random() < 0.9 else NULL_REF

    def step(self, transaction: Transaction) -> None:
        match self.random.randrange(6):
            case 0 | 1:
                cls = self.random.choice(CLASSES)
                ends = {field: self.some(to) for one, field, to, _ in LINKS if one == cls}
                ref = transaction.create(cls, ends)
                self.slow.objects[ref] = cls
                self.slow.one |= {(ref, field): to for field, to in ends.items() if to != NULL_REF}
            case 2:
                one, field, other, _ = self.random.choice(LINKS)
                ref, to = self.some(one), self.some(other)
                if ref != NULL_REF:
                    transaction.set(one, ref, {field: to})
                    self.slow.one.pop((ref, field), None)
                    self.slow.one |= {(ref, field): to} if to != NULL_REF else {}
            case 3:
                one, field, other, back = PAIRS
                if self.random.random() < 0.5:
                    one, field, other, back = other, back, one, field
                ref, members = self.some(one), {self.some(other) for _ in range(3)} - {NULL_REF}
                if ref != NULL_REF:
                    transaction.set(one, ref, {field: tuple(sorted(members))})
                    self.slow.pairs = {pair for pair in self.slow.pairs if ref not in pair}
                    self.slow.pairs |= {(ref, to) if one == PAIRS[0] else (to, ref) for to in members}
            case 4:
                cls = self.random.choice(CLASSES)
                if (ref := self.some(cls)) != NULL_REF:
                    transaction.delete(cls, ref)
                    self.slow.delete(ref)


@given(st.integers(0, 2**32))
def test_both_ends_agree_after_any_changes(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(60):
        walk.step(Transaction(walk.tables))
    check(walk.tables, walk.slow)


@given(st.integers(0, 2**32), st.integers(1, 25))
def test_a_transaction_that_is_taken_back_leaves_nothing(seed: int, steps: int) -> None:
    walk = Walk(seed)
    for _ in range(30):
        walk.step(Transaction(walk.tables))
    before = {cls: dict(walk.tables.rows(cls)) for cls in CLASSES}
    names = {cls: {ref: list(walk.tables.referrers(ref)) for ref in rows} for cls, rows in before.items()}
    transaction = Transaction(walk.tables)
    for _ in range(steps):
        walk.step(transaction)
    transaction.roll_back()
    for cls, rows in before.items():
        assert dict(walk.tables.rows(cls)) == rows
        assert {ref: list(walk.tables.referrers(ref)) for ref in rows} == names[cls]
        assert all(walk.tables.by_uuid(cls, str(record["uuid"])) == ref for ref, record in rows.items())


@given(st.integers(0, 2**32))
def test_what_is_loaded_again_is_the_same(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(60):
        walk.step(Transaction(walk.tables))
    stored = [
        (cls, ref, walk.tables.codecs[cls].encode(row)) for cls in CLASSES for ref, row in walk.tables.rows(cls).items()
    ]
    again = Tables(MODEL)
    mended = again.load((cls, ref, again.codecs[cls].decode(body)) for cls, ref, body in stored)
    assert not mended
    check(again, walk.slow)


@given(st.integers(0, 2**32), st.data())
def test_references_to_what_was_lost_become_null(seed: int, data: st.DataObject) -> None:
    walk = Walk(seed)
    for _ in range(60):
        walk.step(Transaction(walk.tables))
    stored = [
        (cls, ref, walk.tables.codecs[cls].encode(row)) for cls in CLASSES for ref, row in walk.tables.rows(cls).items()
    ]
    lost = set(data.draw(st.lists(st.sampled_from(stored), max_size=10))) if stored else set()
    for _, ref, _ in lost:
        walk.slow.delete(ref)
    again = Tables(MODEL)
    again.load((cls, ref, again.codecs[cls].decode(body)) for cls, ref, body in stored if (cls, ref, body) not in lost)
    check(again, walk.slow)


@pytest.fixture
def transaction() -> Transaction:
    return Transaction(Tables(MODEL))


def test_references_without_other_end_become_null_when_the_object_goes(transaction: Transaction) -> None:
    sr = transaction.create("SR", {})
    pool = transaction.create("pool", {"default_SR": sr, "suspend_image_SR": sr})
    blob = transaction.create("blob", {})
    transaction.set("pool", pool, {"blobs": {"icon": blob}})
    transaction.delete("SR", sr)
    transaction.delete("blob", blob)
    record = transaction.get("pool", pool)
    assert (record["default_SR"], record["suspend_image_SR"], record["blobs"]) == (NULL_REF, NULL_REF, {})


def test_a_reference_to_nothing_is_refused(transaction: Transaction) -> None:
    with pytest.raises(ApiError) as refused:
        transaction.create("VBD", {"VM": "OpaqueRef:none"})
    assert refused.value.as_xenapi() == ["HANDLE_INVALID", "VM", "OpaqueRef:none"]


def test_the_computed_end_cannot_be_set(transaction: Transaction) -> None:
    vm, vbd = transaction.create("VM", {}), transaction.create("VBD", {})
    with pytest.raises(ApiError, match="follows from"):
        transaction.set("VM", vm, {"VBDs": (vbd,)})


def test_a_uuid_is_taken_once_in_a_class(transaction: Transaction) -> None:
    transaction.create("VM", {"uuid": "u"})
    transaction.create("VDI", {"uuid": "u"})
    with pytest.raises(ApiError, match="another VM"):
        transaction.create("VM", {"uuid": "u"})


def test_adding_a_key_that_is_there_is_an_error_and_removing_one_that_is_not_is_none(transaction: Transaction) -> None:
    vdi = transaction.create("VDI", {"uuid": "u", "sm_config": {"a": "1"}})
    transaction.remove_from_map("VDI", vdi, "sm_config", "b")
    with pytest.raises(ApiError) as refused:
        transaction.add_to_map("VDI", vdi, "sm_config", "a", "2")
    assert refused.value.as_xenapi() == ["MAP_DUPLICATE_KEY", "VDI", "sm_config", "u", "a"]


def test_adding_a_member_twice_changes_nothing(transaction: Transaction) -> None:
    vm = transaction.create("VM", {})
    for _ in range(2):
        transaction.add_to_set("VM", vm, "tags", "x")
    assert transaction.get("VM", vm)["tags"] == ("x",)


def test_a_record_is_never_changed(transaction: Transaction) -> None:
    vm = transaction.create("VM", {"name_label": "a"})
    record = transaction.get("VM", vm)
    transaction.set("VM", vm, {"name_label": "b"})
    assert record["name_label"] == "a"
    with pytest.raises(TypeError):
        record["name_label"] = "c"
    with pytest.raises(TypeError):
        record.update({"name_label": "c"})


def test_an_unknown_field_is_refused(transaction: Transaction) -> None:
    with pytest.raises(ApiError, match="has no field"):
        transaction.create("VM", {"colour": "red"})
