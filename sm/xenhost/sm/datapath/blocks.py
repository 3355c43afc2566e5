"""Backends as what a hypervisor can connect a guest to: block devices and files."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import structlog

from xenhost.core.devices import Source, SourceKind
from xenhost.core.storage import Backend, BackendKind, VdiId
from xenhost.core.storage_errors import SrBackendFailure, backend_failure
from xenhost.sm.command import CommandError, Commands
from xenhost.sm.datapath import nbd_kernel
from xenhost.sm.datapath.nbd_kernel import Device
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

    def renewed(self, vdi: VdiId) -> None:
        """Whoever is connected connects again by itself."""


class KernelBlocks:
    """NBD exports become devices of the kernel. They outlive the agent, and the kernel knows whose they are.

    `connect` also completes what a resize left, and a new agent calls it for each VDI that is connected. A device whose
    server died is not connected to the next one: it fails, and `connect` makes a new one.
    """

    def __init__(self, commands: Commands, log: structlog.typing.FilteringBoundLogger) -> None:
        self._commands = commands
        self._log = log
        self._locks: dict[VdiId, asyncio.Lock] = {}
        self._backends: dict[VdiId, Backend] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, vdi: VdiId, backends: Sequence[Backend]) -> Source:
        """As the port says. Raises SrBackendFailure 46. Cancelled: connected or not; `disconnect` frees it."""
        backend = _best(vdi, backends)
        if backend.kind is not BackendKind.NBD:
            return _as_it_is(backend)
        async with self._lock(vdi):
            with _failing(f"VDI {vdi} cannot be connected to a block device"):
                await self._load()
                server = await asyncio.to_thread(nbd_kernel.serves, backend)
                device = None
                for found in await asyncio.to_thread(nbd_kernel.devices, vdi):
                    if found.server == server:
                        device = found
                    else:
                        await self._free(found)
                if device is None:
                    device = await asyncio.to_thread(nbd_kernel.connect, vdi, backend)
                else:
                    await self._mend(device, backend)
            self._backends[vdi] = backend
        return Source(SourceKind.BLOCK, device.path)

    async def disconnect(self, vdi: VdiId) -> None:
        """As the port says. If its server died, what waits for it fails. Raises SrBackendFailure 46."""
        async with self._lock(vdi):
            self._backends.pop(vdi, None)
            with _failing(f"the block device of VDI {vdi} cannot be freed"):
                if await asyncio.to_thread(nbd_kernel.loaded):
                    for device in await asyncio.to_thread(nbd_kernel.devices, vdi):
                        await self._free(device)

    async def resized(self, vdi: VdiId, size: int) -> None:
        """As the port says: connects again, too, as a resized export is a new one. No-op without a device."""
        async with self._lock(vdi):
            backend = self._backends.get(vdi)
            if backend is None:
                return
            with _failing(f"the block device of VDI {vdi} cannot be resized"):
                for device in await asyncio.to_thread(nbd_kernel.devices, vdi):
                    await self._mend(device, backend)
                    if (now := await asyncio.to_thread(nbd_kernel.size, device)) < size:
                        raise OSError(f"it has {now} bytes instead of {size}")

    def renewed(self, vdi: VdiId) -> None:
        """Its export was made anew: connect the device again."""
        task = asyncio.create_task(self._connect_again(vdi), name=f"block device of {vdi}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect_again(self, vdi: VdiId) -> None:
        try:
            await self.resized(vdi, 0)
        except SrBackendFailure as error:
            self._log.error("requests of a guest wait for its disk", vdi=vdi, error=str(error))

    def _lock(self, vdi: VdiId) -> asyncio.Lock:
        return self._locks.setdefault(vdi, asyncio.Lock())

    async def _load(self) -> None:
        if not await asyncio.to_thread(nbd_kernel.loaded):
            await self._commands.run(*MODPROBE, timeout=30.0)

    async def _mend(self, device: Device, backend: Backend) -> None:
        """Connect a device anew until it answers: whether its connection is broken cannot be asked for."""
        for _ in range(ATTEMPTS):
            info = await asyncio.to_thread(nbd_kernel.reconnect, device, backend)
            if info.read_only != await asyncio.to_thread(nbd_kernel.is_read_only, device):
                raise OSError(f"{device.path} is connected in another mode; disconnect it first")
            if await _within(ANSWER_WAIT, lambda: nbd_kernel.answers(device)):
                return
        raise OSError(f"{device.path} does not answer")

    async def _free(self, device: Device) -> None:
        if not await asyncio.to_thread(nbd_kernel.server_lives, device):
            self._log.error("the server of a block device died; the device fails", vdi=device.vdi, device=device.path)
        elif not await _within(FLUSH_WAIT, lambda: nbd_kernel.flush(device)):
            raise OSError(f"{device.path} could not be flushed within {FLUSH_WAIT:.0f} s; its storage hangs")
        await asyncio.to_thread(nbd_kernel.disconnect, device)


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
