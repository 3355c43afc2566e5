"""Steps that ask a guest or let time pass. None of them occupies anything while it waits."""

from dataclasses import dataclass
from typing import ClassVar, Final

from xenhost.agent.steps.base import PORT_SECONDS, BaseStep
from xenhost.agent.steps.patience import before
from xenhost.core.errors import DomainGone, ShutdownTimeout
from xenhost.core.ids import DomId, VmId
from xenhost.core.steps import Work
from xenhost.core.vm import ShutdownReason

ACK_SECONDS: Final = 60.0
"""How long a guest may take to acknowledge a request to shut down, unless less was asked."""


@dataclass(frozen=True, slots=True)
class ShutDownGuest(BaseStep):
    """Ask the guest to stop and wait until it has. Its cancellation withdraws the request."""

    kind: ClassVar[str] = "guest.shut_down"
    weight: ClassVar[int] = 10
    waits: ClassVar[bool] = True
    domid: DomId
    vm: VmId
    reason: ShutdownReason
    timeout: float
    """Seconds for all of it."""

    @property
    def deadline(self) -> float:
        """The time of the guest, and ours."""
        return self.timeout + PORT_SECONDS

    def text(self, work: Work) -> str:
        """For humans."""
        return f"waiting for the guest of domain {self.domid} to shut down"

    async def apply(self, work: Work) -> None:
        """Raises ShutdownNotAcknowledged, ShutdownTimeout. A domain that is gone has stopped."""
        domain = await work.hypervisor.domain(self.domid)
        if domain is None or domain.vm != self.vm:
            return
        until = work.clock.monotonic() + self.timeout
        try:
            await work.hypervisor.request_shutdown(self.domid, self.reason, min(ACK_SECONDS, self.timeout))
        except DomainGone:
            return
        left = max(0.0, until - work.clock.monotonic())
        stopped, reason = await before(work.clock, left, work.hypervisor.wait_stopped(self.domid))
        if not stopped:
            raise ShutdownTimeout(
                f"the guest of VM {self.vm} acknowledged, but still runs after {self.timeout:g} s; shut it down hard",
                vm=self.vm,
                timeout=f"{self.timeout:g}",
            )
        work.stopped = reason


@dataclass(frozen=True, slots=True)
class Delay(BaseStep):
    """Let time pass before the next stage: a guest that reboots again and again must not take the host."""

    kind: ClassVar[str] = "delay"
    waits: ClassVar[bool] = True
    seconds: float

    @property
    def deadline(self) -> float:
        """Its own, and some more."""
        return self.seconds + PORT_SECONDS

    def text(self, work: Work) -> str:
        """For humans."""
        return f"waiting {self.seconds:g} s before the restart: the guest ran only briefly"

    async def apply(self, work: Work) -> None:
        """Sleep."""
        await work.clock.sleep(self.seconds)
