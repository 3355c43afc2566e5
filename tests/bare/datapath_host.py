"""A dom0 with VDIs as block devices: lives of an agent, and a guest's I/O."""

import asyncio
import contextlib
import mmap
import os
import shutil
import struct
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from xenhost.core.devices import SourceKind
from xenhost.core.storage import AttachMode, IoLimits, VdiId
from xenhost.sm.command import Commands
from xenhost.sm.datapath import nbd_kernel
from xenhost.sm.datapath.blocks import KernelBlocks
from xenhost.sm.datapath.images import ImageServers
from xenhost.sm.datapath.port import Layer
from xenhost.system.clock import SystemClock

VDI = VdiId("6f1c1d0e-6c5c-4b53-8a59-0d6b2d0f1c55")
FREE = IoLimits()
RW = AttachMode.RW
BLOCK = 65536
BLOCKS = 128


class Host:
    """Lives of an agent over one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lost = asyncio.Event()
        self.blocks = self._blocks()
        self.images = self._images()

    async def restart(self) -> None:
        """The agent ends and another one starts."""
        await self.images.release()
        self.blocks = self._blocks()
        self.images = self._images()

    async def attach(self, *layers: Layer, limits: IoLimits = FREE) -> Path:
        """Open and connect; the block device."""
        source = await self.blocks.connect(VDI, await self.images.open(VDI, layers, RW, limits))
        assert source.kind is SourceKind.BLOCK
        return Path(source.path)

    async def end(self) -> None:
        """Nothing is left."""
        await self.blocks.disconnect(VDI)
        await self.images.close(VDI)
        assert not nbd_kernel.loaded() or not nbd_kernel.devices(VDI)

    def pid(self) -> int:
        return int((self.folder / "run/image" / VDI / "pid").read_text())

    def _images(self) -> ImageServers:
        log = structlog.get_logger()
        renewed = self.blocks.renewed
        return ImageServers(
            self.folder / "run", self.folder / "log", SystemClock(), log, self._lost, on_renewed=renewed
        )

    def _lost(self, vdi: VdiId) -> None:
        self.lost.set()

    def _blocks(self) -> KernelBlocks:
        return KernelBlocks(Commands(), structlog.get_logger())


class Guest:
    """Writes numbered blocks past the page cache, as blkback does, and knows what has to be there."""

    def __init__(self, device: Path, start: int = 0) -> None:
        self._fd = os.open(device, os.O_RDWR | os.O_DIRECT)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.written: dict[int, int] = {}
        self.errors: list[OSError] = []
        self.count = start
        self.slowest = 0.0

    def start(self) -> "Guest":
        self._thread.start()
        return self

    async def stop(self) -> None:
        while not (self.count or self.errors):
            await asyncio.sleep(0.01)
        self._stop.set()
        await asyncio.to_thread(self._thread.join, 200)
        assert not self._thread.is_alive()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60):
            while self.count < count:
                assert not self.errors
                await asyncio.sleep(0.02)

    async def progress(self) -> None:
        """It has written at least a little more."""
        await self.until(self.count + 5)

    def verify(self) -> None:
        """Read all of it again."""
        with mmap.mmap(-1, BLOCK) as buffer:
            for block, number in self.written.items():
                os.preadv(self._fd, [buffer], block * BLOCK)
                assert buffer[:] == pattern(number), f"block {block} is not what was written last"

    def flush(self) -> None:
        os.fsync(self._fd)

    def close(self) -> None:
        os.close(self._fd)

    def _run(self) -> None:
        with mmap.mmap(-1, BLOCK) as buffer:
            while not self._stop.is_set():
                number = self.count + 1
                block = (number * 37) % BLOCKS
                buffer[:] = pattern(number)
                began = time.monotonic()
                try:
                    os.pwritev(self._fd, [buffer], block * BLOCK)
                except OSError as error:
                    self.errors.append(error)
                    return
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.written[block] = number
                self.count = number


def pattern(number: int) -> bytes:
    return struct.pack("<Q", number) * (BLOCK // 8)


@contextlib.asynccontextmanager
async def new_host() -> AsyncIterator[Host]:
    """A folder on a real disk; nothing is left of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="xh", dir="/var/tmp"))
    host = Host(folder)
    yield host
    await host.end()
    shutil.rmtree(folder)
