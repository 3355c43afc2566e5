"""The table of drivers: what is in it, what is found besides, and that it costs nothing until it is used."""

import asyncio
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from xenhost.core.events import ChangeKind
from xenhost.sm.command import Commands
from xenhost.sm.context import SmContext
from xenhost.sm.datapath.images import ImageServers
from xenhost.sm.registry import BUILT_IN, Drivers, SmSettings
from xenhost.system.clock import SystemClock

SCRIPT = """#!/bin/sh
cat >/dev/null
echo '{"plugin": "shelf", "name": "Shelf", "description": "d", "vendor": "v", "copyright": "c", "version": "1.0",
 "required_api_version": "5.0", "features": [], "configuration": {}, "required_cluster_stack": []}'
"""
V1 = """#!/bin/sh
echo '<?xml version="1.0"?><methodResponse><params><param><value><struct>
<member><name>name</name><value>Shelf</value></member><member><name>description</name><value>d</value></member>
<member><name>vendor</name><value>v</value></member><member><name>copyright</name><value>c</value></member>
<member><name>driver_version</name><value>1.0</value></member>
<member><name>required_api_version</name><value>1.1</value></member>
<member><name>capabilities</name><value><array><data><value>VDI_CREATE</value></data></array></value></member>
<member><name>configuration</name><value><array><data></data></array></value></member>
</struct></value></param></params></methodResponse>'
"""


@pytest.fixture
def context(tmp_path: Path) -> SmContext:
    clock, log = SystemClock(), structlog.get_logger("test")
    return SmContext(
        host_id="6d4cdd1e-0000-4000-8000-000000000001",
        state_dir=tmp_path / "state",
        run_dir=tmp_path / "run",
        mount_dir=tmp_path / "mnt",
        log_dir=tmp_path / "log",
        clock=clock,
        commands=Commands(),
        images=ImageServers(tmp_path / "run", tmp_path / "log", clock, log),
        log=log,
    )


def settings(folder: Path) -> SmSettings:
    return SmSettings(smapiv1=folder / "sm", smapiv3=folder / "scripts", root=folder)


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.parametrize("kind", list(BUILT_IN))
def test_every_driver_of_ours_serves_the_type_it_is_listed_under(context: SmContext, kind: str) -> None:
    assert Drivers(context, SmSettings())[kind].info.type == kind


def test_only_the_types_that_may_be_used_are_there(context: SmContext) -> None:
    drivers = Drivers(context, SmSettings(types=frozenset({"nfs", "shelf"})))
    assert list(drivers) == ["nfs"]
    assert "file" not in drivers
    with pytest.raises(KeyError):
        drivers["file"]


def test_a_driver_is_made_once(context: SmContext) -> None:
    drivers = Drivers(context, SmSettings())
    assert drivers["file"] is drivers["file"]
    assert len(drivers) == len(list(drivers)) == len(BUILT_IN)


def test_nothing_of_a_driver_is_imported_before_its_type_is_asked_for() -> None:
    code = (
        "import sys, xenhost.agent.main; print(*sorted(name for name in sys.modules if name.startswith('xenhost.sm')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = {name.split(".")[2] for name in done.stdout.split() if name.count(".") > 1}
    assert not loaded & {"drivers", "directory", "lvm", "iscsi", "scsi", "smapiv1", "smapiv3", "mount", "sdk"}


async def test_a_machine_without_plugins_has_our_drivers_alone(context: SmContext, tmp_path: Path) -> None:
    drivers = Drivers(context, settings(tmp_path))
    await drivers.discover()
    assert set(drivers) == set(BUILT_IN)
    await drivers.close()


async def test_plugins_of_both_kinds_are_found_and_broken_ones_left_out(context: SmContext, tmp_path: Path) -> None:
    script(tmp_path / "sm/ShelfSR", V1)
    script(tmp_path / "sm/BrokenSR", "#!/bin/sh\nexit 3\n")
    script(tmp_path / "scripts/volume/org.xen.xapi.storage.drawer/Plugin.Query", SCRIPT)
    drivers = Drivers(context, settings(tmp_path))
    await drivers.discover()
    assert set(drivers) - set(BUILT_IN) == {"shelf", "drawer"}
    assert drivers["shelf"].info.filename == str(tmp_path / "sm/ShelfSR")
    await drivers.close()


async def test_a_plugin_replaces_a_driver_of_ours_only_if_that_is_preferred(context: SmContext, tmp_path: Path) -> None:
    script(tmp_path / "sm/FileSR", V1)
    drivers = Drivers(context, settings(tmp_path))
    await drivers.discover()
    assert drivers["file"].info.filename == ""
    await drivers.close()
    preferring = Drivers(context, replace(settings(tmp_path), prefer_plugins=frozenset({"file"})))
    await preferring.discover()
    assert preferring["file"].info.name == "Shelf"
    assert set(preferring) == set(BUILT_IN)
    await preferring.close()


async def test_smapiv3_plugins_come_and_go_while_the_agent_runs(context: SmContext, tmp_path: Path) -> None:
    script(tmp_path / "scripts/volume/org.example.shelf/Plugin.Query", SCRIPT)
    told: list[tuple[str, ChangeKind]] = []
    table = Drivers(context, settings(tmp_path), lambda kind, change: told.append((kind, change)))
    await table.discover(watch_seconds=0.05)
    try:
        first = table["shelf"]
        script(tmp_path / "scripts/volume/later/Plugin.Query", SCRIPT)
        async with asyncio.timeout(20):
            while "later" not in table:
                await asyncio.sleep(0.05)
        assert table["shelf"] is first
        script(tmp_path / "scripts/volume/later/SR.probe", SCRIPT)
        async with asyncio.timeout(20):
            while len(told) < 2:
                await asyncio.sleep(0.05)
        shutil.rmtree(tmp_path / "scripts/volume/later")
        async with asyncio.timeout(20):
            while "later" in table:
                await asyncio.sleep(0.05)
        assert told == [("later", change) for change in (ChangeKind.ADDED, ChangeKind.MODIFIED, ChangeKind.DELETED)]
    finally:
        await table.close()
