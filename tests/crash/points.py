"""How many points each scenario has at which an agent can die: found by one undisturbed run."""

import asyncio
import tempfile
from functools import cache
from pathlib import Path

from crash.scenarios import SCENARIOS
from crash.stage import count_calls, count_writes
from xenhost.drivers.sim.faults import When


@cache
def writes_of(name: str) -> int:
    """Writes to the journal."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(count_writes(Path(folder), SCENARIOS[name]))


@cache
def calls_of(name: str) -> dict[When, int]:
    """Moments of port calls."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(count_calls(Path(folder), SCENARIOS[name]))
