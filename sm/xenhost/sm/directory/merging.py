"""Doing chores: deleting images that nobody needs, and merging an image into the one it lies on.

While a merge goes on the upper image stays whole and valid, so it may end at any moment. When all of it is below, a
marker says so; then one after another of those who named the upper image names the lower one, and last it is deleted.
Whoever finds the marker goes on from there.
"""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from xenhost.core.ports.storage import Progress
from xenhost.core.storage import AttachMode, Chore, VdiId
from xenhost.core.storage_errors import SrFull, backend_failure
from xenhost.core.units import human_size
from xenhost.sm.command import CommandError
from xenhost.sm.directory.chores import COALESCE, DELETE, Pair, Usage, deletable, mergeable, propose
from xenhost.sm.directory.hosts import HostLocks
from xenhost.sm.directory.overlays import file_node, layer, put_overlay
from xenhost.sm.directory.store import Store, unbroken
from xenhost.sm.directory.tracking import Tracking
from xenhost.sm.directory.tree import Image, Merged, stem_and_format
from xenhost.sm.image import qcow2

_PERCENT: Final = re.compile(rb"\((\d{1,3})\.\d+/100%\)")
_FOREVER: Final = 7 * 86400.0


class Merging:
    """The chores of one SR."""

    def __init__(self, store: Store, tracking: Tracking, hosts: HostLocks) -> None:
        self._store = store
        self._tracking = tracking
        self._hosts = hosts

    async def chores(self) -> Sequence[Chore]:
        """`Sr.chores`."""
        await self.finish()
        store = self._store
        async with store.editing(reload=True) as tree:  # sizes of what is written to right now matter
            usage = await self._usage()
            busy = {name for merge in store.merges for name in (merge.top, merge.base)}
            return [chore for chore in propose(tree, usage) if chore.id.partition(":")[2] not in busy]

    async def perform(self, chore: Chore, progress: Progress, bytes_per_second: int) -> None:
        """`Sr.perform`."""
        kind, _, name = chore.id.partition(":")
        if not stem_and_format(name)[1]:
            return
        if kind == DELETE:
            await unbroken(asyncio.create_task(self._delete(name)))
        elif kind == COALESCE:
            job = await self._begin(name)
            if job is not None:
                try:
                    await job.run(lambda: self._copy(job.pair, progress, bytes_per_second), lambda: self._end(job))
                finally:
                    await unbroken(asyncio.create_task(self._unmark(name)))
                    if not self._store.shared:
                        await self._store.run(self._store.folder.hold_reserve)  # it may have been given up
        progress(1.0)

    async def finish(self) -> None:
        """Complete merges that ended and whose agent did before it could say so to everybody."""
        store = self._store
        async with store.editing() as tree:
            known = {merge.top for merge in store.merges}
            for top, merged in list(tree.merged.items()):
                if top in known:
                    continue
                if merged.done and top in tree.images and merged.base in tree.images:
                    await unbroken(asyncio.create_task(self._repoint(top, merged.base)))
                elif top not in tree.images or not await self._hosts.lives(merged.host):
                    await store.run(partial(store.unmark_merged, top))

    async def _usage(self) -> Usage:
        store = self._store
        elsewhere = await self._hosts.elsewhere()

        def leaf(vdi: VdiId) -> tuple[str, AttachMode] | None:
            opened = store.images.chain(vdi)
            return None if opened is None else (opened.layers[0].path.rpartition("/")[2], opened.mode)

        return Usage(store.users, leaf, elsewhere)

    async def _delete(self, name: str) -> None:
        store = self._store
        async with store.editing(reload=store.shared) as tree:
            if not deletable(tree, await self._usage(), name):
                return
            await self._save_changes(name)
            await store.run(lambda: store.drop_unneeded(name))

    async def _save_changes(self, name: str) -> None:
        """What VDIs recorded in an image that is about to go."""
        for record in [each for each in self._store.tree.records.values() if name in each.cbt_images]:
            await self._tracking.fold(record, (name,))

    async def _begin(self, top: str) -> "Job | None":
        store = self._store
        async with store.editing(reload=store.shared) as tree:
            busy = {name for merge in store.merges for name in (merge.top, merge.base)}
            await store.run(lambda: store.refresh(top))
            pair = mergeable(tree, await self._usage(), top)
            if pair is None or busy & {pair.top.name, pair.base.name}:
                return None
            if pair.server is not None and any(merge.server == pair.server for merge in store.merges):
                return None
            await store.run(lambda: self._require(pair))
            if pair.leaf and pair.server is not None:
                await unbroken(asyncio.create_task(self._step_aside(pair.server)))
            for name in (pair.top.name, pair.base.name):
                await self._save_changes(name)
            merged = Merged(pair.base.name, store.context.host_id, False)
            await store.run(lambda: store.mark_merged(top, merged))
            job = Job(store, pair)
            store.merges.append(job)
            return job

    def _require(self, pair: Pair) -> None:
        """Raise SrFull if what the lower image lacks does not fit."""
        folder = self._store.folder
        free = folder.space().free
        needed = pair.top.physical
        if needed > free and pair.base.format == "qcow2":
            top, base = (qcow2.allocated(folder.path(image.name)).bits for image in (pair.top, pair.base))
            length = max(len(top), len(base))
            missing = int.from_bytes(top, "little") & ~int.from_bytes(base.ljust(length, b"\0"), "little")
            needed = missing.bit_count() * qcow2.CLUSTER
        if needed > free:
            folder.give_up_reserve()
            free = folder.space().free
        if needed > free:
            text = (
                f"merging {pair.top.name} takes {human_size(needed)}; SR {self._store.sr} has {human_size(free)} free"
            )
            raise SrFull(text, requested=str(needed), maximum=str(free))

    async def _step_aside(self, server: VdiId) -> None:
        """The guest goes on in a new image: one that is written to is never merged, so no write can be lost."""
        store = self._store
        record = store.record(server)
        moved = await store.run(lambda: put_overlay(store, record))
        await store.images.snapshot(server, layer(store, store.tree.images[moved.image]))

    async def _copy(self, pair: Pair, progress: Progress, bytes_per_second: int) -> None:
        store = self._store
        if pair.server is not None:
            path = store.folder.path
            top, base = str(path(pair.top.name)), str(path(pair.base.name))
            await store.images.commit(pair.server, top, base, bytes_per_second, progress)
            return
        chain = store.tree.chain(pair.top.name)
        rate = ("-r", str(bytes_per_second)) if bytes_per_second else ()
        node = f"json:{json.dumps(self._node(chain))}"

        def on_output(data: bytes) -> None:
            if found := _PERCENT.findall(data):
                progress(min(1.0, int(found[-1]) / 100))

        try:
            # -d: do not empty the upper image afterwards, it has to stay whole
            await store.context.commands.run(
                "qemu-img", "commit", "-p", "-d", *rate, "-t", "writeback", node, timeout=_FOREVER, on_output=on_output
            )
        except CommandError as error:
            raise backend_failure(46, f"{pair.top.name} cannot be merged into {pair.base.name}: {error}") from error

    def _node(self, chain: Sequence[Image]) -> dict[str, Any]:
        """A chain as QEMU takes it, each format given: what images say about their parents is not followed."""
        first, rest = chain[0], chain[1:]
        opened = layer(self._store, first)
        node: dict[str, Any] = {"driver": opened.format, "file": file_node(opened)}
        if first.format == "qcow2":
            node["backing"] = self._node(rest) if rest else None
        return node

    async def _end(self, job: "Job") -> None:
        store = self._store
        top, base = job.pair.top.name, job.pair.base.name
        async with store.editing(reload=store.shared):
            await store.run(lambda: self._mark(top, base))
            await self._repoint(top, base)

    def _mark(self, top: str, base: str) -> None:
        store = self._store
        store.folder.flush(base)
        store.mark_merged(top, Merged(base, store.context.host_id, True))

    async def _repoint(self, top: str, base: str) -> None:
        """Whoever names the upper image names the lower one. Those in use elsewhere follow later."""
        store = self._store
        elsewhere = await self._hosts.elsewhere()
        await self._save_changes(top)

        def work() -> None:
            tree = store.tree
            store.refresh(base)
            for name in tree.children(top):
                store.refresh(name)  # QEMU may have done it
            open_now = store.users(top)
            for name in sorted(tree.children(top)):
                if not (open_now | elsewhere) & tree.vdis_on(name):
                    store.folder.change(
                        name, lambda path: qcow2.set_backing(path, base, _QEMU[stem_and_format(base)[1]])
                    )
                    store.refresh(name)
            for vdi in sorted(tree.namers(top)):
                record = tree.records[vdi]
                if vdi not in open_now | elsewhere and record.scratch != top:
                    store.save(replace(record, image=base))
            if tree.unneeded(top) and not open_now:
                store.discard(top)
                store.unmark_merged(top)

        await store.run(work)

    async def _unmark(self, top: str) -> None:
        store = self._store
        async with store.editing():
            merged = store.tree.merged.get(top)
            if merged is not None and not merged.done:
                await store.run(lambda: store.unmark_merged(top))


_QEMU: Final = {"qcow2": "qcow2", "raw": "raw"}


class Job:
    """One merge under way: it can be told to stop, by whoever needs its images."""

    def __init__(self, store: Store, pair: Pair) -> None:
        self.pair = pair
        self.top = pair.top.name
        self.base = pair.base.name
        self.server = pair.server
        self._store = store
        self._copying: asyncio.Task[None] | None = None
        self._over = asyncio.Event()
        self._stopped = False

    async def run(
        self, copy: Callable[[], Coroutine[Any, Any, None]], end: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """Copy, and then let everybody know; told to stop, do neither any more, and return."""
        try:
            if self._stopped:
                return
            self._copying = asyncio.create_task(copy())
            await asyncio.wait({self._copying})
            copied, self._copying = self._copying, None
            if not copied.cancelled():
                copied.result()
                await unbroken(asyncio.create_task(end()))
        finally:
            if self._copying is not None:
                self._copying.cancel()
                await asyncio.wait({self._copying})
            self._store.merges.remove(self)
            self._over.set()

    async def stop(self) -> None:
        """Give up unless all is copied; return when it has ended either way."""
        self._stopped = True
        if self._copying is not None:
            self._copying.cancel()
        await self._over.wait()
