"""Knowing when dom0's kernel has handled what was written to xenstore.

Dom0's kernel has one thread, xenwatch, that handles the events of all its watches one after another, and that also
delivers the events of watches made through /dev/xen/xenbus. So when an event for a node that was written after a
device's nodes arrives through that device, every backend driver has done all it had to do about the device's nodes.
This replaces polling sysfs for "has blkback opened the disk", "has netback made the interface", "is it gone".

Sources: linux drivers/xen/xenbus/xenbus_xs.c (xenwatch_thread), xenbus_dev_frontend.c (watch_fired).
"""

import asyncio
import contextlib
import os
import secrets
from pathlib import Path
from typing import Final, Protocol

from xenhost.drivers.xen import paths
from xenhost.native.xenstore import Batch, Watch, Xenstore, XenstoreError

MARKS: Final = f"{paths.ROOT}/mark"
XENBUS: Final = "/dev/xen/xenbus"
_READY: Final = 8
"""Marks made in advance: writing to a node that exists conflicts with no transaction."""


class Settling(Protocol):
    """Something that tells when the backends have handled what was written."""

    async def open(self) -> None:
        """Before anything else."""
        ...

    async def close(self) -> None:
        """Idempotent. Who still waits for a mark is cancelled."""
        ...

    def mark(self, batch: Batch) -> "asyncio.Future[None]":
        """Add a mark to a batch. Await the result after the batch was applied: it returns when everything in front of
        the mark was handled. Has no deadline of its own. Cancel it if it is not wanted any more."""
        ...


class KernelEvents:
    """Dom0's kernel, asked through its xenbus device."""

    def __init__(self, xs: Xenstore, address: str = XENBUS) -> None:
        self._xs: Final = xs
        self._kernel: Final = Xenstore(address)
        self._root: Final = f"{MARKS}/{os.getpid()}-{secrets.token_hex(4)}"
        self._free: Final[list[str]] = []
        self._pending: Final[dict[str, asyncio.Future[None]]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Watch for marks. Raises ConnectionLost if there is no such device. No-op if open."""
        if self._reader is None:
            await self._remove_stale()
            self._free.extend(f"{self._root}/{number}" for number in range(_READY))
            await self._xs.write_many([(node, b"") for node in self._free])
            await self._kernel.connect()
            watch = await self._kernel.open_watch(self._root)
            self._reader = asyncio.create_task(self._read(watch), name="xenbus marks")

    async def close(self) -> None:
        """Idempotent. Who still waits for a mark is cancelled."""
        reader, self._reader = self._reader, None
        if reader is None:
            return
        reader.cancel()
        await asyncio.wait((reader,))
        await self._kernel.close()
        for future in self._pending.values():
            future.cancel()
        self._pending.clear()
        self._free.clear()
        with contextlib.suppress(XenstoreError):
            await self._xs.rm(self._root)

    def mark(self, batch: Batch) -> "asyncio.Future[None]":
        """See Settling."""
        node = self._free.pop() if self._free else f"{self._root}/{_READY + len(self._pending)}-{secrets.token_hex(4)}"
        batch.write(node, b"")
        self._pending[node] = asyncio.get_running_loop().create_future()
        return self._pending[node]

    async def _read(self, watch: Watch) -> None:
        """A node is used again once its event has come: also that of a mark nobody waits for any more."""
        async for event in watch:
            future = self._pending.pop(event.path, None)
            if future is not None:
                self._free.append(event.path)
                if not future.done():
                    future.set_result(None)

    async def _remove_stale(self) -> None:
        """Remove the marks of agents that were killed."""
        (names,) = await self._xs.ls_many([MARKS])
        for name in names if isinstance(names, list) else ():
            pid = name.partition("-")[0]
            if pid.isdigit() and not Path("/proc", pid).exists():  # noqa: ASYNC240  # procfs does not block
                await self._xs.rm(f"{MARKS}/{name}")
