"""`make bench`: xenhost against its peers, side by side, inside one dom0.

Every figure is a ratio of medians from one run in which the contestants took turns, since the machine under it is an
emulator whose speed drifts. What is measured, and how to read it: docs/benchmarks.md.
"""
