"""`vdi tree`."""

from hypothesis import given
from hypothesis import strategies as st

from xenhost.agent.cli.tree import Node, drawn


def test_a_chain_is_drawn_below_its_parent() -> None:
    nodes = [
        Node("leaf", "base", "leaf"),
        Node("base", "root", "base"),
        Node("other", "root", "other"),
        Node("root", "", "root"),
        Node("alone", "gone", "alone"),
    ]
    assert list(drawn(nodes)) == ["root", "├─ base", "│  └─ leaf", "└─ other", "alone"]


def test_a_name_cannot_drive_the_terminal() -> None:
    assert list(drawn([Node("a", "", "a\x1b[2J")])) == ["a?[2J"]


def test_a_deep_chain_is_drawn() -> None:
    nodes = [Node(str(number), str(number - 1), str(number)) for number in range(5000)]
    assert len(list(drawn(nodes))) == 5000


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdefx")), unique_by=lambda pair: pair[0]))
def test_whatever_the_parents_are_every_image_is_drawn_once(pairs: list[tuple[str, str]]) -> None:
    lines = list(drawn([Node(name, parent, name) for name, parent in pairs]))
    assert sorted(line[-1] for line in lines) == sorted(name for name, _ in pairs)
