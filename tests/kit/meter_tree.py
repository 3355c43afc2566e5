"""What meters read, as a test wants it: files of /proc and /sys, and a Xen that says what it is told."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

from xenhost.core.metrics import Owner, Reading
from xenhost.drivers.metrics.xen_calls import Machine
from xenhost.native.xen_meter import Load, Loads, Rest

HEAD = "Inter-|   Receive    |  Transmit\n face |bytes    packets errs drop ...\n"


def by_name(readings: Iterable[Reading]) -> dict[tuple[Owner, str], float]:
    """Values by owner and name; each is told once."""
    found: dict[tuple[Owner, str], float] = {}
    for reading in readings:
        for source, value in zip(reading.sources, reading.values, strict=True):
            assert (source.owner, source.name) not in found, source
            found[source.owner, source.name] = value
    return found


class Tree:
    """Files below a folder that is the root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str) -> None:
        """Over what was there, in the same file."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def remove(self, path: str) -> None:
        """The file."""
        (self.root / path.lstrip("/")).unlink()

    def vbd(self, domid: int, devid: int, number: str, **statistics: int) -> None:
        """A VBD that blkback serves from that device ("7:0", in hexadecimal digits)."""
        folder = f"sys/bus/xen-backend/devices/vbd-{domid}-{devid}"
        self.write(f"{folder}/physical_device", f"{number}\n")
        for name, value in statistics.items():
            self.write(f"{folder}/statistics/{name}", f"{value}\n")

    def stat(self, number: str, *counters: int) -> None:
        """Of a block device ("7:0", in decimal digits): the eleven counters of old, and six of newer kernels."""
        assert len(counters) == 11
        self.write(
            f"sys/dev/block/{number}/stat", " ".join(f"{each:8}" for each in (*counters, 0, 0, 0, 0, 9, 9)) + "\n"
        )


def net_dev(devices: Mapping[str, tuple[int, int, int, int]]) -> bytes:
    """/proc/net/dev of devices that have received and sent so many bytes, with so many errors."""
    lines = [
        f"{name:>6}: {rx:7} 1 {rx_errors} 0 0 0 0 0 {tx:8} 2 {tx_errors} 0 0 0 0 0"
        for name, (rx, tx, rx_errors, tx_errors) in devices.items()
    ]
    return (HEAD + "\n".join(lines) + "\n").encode()


@dataclass
class ToldXen:
    """Implements XenFigures from what stands in its fields."""

    domains: list[Load] = field(default_factory=list)
    vcpu_times: tuple[int, ...] = ()
    vcpu_states: bytes = b""
    idle: Sequence[int] = (0, 0)
    resting: Sequence[Rest] = ()
    total_memory: int = 8 << 30
    free_memory: int = 2 << 30
    asked: int = 0
    """How often for its domains."""
    failure: OSError | None = None

    def loads(self) -> Loads:
        """As told."""
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return Loads(self.domains, self.vcpu_times, self.vcpu_states)

    def rests(self, cpus: int) -> Sequence[Rest]:
        """As told."""
        return self.resting

    def physinfo(self) -> Machine:
        """As told."""
        return SimpleNamespace(cpus=len(self.idle), total_memory=self.total_memory, free_memory=self.free_memory)

    def cpu_idle_times(self) -> Sequence[int]:
        """As told."""
        return self.idle
