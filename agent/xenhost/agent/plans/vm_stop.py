"""Ending a domain."""

from xenhost.agent.steps.domain import DestroyDomain
from xenhost.agent.steps.guest import ShutDownGuest
from xenhost.agent.steps.vdi import DisconnectVdis
from xenhost.core.devices import SourceKind
from xenhost.core.ids import DomId, VmId
from xenhost.core.steps import OnFailure, OnRecovery, Planned, Stage
from xenhost.core.vm import ShutdownReason, VmSpec


def ask_stage(domid: DomId, vm: VmId, reason: ShutdownReason, timeout: float) -> Stage:
    """Ask the guest. Failing or cancelled, the VM runs on; after a restart of the agent it is asked again."""
    step = ShutDownGuest(domid, vm, reason, timeout)
    return Stage((Planned(step),), OnFailure.UNWIND, OnRecovery.FORWARD)


def destroy_stage(domid: DomId, spec: VmSpec) -> Stage:
    """From here there is no way back. VDIs are let go when nothing of the domain uses them any more."""
    steps = [Planned(DestroyDomain(domid, spec.id))]
    if any(vbd.source.kind is SourceKind.VDI for vbd in spec.vbds):
        steps.append(Planned(DisconnectVdis(domid), (0,)))
    return Stage(tuple(steps), OnFailure.FORWARD, OnRecovery.FORWARD)
