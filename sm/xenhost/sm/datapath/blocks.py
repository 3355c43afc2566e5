"""Backends as what a hypervisor can connect a guest to: block devices and files."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import structlog

from xenhost.core.devices import Source, SourceKind
from xenhost.core.storage import Backend, BackendKind, VdiId
from xenhost.core.storage_errors import backend_failure
from xenhost.sm.command import CommandError, Commands
from xenhost.sm.datapath import nbd_kernel
from xenhost.sm.datapath.nbd_proto import NbdProtocolError

UNAVAILABLE: Final = 46
ANSWER_WAIT: Final = 1.0
"""Seconds a device has to answer before it is connected again: the kernel may have noticed the broken one too late."""
ATTEMPTS: Final = 20
FLUSH_WAIT: Final = 60.0
MODPROBE: Final = ("modprobe", "nbd", "nbds_max=0", "max_part=0")
"""Devices are made when needed; and what a guest writes into its partition table is none of dom0's business."""


class PlainBlocks:
    """For a simulated hypervisor: an NBD export stays one."""

    async def connect(self, vdi: VdiId, backends: Sequence[Backend]) -> Source:
        """As the port says."""
        backend = _best(vdi, backends)
        if backend.kind is BackendKind.NBD:
            return Source(SourceKind.NBD, backend.uri())
        return _as_it_is(backend)

    async def disconnect(self, vdi: VdiId) -> None:
        """There is nothing to free."""

    async def resized(self, vdi: VdiId, size: int) -> None:
        """Nothing caches a size."""


class KernelBlocks:
    """NBD exports become devices of the kernel. They outlive the agent, and the kernel knows whose they are.

    `connect` is also what heals a device whose server was started again, and what a new agent calls for each.
    """

    def __init__(self, commands: Commands, log: structlog.typing.FilteringBoundLogger) -> None:
        self._commands = commands
        self._log = log
        self._locks: dict[VdiId, asyncio.Lock] = {}
        self._backends: dict[VdiId, Backend] = {}

    async def connect(self, vdi: VdiId, backends: Sequence[Backend]) -> Source:
        """As the port says. Raises SrBackendFailure 46. Cancelled: connected or not; `disconnect` frees it."""
        backend = _best(vdi, backends)
        if backend.kind is not BackendKind.NBD:
            return _as_it_is(backend)
        async with self._lock(vdi):
            with _failing(f"VDI {vdi} cannot be connected to a block device"):
                await self._load()
                index = (await asyncio.to_thread(nbd_kernel.devices)).get(vdi)
                if index is None:
                    index = await asyncio.to_thread(nbd_kernel.connect, vdi, backend)
                else:
                    await self._heal(vdi, index, backend)
            self._backends[vdi] = backend
        return Source(SourceKind.BLOCK, f"/dev/nbd{index}")

    async def disconnect(self, vdi: VdiId) -> None:
        """As the port says. What cannot be flushed within a minute, because the server is gone, is lost and logged."""
        async with self._lock(vdi):
            index = (await asyncio.to_thread(nbd_kernel.devices)).get(vdi)
            self._backends.pop(vdi, None)
            if index is None:
                return
            with _failing(f"the block device nbd{index} of VDI {vdi} cannot be freed"):
                try:
                    if not await _within(FLUSH_WAIT, lambda: nbd_kernel.flush(index)):
                        self._log.error("a block device could not be flushed", vdi=vdi, device=f"nbd{index}")
                except OSError as error:
                    self._log.error("a block device could not be flushed", vdi=vdi, error=str(error))
                await asyncio.to_thread(nbd_kernel.disconnect, vdi, index)

    async def resized(self, vdi: VdiId, size: int) -> None:
        """As the port says: connects again, too, as a resized export is a new one. No-op without a device."""
        async with self._lock(vdi):
            index = (await asyncio.to_thread(nbd_kernel.devices)).get(vdi)
            backend = self._backends.get(vdi)
            if index is None or backend is None:
                return
            with _failing(f"the block device nbd{index} of VDI {vdi} cannot be resized"):
                await self._heal(vdi, index, backend)
                if (now := await asyncio.to_thread(nbd_kernel.size, index)) < size:
                    raise OSError(f"it has {now} bytes instead of {size}")

    def _lock(self, vdi: VdiId) -> asyncio.Lock:
        return self._locks.setdefault(vdi, asyncio.Lock())

    async def _load(self) -> None:
        if not await asyncio.to_thread(nbd_kernel.loaded):
            await self._commands.run(*MODPROBE, timeout=30.0)

    async def _heal(self, vdi: VdiId, index: int, backend: Backend) -> None:
        """Connect a device anew until it answers: that its connection is broken cannot be asked for."""
        for _ in range(ATTEMPTS):
            info = await asyncio.to_thread(nbd_kernel.reconnect, vdi, index, backend)
            if info.read_only != await asyncio.to_thread(nbd_kernel.is_read_only, index):
                raise OSError(f"/dev/nbd{index} is connected in another mode; disconnect it first")
            if await _within(ANSWER_WAIT, lambda: nbd_kernel.answers(index)):
                return
        raise OSError(f"/dev/nbd{index} does not answer")


def _best(vdi: VdiId, backends: Sequence[Backend]) -> Backend:
    if not backends:
        raise backend_failure(UNAVAILABLE, f"VDI {vdi} has no backend that this host could connect to")
    return backends[0]


def _as_it_is(backend: Backend) -> Source:
    kind = SourceKind.BLOCK if backend.kind is BackendKind.BLOCK else SourceKind.FILE
    return Source(kind, backend.path)


@contextlib.contextmanager
def _failing(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, NbdProtocolError, CommandError) as error:
        raise backend_failure(UNAVAILABLE, f"{what}: {error}") from error


async def _within(seconds: float, work: Callable[[], None]) -> bool:
    """Run it in a thread of its own, which may hang with its device; whether it returned in time. Raises OSError."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish(error: OSError | None) -> None:
        if not done.done():
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

    def run() -> None:
        error = None
        try:
            work()
        except OSError as caught:
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(finish, error)

    threading.Thread(target=run, daemon=True, name="block device").start()
    try:
        async with asyncio.timeout(seconds):
            await done
    except TimeoutError:
        return False
    return True
