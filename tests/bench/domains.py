"""Starting and ending domains, alone and eight at once; and what the daemon weighs."""

import asyncio
from pathlib import Path

from bench.contest import Contest
from bench.stats import Row, Sample
from bench.toolstack import Guest, Toolstack

START = {"xl, Debian's scripts": 0.15, "xl, compiled hotplug": 0.6}
DESTROY = {"xl, Debian's scripts": 0.2, "xl, compiled hotplug": 0.8}
EIGHT = {"xl, Debian's scripts": 0.1, "xl, compiled hotplug": 0.4}


async def start_and_destroy(ring: Contest, type: str) -> list[Row]:
    """One guest with one VBD and one VIF: from the request to the unpaused domain, and away again."""
    guests = {toolstack.name: await ring.guest(toolstack, 0, type) for toolstack in ring.toolstacks}

    async def work(toolstack: Toolstack) -> dict[str, Sample]:
        guest = guests[toolstack.name]
        started = await ring.meter.measure(lambda: toolstack.start(guest))
        ended = await ring.meter.measure(lambda: toolstack.destroy(guest))
        return {"start": started, "destroy": ended}

    found = await ring.turns(work)
    word = type.upper()
    return [
        Row(f"{word}: start, 1 VBD + 1 VIF", found["start"], START),
        Row(f"{word}: destroy", found["destroy"], DESTROY),
    ]


async def eight_at_once(ring: Contest) -> list[Row]:
    """Eight PV guests asked for at the same moment; done when the last is unpaused."""
    guests: dict[str, list[Guest]] = {}
    for toolstack in ring.toolstacks:
        guests[toolstack.name] = [await ring.guest(toolstack, 16 + number, "pv") for number in range(8)]

    async def work(toolstack: Toolstack) -> dict[str, Sample]:
        ours = guests[toolstack.name]
        try:
            started = await ring.meter.measure(lambda: asyncio.gather(*map(toolstack.start, ours)))
        finally:
            await asyncio.gather(*map(toolstack.destroy, ours), return_exceptions=True)
        return {"eight": started}

    found = await ring.turns(work, at_most=2)  # the scripts take minutes
    return [Row("PV: start 8 at once", found["eight"], EIGHT)]


async def resident_memory(ring: Contest) -> list[Row]:
    """Resident memory of the daemon with 8 running VMs, as a note."""
    guests = [await ring.guest(ring.ours, 32 + number, "pv") for number in range(8)]
    await asyncio.gather(*map(ring.ours.start, guests))
    await asyncio.sleep(5)
    status = Path(f"/proc/{ring.daemon_pid}/status").read_text()
    resident = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    ring.notes.append(f"resident memory of xenhostd with 8 VMs: {int(resident) / 1024:.1f} MiB (aim: under 80 MB)")
    await asyncio.gather(*map(ring.ours.destroy, guests))
    return []
