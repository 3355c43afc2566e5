"""SRs of the SMAPIv3 example plugin keep the promises of the storage port, through the host for foreign plugins."""

import fcntl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from contract.storage import PROMISES, Promise, keep, name_of
from contract.storage_ground import StorageGround
from contract.storage_host import StorageHost, new_sr, open_bytes
from kit.scripts import example
from xenhost.core.ports.storage import SrDriver
from xenhost.core.storage import SrSpec
from xenhost.sm.smapiv3.host import PluginHost

_FICLONE = 0x40049409
_ACTIVE = (
    "a_snapshot_of_an_active_vdi_is_of_that_instant",
    "a_clone_of_an_active_vdi_is_of_that_instant",
    "upkeep_while_a_guest_writes_loses_nothing",
)


def _deviations(folder: Path) -> Mapping[str, str]:
    one, other = folder / "one", folder / "other"
    one.write_bytes(b"x" * 4096)
    with one.open("rb") as source, other.open("wb") as target:
        try:
            fcntl.ioctl(target, _FICLONE, source.fileno())
        except OSError:
            return dict.fromkeys(_ACTIVE, "the file system cannot share blocks, and the example refuses to copy then")
    return {}


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[StorageGround]:
    host = StorageHost(tmp_path)
    root = example(tmp_path / "root")

    async def driver() -> SrDriver:
        return (await PluginHost(await host.context(), [root]).drivers())["rawdir"]

    def spec() -> SrSpec:
        sr = new_sr()
        (tmp_path / f"sr-{sr}").mkdir()
        return SrSpec(sr, "rawdir", {"path": str(tmp_path / f"sr-{sr}")})

    async def restart() -> SrDriver:
        await host.kill_agent()
        return await driver()

    ground = StorageGround(await driver(), spec, restart, open_bytes, deviations=_deviations(tmp_path))
    yield ground
    await ground.close()
    await host.close()


@pytest.mark.timeout(240)  # each call of a plugin is a process
@pytest.mark.parametrize("promise", PROMISES, ids=name_of)
async def test_an_sr_of_a_smapiv3_plugin_promises_that(promise: Promise, ground: StorageGround) -> None:
    await keep(promise, ground)
