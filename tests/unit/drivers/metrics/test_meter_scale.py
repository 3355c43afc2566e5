"""A thousand VMs."""

import time
from pathlib import Path

from kit.meter_crowd import Crowd

VMS = 1000
TICK = 0.1
"""Seconds of CPU: two percent of one, at a tick every five seconds."""


def test_a_tick_of_a_thousand_vms_takes_two_percent_of_a_cpu_and_makes_no_new_sources(tmp_path: Path) -> None:
    crowd = Crowd(tmp_path, VMS)
    taken: list[float] = []
    before: list[int] = []
    for tick in range(1, 10):
        if tick < 3:
            crowd.step(tick)
        start = time.thread_time()
        readings = [each for meter in crowd.meters for each in meter.read(1000.0 + 5 * tick, crowd.vms)]
        taken.append(time.thread_time() - start)
        sources = [id(each.sources) for each in readings]
        if tick > 2:
            assert sources == before
        before = sources
    assert sum(len(each.values) for each in readings) > 32 * VMS
    assert sorted(taken)[len(taken) // 2] < TICK, taken
