"""Finding plugins: the executables of a folder whose names end in `SR`."""

import asyncio
import os
import stat
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.core.errors import XenhostError
from xenhost.core.storage import DriverInfo
from xenhost.sm.smapiv1 import info
from xenhost.sm.smapiv1.failures import Subject
from xenhost.sm.smapiv1.plugin import Plugin
from xenhost.sm.smapiv1.request import Request

_SUFFIX: Final = "SR"
_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin that works."""

    plugin: Plugin
    info: DriverInfo
    unknown: tuple[str, ...]
    """Capabilities it names that are not known, and therefore not used."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One that does not, and why."""

    path: Path
    problem: str


async def discover(
    folder: Path, make: Callable[[Path], Plugin], allowed: Collection[str] = ()
) -> Sequence[Found | Broken]:
    """Ask every plugin of a folder what it is; `allowed` restricts the types. A folder that is missing is empty.

    Of two that serve the same type, the first by name is taken.
    """
    found: list[Found | Broken] = []
    types: dict[str, Path] = {}
    for path in await asyncio.to_thread(_executables, folder):
        kind = path.name.removesuffix(_SUFFIX).lower()
        if allowed and kind not in allowed:
            continue
        if kind in types:
            found.append(Broken(path, f"{types[kind].name} serves SRs of type {kind} already"))
        else:
            types[kind] = path
    turn = asyncio.Semaphore(_AT_ONCE)
    found += await asyncio.gather(*(_examine(kind, make(path), turn) for kind, path in types.items()))
    return found


async def _examine(kind: str, plugin: Plugin, turn: asyncio.Semaphore) -> Found | Broken:
    try:
        async with turn:
            value = await plugin.call(Request("sr_get_driver_info"), Subject("sr_get_driver_info"))
        record, unknown = info.parse(kind, str(plugin.path), value)
    except (XenhostError, info.InfoError) as error:
        return Broken(plugin.path, str(error))
    return Found(plugin, record, unknown)


def _executables(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    paths = [folder.absolute() / name for name in names if name.endswith(_SUFFIX) and name != _SUFFIX]
    return [path for path in paths if _is_executable(path)]


def _is_executable(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and os.access(path, os.X_OK)
