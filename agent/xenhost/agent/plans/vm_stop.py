"""Ending a domain."""

from xenhost.agent.steps.domain import DestroyDomain
from xenhost.agent.steps.guest import ShutDownGuest
from xenhost.core.ids import DomId, VmId
from xenhost.core.steps import OnFailure, OnRecovery, Planned, Stage
from xenhost.core.vm import ShutdownReason


def ask_stage(domid: DomId, vm: VmId, reason: ShutdownReason, timeout: float) -> Stage:
    """Ask the guest. Failing or cancelled, the VM runs on; after a restart of the agent it is asked again."""
    step = ShutDownGuest(domid, vm, reason, timeout)
    return Stage((Planned(step),), OnFailure.UNWIND, OnRecovery.FORWARD)


def destroy_stage(domid: DomId, vm: VmId) -> Stage:
    """From here there is no way back."""
    return Stage((Planned(DestroyDomain(domid, vm)),), OnFailure.FORWARD, OnRecovery.FORWARD)
