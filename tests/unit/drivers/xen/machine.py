"""A make-believe Xen below libxenctrl's shim: enough of it to make, list and end domains."""

import errno
from dataclasses import dataclass, field
from typing import Any

from xenhost.native._load import compiled
from xenhost.native.xenctrl import Xenctrl

FREE_PAGES = 262144


@dataclass(slots=True)
class FakeDomain:
    """One domain as this Xen has it."""

    uuid: bytes
    hvm: bool = False
    pauses: int = 1
    dying: bool = False
    shutdown: int | None = None
    max_vcpus: int = 0
    pages: int = 0
    max_pages: int = 0
    params: dict[int, int] = field(default_factory=dict)


class Killed(BaseException):
    """The process is gone: nothing after this has any effect."""


class Life:
    """A process that is killed after so many steps. A step is one xenstore request or one hypercall with an effect."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.survived = True

    def step(self) -> None:
        """Raise Killed if the time has come."""
        if self.steps <= 0:
            self.survived = False
            raise Killed
        self.steps -= 1


class Machine:
    """The hypervisor's memory. Any number of handles may be open to it."""

    def __init__(self) -> None:
        self.domains: dict[int, FakeDomain] = {0: FakeDomain(bytes(16), pauses=0)}
        self.free_pages = FREE_PAGES
        self.zombies = False
        """A destroyed domain stays, dying."""
        self.calls: list[str] = []
        self.life: Life | None = None

    def connect(self) -> Xenctrl:
        """A handle."""
        return _Handle(self)


class _Handle(Xenctrl):
    def __init__(self, machine: Machine) -> None:
        self._ffi, lib = compiled("xenctrl")
        self._lib = _Lib(machine, self._ffi, lib)
        self._open = False
        self._handle = self._ffi.NULL  # type: ignore[misc]  # what the base would have opened


class _Lib:
    """The functions of the shim that are called; constants are the real ones."""

    def __init__(self, machine: Machine, ffi: Any, real: Any) -> None:
        self._machine = machine
        self._ffi = ffi
        self._real = real

    def __getattr__(self, name: str) -> object:
        if not name.startswith("XH_"):
            raise AssertionError(f"the make-believe Xen has no {name}")
        return getattr(self._real, name)

    def xh_domain_list(self, _: object, first: int, room: int, out: Any) -> int:
        found = [domid for domid in sorted(self._machine.domains) if domid >= first][:room]
        for index, domid in enumerate(found):
            self._fill(out[index], domid, self._machine.domains[domid])
        return len(found)

    def _fill(self, raw: Any, domid: int, domain: FakeDomain) -> None:
        raw.domid, raw.uuid = domid, domain.uuid
        raw.flags = (
            domain.hvm * self._real.XH_DOM_HVM
            | bool(domain.pauses) * self._real.XH_DOM_PAUSED
            | domain.dying * self._real.XH_DOM_DYING
            | (domain.shutdown is not None) * self._real.XH_DOM_SHUTDOWN
        )
        raw.shutdown_reason = domain.shutdown or 0
        raw.emulation_flags = int(domain.hvm)
        raw.tot_pages, raw.max_pages, raw.max_vcpus = domain.pages, domain.max_pages, domain.max_vcpus

    def xh_domain_create(self, _: object, config: Any) -> int:
        self._machine.calls.append("create")
        if self._machine.life is not None:
            self._machine.life.step()
        if config.domid in self._machine.domains:
            return self._fails(errno.EEXIST)
        hvm = bool(config.flags & self._real.XH_CDF_HVM)
        uuid = bytes(self._ffi.buffer(config.uuid))
        self._machine.domains[config.domid] = FakeDomain(uuid, hvm=hvm, max_vcpus=config.max_vcpus)
        return int(config.domid)

    def xh_domain_destroy(self, _: object, domid: int) -> int:
        self._machine.calls.append("destroy")
        if self._machine.life is not None:
            self._machine.life.step()
        domain = self._machine.domains.get(domid)
        if domain is None:
            return self._fails(errno.ESRCH)
        domain.dying = True
        if not self._machine.zombies:
            del self._machine.domains[domid]
        return 0

    def xh_domain_pause(self, _: object, domid: int) -> int:
        self._machine.domains[domid].pauses += 1
        return 0

    def xh_domain_unpause(self, _: object, domid: int) -> int:
        domain = self._machine.domains[domid]
        if not domain.pauses:
            return self._fails(errno.EINVAL)
        domain.pauses -= 1
        return 0

    def xh_domain_shutdown(self, _: object, domid: int, reason: int) -> int:
        self._machine.domains[domid].shutdown = reason
        return 0

    def xh_domain_setmaxmem(self, _: object, domid: int, kib: int) -> int:
        self._machine.domains[domid].max_pages = kib // 4
        return 0

    def xh_hvm_param_get(self, _: object, domid: int, param: int, out: Any) -> int:
        out[0] = self._machine.domains[domid].params.get(param, 0)
        return 0

    def xh_physinfo_get(self, _: object, out: Any) -> int:
        out.total_pages, out.free_pages, out.nr_cpus = 2 * FREE_PAGES, self._machine.free_pages, 2
        return 0

    def _fails(self, code: int) -> int:
        self._ffi.errno = code
        return -1
