"""SRs of type `file` keep every promise of the storage port, with VDIs in qcow2 and raw images."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.storage import PROMISES, Promise, keep, name_of
from contract.storage_ground import StorageGround
from contract.storage_host import StorageHost, new_sr, open_bytes
from xenhost.core.ports.storage import SrDriver
from xenhost.core.storage import SrSpec
from xenhost.sm.drivers.file import FileDriver


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[StorageGround]:
    host = StorageHost(tmp_path)

    def spec() -> SrSpec:
        sr = new_sr()
        return SrSpec(sr, "file", {"location": str(tmp_path / f"sr-{sr}")})

    async def restart() -> SrDriver:
        await host.kill_agent()
        return FileDriver(await host.context())

    ground = StorageGround(FileDriver(await host.context()), spec, restart, open_bytes)
    yield ground
    await ground.close()
    await host.close()


@pytest.mark.parametrize("promise", PROMISES, ids=name_of)
async def test_a_file_sr_promises_that(promise: Promise, ground: StorageGround) -> None:
    await keep(promise, ground)
