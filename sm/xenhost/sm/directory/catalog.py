"""What is in an SR's directory, read without trust: files become a `Tree`, and what is none of ours a short list."""

import contextlib
import json
from pathlib import Path
from typing import Final

from xenhost.core.ids import is_uuid
from xenhost.core.storage import VdiId
from xenhost.sm.directory.folder import MERGED, Folder, Found
from xenhost.sm.directory.record import MAX_BYTES, SUFFIX, BadRecord, VdiRecord, parse
from xenhost.sm.directory.tree import PREFIX, Image, Merged, Tree, stem_and_format
from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.identify import ImageInfo, identify

MAX_IGNORED: Final = 200
"""Names reported of what is no VDI."""
CBT_LOG: Final = ".cbtlog"
USE: Final = ".use"
"""Says which hosts use a VDI of a shared SR."""
_BACKING_FORMATS: Final = {"vpc": "vhd"}
_MAX_SIZE: Final = 1 << 56


class Catalog:
    """Reads a folder. What a look at all of it shows as unchanged is not opened again. Blocks."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._images: dict[str, tuple[tuple[int, int, int], Image]] = {}
        self._records: dict[str, tuple[tuple[int, int, int], VdiRecord | str]] = {}

    def load(self) -> tuple[Tree, tuple[str, ...]]:
        """Everything that is there, and what of it is ignored, with why. Raises OSError."""
        tree = Tree()
        ignored: list[str] = []
        foreign: list[str] = []
        images, records = {}, {}
        for found in self._folder.list():
            name = found.name
            if name.startswith(MERGED) and found.regular:
                self._put_merged(tree, name)
            if name.startswith(".") or name == "lost+found" or name.endswith((CBT_LOG, USE)):
                continue
            stem, form = stem_and_format(name)
            is_record = name.endswith(SUFFIX) and is_uuid(name.removesuffix(SUFFIX))
            if is_record:
                records[name] = self._records[name] = (found.key, self._record(found))
                _put_record(tree, VdiId(name.removesuffix(SUFFIX)), records[name][1])
            elif form and _is_plain(name):
                if not found.regular:
                    ignored.append(f"{name}: not a regular file")
                    continue
                images[name] = self._images[name] = (found.key, self._image(found))
                tree.put_image(images[name][1])
                if not is_uuid(stem) and not name.startswith(PREFIX):
                    foreign.append(name)
            else:
                ignored.append(f"{_shown(name)}: not an image")
        self._images, self._records = images, records
        for name in foreign:
            if not tree.namers(name) and not tree.children(name):
                tree.drop_image(name)
                ignored.append(f"{name}: has no UUID for a name; it can be introduced as a VDI")
        if len(ignored) > MAX_IGNORED:
            ignored = [*ignored[:MAX_IGNORED], f"and {len(ignored) - MAX_IGNORED} more"]
        return tree, tuple(ignored)

    def _put_merged(self, tree: Tree, name: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            untrusted_document = json.loads(self._folder.read(name, 4096))
            if not isinstance(untrusted_document, dict):
                return
            base, host, done = (untrusted_document.get(key) for key in ("base", "host", "done"))
            if isinstance(base, str) and isinstance(host, str) and _is_plain(base):
                tree.merged[name.removeprefix(MERGED)] = Merged(base, host, done is True)

    def image(self, name: str) -> Image | None:
        """One image as it is now; None: there is none.

        It is always read: QEMU changes headers in place, and a file server may show a new time only when it has closed
        the file (Samba does), a local file system at its next tick.
        """
        found = self._folder.look(name)
        if found is None or not found.regular:
            self._images.pop(name, None)
            return None
        image = self._read_image(found)
        self._images[name] = (found.key, image)
        return image

    def record(self, vdi: VdiId) -> VdiRecord | str | None:
        """One sidecar as it is now, or why it cannot be read; None: there is none."""
        found = self._folder.look(vdi + SUFFIX)
        return None if found is None else self._record(found)

    def _image(self, found: Found) -> Image:
        known = self._images.get(found.name)
        if known is not None and known[0] == found.key:
            return known[1]
        return self._read_image(found)

    def _read_image(self, found: Found) -> Image:
        _, form = stem_and_format(found.name)
        if form == "raw":
            size = found.size & ~511
            problem = "" if 0 < size < _MAX_SIZE else f"a raw disk of {found.size} bytes is not possible"
            return Image(found.name, form, size, found.physical, problem=problem)
        try:
            return _checked(found, form, identify(Path(self._folder.path(found.name))))
        except (OSError, BadImage) as error:
            return Image(found.name, form, 0, found.physical, problem=f"cannot be read: {error}"[:300])

    def _record(self, found: Found) -> VdiRecord | str:
        known = self._records.get(found.name)
        if known is not None and known[0] == found.key:
            return known[1]
        if not found.regular:
            return "the sidecar is not a regular file"
        try:
            return parse(VdiId(found.name.removesuffix(SUFFIX)), self._folder.read(found.name, MAX_BYTES + 1))
        except (OSError, BadRecord) as error:
            return str(error)[:300]


def _checked(found: Found, form: str, info: ImageInfo) -> Image:
    problem = info.problem
    if not problem and info.format != form:
        problem = f"is no {form} image, as its name says"
    if not problem and info.backing and not info.backing_name:
        problem = f"names a backing file outside the SR: {info.backing[:80]!r}"
    if not problem and info.backing_name:
        _, below = stem_and_format(info.backing_name)
        said = _BACKING_FORMATS.get(info.backing_format, info.backing_format)
        if not below or said not in ("", below):
            problem = f"says that its backing file {info.backing_name} is {said or 'of no known format'}"
    size = info.virtual_size
    if not problem and (not 0 < size < _MAX_SIZE or size % 512):
        problem = f"a disk of {size} bytes is not possible"
    return Image(
        found.name, form, size, info.physical, info.backing_name, info.differencing, info.bitmaps, problem[:300]
    )


def _put_record(tree: Tree, vdi: VdiId, record: VdiRecord | str) -> None:
    if isinstance(record, str):
        tree.put_bad_record(vdi, record)
    else:
        tree.put_record(record)


def _is_plain(name: str) -> bool:
    return name.isascii() and all(char.isalnum() or char in "._+@ -" for char in name) and name[0] not in "-+@ "


def _shown(name: str) -> str:
    return ascii(name)[1:-1][:100]
