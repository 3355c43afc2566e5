"""How many points each scenario has at which an agent can die.

Written down, so that collecting the tests runs nothing; `test_points.py` proves the numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xenhost.drivers.sim.faults import When


@dataclass(frozen=True, slots=True)
class Points:
    """Of one scenario, undisturbed."""

    writes: int
    """To the journal; the writes of one transaction are one."""
    before: int
    """Port calls, the looks at the result included."""
    during: int
    """Moments within them at which half has happened."""
    after: int
    """Moments at which all has happened and the agent does not know."""

    def moments(self, when: When) -> int:
        """By name."""
        return {When.BEFORE: self.before, When.DURING: self.during, When.AFTER: self.after}[when]


POINTS: Final[Mapping[str, Points]] = {
    "start": Points(15, 10, 6, 7),
    "start-hvm": Points(15, 10, 5, 7),
    "start-paused": Points(9, 7, 4, 4),
    "clean-shutdown": Points(5, 7, 1, 2),
    "hard-shutdown": Points(3, 2, 1, 1),
    "clean-reboot": Points(19, 16, 7, 9),
    "hard-reboot": Points(17, 11, 6, 8),
    "pause": Points(3, 3, 0, 1),
    "unpause": Points(3, 3, 0, 1),
    "plug-vbd": Points(3, 3, 1, 1),
    "unplug-vbd": Points(3, 3, 1, 1),
    "force-unplug-vbd": Points(3, 3, 1, 1),
    "plug-vif": Points(3, 3, 1, 1),
    "unplug-vif": Points(3, 3, 1, 1),
    "update-vif": Points(3, 3, 1, 1),
    "insert": Points(3, 3, 1, 1),
    "eject": Points(3, 3, 1, 1),
    "suspend": Points(11, 8, 2, 3),
    "suspend-vdis": Points(13, 13, 7, 8),
    "checkpoint": Points(17, 12, 3, 7),
    "resume": Points(21, 10, 6, 7),
    "resume-hvm": Points(21, 10, 5, 7),
    "resume-paused": Points(15, 7, 4, 4),
    "resume-vdis": Points(27, 16, 12, 13),
    "forget-suspended": Points(3, 0, 0, 0),
    "start-functions": Points(15, 16, 6, 7),
    "shutdown-functions": Points(3, 5, 1, 1),
    "reboot-functions": Points(17, 20, 7, 8),
    "start-vdis": Points(18, 13, 9, 10),
    "hard-shutdown-vdis": Points(5, 6, 4, 4),
    "hard-reboot-vdis": Points(25, 18, 13, 14),
    "plug-vdi": Points(5, 4, 2, 2),
    "unplug-vdi": Points(5, 4, 2, 2),
    "limit-vdi": Points(3, 3, 0, 1),
    "insert-vdi": Points(5, 4, 2, 2),
    "eject-vdi": Points(5, 4, 2, 2),
}
