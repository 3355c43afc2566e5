"""An SR of type `file` with real image servers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.storage_ground import StorageGround
from contract.storage_host import StorageHost, new_sr, open_bytes
from xenhost.core.ports.storage import SrDriver
from xenhost.core.storage import SrSpec
from xenhost.sm.drivers.file import FileDriver


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[StorageGround]:
    host = StorageHost(tmp_path)

    def spec() -> SrSpec:
        return SrSpec(new_sr(), "file", {"location": str(tmp_path / "sr")})

    async def restart() -> SrDriver:
        await host.kill_agent()
        return FileDriver(await host.context())

    ground = StorageGround(FileDriver(await host.context()), spec, restart, open_bytes)
    yield ground
    await ground.close()
    await host.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the SR of `ground` is."""
    return tmp_path / "sr"
