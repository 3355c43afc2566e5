"""Files that are kept open, sensors, the agent itself, SRs."""

import math
import os
from pathlib import Path

import pytest

from kit.meter_tree import Tree, by_name
from xenhost.core.metrics import HOST, Owner, OwnerKind
from xenhost.core.ports.metrics import SrSpace
from xenhost.drivers.metrics.counters import Growth
from xenhost.drivers.metrics.daemon import DaemonMeter
from xenhost.drivers.metrics.dom0 import network_devices
from xenhost.drivers.metrics.kept_files import KeptFiles
from xenhost.drivers.metrics.links import counters, device_lines
from xenhost.drivers.metrics.sensors import SensorMeter
from xenhost.drivers.metrics.space import SpaceMeter


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_file_is_opened_once_and_read_from_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1")
    files, before = KeptFiles(tmp_path), open_files()
    assert files.read("/f") == b"1"
    (tmp_path / "f").write_text("22")
    assert files.read("/f") == b"22"
    assert files.read("/f", 1) == b"2"
    assert open_files() == before + 1
    files.drop("/f")
    files.drop("/f")
    assert open_files() == before


def test_files_beyond_the_most_are_read_too_but_not_kept(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / str(number)).write_text(f"{number}")
    files, before = KeptFiles(tmp_path, most=3), open_files()
    assert [files.read(f"/{number}") for number in range(9)] == [b"%d" % number for number in range(9)]
    assert open_files() == before + 3
    del files
    assert open_files() == before, "they are closed with what kept them"


def test_a_file_that_is_not_there_or_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    files, before = KeptFiles(tmp_path), open_files()
    assert [files.read(path) for path in ("/nothing", "/folder", "/empty")] == [None] * 3
    assert open_files() == before


def test_a_file_that_is_emptied_is_opened_anew(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("old")
    files = KeptFiles(tmp_path)
    assert files.read("/f") == b"old"
    file.write_text("")
    other = tmp_path / "g"
    other.write_text("new")
    other.replace(file)
    assert files.read("/f") == b"new"


def test_growth_is_summed_over_what_comes_and_goes() -> None:
    growth = Growth()
    assert growth.add({"a": 100, "b": 5}) == 0
    assert growth.add({"a": 110, "b": 5}) == 10
    assert growth.add({"b": 6}) == 11
    assert growth.add({"a": 900, "b": 3}) == 11
    assert growth.add({"a": 901, "b": 4}) == 13


def test_the_kernel_is_understood() -> None:
    lines = device_lines(network_devices())
    assert counters(lines[b"lo"]).rx == counters(lines[b"lo"]).tx


def test_the_agent_measures_itself() -> None:
    meter = DaemonMeter(KeptFiles())
    values = by_name(meter.read(1.0, []))
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    assert values[HOST, "xapi_memory_usage_kib"] == pytest.approx(int(status["VmRSS"].split()[0]), rel=0.1)
    assert values[HOST, "xapi_open_fds"] == pytest.approx(open_files(), abs=2)
    assert values[HOST, "xenhostd_cpu"] > 0
    assert meter.read(6.0, [])[0].sources is meter.read(11.0, [])[0].sources


def sensors(root: Path) -> Tree:
    tree = Tree(root)
    for folder, chip in (("hwmon0", "k10temp"), ("hwmon1", "nvme"), ("hwmon2", "nvme"), ("hwmon3", "ACPI Power")):
        tree.write(f"class/hwmon/{folder}/name", f"{chip}\n")
        (root / "devices" / folder).mkdir(parents=True)
        (root / "class/hwmon" / folder / "device").symlink_to(root / "devices" / folder)
    tree.write("class/hwmon/hwmon0/temp1_input", "45250\n")
    tree.write("class/hwmon/hwmon0/temp1_max", "70000\n")
    tree.write("class/hwmon/hwmon1/temp1_input", "-5000\n")
    tree.write("class/hwmon/hwmon2/temp1_input", "broken\n")
    tree.write("class/hwmon/hwmon3/power1_average", "182000000\n")
    tree.write("class/hwmon/hwmon3/fan2_input", "1200\n")
    return tree


def test_sensors_are_read_once_a_minute(tmp_path: Path) -> None:
    tree, meter = sensors(tmp_path), SensorMeter(tmp_path)
    values = {name: value for (_, name), value in by_name(meter.read(1000.0, [])).items()}
    assert math.isnan(values.pop("temperature_nvme_1_1"))
    assert values == {
        "temperature_k10temp_0_1": 45.25,
        "temperature_nvme_0_1": -5,
        "power_acpi_power_0_1": 182,
        "fan_acpi_power_0_2": 1200,
    }
    tree.write("class/hwmon/hwmon0/temp1_input", "50000\n")
    assert by_name(meter.read(1055.0, []))[HOST, "temperature_k10temp_0_1"] == 45.25
    assert by_name(meter.read(1060.0, []))[HOST, "temperature_k10temp_0_1"] == 50


def test_a_machine_without_sensors_has_no_such_sources(tmp_path: Path) -> None:
    assert SensorMeter(tmp_path).read(1.0, []) == []


def test_srs_tell_how_full_they_are_while_they_are_attached() -> None:
    spaces = {"sr-1": SrSpace(100, 40), "sr-2": SrSpace(7, 7)}
    meter = SpaceMeter(lambda: spaces)
    first, second = meter.read(1.0, []), meter.read(6.0, [])
    assert by_name(first)[Owner(OwnerKind.SR, "sr-1"), "physical_utilisation"] == 40
    assert by_name(first)[Owner(OwnerKind.SR, "sr-2"), "size"] == 7
    assert [id(each.sources) for each in first] == [id(each.sources) for each in second]
    del spaces["sr-1"]
    assert len(meter.read(11.0, [])) == 1
