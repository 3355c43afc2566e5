"""Hypercalls for meters: many answers in one call, as plain tuples."""

import errno
import struct
from typing import Any, Final, NamedTuple

from xenhost.native.xen_handle import XenctrlError, XenHandle

_LOAD: Final = struct.Struct("=8Q")
_SPARE: Final = 64
"""Domains more than last time that fit without a second call."""


class Load(NamedTuple):
    """What a domain used. struct xh_load."""

    domid: int
    paused: int
    gone: int
    """Dying or shut down."""
    pages: int
    cpu_time: int
    """Of all its vCPUs, in nanoseconds."""
    online_vcpus: int
    vcpus: int
    first_vcpu: int
    """Where its vCPUs begin in `Loads.vcpu_times`."""


class VcpuState:
    """Bytes of `Loads.vcpu_states`."""

    OFFLINE: Final = 0
    BLOCKED: Final = 1
    RUNNABLE: Final = 2
    """It waits for a CPU."""
    RUNNING: Final = 3
    UNKNOWN: Final = 255
    """The domain went meanwhile."""


class Loads(NamedTuple):
    """Of all domains at one moment."""

    domains: list[Load]
    vcpu_times: tuple[int, ...]
    """Nanoseconds."""
    vcpu_states: bytes


class Rest(NamedTuple):
    """How a CPU spends its time. Residencies in nanoseconds since boot, by number of the state."""

    cx: tuple[int, ...]
    px: tuple[int, ...]
    average_khz: int
    """Since somebody asked last; 0: unknown."""


class MeterCalls(XenHandle):
    """The part of Xenctrl that is asked every few seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._room = 0
        self._vcpu_room = 0
        self._loads: Any = None
        self._times: Any = None
        self._states: Any = None

    def loads(self) -> Loads:
        """All domains, dying ones included, in id order. One thread at a time: its buffers are kept."""
        if self._loads is None:
            self._grow()
        vcpus = self._ffi.new("uint32_t *")
        while True:
            count = self._lib.xh_loads(
                self._handle, self._room, self._loads, self._vcpu_room, self._times, self._states, vcpus
            )
            if count >= 0:
                break
            if self._ffi.errno != errno.ENOBUFS:
                raise XenctrlError(self._ffi.errno, "sysctl:getdomaininfolist")
            self._grow()
        ffi, total = self._ffi, vcpus[0]
        rows = _LOAD.iter_unpack(ffi.buffer(self._loads, count * _LOAD.size)) if count else ()
        times = struct.unpack(f"={total}Q", ffi.buffer(self._times, total * 8)) if total else ()
        states = bytes(ffi.buffer(self._states, total)) if total else b""
        return Loads([Load._make(row) for row in rows], times, states)

    def rests(self, cpus: int) -> tuple[Rest, ...]:
        """C-states, P-states and the average frequency of the first `cpus` CPUs; empty where nothing is told."""
        out = self._ffi.new("struct xh_rest[]", cpus)
        self._check(self._lib.xh_rests(self._handle, cpus, out), "sysctl:get_pmstat")
        return tuple(
            Rest(tuple(each.cx_ns[0 : each.cx]), tuple(each.px_ns[0 : each.px]), each.average_khz) for each in out
        )

    def _grow(self) -> None:
        self._room = self._room * 2 + _SPARE
        self._vcpu_room = self._vcpu_room * 2 + _SPARE * 4
        self._loads = self._ffi.new("struct xh_load[]", self._room)
        self._times = self._ffi.new("uint64_t[]", self._vcpu_room)
        self._states = self._ffi.new("uint8_t[]", self._vcpu_room)
