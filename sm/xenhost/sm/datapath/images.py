"""Image servers: one qemu-storage-daemon for each active VDI, in `<run_dir>/image/<VDI>/`.

The processes outlive the agent. What they serve is read back from them, so nothing of it can be wrong after a crash,
and what an agent left half done is completed when the next one finds them.
"""

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from xenhost.core.clock import Clock
from xenhost.core.ports.storage import Progress
from xenhost.core.storage import AttachMode, Backend, Bitmap, IoLimits, NbdExport, VdiId
from xenhost.core.storage_errors import VdiInUse, backend_failure
from xenhost.sm.command import Commands
from xenhost.sm.datapath import bitmaps
from xenhost.sm.datapath import commit as commits
from xenhost.sm.datapath.exports import ExportSettings, NbdExports
from xenhost.sm.datapath.graph import Access, Node, check_layers
from xenhost.sm.datapath.image_server import ImageServer, settled
from xenhost.sm.datapath.nbd_client import NbdError
from xenhost.sm.datapath.port import Layer, OpenChain
from xenhost.sm.datapath.storage_daemon import StorageDaemon, StorageDaemonError

UNAVAILABLE: Final = 46
SNAPSHOT: Final = 82
RESIZE: Final = 110
GENERAL: Final = 202
CBT_ON: Final = 457
CBT_OFF: Final = 458
CBT_READ: Final = 459


_ID: Final = re.compile("[0-9A-Za-z][0-9A-Za-z_-]{0,63}")
_LOCKED: Final = re.compile('Failed to get (shared )?"[a-z]+" lock')


def _nothing(vdi: VdiId) -> None:
    """Nobody wants to know."""


class ImageServers:
    """All image servers of the host. `on_lost(vdi)` is called when one ended that was not told to.

    The VDI is not open then, and what was not flushed is lost: `Blocks.disconnect` lets the guest know by failing its
    requests. `on_renewed(vdi)` is called when its export was made anew, and who was connected has to connect again.
    """

    def __init__(
        self,
        run_dir: Path,
        log_dir: Path,
        clock: Clock,
        log: structlog.typing.FilteringBoundLogger,
        on_lost: Callable[[VdiId], None] = _nothing,
        exports: ExportSettings | None = None,
        on_renewed: Callable[[VdiId], None] = _nothing,
    ) -> None:
        self._folder = run_dir / "image"
        self._readers = run_dir / "reader"
        settings = exports or ExportSettings(tls_dir=run_dir / "nbd-tls")
        self._exports = NbdExports(run_dir / "export", log_dir, settings, Commands(), log)
        self._log_dir = log_dir
        self._clock = clock
        self._log = log
        self._on_lost = on_lost
        self._on_renewed = on_renewed
        self._servers: dict[VdiId, ImageServer] = {}
        self._locks: dict[VdiId, asyncio.Lock] = {}

    async def find(self) -> Mapping[VdiId, OpenChain]:
        """As the port says. One that answers nothing is logged and left: it may hold the images of a guest."""
        for folder in await asyncio.to_thread(_folders, self._folder):
            vdi = VdiId(folder.name)
            if vdi in self._servers:
                continue
            server = self._server(vdi)
            try:
                if await server.adopt():
                    await bitmaps.remove_copy(server)
                    self._servers[vdi] = server
                else:
                    await server.stop()
            except StorageDaemonError as error:
                await server.release()
                self._log.error("an image server cannot be taken over", vdi=vdi, error=str(error))
        await self._exports.find()
        await self._end_readers()
        return {vdi: server.chain() for vdi, server in self._servers.items()}

    def chain(self, vdi: VdiId) -> OpenChain | None:
        """As the port says."""
        server = self._servers.get(vdi)
        return None if server is None else server.chain()

    def users(self, path: str) -> frozenset[VdiId]:
        """As the port says."""
        return frozenset(
            vdi for vdi, server in self._servers.items() if any(node.layer.path == path for node in server.nodes())
        )

    async def open(self, vdi: VdiId, layers: Sequence[Layer], mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        """As the port says. Another mode cuts off who is connected. Raises SrBackendFailure 46, VdiInUse."""
        async with self._life(vdi):
            server = self._servers.get(vdi)
            with _failing(UNAVAILABLE, f"VDI {vdi} cannot be opened", vdi):
                if server is None:
                    server = self._server(vdi)
                    if not await server.adopt():  # one that did not answer when it was looked for
                        await server.stop()  # what is left of one that died
                        await server.start(layers, mode, limits)
                        self._servers[vdi] = server
                        return server.backends()
                    self._servers[vdi] = server
                if server.chain().layers != tuple(layers):
                    raise ValueError("it is open with other images; close it first")
                async with server.lock:
                    await settled(server.set_mode(mode))
                    await settled(server.serve())
                    await settled(server.set_limits(limits))
            return server.backends()

    async def close(self, vdi: VdiId) -> None:
        """As the port says. Raises SrBackendFailure 46 if the process cannot be ended."""
        async with self._life(vdi):
            server = self._servers.get(vdi) or self._server(vdi)
            with _failing(UNAVAILABLE, f"VDI {vdi} cannot be closed", vdi):
                await settled(server.stop())
            self._servers.pop(vdi, None)

    async def release(self) -> None:
        """Let go of all of them when the agent ends; they run on."""
        for server in self._servers.values():
            await server.release()
        self._servers.clear()
        await self._exports.release()

    async def snapshot(self, vdi: VdiId, overlay: Layer) -> None:
        """As the port says. Gives up a merge of the leaf. Raises SrBackendFailure 82."""
        with _failing(SNAPSHOT, f"no snapshot of VDI {vdi} can be taken", vdi):
            async with self._open_server(vdi) as server:
                if server.nodes()[0].layer.path != overlay.path:
                    await settled(commits.give_up(server, leaf_only=True))
                    await settled(server.snapshot(overlay))

    async def commit(self, vdi: VdiId, top: str, base: str, bytes_per_second: int, progress: Progress) -> None:
        """As the port says. Raises SrBackendFailure 202."""
        with _failing(GENERAL, f"an image of VDI {vdi} cannot be merged", vdi):
            await commits.commit(self._get(vdi), self._clock, top, base, bytes_per_second, progress)

    async def resize(self, vdi: VdiId, size: int) -> None:
        """As the port says. Clients are cut off: `Blocks.resized` connects the guest's again. SrBackendFailure 110."""
        with _failing(RESIZE, f"VDI {vdi} cannot be resized", vdi):
            async with self._open_server(vdi) as server:
                await settled(server.resize(size))

    async def throttle(self, vdi: VdiId, limits: IoLimits) -> None:
        """As the port says."""
        with _failing(UNAVAILABLE, f"the limits of VDI {vdi} cannot be changed", vdi):
            async with self._open_server(vdi) as server:
                await settled(server.set_limits(limits))

    async def add_bitmap(self, vdi: VdiId, name: str) -> None:
        """As the port says. Raises SrBackendFailure 457."""
        with _failing(CBT_ON, f"changes of VDI {vdi} cannot be recorded", vdi):
            async with self._open_server(vdi) as server:
                await settled(bitmaps.add(server, name))

    async def remove_bitmap(self, vdi: VdiId, name: str) -> None:
        """As the port says. Raises SrBackendFailure 458."""
        with _failing(CBT_OFF, f"recording changes of VDI {vdi} cannot be ended", vdi):
            async with self._open_server(vdi) as server:
                await settled(bitmaps.remove(server, name))

    async def dirty(self, layers: Sequence[Layer], bitmap: str) -> Bitmap:
        """As the port says. Only the first layer is opened."""
        path = layers[0].path if layers else "no image"
        with _failing(CBT_READ, f"the changed blocks in {path} cannot be told", VdiId("")):
            check_layers(layers)
            name = str(uuid.uuid4())
            daemon = StorageDaemon(self._readers / name, self._log_dir / f"reader-{name}.log", lambda: None)
            image = Node(0, layers[0], Access.CACHED).open_options(AttachMode.RO, None)
            return await bitmaps.read_stored(daemon, image, bitmap)

    async def dirty_now(self, vdi: VdiId, bitmap: str) -> Bitmap:
        """As the port says. Raises SrBackendFailure 459."""
        with _failing(CBT_READ, f"the changed blocks of VDI {vdi} cannot be told", vdi):
            async with self._open_server(vdi) as server:
                return await bitmaps.read_recording(server, bitmap)

    async def export(self, vdi: VdiId, layers: Sequence[Layer], changed: Bitmap | None, export: str) -> NbdExport:
        """As the port says. Raises SrBackendFailure 46, VdiInUse (the leaf is written to)."""
        async with self._life(vdi):
            _file_name(vdi)
            with _failing(UNAVAILABLE, f"VDI {vdi} cannot be served over NBD", vdi):
                return await self._exports.start(vdi, layers, changed, export)

    async def unexport(self, vdi: VdiId) -> None:
        """As the port says."""
        async with self._life(vdi):
            with _failing(UNAVAILABLE, f"the NBD export of VDI {vdi} cannot be ended", vdi):
                await settled(self._exports.stop(vdi))

    # Inside

    async def _end_readers(self) -> None:
        """Those that an agent left that was killed while it read a bitmap."""
        for folder in await asyncio.to_thread(_folders, self._readers):
            with contextlib.suppress(StorageDaemonError):  # it hangs with its storage; the next agent tries again
                await StorageDaemon(folder, self._log_dir / f"reader-{folder.name}.log", lambda: None).stop(grace=0.0)

    def _server(self, vdi: VdiId) -> ImageServer:
        folder = self._folder / _file_name(vdi)
        return ImageServer(vdi, folder, self._log_dir / f"image-{vdi}.log", self._lost, self._on_renewed)

    def _get(self, vdi: VdiId) -> ImageServer:
        server = self._servers.get(vdi)
        if server is None:
            raise StorageDaemonError("it is not open")
        return server

    @contextlib.asynccontextmanager
    async def _open_server(self, vdi: VdiId) -> AsyncIterator[ImageServer]:
        server = self._get(vdi)
        async with server.lock:
            yield server

    @contextlib.asynccontextmanager
    async def _life(self, vdi: VdiId) -> AsyncIterator[None]:
        """Starting and ending the server of one VDI exclude each other."""
        async with self._locks.setdefault(vdi, asyncio.Lock()):
            yield

    def _lost(self, vdi: VdiId) -> None:
        self._servers.pop(vdi, None)
        self._log.error("an image server died; what its guest had not flushed is lost", vdi=vdi)
        self._on_lost(vdi)


@contextlib.contextmanager
def _failing(number: int, what: str, vdi: VdiId) -> Iterator[None]:
    """Failures as SrBackendFailures with that number."""
    try:
        yield
    except (StorageDaemonError, NbdError, ValueError, commits.CommitGivenUp, TimeoutError) as error:
        if _LOCKED.search(str(error)):
            raise VdiInUse(f"{what}: another process or host uses an image of it", vdi=vdi, operation="") from error
        raise backend_failure(number, f"{what}: {error}") from error


def _file_name(untrusted_vdi: VdiId) -> str:
    """Ids come from SRs and plugins."""
    if not _ID.fullmatch(untrusted_vdi):
        raise backend_failure(UNAVAILABLE, f"{untrusted_vdi!r} is not the id of a VDI")
    return untrusted_vdi


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except FileNotFoundError:
        return []
