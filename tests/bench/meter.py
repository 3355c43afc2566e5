"""Wall time and dom0's CPU time around a piece of work."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from bench.stats import Sample
from xenhost.native.xenctrl import Xenctrl


class Meter:
    """Reads dom0's CPU time from Xen, so that work done by kernel threads and daemons counts."""

    def __init__(self, xenctrl: Xenctrl) -> None:
        self._xenctrl = xenctrl

    def _cpu(self) -> float:
        dom0 = self._xenctrl.domain(0)
        assert dom0 is not None
        return dom0.cpu_time / 1e9

    async def measure(self, work: Callable[[], Awaitable[object]]) -> Sample:
        """Run the work once, in a quiet moment."""
        await self._settle()
        cpu, start = self._cpu(), time.monotonic()
        await work()
        return Sample(time.monotonic() - start, self._cpu() - cpu)

    async def _settle(self) -> None:
        """Wait until dom0 is idle: what the last contestant left running must not count against the next."""
        for _ in range(60):
            cpu = self._cpu()
            await asyncio.sleep(0.25)
            if self._cpu() - cpu < 0.03:
                return
