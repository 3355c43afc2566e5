"""The hypervisor, as meters ask it: opened at the first question, and asked for its domains once for each tick."""

import errno
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from xenhost.native.errors import NativeUnavailable
from xenhost.native.xen_meter import Loads, Rest
from xenhost.native.xenctrl import Xenctrl


class Machine(Protocol):
    """The part of PhysInfo that is used. Memory in bytes."""

    @property
    def cpus(self) -> int: ...
    @property
    def total_memory(self) -> int: ...
    @property
    def free_memory(self) -> int: ...


class XenFigures(Protocol):
    """What is asked: a part of Xenctrl. All raise XenctrlError."""

    def loads(self) -> Loads:
        """CPU and memory of all domains."""
        ...

    def rests(self, cpus: int) -> Sequence[Rest]:
        """How the first `cpus` CPUs rest."""
        ...

    def physinfo(self) -> Machine:
        """CPUs and memory of the machine: a PhysInfo, or less."""
        ...

    def cpu_idle_times(self) -> Sequence[int]:
        """Nanoseconds that each CPU was idle."""
        ...


class XenCalls:
    """Shared by the meters of one tick, in one thread. Raises OSError for all that fails."""

    def __init__(self, connect: Callable[[], XenFigures] = Xenctrl) -> None:
        self._connect: Final = connect
        self._xen: XenFigures | None = None
        self._at: float | None = None
        self._loads: Loads | None = None

    def xen(self) -> XenFigures:
        """The open handle."""
        if self._xen is None:
            try:
                self._xen = self._connect()
            except NativeUnavailable as error:
                raise OSError(errno.ENOSYS, str(error)) from error
        return self._xen

    def loads(self, now: float) -> Loads:
        """All domains, asked once for the same `now`."""
        if self._loads is None or self._at != now:
            self._loads, self._at = None, now
            self._loads = self.xen().loads()
        return self._loads
