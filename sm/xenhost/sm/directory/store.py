"""One SR's directory as all verbs share it: its threads, files, tree, and who may change it when."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar
from uuid import uuid4

from xenhost.core.errors import XenhostError
from xenhost.core.storage import AttachMode, SrId, Vdi, VdiId
from xenhost.core.storage_errors import (
    SrBackendFailure,
    SrFull,
    VdiMissing,
    VdiNotAvailable,
    VdiNotManaged,
    backend_failure,
)
from xenhost.core.units import human_size
from xenhost.sm.context import SmContext
from xenhost.sm.directory.catalog import Catalog
from xenhost.sm.directory.folder import MERGED, Folder, full
from xenhost.sm.directory.lane import Lane
from xenhost.sm.directory.record import SUFFIX, VdiRecord, pack
from xenhost.sm.directory.tree import PREFIX, BrokenChain, Image, Merged, Tree
from xenhost.sm.image.bad import BadImage

T = TypeVar("T")
_LOCK_PATIENCE: Final = 30.0
_LOCK_PAUSE: Final = 0.05
SIDECAR_SPACE: Final = 64 * 1024
"""At most, of one VDI."""


class Merge(Protocol):
    """A merge of one image into another, under way."""

    top: str
    base: str
    server: VdiId | None
    """The active VDI whose server does it."""

    async def stop(self) -> None:
        """Give up unless it is about to end anyway; return when it has ended either way."""
        ...


@dataclass(slots=True)
class Uses:
    """What of this SR is in use on this host, beyond what image servers have open."""

    plain: dict[VdiId, AttachMode] = field(default_factory=dict)
    """Raw files that are given to the kernel as they are."""
    opening: dict[VdiId, frozenset[str]] = field(default_factory=dict)
    """Images that a server is about to open."""


class Store:
    """The shared state of one attached SR."""

    def __init__(
        self,
        sr: SrId,
        folder: Folder,
        context: SmContext,
        shared: bool,
        lane: Lane | None = None,
        image_locks: bool = True,
        read_caching: bool = True,
    ) -> None:
        self.sr = sr
        self.folder = folder
        self.context = context
        self.images = context.images
        self.shared = shared
        self.image_locks = image_locks
        self.read_caching = read_caching
        self.lane = lane or Lane(sr)
        self.catalog = Catalog(folder)
        self.tree = Tree()
        self.ignored: tuple[str, ...] = ()
        self.uses = Uses()
        self.merges: list[Merge] = []
        self.log = context.log.bind(sr=sr)
        self._lock = asyncio.Lock()
        self._change = -1
        self._stale = True

    # Running things

    async def run(
        self,
        function: Callable[[], T],
        requested: int = SIDECAR_SPACE,
        dispose: Callable[[T], None] | None = None,
    ) -> T:
        """A blocking function on this SR's threads; what the file system answers becomes an error of storage."""

        def guarded() -> T:
            try:
                return function()
            except OSError as error:
                if (refused := full(error, requested, self.folder)) is not None:
                    raise refused from error
                name = Path(str(error.filename)).name if error.filename else self.folder.root.name
                raise backend_failure(200, f"{name} on SR {self.sr}: {error.strerror or error}") from error
            except BadImage as error:
                raise backend_failure(46, str(error)) from error

        return await self.lane.run(guarded, dispose=dispose)

    @asynccontextmanager
    async def editing(self, vdi: VdiId | None = None, *, reload: bool = False) -> AsyncIterator[Tree]:
        """Alone, among the verbs of this host and all other hosts, with a tree that is up to date.

        With a VDI, no merge concerns its chain inside. With `reload` everything is read anew. A failure inside makes
        the next one read everything anew.
        """
        while True:
            async with self._lock:
                fd = await self._lock_hosts()
                try:
                    await self.run(self.load if reload or self._stale else self._verify)
                    stopping = [] if vdi is None else self._merges_of(vdi)
                    if not stopping:
                        if fd >= 0:
                            self._change += 1
                            await self.run(partial(self.folder.announce, fd, self._change))
                        try:
                            yield self.tree
                        except BaseException as error:
                            if isinstance(error, SrBackendFailure) or not isinstance(error, XenhostError):
                                self._stale = True  # a file may have changed without the tree
                            raise
                        return
                finally:
                    if fd >= 0:
                        await self._unlock_hosts(fd)
                    if self.lane.silent:
                        self._stale = True
            for merge in stopping:
                await merge.stop()

    async def _lock_hosts(self) -> int:
        if not self.shared:
            return -1
        clock = self.context.clock
        deadline = clock.monotonic() + _LOCK_PATIENCE
        while (locked := await self.run(self.folder.lock, dispose=self._drop_lock)) is None:
            if clock.monotonic() > deadline:
                raise backend_failure(37, f"another host has kept SR {self.sr} locked for {_LOCK_PATIENCE:g} s")
            await clock.sleep(_LOCK_PAUSE)
        fd, change = locked
        if change != self._change:
            self._stale = True
        self._change = change
        return fd

    async def _unlock_hosts(self, fd: int) -> None:
        unlock = partial(self.folder.unlock, fd)
        if self.lane.silent:
            self.lane.later(unlock)
        else:
            await self.lane.run(unlock)

    def _drop_lock(self, locked: tuple[int, int] | None) -> None:
        if locked is not None:
            self.folder.unlock(locked[0])

    def load(self) -> None:
        """Read everything anew. Blocks."""
        self.folder.verify(self.sr)
        self.tree, self.ignored = self.catalog.load()
        self._stale = False

    def _verify(self) -> None:
        self.folder.verify(self.sr)

    # Questions

    def record(self, vdi: VdiId, *, managed: bool = True) -> VdiRecord:
        """The record of a VDI. Raises VdiMissing, VdiNotAvailable, VdiNotManaged."""
        if (problem := self.tree.bad_records.get(vdi)) is not None:
            raise VdiNotAvailable(f"VDI {vdi} cannot be used: {problem}", vdi=vdi)
        record = self.tree.find(vdi)
        if record is None:
            raise VdiMissing(f"there is no VDI {vdi} on SR {self.sr}", sr=self.sr, vdi=vdi)
        if managed and self.is_base(record):
            text = f"VDI {vdi} is the base of other images, and only they use it; copy or delete those"
            raise VdiNotManaged(text, vdi=vdi)
        return record

    def is_base(self, record: VdiRecord) -> bool:
        """Is it a foreign file that only stands for a VDI because others are on it?"""
        return record.id not in self.tree.records and bool(self.tree.children(record.image))

    def chain(self, record: VdiRecord) -> tuple[Image, ...]:
        """Its images, leaf first. Raises VdiNotAvailable."""
        try:
            return self.tree.chain(record.image)
        except BrokenChain as broken:
            raise VdiNotAvailable(f"VDI {record.id} cannot be used: {broken}", vdi=record.id) from broken

    def users(self, name: str) -> frozenset[VdiId]:
        """VDIs that have an image open on this host, or are about to."""
        found = set(self.images.users(str(self.folder.path(name))))
        found |= {vdi for vdi, names in self.uses.opening.items() if name in names}
        for vdi in self.uses.plain:
            record = self.tree.find(vdi)
            if record is not None and record.image == name:
                found.add(vdi)
        return frozenset(found)

    def active(self, vdi: VdiId) -> bool:
        """Is it active on this host?"""
        return vdi in self.uses.plain or vdi in self.uses.opening or self.images.chain(vdi) is not None

    def view(self, record: VdiRecord) -> Vdi:
        """A VDI as others see it."""
        image = self.tree.images.get(record.image)
        problem, depth = "", 0
        if record.image:
            try:
                depth = len(self.tree.chain(record.image)) - 1
            except BrokenChain as broken:
                problem = str(broken)
        parent = None
        if image is not None and image.backing:
            parent = next(iter(sorted(self.tree.namers(image.backing))), None) or self.tree.adopted(image.backing)
        return Vdi(
            id=record.id,
            location=record.id,
            virtual_size=image.size if image else record.size,
            physical_utilisation=image.physical if image else 0,
            name=record.name,
            description=record.description,
            type=record.type,
            format=image.format if image else "raw",
            read_only=record.read_only,
            sharable=record.sharable,
            managed=not self.is_base(record),
            is_a_snapshot=record.is_a_snapshot,
            snapshot_of=record.snapshot_of,
            snapshot_time=record.snapshot_time,
            parent=parent,
            on_boot=record.on_boot,
            cbt_enabled=record.cbt,
            sm_config=record.sm_config,
            depth=depth,
            problem=problem,
        )

    def bad_view(self, vdi: VdiId, problem: str) -> Vdi:
        """A VDI whose sidecar cannot be read."""
        return Vdi(id=vdi, location=vdi, virtual_size=0, problem=problem)

    # Changing, on the SR's threads

    def mark_merged(self, top: str, merged: Merged) -> None:
        """Say that an image is being merged, or is. Blocks."""
        self.folder.write(MERGED + top, json.dumps(asdict(merged)).encode())
        self.tree.merged[top] = merged

    def unmark_merged(self, top: str) -> None:
        """It is not, or is gone. Blocks."""
        self.folder.remove(MERGED + top)
        self.tree.merged.pop(top, None)

    def save(self, record: VdiRecord) -> VdiRecord:
        """Write a sidecar. Blocks."""
        self.folder.write(record.id + SUFFIX, pack(record))
        self.tree.put_record(record)
        return record

    def forget(self, record: VdiRecord) -> None:
        """Remove a sidecar, unless an image that it owns is still needed: then it says so. Blocks."""
        left = tuple(name for name in record.owns if name in self.tree.images)
        if left:
            self.save(VdiRecord(record.id, "", owns=left, deleted=True))
        else:
            self.folder.remove(record.id + SUFFIX)
            self.tree.drop_record(record.id)

    def refresh(self, name: str) -> Image | None:
        """Look at an image again. Blocks."""
        image = self.catalog.image(name)
        if image is None:
            self.tree.drop_image(name)
        else:
            self.tree.put_image(image)
        return image

    def discard(self, name: str) -> None:
        """Delete an image, and sidecars of VDIs that are gone and stood there for its sake. Blocks."""
        self.folder.remove(name)
        self.tree.drop_image(name)
        for record in [each for each in self.tree.records.values() if each.deleted and name in each.owns]:
            self.forget(replace(record, owns=tuple(each for each in record.owns if each != name)))

    def drop_unneeded(self, name: str) -> None:
        """Delete an image that nobody needs any more, and those below that only it needed. Blocks.

        One whose bitmap is needed is left for a chore, which writes that down first.
        """
        at, tree = name, self.tree
        while at and not tree.doubt() and tree.unneeded(at) and not tree.tracked(at) and not self.users(at):
            image = self.tree.images.get(at)
            if image is None:
                return
            self.discard(at)
            at = image.backing

    def new_image(self, form: str = "qcow2") -> str:
        """A name that no image has."""
        return f"{PREFIX}{uuid4()}.{form}"

    def require(self, needed: int) -> None:
        """Raise SrFull unless so much fits beside the reserve. Blocks."""
        spare = self.folder.space().spare
        if needed > spare:
            text = f"{human_size(needed)} are needed on SR {self.sr}, and {human_size(spare)} may be used; free some"
            raise SrFull(text, requested=str(needed), maximum=str(spare))

    def _merges_of(self, vdi: VdiId) -> list[Merge]:
        record = self.tree.find(vdi)
        names: set[str] = set()
        if record is not None and record.image:
            try:
                names = {image.name for image in self.tree.chain(record.image)}
            except BrokenChain:
                names = {record.image}
        return [each for each in self.merges if each.server == vdi or each.top in names or each.base in names]


def names_of(images: Iterable[Image]) -> frozenset[str]:
    """Their file names."""
    return frozenset(image.name for image in images)


async def unbroken(work: "asyncio.Task[T]") -> T:
    """Wait for work that must not end in its middle; a cancellation is heard when it has ended."""
    cancelled = False
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            if work.done() and work.cancelled():
                raise
            cancelled = True
        except XenhostError:
            break
    if cancelled:
        if not work.cancelled():
            work.exception()
        raise asyncio.CancelledError
    return work.result()
