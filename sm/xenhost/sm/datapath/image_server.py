"""The image server of one VDI: its chain, its limits, its export. Commits are in `commit`, bitmaps in `bitmaps`."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from xenhost.core.storage import AttachMode, Backend, BackendKind, IoLimits, VdiId
from xenhost.sm.datapath import graph
from xenhost.sm.datapath.graph import LIMITS, TOP, Graph, Node, Options
from xenhost.sm.datapath.nbd_client import NbdClient
from xenhost.sm.datapath.port import Layer, OpenChain
from xenhost.sm.datapath.storage_daemon import StorageDaemon, StorageDaemonError

EXPORT: Final = "vdi"
"""Id of the export the guest uses."""
EXPORT_WAIT: Final = 10.0
"""Seconds the requests of an export that ends may take."""


_T = TypeVar("_T")


class ImageServer:
    """One process that serves one chain. Everything about it can be read back from the process and a small file."""

    def __init__(
        self,
        vdi: VdiId,
        folder: Path,
        log: Path,
        on_lost: Callable[[VdiId], None],
        on_renewed: Callable[[VdiId], None],
    ) -> None:
        self.vdi = vdi
        self.lock = asyncio.Lock()
        """Held by whoever changes the chain."""
        self._daemon = StorageDaemon(folder, log, self._ended)
        self._on_lost = on_lost
        self._on_renewed = on_renewed
        self._renewal: asyncio.Task[None] | None = None
        self._log = log
        self._file = folder / "nodes"
        self._nodes: dict[int, Node] = {}
        self._numbers: tuple[int, ...] = ()
        self._mode = AttachMode.RO
        self._limits = IoLimits()
        self.lost = False

    # Its life

    async def start(self, layers: Sequence[Layer], mode: AttachMode, limits: IoLimits) -> None:
        """Open a chain and serve it. Raises StorageDaemonError, ValueError; then nothing is left. Cancelled: the same.

        Blocks other openers of the images as QEMU's locks do.
        """
        graph.check_layers(layers)
        *bases, leaf = [Node(number, layer) for number, layer in enumerate(reversed(layers))]
        nodes = [*(graph.below_leaf(base) for base in bases), leaf]
        while True:
            self._mode, self._limits = mode, limits
            self._nodes = {node.number: node for node in nodes}
            setup = graph.setup(nodes, mode, limits, self._daemon.nbd_socket, self._export())
            try:
                await self._daemon.start(setup, {self._file.name: graph.encode_nodes(mode, self._nodes)})
            except StorageDaemonError as error:
                others = [node.after(str(error)) or node for node in nodes]  # they lie on the same file system
                if others == nodes:
                    raise
                nodes = others
            else:
                self._numbers = tuple(node.number for node in reversed(nodes))
                return

    async def adopt(self) -> bool:
        """Take up what an earlier agent started, and complete what that one left half done. False: it is no use."""
        if not await self._daemon.find():
            return False
        try:
            self._mode, self._nodes = graph.decode_nodes(await asyncio.to_thread(self._file.read_bytes))
            await self.refresh()
        except (OSError, ValueError):
            return False  # it died, or the agent did, before anything was served
        if not self._numbers:
            return False
        self._limits = graph.read_limits(await self.run("qom-get", {"path": f"/objects/{LIMITS}", "property": LIMITS}))
        await self.tidy()
        await self.serve()  # killed while it made the export anew
        return True

    async def stop(self) -> None:
        """Flush and end it. Raises StorageDaemonError if it cannot be ended."""
        self._end_renewal()
        await self._daemon.stop()
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self._log.unlink, missing_ok=True)

    async def release(self) -> None:
        """Let go of it; it runs on."""
        self._end_renewal()
        await self._daemon.release()

    async def run(self, command: str, arguments: Mapping[str, object] | None = None) -> object:
        """A QMP command. Raises StorageDaemonError."""
        return await self._daemon.run(command, arguments)

    # What it serves

    def chain(self) -> OpenChain:
        """What is open."""
        return OpenChain(tuple(self._nodes[number].layer for number in self._numbers), self._mode, self._limits)

    def nodes(self) -> list[Node]:
        """The nodes of the chain, leaf first."""
        return [self._nodes[number] for number in self._numbers]

    def backends(self) -> Sequence[Backend]:
        """How to reach it."""
        return (Backend(BackendKind.NBD, str(self._daemon.nbd_socket), self.vdi),)

    # Changes. The caller holds the lock.

    async def set_mode(self, mode: AttachMode) -> None:
        """Serve it in another mode. Whoever is connected is cut off and has to connect again."""
        if mode is self._mode:
            return
        try:
            await self.end_export(EXPORT)
            self._mode = mode
            await self._write_nodes()
            await self.tidy()
        finally:
            await self._renew()

    async def set_limits(self, limits: IoLimits) -> None:
        """Change the limits."""
        if limits != self._limits:
            await self._set_limits(limits)

    async def snapshot(self, overlay: Layer) -> None:
        """Make an overlay the leaf. No-op if it is."""
        leaf = self.nodes()[0]
        if leaf.layer.path == overlay.path:
            return
        graph.check_layers([overlay, *(node.layer for node in self.nodes())])
        node = await self.open_node(overlay, AttachMode.RW, None)
        try:
            await self.run("blockdev-snapshot", {"node": leaf.image, "overlay": node.image})
        except StorageDaemonError:
            with contextlib.suppress(StorageDaemonError):
                await self.run("blockdev-del", {"node-name": node.image})
            raise
        await self.refresh()
        await self.tidy()

    async def resize(self, size: int) -> None:
        """Grow it. QEMU's exports have a size for life, so it is made anew, and clients have to connect again.

        Raises ValueError if it would become smaller.
        """
        async with await NbdClient.connect_to(self.backends()[0]) as client:
            if size <= (now := client.info.size):
                if size < now:
                    raise ValueError(f"it has {now} bytes and cannot become smaller")
                return
        try:
            await self.end_export(EXPORT)
            await self.run("block_resize", {"node-name": TOP, "size": size})
        finally:
            await self._renew()

    async def open_node(self, layer: Layer, mode: AttachMode, backing: Node | None) -> Node:
        """Open an image above another. What its number means is on disk before."""
        node = Node(max(self._nodes, default=-1) + 1, layer)
        while True:
            try:
                await self._add_node(node, mode, backing)
            except StorageDaemonError as error:
                if (other := node.after(str(error))) is None:
                    raise
                node = other
            else:
                return node

    async def reopen(self, modes: Sequence[tuple[Node, AttachMode]]) -> None:
        """Open nodes of the chain again, each in another mode; all of them or none."""
        chain = self.nodes()
        below = dict(zip(chain, [*chain[1:], None], strict=True))
        options = [option for node, mode in modes for option in node.reopen_options(mode, below[node])]
        if options:
            await self.run("blockdev-reopen", {"options": options})

    async def refresh(self) -> None:
        """Read the chain from the process."""
        self._numbers = (await self.graph()).chain

    async def graph(self) -> Graph:
        """All that is open. Raises StorageDaemonError if it cannot be read."""
        untrusted_graph = await self.run("x-debug-query-block-graph")
        try:
            found = graph.read_graph(untrusted_graph)
        except ValueError as error:
            raise StorageDaemonError(str(error)) from error
        if unknown := found.images - self._nodes.keys():
            raise StorageDaemonError(f"the storage daemon has images that nobody opened: {sorted(unknown)}")
        return found

    async def tidy(self) -> None:
        """Complete what a job, a snapshot or a killed agent left: close what is in no chain, only the leaf is writable.

        Nothing is done while a job runs.
        """
        if await self._jobs_run():
            return
        found = await self.graph()
        for number in sorted(found.images - set(found.chain)):
            await self.run("blockdev-del", {"node-name": self._nodes[number].image})
        self._numbers = found.chain
        leaf, *bases = self.nodes()
        await self.reopen([(leaf, self._mode), *((node, AttachMode.RO) for node in bases)])

    # Inside

    def _end_renewal(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()

    def _ended(self) -> None:
        self.lost = True
        self._end_renewal()
        self._on_lost(self.vdi)

    async def _add_node(self, node: Node, mode: AttachMode, backing: Node | None) -> None:
        self._nodes[node.number] = node
        await self._write_nodes()
        await self.run("blockdev-add", node.open_options(mode, backing))

    async def _write_nodes(self) -> None:
        await asyncio.to_thread(_replace, self._file, graph.encode_nodes(self._mode, self._nodes))

    async def _set_limits(self, limits: IoLimits) -> None:
        value = graph.throttle_options(limits)
        await self.run("qom-set", {"path": f"/objects/{LIMITS}", "property": LIMITS, "value": value})
        self._limits = limits

    async def _renew(self) -> None:
        """Serve it again as soon as the requests of the export before are done, however long that takes."""
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._serve_again(), name=f"serve {self.vdi}")
        await asyncio.wait([self._renewal], timeout=EXPORT_WAIT)

    async def _serve_again(self) -> None:
        while not self.lost:
            try:
                await self._until_gone(EXPORT)
                await self.serve()
            except StorageDaemonError:
                await asyncio.sleep(1.0)  # its storage hangs, or it is being ended
            else:
                self._on_renewed(self.vdi)
                return

    async def serve(self) -> None:
        """Make the export of the guest. No-op if it is there."""
        if await self._exported(EXPORT):
            return
        address = {"type": "unix", "data": {"path": str(self._daemon.nbd_socket)}}
        with contextlib.suppress(StorageDaemonError):  # it runs; if it does not, the next command says so
            await self.run("nbd-server-start", {"addr": address})
        await self.run("block-export-add", self._export())

    def _export(self) -> Options:
        writable = self._mode is AttachMode.RW
        return {"type": "nbd", "id": EXPORT, "node-name": TOP, "name": self.vdi, "writable": writable}

    async def end_export(self, id: str) -> None:
        """End an export and wait until its requests are done. No-op if there is none. Clients are cut off."""
        if not await self._exported(id):
            return
        await self.run("block-export-del", {"id": id, "mode": "hard"})
        try:
            async with asyncio.timeout(EXPORT_WAIT):
                await self._until_gone(id)
        except TimeoutError as error:
            raise StorageDaemonError(f"requests are not done after {EXPORT_WAIT:.0f} s: the storage hangs") from error

    async def _until_gone(self, id: str) -> None:
        while True:
            if not await self._exported(id):
                return
            await asyncio.sleep(0.005)

    async def _exported(self, id: str) -> bool:
        match await self.run("query-block-exports"):
            case list() as exports:
                return any(isinstance(export, dict) and export.get("id") == id for export in exports)
        return False

    async def _jobs_run(self) -> bool:
        """Whether one runs; those that are done are dismissed."""
        runs = False
        match await self.run("query-jobs"):
            case list() as jobs:
                for job in jobs:
                    match job:
                        case {"id": str() as id, "status": "concluded"}:
                            await self.run("job-dismiss", {"id": id})
                        case _:
                            runs = True
        return runs


def _replace(file: Path, data: bytes) -> None:
    new = file.with_suffix(".new")
    new.write_bytes(data)
    os.replace(new, file)


async def settled(work: Coroutine[object, object, _T]) -> _T:
    """Run it to its end, which is bounded, even if the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
