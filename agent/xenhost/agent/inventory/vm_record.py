"""One VM in memory: its specification, what was observed of it, and the view of both."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from xenhost.core.allowed import Busy, Word, allowed_operations
from xenhost.core.devices import DeviceStatus
from xenhost.core.ids import DomId, OperationId
from xenhost.core.states import POWER, Life, life_of
from xenhost.core.views import VmStatus, VmView
from xenhost.core.vm import Domain, PowerState, VmSpec, VmType


class VmRecord:
    """Changed only on the event loop, and only by the engine; `touch` tells the world."""

    def __init__(self, spec: VmSpec, publish: Callable[[VmSpec], int]) -> None:
        self.spec = spec
        self.domain: Domain | None = None
        """As last observed; None without one, also while one is being made or torn down."""
        self.devices: tuple[DeviceStatus, ...] = ()
        self.started: float | None = None
        self.last_stop = ""
        self.busy: Busy | None = None
        self.rebooting = False
        """Between two domains: its owner sees it running."""
        self.suspending = False
        """Once it has no domain it is suspended."""
        self.attention = ""
        """Why only a hard shutdown is safe, or empty."""
        self.unreadable: tuple[OperationId, ...] = ()
        """The operations in the journal that are the reason."""
        self.trouble = ""
        """What goes wrong now, or empty."""
        self._publish: Final = publish
        self._revision = 0
        self._view: VmView | None = None

    @property
    def domid(self) -> DomId | None:
        """Of its domain."""
        return None if self.domain is None else self.domain.domid

    @property
    def life(self) -> Life:
        """What admission goes by."""
        return life_of(self.domain, self.suspending or self.spec.suspended is not None)

    @property
    def problem(self) -> str:
        """What an operator should look at."""
        return "; ".join(filter(None, (self.attention, self.trouble)))

    def observe(self, domain: Domain | None, devices: tuple[DeviceStatus, ...]) -> None:
        """The domain as it is now, with its devices; None if there is none."""
        devices = devices if domain is not None else ()
        changed = devices != self.devices or _shown(domain) != _shown(self.domain)
        self.domain, self.devices = domain, devices
        if changed:
            self.touch()

    def touch(self) -> None:
        """Something changed: make a new view at the next look, and publish a revision."""
        self._view = None
        self._revision = self._publish(self.spec)

    def view(self) -> VmView:
        """A snapshot."""
        if self._view is None:
            self._view = VmView(self.spec, self._status())
        return self._view

    def _status(self) -> VmStatus:
        domain = self.domain
        return VmStatus(
            power_state=PowerState.RUNNING if self.rebooting and domain is None else POWER[self.life],
            domid=self.domid,
            current_operation=OperationId(self.busy.operation) if self.busy and self.busy.operation else None,
            allowed_operations=tuple(
                word
                for word in allowed_operations(self.spec.id, self.life, self.busy, self.attention)
                if word not in (Word.SUSPEND, Word.CHECKPOINT) or self.spec.type is not VmType.HVM
            ),
            memory=0 if domain is None else domain.memory,
            vcpus_online=0 if domain is None else domain.vcpus_online,
            started=self.started,
            last_stop=self.last_stop,
            problem=self.problem,
            revision=self._revision,
            devices=self.devices,
        )


def _shown(domain: Domain | None) -> Domain | None:
    """Without what changes all the time."""
    return None if domain is None else replace(domain, cpu_time_ns=0)
