"""What can be deleted or merged. Pure: only what nobody needs as it is, and nothing while anything cannot be read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from xenhost.core.storage import AttachMode, Chore, VdiId
from xenhost.core.units import MIB, human_size
from xenhost.sm.directory.tree import BrokenChain, Image, Tree

DELETE: Final = "delete"
COALESCE: Final = "coalesce"
WORTH: Final = 32 * MIB
"""An image that a guest writes to right now is merged only if so much is in it: a new one takes its place."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Who has images open. `elsewhere`: VDIs that other hosts use."""

    users: Callable[[str], frozenset[VdiId]]
    leaf: Callable[[VdiId], tuple[str, AttachMode] | None]
    """The image that a VDI's server writes to, and how it is open; None: it has no server."""
    elsewhere: frozenset[VdiId] = frozenset()


@dataclass(frozen=True, slots=True)
class Pair:
    """An image that can be merged into the one it lies on."""

    top: Image
    base: Image
    server: VdiId | None
    """The active VDI whose server has to do it."""
    leaf: bool
    """Its guest writes to `top` right now."""


def propose(tree: Tree, usage: Usage) -> list[Chore]:
    """All that can be done now, and side by side."""
    if tree.doubt():
        return []
    dead = [_delete(image) for image in tree.images.values() if deletable(tree, usage, image.name)]
    taken: set[str] = set()
    merges = []
    for pair in sorted(_pairs(tree, usage), key=lambda pair: (-_depth(tree, pair.top.name), pair.top.name)):
        if not {pair.top.name, pair.base.name} & taken:
            taken |= {pair.top.name, pair.base.name}
            merges.append(_coalesce(tree, pair))
    return dead + merges


def deletable(tree: Tree, usage: Usage, name: str) -> bool:
    """Is it certain that nobody needs that image?"""
    if name not in tree.images or tree.doubt() or not tree.unneeded(name):
        return False
    return not usage.users(name)


def mergeable(tree: Tree, usage: Usage, top: str) -> Pair | None:
    """What merging that image into the one below would mean; None: it must not be done now."""
    image = tree.images.get(top)
    base = tree.images.get(image.backing) if image is not None else None
    if image is None or base is None or tree.doubt() or not tree.ours(top) or not tree.hidden(base.name):
        return None
    if top in tree.merged or base.name in tree.merged:
        return None
    if tree.children(base.name) != {top} or image.format != "qcow2" or base.format == "vhd" or image.size < base.size:
        return None
    try:
        tree.chain(top)
    except BrokenChain:
        return None
    concerned = tree.vdis_on(base.name)
    if concerned & usage.elsewhere:
        return None
    if base.format == "raw" and any(tree.records[vdi].cbt for vdi in tree.namers(top)):
        return None  # what changes in a raw image cannot be recorded
    users = usage.users(base.name) | usage.users(top)
    if len(users) > 1:
        return None
    server = next(iter(users), None)
    if server is None:
        return Pair(image, base, None, False)
    opened = usage.leaf(server)
    if opened is None or opened[1] is not AttachMode.RW:
        return None
    leaf = opened[0] == top
    if leaf and image.physical < WORTH:
        return None
    return Pair(image, base, server, leaf)


def _pairs(tree: Tree, usage: Usage) -> Iterator[Pair]:
    for name in tree.images:
        if (pair := mergeable(tree, usage, name)) is not None:
            yield pair


def _depth(tree: Tree, name: str) -> int:
    return len(tree.chain(name))


def _delete(image: Image) -> Chore:
    text = f"deleting {image.name}, which nobody needs: {human_size(image.physical)}"
    return Chore(f"{DELETE}:{image.name}", DELETE, text)


def _coalesce(tree: Tree, pair: Pair) -> Chore:
    top, base = pair.top, pair.base
    text = f"merging {top.name} ({human_size(top.physical)}) into {base.name}"
    vdi = pair.server or next(iter(sorted(tree.vdis_on(top.name))), None)
    return Chore(f"{COALESCE}:{top.name}", COALESCE, text, reads=top.physical, needs=top.physical, vdi=vdi)
