"""Chains of images, drawn. What an SR says of parents may be wrong: nothing is drawn twice, nothing is left out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """One image."""

    id: str
    parent: str
    """Id of another one; empty, or that of none that is there: it stands by itself."""
    label: str


def drawn(nodes: Sequence[Node]) -> Iterator[str]:
    """A line for each node, below its parent, in the order in which they were given."""
    known = {node.id for node in nodes}
    children: dict[str, list[Node]] = {}
    for node in nodes:
        parent = node.parent if node.parent in known and node.parent != node.id else ""
        children.setdefault(parent, []).append(node)
    seen: set[str] = set()
    # those in a circle are reached from no root: the first of each circle stands in for one
    for root in (*children.get("", ()), *nodes):
        yield from _branch(root, children, seen)


def _branch(root: Node, children: dict[str, list[Node]], seen: set[str]) -> Iterator[str]:
    stack = [(root, "", "")]
    while stack:
        node, before, below = stack.pop()
        if node.id in seen:
            continue
        seen.add(node.id)
        yield before + "".join(char if char.isprintable() else "?" for char in node.label)
        inner = [child for child in children.get(node.id, ()) if child.id not in seen]
        for number, child in enumerate(reversed(inner)):
            last = number == 0
            stack.append((child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  ")))
