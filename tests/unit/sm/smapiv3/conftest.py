"""A host for SMAPIv3 plugins on a folder of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.storage_host import StorageHost
from xenhost.core.storage import SrId, SrSpec
from xenhost.sm.smapiv3.driver import V3Driver
from xenhost.sm.smapiv3.host import PluginHost

SR = "5f3a1c1e-0000-4000-8000-00000000000a"


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[StorageHost]:
    host = StorageHost(tmp_path)
    yield host
    await host.close()


class Place:
    """A root for plugins, and the host that finds them."""

    def __init__(self, root: Path, storage: StorageHost) -> None:
        self.root = root
        self.storage = storage

    async def host(self, timeout_factor: float = 1.0) -> PluginHost:
        """As a new agent makes it."""
        return PluginHost(await self.storage.context(), [self.root], timeout_factor)

    async def driver(self, kind: str = "x", timeout_factor: float = 1.0) -> V3Driver:
        """The driver of one type."""
        return (await (await self.host(timeout_factor)).drivers())[kind]

    def volume(self) -> Path:
        """The folder of the volume plugin `x`."""
        return self.root / "volume" / "org.example.x"


@pytest.fixture
def place(tmp_path: Path, storage: StorageHost) -> Place:
    return Place(tmp_path / "root", storage)


def spec(kind: str = "x", **device_config: str) -> SrSpec:
    """An SR."""
    return SrSpec(SrId(SR), kind, device_config, name="an SR")
