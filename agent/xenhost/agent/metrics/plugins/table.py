"""All plugins: those in the folder and those that announced themselves. What they brought waits here for the tick."""

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from xenhost.agent.metrics.plugins.folder import PluginFolder
from xenhost.agent.metrics.plugins.plugin import Plugin
from xenhost.core.clock import Clock
from xenhost.core.errors import TooBusy
from xenhost.core.metrics import Reading

Log = structlog.typing.FilteringBoundLogger

MAX_PLUGINS: Final = 256
MAX_SECONDS: Final = 4.0
"""For one round over all of them; those that had no turn are first in the next."""
MAX_ABSENT: Final = 600.0
"""Seconds after which one that announced itself and has no file is forgotten."""


@dataclass(frozen=True, slots=True)
class PluginView:
    """A plugin, for people."""

    name: str
    problem: str
    sources: int


class PluginTable:
    """Registration from any thread, `read` from one that may block: a plugin delays nobody but other plugins.

    The cheap ones are read first, and new ones last: whatever one costs, those that were well-behaved until now have
    been read before it.
    """

    def __init__(self, folder: Path, clock: Clock, log: Log) -> None:
        self._folder: Final = PluginFolder(folder)
        self._clock: Final = clock
        self._log: Final = log
        self._lock: Final = threading.Lock()
        self._plugins: dict[str, Plugin] = {}
        self._announced: set[str] = set()
        self._fresh: dict[str, Reading] = {}
        self._sources: dict[str, int] = {}
        self._starved: set[str] = set()
        self._round = 0
        self._folder_problem = ""

    def register(self, name: str) -> None:
        """It announces itself; its file may be yet to come. Raises BadPlugin, TooBusy."""
        plugin = Plugin(name, self._folder.path)
        with self._lock:
            if name not in self._plugins:
                if len(self._plugins) >= MAX_PLUGINS:
                    raise TooBusy(f"there are {MAX_PLUGINS} plugins already")
                self._plugins[name] = plugin
            self._announced.add(name)

    def deregister(self, name: str) -> None:
        """It says that it ends."""
        with self._lock:
            self._announced.discard(name)
            self._forget(name)

    def registered(self, name: str) -> bool:
        """Is it one of ours?"""
        with self._lock:
            return name in self._plugins

    def views(self) -> Sequence[PluginView]:
        """All of them, by name."""
        with self._lock:
            return [
                PluginView(name, plugin.problem, self._sources.get(name, 0))
                for name, plugin in sorted(self._plugins.items())
            ]

    def take(self) -> Mapping[str, Reading]:
        """What was read since the last time, by plugin."""
        with self._lock:
            fresh, self._fresh = self._fresh, {}
            return fresh

    def open(self) -> None:
        """Make the folder and see what is in it, before the first `read`. Blocks; never raises."""
        self._look()

    def read(self) -> None:
        """One round: whatever is due, until time is up. Never raises."""
        begun = self._clock.monotonic()
        self._round += 1
        self._look()
        waiting = self._due(begun)
        while waiting and self._clock.monotonic() - begun < MAX_SECONDS:
            self._read(waiting.pop(0))
        self._starved = {plugin.name for plugin in waiting}
        if waiting:
            self._log.warning("plugins take too long, some wait for the next tick", waiting=len(waiting))

    def close(self) -> None:
        """Let go of the folder."""
        self._folder.close()

    def _due(self, now: float) -> list[Plugin]:
        with self._lock:
            for name in [name for name, plugin in self._plugins.items() if plugin.absent(now) > MAX_ABSENT]:
                self._announced.discard(name)
                self._forget(name)
            due = [plugin for plugin in self._plugins.values() if plugin.due(now)]
        return sorted(due, key=lambda each: (each.name not in self._starved, each.cost or math.inf))

    def _read(self, plugin: Plugin) -> None:
        before = plugin.problem
        reading = plugin.read(self._clock.monotonic())
        if plugin.problem and plugin.problem != before:
            self._log.warning("plugin cannot be read", plugin=plugin.name, reason=plugin.problem)
        elif before and not plugin.problem:
            self._log.info("plugin can be read again", plugin=plugin.name)
        if reading is not None:
            with self._lock:
                if plugin.name in self._plugins:
                    self._fresh[plugin.name] = reading
                    self._sources[plugin.name] = len(reading.sources)

    def _look(self) -> None:
        """Take on what has come into the folder, and drop what has left it."""
        try:
            names = self._folder.names()
        except OSError as error:
            if str(error) != self._folder_problem:
                self._folder_problem = str(error)
                self._log.error("no folder of plugins", folder=str(self._folder.path), reason=str(error))
            return
        self._folder_problem = ""
        with self._lock:
            for gone in self._plugins.keys() - names - self._announced:
                self._forget(gone)
            new = sorted(names - self._plugins.keys())
            room = MAX_PLUGINS - len(self._plugins)
            for name in new[:room]:
                self._plugins[name] = Plugin(name, self._folder.path)
        for name in new[:room]:
            self._log.info("plugin found", plugin=name)
        if len(new) > room and self._round % 720 == 1:
            self._log.warning("too many plugins", most=MAX_PLUGINS, ignored=len(new) - room)

    def _forget(self, name: str) -> None:
        for table in (self._plugins, self._fresh, self._sources):
            table.pop(name, None)
