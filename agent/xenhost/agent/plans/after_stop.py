"""What a domain gets that stopped without being asked. Pure.

A guest that ran only briefly is not restarted at once: after a crash it is destroyed instead, after a reboot it waits,
so that a broken guest cannot keep a host busy.
"""

from dataclasses import dataclass

from xenhost.agent.plans.vm_start import start_stage
from xenhost.agent.plans.vm_stop import destroy_stage
from xenhost.agent.steps.domain import PauseDomain
from xenhost.agent.steps.guest import Delay
from xenhost.agent.steps.suspend import ResumeGuest
from xenhost.core.ids import DomId
from xenhost.core.steps import OnFailure, OnRecovery, Plan, Planned, Stage
from xenhost.core.vm import AfterStop, ShutdownReason, VmSpec


@dataclass(frozen=True, slots=True)
class Damping:
    """Bounds on restarting a guest that stops soon after its start. Seconds."""

    short_life: float = 120.0
    reboot_delay: float = 15.0


def after_stop(
    spec: VmSpec, domid: DomId, reason: ShutdownReason, lived: float, damping: Damping
) -> tuple[str, Plan] | None:
    """Kind and plan of the operation to run; None to leave the dead domain as it is."""
    if reason is ShutdownReason.SUSPEND:  # nobody waits for that any more; a guest that does it again takes its time
        resume = Stage((Planned(ResumeGuest(domid)),), OnFailure.UNWIND, OnRecovery.FORWARD)
        return "guest.resume", Plan((_delay(damping.reboot_delay), resume))
    kind, action = _action(spec, reason)
    brief = lived < damping.short_life
    if action is AfterStop.PRESERVE:
        return None
    destroy = destroy_stage(domid, spec)
    if action is AfterStop.DESTROY or (brief and kind == "guest.crash"):
        return kind, Plan((destroy,))
    start = start_stage(spec, False, OnRecovery.RETRY)
    return kind, Plan((destroy, _delay(damping.reboot_delay), start) if brief else (destroy, start))


def emulator_lost(spec: VmSpec, domid: DomId, lived: float, damping: Damping) -> tuple[str, Plan]:
    """The device model died: as a crash; to preserve the domain it is paused, as its guest may still run."""
    return after_stop(spec, domid, ShutdownReason.CRASH, lived, damping) or (
        "guest.crash",
        Plan((Stage((Planned(PauseDomain()),), OnFailure.UNWIND, OnRecovery.FORWARD),)),
    )


def domain_gone(spec: VmSpec, domid: DomId) -> tuple[str, Plan]:
    """Somebody else destroyed the domain: clear away what we made for it."""
    return "guest.gone", Plan((destroy_stage(domid, spec),))


def _action(spec: VmSpec, reason: ShutdownReason) -> tuple[str, AfterStop]:
    match reason:
        case ShutdownReason.REBOOT | ShutdownReason.WATCHDOG | ShutdownReason.SOFT_RESET:
            return "guest.reboot", spec.after_reboot
        case ShutdownReason.CRASH:
            return "guest.crash", spec.after_crash
        case ShutdownReason.POWEROFF | ShutdownReason.SUSPEND:
            return "guest.shutdown", spec.after_shutdown


def _delay(seconds: float) -> Stage:
    return Stage((Planned(Delay(seconds)),), OnFailure.UNWIND, OnRecovery.FORWARD)
