"""What simulated guests do: more and less in waves, each in its own, so that graphs have something to show. Pure.

Everything follows from how long a guest has run: the counters of a world that is read from its store go on where they
were, and two readers see the same.
"""

import math
from typing import Final, NamedTuple
from zlib import crc32

_CPU_WAVE: Final = 120.0
_IO_WAVE: Final = 75.0
_TURN: Final = 2 * math.pi
_CPU_MEAN: Final = 0.3
_CPU_SWING: Final = 0.25
_SLOT: Final = 5.0
_READ_MS: Final = 2
_WRITE_MS: Final = 5
_SECTORS: Final = 16
"""Of a request."""


class Io(NamedTuple):
    """Requests so far."""

    reads: int
    writes: int


def _phase(*what: object) -> float:
    """From 0 to 1, the same for the same."""
    return crc32(":".join(map(str, what)).encode()) / 2**32


def _waves(seconds: float, mean: float, swing: float, wave: float, phase: float) -> float:
    """The integral of mean + swing * sin over so many seconds; it never falls while swing <= mean."""
    return mean * seconds + swing * wave / _TURN * (
        math.cos(_TURN * phase) - math.cos(_TURN * (seconds / wave + phase))
    )


def vcpu_seconds(vm: str, vcpu: int, ran: float) -> float:
    """Time on a CPU, of so many seconds."""
    return _waves(ran, _CPU_MEAN, _CPU_SWING, _CPU_WAVE, _phase(vm, vcpu))


def vcpu_share(vm: str, vcpu: int, ran: float) -> float:
    """Of a CPU, at that moment."""
    return _CPU_MEAN + _CPU_SWING * math.sin(_TURN * (ran / _CPU_WAVE + _phase(vm, vcpu)))


def chance(vm: str, vcpu: int, ran: float) -> float:
    """From 0 to 1, another for each vCPU and every five seconds."""
    return _phase(vm, vcpu, int(ran / _SLOT))


def disk_requests(vm: str, devid: int, ran: float) -> Io:
    """On one VBD."""
    phase = _phase(vm, "disk", devid)
    return Io(int(_waves(ran, 60, 50, _IO_WAVE, phase)), int(_waves(ran, 25, 20, _IO_WAVE, phase + 0.3)))


def packets(vm: str, devid: int, ran: float) -> tuple[int, int]:
    """Bytes received and sent by one VIF."""
    phase = _phase(vm, "vif", devid)
    return int(_waves(ran, 90e3, 80e3, _IO_WAVE, phase)), int(_waves(ran, 30e3, 25e3, _IO_WAVE, phase + 0.1))


def stat_line(done: Io) -> bytes:
    """As `stat` of a block device says it."""
    reads, writes = done
    reading, writing = reads * _READ_MS, writes * _WRITE_MS
    numbers = (
        *(reads, 0, reads * _SECTORS, reading, writes, 0, writes * _SECTORS, writing),
        *((reads + writes) % 4, (reading + writing) // 2, reading + writing),
    )
    return (" ".join(f"{number:8}" for number in numbers) + "\n").encode()


def sectors(requests: int) -> int:
    """Of so many requests."""
    return requests * _SECTORS
