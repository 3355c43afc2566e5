"""The images of an SR as a forest: which is whose backing file, which VDI names which, and what may be done with each.

Pure. Whatever changes a file changes the tree with it (`put_…`, `drop_…`), so that no question costs more than the
chain it is about.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from xenhost.core.ids import is_uuid
from xenhost.core.storage import VdiId
from xenhost.sm.directory.record import VdiRecord, images_of

PREFIX: Final = "image-"
"""Of the names of images that we made. An image of another name is never deleted or merged unless a VDI took it on."""
FORMATS: Final[Mapping[str, str]] = {"qcow2": "qcow2", "vhd": "vhd", "raw": "raw", "img": "raw"}
"""By the end of the name. Never by content: a guest can write any header onto its raw disk."""
MAX_DEPTH: Final = 256
"""Images in a chain that is looked at at all."""


class BrokenChain(Exception):
    """The chain of an image does not lead to its end; the text says why."""


@dataclass(frozen=True, slots=True)
class Merged:
    """An image that is being merged into another: it must stay as it is until nobody names it any more."""

    base: str
    host: str
    """Whose agent does it."""
    done: bool
    """All of it is in `base`."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image file."""

    name: str
    format: str
    """raw, qcow2, vhd."""
    size: int
    """Virtual."""
    physical: int
    backing: str = ""
    """File name of its parent in the same directory."""
    differencing: bool = False
    bitmaps: tuple[str, ...] = ()
    problem: str = ""
    """Why it cannot be used; its parent is then not certain either."""


def stem_and_format(name: str) -> tuple[str, str]:
    """The name without its end, and the format the end stands for; empty if none does."""
    stem, _, end = name.rpartition(".")
    return stem, FORMATS.get(end, "") if stem else ""


class Tree:
    """Images and records, and the relations between them."""

    def __init__(self) -> None:
        self.images: dict[str, Image] = {}
        self.records: dict[VdiId, VdiRecord] = {}
        self.bad_records: dict[VdiId, str] = {}
        """VDIs whose sidecar cannot be read, and why."""
        self.merged: dict[str, Merged] = {}
        self._children: dict[str, set[str]] = {}
        self._namers: dict[str, set[VdiId]] = {}
        self._owned: dict[str, int] = {}
        self._tracked: dict[str, int] = {}
        self._bad_images: set[str] = set()

    # Changes

    def put_image(self, image: Image) -> None:
        """Add it, or what has become of it."""
        self.drop_image(image.name)
        self.images[image.name] = image
        if image.backing:
            self._children.setdefault(image.backing, set()).add(image.name)
        if image.problem:
            self._bad_images.add(image.name)

    def drop_image(self, name: str) -> None:
        """It is gone."""
        old = self.images.pop(name, None)
        if old is not None and old.backing:
            _discard(self._children, old.backing, name)
        self._bad_images.discard(name)

    def put_record(self, record: VdiRecord) -> None:
        """Add it, or what has become of it."""
        self.drop_record(record.id)
        self.records[record.id] = record
        for name in images_of(record):
            self._namers.setdefault(name, set()).add(record.id)
        for table, names in ((self._owned, record.owns), (self._tracked, record.cbt_images)):
            for name in names:
                table[name] = table.get(name, 0) + 1

    def drop_record(self, vdi: VdiId) -> None:
        """It is gone."""
        self.bad_records.pop(vdi, None)
        old = self.records.pop(vdi, None)
        if old is None:
            return
        for name in images_of(old):
            _discard(self._namers, name, vdi)
        for table, names in ((self._owned, old.owns), (self._tracked, old.cbt_images)):
            for name in names:
                table[name] -= 1
                if not table[name]:
                    del table[name]

    def put_bad_record(self, vdi: VdiId, problem: str) -> None:
        """There is a sidecar that cannot be read."""
        self.drop_record(vdi)
        self.bad_records[vdi] = problem

    # Questions

    def children(self, name: str) -> frozenset[str]:
        """Images whose backing file it is."""
        return frozenset(self._children.get(name, ()))

    def namers(self, name: str) -> frozenset[VdiId]:
        """VDIs whose sidecar names it."""
        return frozenset(self._namers.get(name, ()))

    def ours(self, name: str) -> bool:
        """Did we make it, or take it on?"""
        return name.startswith(PREFIX) or name in self._owned

    def tracked(self, name: str) -> bool:
        """Does its bitmap say what changed in a VDI?"""
        return name in self._tracked

    def adopted(self, name: str) -> VdiId | None:
        """The VDI that a file of a foreign name, which no sidecar knows, stands for."""
        stem, form = stem_and_format(name)
        vdi = VdiId(stem)
        if not form or not is_uuid(stem) or vdi in self.records or vdi in self.bad_records:
            return None
        if name in self._owned or self._namers.get(name):
            return None
        return vdi if name == self._file_of(stem) else None

    def _file_of(self, stem: str) -> str:
        for end in FORMATS:
            if (name := f"{stem}.{end}") in self.images:
                return name
        return ""

    def find(self, vdi: VdiId) -> VdiRecord | None:
        """The record of a VDI: its sidecar's, or one made up for a foreign file. None: no such VDI."""
        record = self.records.get(vdi)
        if record is not None:
            return None if record.deleted else record
        name = self._file_of(vdi)
        if name and self.adopted(name) == vdi:
            return VdiRecord(vdi, name, name=vdi, owns=(name,))
        return None

    def vdis(self) -> Iterator[VdiRecord]:
        """Every VDI whose sidecar can be read, and every foreign file that stands for one."""
        for record in self.records.values():
            if not record.deleted:
                yield record
        for name in self.images:
            if (vdi := self.adopted(name)) is not None:
                yield VdiRecord(vdi, name, name=vdi, owns=(name,))

    def chain(self, name: str) -> tuple[Image, ...]:
        """The image, then its parent, and so on to the base. Raises BrokenChain."""
        found: list[Image] = []
        seen: set[str] = set()
        at = name
        while at:
            image = self.images.get(at)
            if image is None:
                raise BrokenChain(f"{at} is missing")
            if image.problem:
                raise BrokenChain(f"{at}: {image.problem}")
            if at in seen or len(seen) >= MAX_DEPTH:
                raise BrokenChain(f"the chain of {name} leads back to itself, or is longer than {MAX_DEPTH}")
            if found and image.format not in _BELOW[found[-1].format]:
                raise BrokenChain(f"{found[-1].name} is {found[-1].format}, but its backing file {at} {image.format}")
            seen.add(at)
            found.append(image)
            at = image.backing
        return tuple(found)

    def exclusive(self, name: str, vdi: VdiId) -> bool:
        """May that VDI write to it: nobody else's content is in it?"""
        return not self._children.get(name) and self.namers(name) <= {vdi} and name not in self.merged

    def doubt(self) -> str:
        """Why nothing can be proven dead now; empty: it can. What cannot be read may need any image."""
        if self.bad_records:
            vdi, problem = next(iter(self.bad_records.items()))
            return f"the sidecar of VDI {vdi} cannot be read: {problem}"
        if self._bad_images:
            name = min(self._bad_images)
            return f"image {name} cannot be read: {self.images[name].problem}"
        return ""

    def unneeded(self, name: str) -> bool:
        """Is it ours, and neither a VDI nor an image needs it directly?"""
        return self.ours(name) and not self._children.get(name) and not self._namers.get(name)

    def hidden(self, name: str) -> bool:
        """Is it ours, with images on it, but no VDI's own?"""
        return self.ours(name) and bool(self._children.get(name)) and not self._namers.get(name)

    def vdis_on(self, name: str) -> frozenset[VdiId]:
        """Every VDI whose content is in it, directly or not."""
        found: set[VdiId] = set()
        todo, seen = [name], {name}
        while todo:
            at = todo.pop()
            found |= self.namers(at)
            if (adopted := self.adopted(at)) is not None:
                found.add(adopted)
            for child in self.children(at) - seen:
                seen.add(child)
                todo.append(child)
        return frozenset(found)


_BELOW: Final[Mapping[str, tuple[str, ...]]] = {"qcow2": ("qcow2", "raw", "vhd"), "vhd": ("vhd",), "raw": ()}
"""What formats may lie below an image of which."""


def _discard(table: dict[str, set[str]] | dict[str, set[VdiId]], key: str, item: str) -> None:
    found = table.get(key)
    if found is not None:
        found.discard(item)
        if not found:
            del table[key]
