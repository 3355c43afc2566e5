"""One plugin: its file, and when it is worth reading again."""

import time
from pathlib import Path
from typing import Final

from xenhost.core.metrics import Reading
from xenhost.rrd.plugin.file import PluginFile
from xenhost.rrd.plugin.metadata import BadPlugin

STEP: Final = 5.0
MAX_SOURCES: Final = 20_000
"""Of one plugin: four times what the largest known one has."""
MAX_REST: Final = 60.0
"""Seconds that a plugin is left alone at most, however broken it is."""
SHARE: Final = 0.05
"""Of a core: a plugin that costs more to read is read less often."""


class Plugin:
    """Its state. Used by the thread that reads; `name` by anybody."""

    def __init__(self, name: str, folder: Path) -> None:
        """Raises BadPlugin if that is not a name for one."""
        self._file: Final = PluginFile(name, folder)
        self._failures = 0
        self._next = 0.0
        self._absent_since: float | None = None
        self.problem = ""
        """What is wrong with it; empty: nothing, or it was not read yet."""
        self.cost = 0.0
        """Seconds that the last reading took; 0: none yet."""

    @property
    def name(self) -> str:
        """Of its file."""
        return self._file.name

    def due(self, now: float) -> bool:
        """Is it to be read at that moment (monotonic seconds)?"""
        return now >= self._next

    def absent(self, now: float) -> float:
        """For how many seconds its file has not been there."""
        return 0.0 if self._absent_since is None else now - self._absent_since

    def read(self, now: float) -> Reading | None:
        """What is new, if anything; `problem` says what is wrong otherwise. Blocks, for its `cost`.

        A plugin that has nothing new is asked again at the next tick: it may only be late. One that is broken is left
        alone for 5, 15, 35 and at most 60 s.
        """
        before = time.thread_time()
        try:
            reading = self._file.read()
            if reading is not None and len(reading.sources) > MAX_SOURCES:
                raise BadPlugin(f"it has {len(reading.sources)} data sources; {MAX_SOURCES} at most")
            self._failures, self.problem, self._absent_since = 0, "", None
            rest = 0.0
        except FileNotFoundError:
            reading, self.problem = None, "its file is not there"
            self._absent_since = now if self._absent_since is None else self._absent_since
            rest = 0.0
        except BadPlugin as error:
            reading, rest = None, self._failed(str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours that its bytes lead to costs this plugin alone
            reading, rest = None, self._failed(f"internal error: {type(error).__name__}: {error!s:.100}")
        self.cost = time.thread_time() - before
        expensive = self.cost / SHARE
        self._next = now + max(rest, expensive if expensive > STEP else 0.0)
        return reading

    def _failed(self, problem: str) -> float:
        """Seconds to leave it alone."""
        self.problem, self._absent_since = problem, None
        rest: float = min(STEP * (2**self._failures - 1), MAX_REST)
        self._failures = min(self._failures + 1, 10)
        return rest
