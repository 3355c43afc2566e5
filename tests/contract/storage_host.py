"""A host for drivers of SRs: real image servers, real bytes, below one directory."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import structlog

from contract.storage_ground import Bytes
from xenhost.core.storage import AttachMode, Backend, SrId
from xenhost.sm.command import Commands
from xenhost.sm.context import SmContext
from xenhost.sm.datapath.images import ImageServers
from xenhost.sm.transfer.opening import open_disk


class WallClock:
    """The real time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class StorageHost:
    """What drivers are given, and can be given again after the agent was killed."""

    def __init__(self, folder: Path, host_id: str = "") -> None:
        self.folder = folder
        self.host_id = host_id or str(uuid4())
        for name in ("state", "mount", "log"):
            (folder / name).mkdir(exist_ok=True)
        self._run = Path(tempfile.mkdtemp(prefix="xh-", dir="/tmp"))  # sockets have short names
        self._images: list[ImageServers] = []

    async def context(self) -> SmContext:
        """As a new agent has it."""
        log = structlog.get_logger()
        images = ImageServers(self._run, self.folder / "log", WallClock(), log)
        self._images.append(images)
        await images.find()
        return SmContext(
            host_id=self.host_id,
            state_dir=self.folder / "state",
            run_dir=self._run,
            mount_dir=self.folder / "mount",
            log_dir=self.folder / "log",
            clock=WallClock(),
            commands=Commands(),
            images=images,
            log=log,
        )

    async def kill_agent(self) -> None:
        """It ends; what it serves runs on."""
        await self._images[-1].release()

    async def close_servers(self) -> None:
        """End every image server, as a shutdown does."""
        last = self._images[-1]
        for vdi in await last.find():
            await last.close(vdi)

    async def close(self) -> None:
        """End every image server, and what there is below /tmp."""
        for images in self._images[:-1]:
            await images.release()
        if self._images:
            last = self._images[-1]
            for vdi in await last.find():
                await last.close(vdi)
            await last.release()
        shutil.rmtree(self._run)


@asynccontextmanager
async def open_bytes(backends: Sequence[Backend], mode: AttachMode) -> AsyncIterator[Bytes]:
    """The bytes behind the best way to them."""
    async with open_disk(backends[0], writable=mode is AttachMode.RW) as disk:
        yield disk


def new_sr() -> SrId:
    """A new UUID."""
    return SrId(str(uuid4()))
