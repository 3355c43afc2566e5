from pathlib import Path

import pytest

from kit.plugins import PluginPlace
from xenhost.sm.smapiv1.discovery import Broken, Found


@pytest.fixture
def place(tmp_path: Path) -> PluginPlace:
    return PluginPlace(tmp_path)


async def test_plugins_are_executables_whose_names_end_in_sr(place: PluginPlace) -> None:
    place.install_example()
    place.install("NotOne", "exit 1")
    place.install("SR", "exit 1")
    (place.plugins / "PlainSR").write_text("not executable")
    (place.plugins / "FolderSR").mkdir()
    (place.plugins / "DanglingSR").symlink_to("/nonexistent")
    drivers = await place.host().drivers()
    assert list(drivers) == ["dir"]
    assert drivers["dir"].info.filename == str(place.plugins / "DirSR")


async def test_a_broken_plugin_is_left_out_and_told(place: PluginPlace) -> None:
    place.install_example()
    place.install("CrashSR", "exit 1")
    place.install("HungSR", "sleep 1000")
    place.install("BabbleSR", "echo hello")
    host = place.host(timeout_factor=0.05)
    assert list(await host.drivers()) == ["dir"]
    broken = {each.path.name: each.problem for each in await host.examine() if isinstance(each, Broken)}
    assert set(broken) == {"CrashSR", "HungSR", "BabbleSR"}
    assert "non-zero exit" in broken["CrashSR"]
    assert "timeout" in broken["HungSR"]
    assert "cannot be read" in broken["BabbleSR"]


async def test_one_plugin_serves_a_type(place: PluginPlace) -> None:
    place.install_example()
    (place.plugins / "dirSR").symlink_to("DirSR")
    found = await place.host().examine()
    assert sorted(type(each).__name__ for each in found) == ["Broken", "Found"]
    (kept,) = (each for each in found if isinstance(each, Found))
    assert kept.plugin.path.name == "DirSR"


async def test_a_folder_that_is_missing_holds_no_plugins(place: PluginPlace) -> None:
    assert await place.host(Path("/nonexistent")).drivers() == {}
