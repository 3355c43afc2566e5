"""Image servers in a folder whose name is short enough for sockets."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from kit.images import qemu_io_is_here
from xenhost.core.storage import VdiId
from xenhost.sm.datapath.images import ImageServers
from xenhost.system.clock import SystemClock


class Life:
    """Lives of the agent: each has its own ImageServers over the same folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lost: list[VdiId] = []
        self.renewed: list[VdiId] = []
        self.images = self._make()

    async def restart(self) -> ImageServers:
        """The next life; it has found nothing yet."""
        await self.images.release()
        self.images = self._make()
        return self.images

    def _make(self) -> ImageServers:
        log = structlog.get_logger()
        run, logs = self.folder / "run", self.folder / "log"
        return ImageServers(run, logs, SystemClock(), log, self.lost.append, on_renewed=self.renewed.append)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name."""
    folder = Path(tempfile.mkdtemp(prefix="xh", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
async def life(short: Path) -> AsyncIterator[Life]:
    """An agent with image servers; what it started ends with the test."""
    if not qemu_io_is_here():
        pytest.skip("needs qemu-storage-daemon, qemu-img and qemu-io")
    life = Life(short)
    yield life
    images = await life.restart()
    for vdi in await images.find():
        await images.close(vdi)
