"""What the agent itself needs."""

import os
from collections.abc import Sequence
from typing import Final

from xenhost.core.metrics import HOST, Reading
from xenhost.core.ports.metrics import MeteredVm
from xenhost.core.units import KIB
from xenhost.drivers.metrics import catalog
from xenhost.drivers.metrics.kept_files import Files
from xenhost.drivers.metrics.shapes import Shapes


class DaemonMeter:
    """xapi_memory_usage_kib, xapi_open_fds, xenhostd_cpu. What xapi says of its OCaml heap has no like here."""

    name: Final = "daemon"

    def __init__(self, files: Files) -> None:
        self._files: Final = files
        self._shapes: Final = Shapes()
        self._page: Final = os.sysconf("SC_PAGE_SIZE")

    def read(self, now: float, vms: Sequence[MeteredVm]) -> Sequence[Reading]:
        """Two files of /proc."""
        words = (self._files.read("/proc/self/statm") or b"").split()
        resident = int(words[1]) * self._page / KIB if len(words) > 1 else float("nan")
        times = os.times()
        kinds = (catalog.AGENT_MEMORY, catalog.AGENT_FILES, catalog.AGENT_CPU)
        sources = self._shapes.of(HOST, None, lambda: (kind.source() for kind in kinds))
        files = len(os.listdir("/proc/self/fd")) - 1  # without the one that lists them
        return [Reading(now, sources, (resident, float(files), times.user + times.system))]
