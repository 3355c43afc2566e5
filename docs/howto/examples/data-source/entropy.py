#!/usr/bin/env python3
"""A data source of the host: how much entropy the kernel has."""

from pathlib import Path

from xenhost.rrd.sdk import Plugin, gauge

ENTROPY = gauge("entropy_available", units="bits", description="Entropy the kernel has for random numbers")
FILE = Path("/proc/sys/kernel/random/entropy_avail")

if __name__ == "__main__":
    with Plugin("entropy") as plugin:
        plugin.run(lambda: [(ENTROPY, float(FILE.read_text()))])
