"""Wall time and the CPU time of the whole of dom0 around a piece of work."""

import asyncio
import os
import resource
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bench.stats import Sample
from xenhost.native.xenctrl import Xenctrl


class Meter:
    """`cpu` says how many seconds dom0 has computed: work done by kernel threads and daemons counts."""

    def __init__(self, cpu: Callable[[], float]) -> None:
        self._cpu = cpu

    async def measure(self, work: Callable[[], Awaitable[object]], patience: float = 15.0) -> Sample:
        """Run the work once, in a quiet moment, if there is one within so many seconds."""
        await self._settle(patience)
        cpu, start = self._cpu(), time.monotonic()
        await work()
        return Sample(time.monotonic() - start, self._cpu() - cpu)

    async def _settle(self, patience: float) -> None:
        """Wait until dom0 is idle: what the last contestant left running must not count against the next."""
        for _ in range(round(patience / 0.25)):
            cpu = self._cpu()
            await asyncio.sleep(0.25)
            if self._cpu() - cpu < 0.03:
                return


def of_this() -> float:
    """Of this process and of those that it has waited for: on a machine where others compute, too."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def is_xen() -> bool:
    """Is this a dom0? On the bare machine only networks are measured."""
    return Path("/proc/xen/capabilities").exists()


def of_dom0(xenctrl: Xenctrl) -> float:
    """As Xen has charged it."""
    dom0 = xenctrl.domain(0)
    assert dom0 is not None
    return dom0.cpu_time / 1e9


def of_machine() -> float:
    """As the kernel counts it, of all processes and itself: all but what was idle."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _waiting, interrupts, soft = (int(word) for word in words[:7])
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")
