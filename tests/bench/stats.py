"""Samples and ratios."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one piece of work. Seconds."""

    wall: float
    dom0_cpu: float
    """CPU time of the whole of dom0 meanwhile: the tool, its children, daemons, kernel threads."""


@dataclass(frozen=True, slots=True)
class Row:
    """One piece of work, done by several contestants."""

    work: str
    samples: dict[str, list[Sample]]
    """By contestant, in the order of the table."""
    aims: dict[str, float]
    """The ratio of wall time aimed at, by peer."""

    def wall(self, contestant: str) -> float:
        """Median wall seconds."""
        return median(sample.wall for sample in self.samples[contestant])

    def cpu(self, contestant: str) -> float:
        """Median CPU seconds of dom0."""
        return median(sample.dom0_cpu for sample in self.samples[contestant])


OURS = "xenhost"


def table(rows: Sequence[Row]) -> str:
    """Plain text, one line for each (work, contestant)."""
    lines = [
        f"{'work':34} {'contestant':22} {'n':>3} {'wall s':>9} {'(min':>8} {'max)':>8} {'dom0 cpu s':>10}"
        f" {'ours/its wall':>13} {'aim':>6} {'ours/its cpu':>12}"
    ]
    for row in rows:
        for name, samples in row.samples.items():
            walls = sorted(sample.wall for sample in samples)
            line = (
                f"{row.work:34} {name:22} {len(samples):3} {row.wall(name):9.4f} {walls[0]:8.4f} {walls[-1]:8.4f}"
                f" {row.cpu(name):10.4f}"
            )
            if name != OURS and OURS in row.samples:
                aim = f"{row.aims[name]:.2f}" if name in row.aims else "-"
                line += f" {row.wall(OURS) / row.wall(name):13.3f} {aim:>6}"
                line += f" {row.cpu(OURS) / max(row.cpu(name), 1e-6):12.3f}"
            lines.append(line.rstrip())
    return "\n".join(lines)


def as_json(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Everything that was measured."""
    return [
        {
            "work": row.work,
            "aims": row.aims,
            "samples": {
                name: [{"wall_s": sample.wall, "dom0_cpu_s": sample.dom0_cpu} for sample in samples]
                for name, samples in row.samples.items()
            },
        }
        for row in rows
    ]
