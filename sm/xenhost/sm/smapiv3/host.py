"""All SMAPIv3 plugins of a host, found below some roots, and found again when folders change."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xenhost.core.errors import XenhostError
from xenhost.sm.context import SmContext
from xenhost.sm.smapiv3.datapaths import DatapathPlugins
from xenhost.sm.smapiv3.driver import V3Driver
from xenhost.sm.smapiv3.failures import bad_answer
from xenhost.sm.smapiv3.info import API_VERSIONS, driver_info
from xenhost.sm.smapiv3.plugin import Plugin
from xenhost.sm.smapiv3.scripts import programs
from xenhost.sm.smapiv3.values import Query, Reader


@dataclass(frozen=True, slots=True)
class Broken:
    """A plugin that does not work, and why."""

    folder: Path
    problem: str


class PluginHost:
    """Finds plugins, and makes a driver of each that works."""

    def __init__(self, context: SmContext, roots: Sequence[Path], timeout_factor: float = 1.0) -> None:
        self._context = context
        self._roots = tuple(roots)
        self._factor = timeout_factor
        self._datapaths = DatapathPlugins()
        self._seen: Mapping[Path, int] = {}
        self._plugins: dict[Path, Plugin] = {}
        self._drivers: dict[Path, V3Driver | Broken] = {}

    async def drivers(self) -> Mapping[str, V3Driver]:
        """Those that work, by type; call it again to find what changed. One that does not is logged and left out."""
        found: dict[str, V3Driver] = {}
        for each in await self.examine():
            if isinstance(each, Broken):
                self._context.log.warning("smapiv3.broken", plugin=str(each.folder), problem=each.problem)
            elif each.info.type in found:
                self._context.log.warning("smapiv3.broken", plugin=each.info.filename, problem="its type is served")
            else:
                found[each.info.type] = each
        return found

    async def examine(self) -> Sequence[V3Driver | Broken]:
        """Every volume plugin, also those that do not work, with why. Only those that changed are asked again."""
        self._seen = await asyncio.to_thread(_stamps, self._roots)
        datapaths = await self._folders("datapath")
        results = await asyncio.gather(*(self._datapath(folder) for folder in datapaths))
        self._datapaths.set({name: plugin for name, plugin in results if plugin is not None})
        folders = await self._folders("volume")
        drivers = await asyncio.gather(*(self._driver(folder) for folder in folders))
        self._drivers = dict(zip(folders, drivers, strict=True))
        return drivers

    async def watch(self, found: Callable[[Mapping[str, V3Driver]], None], every: float) -> None:
        """Tell what there is now, whenever a plugin came, went, or got or lost a script. Runs until it is cancelled."""
        while True:
            await self._context.clock.sleep(every)
            if await asyncio.to_thread(_stamps, self._roots) != self._seen:
                found(await self.drivers())

    async def _datapath(self, folder: Path) -> tuple[str, tuple[Plugin, frozenset[str]] | None]:
        plugin = self._plugin(folder)
        try:
            await plugin.look()
            query = await _query(plugin)
        except XenhostError as error:
            self._context.log.warning("smapiv3.broken", plugin=str(folder), problem=str(error))
            return folder.name, None
        return folder.name, (plugin, frozenset(query.features))

    async def _driver(self, folder: Path) -> V3Driver | Broken:
        plugin = self._plugin(folder)
        try:
            changed = await plugin.look()
            if not changed and isinstance(there := self._drivers.get(folder), V3Driver):
                return there
            info, unknown = driver_info(str(folder), folder.name, await _query(plugin), plugin.has)
        except XenhostError as error:
            return Broken(folder, str(error))
        if unknown:
            self._context.log.info("smapiv3.unknown", plugin=str(folder), features=unknown)
        return V3Driver(self._context, plugin, info, self._datapaths)

    def _plugin(self, folder: Path) -> Plugin:
        if folder not in self._plugins:
            self._plugins[folder] = Plugin(folder, self._context.commands, self._context.log, self._factor)
        return self._plugins[folder]

    async def _folders(self, kind: str) -> list[Path]:
        return await asyncio.to_thread(lambda: [folder for root in self._roots for folder in _subfolders(root / kind)])


async def _query(plugin: Plugin) -> Query:
    query = Reader("Plugin.Query").query(await plugin.call("Plugin.Query", {}))
    if query.required_api_version not in API_VERSIONS:
        raise bad_answer("Plugin.Query", f"API version {query.required_api_version!r} is not known")
    return query


def _stamps(roots: Sequence[Path]) -> Mapping[Path, int]:
    """All folders of plugins, and when each program in them last changed."""
    found: dict[Path, int] = {}
    for root in roots:
        for folder in (*_subfolders(root / "volume"), *_subfolders(root / "datapath")):
            found[folder] = 0
            found |= {folder / name: stamp for name, stamp in programs(folder).items()}
    return found


def _subfolders(folder: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [folder / name for name in names if not name.startswith(".") and (folder / name).is_dir()]
