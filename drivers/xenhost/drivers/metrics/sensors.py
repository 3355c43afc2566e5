"""Temperatures, fans and power of the machine, where the kernel has drivers for its sensors (hwmon)."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.core.metrics import HOST, Reading
from xenhost.core.ports.metrics import MeteredVm
from xenhost.drivers.metrics import catalog
from xenhost.drivers.metrics.catalog import Kind
from xenhost.drivers.metrics.shapes import Shapes

_INTERVAL: Final = 60.0
"""Seconds between two looks: some sensors answer slowly, and none changes fast."""
_MOST: Final = 128
"""Sensors that are read."""
_INPUT: Final = re.compile(r"(temp|fan|power)(\d{1,3})_(input|average)")
_KINDS: Final[Mapping[str, tuple[Kind, float]]] = {
    "temp": (catalog.TEMPERATURE, 1e3),
    "fan": (catalog.FAN, 1.0),
    "power": (catalog.POWER, 1e6),
}


@dataclass(frozen=True, slots=True)
class _Sensor:
    kind: Kind
    name: str
    path: Path
    unit: float


class SensorMeter:
    """temperature_*, fan_*, power_* of the host, named by chip, its number among its like, and the sensor's."""

    name: Final = "sensors"

    def __init__(self, sysfs: Path = Path("/sys")) -> None:
        self._root: Final = sysfs / "class/hwmon"
        self._shapes: Final = Shapes()
        self._at: float | None = None
        self._sensors: tuple[_Sensor, ...] = ()
        self._values: tuple[float, ...] = ()

    def read(self, now: float, vms: Sequence[MeteredVm]) -> Sequence[Reading]:
        """Looks once a minute; in between it says the same again. A sensor that fails is NaN."""
        if self._at is None or not 0 <= now - self._at < _INTERVAL:
            self._at = now
            self._sensors = _sensors(self._root)
            self._values = tuple(_value(sensor) for sensor in self._sensors)
        if not self._sensors:
            return []
        sensors = self._sensors
        sources = self._shapes.of(HOST, sensors, lambda: (each.kind.source(HOST, each.name) for each in sensors))
        return [Reading(now, sources, self._values)]


def _sensors(root: Path) -> tuple[_Sensor, ...]:
    """In an order that stays the same over boots, as far as chips do."""
    found: dict[str, _Sensor] = {}
    chips: dict[str, int] = {}
    for folder in sorted(root.glob("hwmon*"), key=lambda each: os.path.realpath(each / "device")):
        chip = re.sub(r"[^a-z0-9]", "_", _text(folder / "name").lower())[:32] or "chip"
        number = chips[chip] = chips.get(chip, -1) + 1
        for file in sorted(_names(folder)):
            match = _INPUT.fullmatch(file)
            if match is not None and len(found) < _MOST:
                kind, unit = _KINDS[match[1]]
                name = f"{chip}_{number}_{match[2]}"
                found.setdefault(f"{match[1]} {name}", _Sensor(kind, name, folder / file, unit))
    return tuple(found.values())


def _value(sensor: _Sensor) -> float:
    try:
        return int(_text(sensor.path)) / sensor.unit
    except ValueError:
        return float("nan")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
