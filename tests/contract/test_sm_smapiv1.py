"""SRs of the SMAPIv1 example plugin keep the promises of the storage port, through the host for foreign plugins."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.storage import PROMISES, Promise, keep, name_of
from contract.storage_ground import StorageGround
from contract.storage_host import StorageHost, new_sr, open_bytes
from kit.plugins import EXAMPLE
from xenhost.core.ports.storage import SrDriver
from xenhost.core.storage import SrSpec
from xenhost.sm.smapiv1.driver import PluginHost
from xenhost.sm.smapiv1.service import Settings

DEVIATIONS = dict.fromkeys(
    (
        "a_snapshot_of_an_active_vdi_is_of_that_instant",
        "a_clone_of_an_active_vdi_is_of_that_instant",
        "upkeep_while_a_guest_writes_loses_nothing",
    ),
    "the example copies whole files, and refuses to while a guest writes to them",
)


@pytest.fixture
async def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StorageGround]:
    host = StorageHost(tmp_path)
    plugins = tmp_path / "sm"
    plugins.mkdir()
    shutil.copy(EXAMPLE, plugins)
    monkeypatch.setenv("XAPI_SOCKET", str(tmp_path / "xapi"))
    agents: list[PluginHost] = []

    async def driver() -> SrDriver:
        agents.append(PluginHost(await host.context(), Settings(plugins, tmp_path / "xapi", tmp_path / "none")))
        return (await agents[-1].drivers())["dir"]

    def spec() -> SrSpec:
        sr = new_sr()
        return SrSpec(sr, "dir", {"location": str(tmp_path / f"sr-{sr}")})

    async def restart() -> SrDriver:
        await agents[-1].close()
        await host.kill_agent()
        return await driver()

    ground = StorageGround(await driver(), spec, restart, open_bytes, own_ids=True, deviations=DEVIATIONS)
    yield ground
    await ground.close()
    await agents[-1].close()
    await host.close()


@pytest.mark.parametrize("promise", PROMISES, ids=name_of)
async def test_an_sr_of_a_smapiv1_plugin_promises_that(promise: Promise, ground: StorageGround) -> None:
    await keep(promise, ground)
