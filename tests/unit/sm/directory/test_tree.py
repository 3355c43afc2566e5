"""What is proposed is provably of no use as it is, whatever the forest of images looks like."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xenhost.core.storage import AttachMode, VdiId
from xenhost.sm.directory.chores import COALESCE, DELETE, Usage, mergeable, propose
from xenhost.sm.directory.record import VdiRecord
from xenhost.sm.directory.tree import BrokenChain, Image, Merged, Tree

MIB = 1 << 20


def vdi(number: int) -> VdiId:
    return VdiId(f"00000000-0000-4000-8000-{number:012}")


def nobody(_: str) -> frozenset[VdiId]:
    return frozenset()


def closed(_: VdiId) -> tuple[str, AttachMode] | None:
    return None


IDLE = Usage(nobody, closed)


@st.composite
def forests(draw: st.DrawFn) -> tuple[Tree, Usage]:
    tree = Tree()
    names: list[str] = []
    for number in range(draw(st.integers(0, 9))):
        ours = draw(st.booleans()) or draw(st.booleans())
        form = draw(st.sampled_from(["qcow2", "qcow2", "qcow2", "raw", "vhd"]))
        name = f"image-{number}.{form}" if ours else f"{vdi(500 + number)}.{form}"
        backing = draw(st.sampled_from(["", *names, "missing.qcow2"])) if form != "raw" else ""
        problem = draw(st.sampled_from([""] * 12 + ["bad"]))
        size = draw(st.sampled_from([MIB, MIB, 2 * MIB]))
        tree.put_image(Image(name, form, size, 64 * MIB, backing, problem=problem))
        names.append(name)
    for number in range(draw(st.integers(0, 6))):
        if names:
            image, scratch = draw(st.sampled_from(names)), draw(st.sampled_from(["", "", *names]))
            owns = tuple(draw(st.lists(st.sampled_from(names), max_size=1)))
            tree.put_record(VdiRecord(vdi(number), image, owns=owns, scratch=scratch, deleted=draw(st.booleans())))
    active: dict[VdiId, list[str]] = {}
    for record in tree.vdis():
        if draw(st.integers(0, 3)) == 0:
            try:
                active[record.id] = [image.name for image in tree.chain(record.image)]
            except BrokenChain:
                continue

    def users(name: str) -> frozenset[VdiId]:
        return frozenset(each for each, chain in active.items() if name in chain)

    def leaf(each: VdiId) -> tuple[str, AttachMode] | None:
        return (active[each][0], AttachMode.RW) if each in active else None

    elsewhere = frozenset(record.id for record in tree.vdis() if draw(st.integers(0, 9)) == 0)
    return tree, Usage(users, leaf, elsewhere)


def needed(tree: Tree) -> set[str]:
    """Every image that a VDI's content is in."""
    found: set[str] = set()
    for record in tree.vdis():
        at = record.image
        for start in (record.image, record.scratch):
            at = start
            while at and at not in found:
                found.add(at)
                at = tree.images[at].backing if at in tree.images else ""
    return found


@settings(max_examples=400)
@given(forests())
def test_nothing_that_anybody_needs_is_proposed_for_deletion(forest: tuple[Tree, Usage]) -> None:
    tree, usage = forest
    for chore in propose(tree, usage):
        name = chore.id.partition(":")[2]
        if chore.kind == DELETE:
            assert name not in needed(tree)
            assert not usage.users(name)
            assert tree.ours(name)


@settings(max_examples=400)
@given(forests())
def test_nothing_is_merged_into_an_image_that_anybody_else_needs_as_it_is(forest: tuple[Tree, Usage]) -> None:
    tree, usage = forest
    for chore in propose(tree, usage):
        if chore.kind != COALESCE:
            continue
        top = chore.id.partition(":")[2]
        base = tree.images[top].backing
        assert not [record.id for record in tree.vdis() if base in (record.image, record.scratch)]
        assert tree.children(base) == {top}
        assert tree.adopted(base) is None
        assert len(usage.users(top) | usage.users(base)) <= 1
        assert not tree.vdis_on(top) & usage.elsewhere


@given(forests())
def test_proposals_go_side_by_side_and_are_the_same_each_time(forest: tuple[Tree, Usage]) -> None:
    tree, usage = forest
    chores = propose(tree, usage)
    assert [chore.id for chore in chores] == [chore.id for chore in propose(tree, usage)]
    names = [name for chore in chores if chore.kind == COALESCE for name in _pair(tree, chore.id)]
    assert len(names) == len(set(names))


def _pair(tree: Tree, chore: str) -> tuple[str, str]:
    top = chore.partition(":")[2]
    return top, tree.images[top].backing


def chain() -> Tree:
    tree = Tree()
    tree.put_image(Image("image-base.qcow2", "qcow2", MIB, MIB))
    tree.put_image(Image("image-top.qcow2", "qcow2", MIB, MIB, "image-base.qcow2"))
    tree.put_record(VdiRecord(vdi(1), "image-top.qcow2"))
    return tree


def test_a_hidden_image_with_one_child_is_merged() -> None:
    assert [chore.id for chore in propose(chain(), IDLE)] == ["coalesce:image-top.qcow2"]


def test_nothing_at_all_is_proposed_while_anything_cannot_be_read() -> None:
    tree = chain()
    tree.put_bad_record(vdi(2), "no JSON")
    assert propose(tree, IDLE) == []
    tree.drop_record(vdi(2))
    tree.put_image(Image("image-bad.qcow2", "qcow2", 0, 0, problem="no header"))
    assert propose(tree, IDLE) == []


def test_what_another_host_uses_is_not_merged() -> None:
    assert mergeable(chain(), Usage(nobody, closed, frozenset({vdi(1)})), "image-top.qcow2") is None


def test_an_image_that_is_being_merged_is_written_to_by_nobody_and_merged_once() -> None:
    tree = chain()
    assert tree.exclusive("image-top.qcow2", vdi(1))
    tree.merged["image-top.qcow2"] = Merged("image-base.qcow2", "host", False)
    assert not tree.exclusive("image-top.qcow2", vdi(1))
    assert propose(tree, IDLE) == []


def test_a_foreign_file_is_a_vdi_until_one_took_it_on_and_is_gone() -> None:
    tree = Tree()
    name = f"{vdi(9)}.vhd"
    tree.put_image(Image(name, "vhd", MIB, MIB))
    assert tree.adopted(name) == vdi(9)
    assert propose(tree, IDLE) == []
    tree.put_record(VdiRecord(vdi(9), "", owns=(name,), deleted=True))
    assert tree.adopted(name) is None
    assert [chore.id for chore in propose(tree, IDLE)] == [f"delete:{name}"]


def test_a_chain_that_bites_its_tail_is_broken_and_no_endless_loop() -> None:
    tree = Tree()
    tree.put_image(Image("image-a.qcow2", "qcow2", MIB, MIB, "image-b.qcow2"))
    tree.put_image(Image("image-b.qcow2", "qcow2", MIB, MIB, "image-a.qcow2"))
    with pytest.raises(BrokenChain, match="back to itself"):
        tree.chain("image-a.qcow2")
    assert propose(tree, IDLE) == []
