"""Knowing when dom0's kernel has handled what was written to xenstore.

Dom0's kernel has one thread, xenwatch, that handles the events of all its watches one after another, and that also
delivers the events of watches made through /dev/xen/xenbus. So when an event for a node that was written after a
device's nodes arrives through that device, every backend driver has done all it had to do about the device's nodes.
This replaces polling sysfs for "has blkback opened the disk", "has netback made the interface", "is it gone".

Sources: linux drivers/xen/xenbus/xenbus_xs.c (xenwatch_thread), xenbus_dev_frontend.c (watch_fired).
"""

import asyncio
import secrets
from collections.abc import Awaitable
from typing import Final, Protocol

from xenhost.drivers.xen import paths
from xenhost.native.xenstore import Batch, Watch, Xenstore

TICKS: Final = f"{paths.ROOT}/tick"
XENBUS: Final = "/dev/xen/xenbus"


class Settling(Protocol):
    """Something that tells when the backends have handled what was written."""

    async def open(self) -> None:
        """Before anything else."""
        ...

    async def close(self) -> None:
        """Idempotent. Who still waits for a mark is cancelled."""
        ...

    def mark(self, batch: Batch) -> Awaitable[None]:
        """Add a mark to a batch. Await the result after the batch was applied: it returns when everything in front of
        the mark was handled. Has no deadline of its own."""
        ...


class KernelEvents:
    """Dom0's kernel, asked through its xenbus device."""

    def __init__(self, address: str = XENBUS) -> None:
        self._kernel: Final = Xenstore(address)
        self._instance: Final = secrets.token_hex(4)
        self._pending: Final[dict[str, asyncio.Future[None]]] = {}
        self._count = 0
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Watch for marks. Raises ConnectionLost if there is no such device. No-op if open."""
        if self._reader is None:
            await self._kernel.connect()
            watch = await self._kernel.open_watch(TICKS)
            self._reader = asyncio.create_task(self._read(watch), name="xenbus marks")

    async def close(self) -> None:
        """Idempotent. Who still waits for a mark is cancelled."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.wait((reader,))
        await self._kernel.close()
        for future in self._pending.values():
            future.cancel()
        self._pending.clear()

    def mark(self, batch: Batch) -> Awaitable[None]:
        """See Settling."""
        self._count += 1
        node = f"{TICKS}/{self._instance}-{self._count}"
        batch.write(node, b"").rm(node)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending[node] = future
        future.add_done_callback(lambda _: self._pending.pop(node, None))
        return future

    async def _read(self, watch: Watch) -> None:
        async for event in watch:
            future = self._pending.get(event.path)
            if future is not None and not future.done():
                future.set_result(None)
