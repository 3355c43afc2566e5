r"""Bringing a guest's memory into an image; letting it go on from there; giving it up.

connect image --> prepare --> guest suspends --> save | --> destroy --> disconnect VDIs
                                                     \--> disconnect image, snapshots of disks | --> resume guest
"""

from xenhost.agent.plans.vm_start import start_stage
from xenhost.agent.steps.domain import DestroyDomain
from xenhost.agent.steps.suspend import (
    ConnectImage,
    DisconnectImage,
    DropImage,
    PrepareImage,
    ResumeGuest,
    SaveDomain,
    SnapshotDisk,
    SuspendGuest,
)
from xenhost.agent.steps.vdi import DisconnectVdis
from xenhost.core.devices import Source, SourceKind
from xenhost.core.ids import DomId
from xenhost.core.requests import CheckpointVm
from xenhost.core.steps import OnFailure, OnRecovery, Planned, Stage, Step
from xenhost.core.vm import VmSpec


def suspend_stages(spec: VmSpec, domid: DomId, image: Source, timeout: float) -> tuple[Stage, ...]:
    """Until the image is whole the guest goes on in its domain, whatever happens; then the domain goes."""
    first = _save_steps(spec, domid, timeout)
    if _is_vdi(image):
        first.insert(0, ConnectImage())
    last: list[Step] = [DestroyDomain(domid, spec.id), DisconnectVdis(domid)]
    return (
        Stage(_in_turn(first), OnFailure.UNWIND, OnRecovery.UNWIND),
        Stage(_in_turn(last), OnFailure.FORWARD, OnRecovery.FORWARD),
    )


def checkpoint_stages(spec: VmSpec, domid: DomId, request: CheckpointVm) -> tuple[Stage, ...]:
    """The guest goes on in its domain, whatever happens. What is kept of it are VDIs, which are the caller's."""
    first = [ConnectImage(), *_save_steps(spec, domid, request.timeout)]
    kept: list[Step] = [DisconnectImage(), *(SnapshotDisk(disk.vdi, disk.new) for disk in request.disks)]
    last = len(first) - 1
    return (
        Stage(
            (*_in_turn(first), *(Planned(step, (last,)) for step in kept)),
            OnFailure.UNWIND,
            OnRecovery.UNWIND,
        ),
        Stage((Planned(ResumeGuest(domid)),), OnFailure.UNWIND, OnRecovery.FORWARD),
    )


def resume_stages(spec: VmSpec, image: Source, paused: bool) -> tuple[Stage, ...]:
    """A start with the guest's memory instead of a kernel; then the image goes."""
    return start_stage(spec, paused, OnRecovery.UNWIND, image), drop_stage(image)


def drop_stage(image: Source) -> Stage:
    """What was in it is not wanted any more."""
    steps: list[Step] = [DropImage()]
    if _is_vdi(image):
        steps.append(DisconnectImage())
    return Stage(_in_turn(steps), OnFailure.FORWARD, OnRecovery.FORWARD)


def _save_steps(spec: VmSpec, domid: DomId, timeout: float) -> list[Step]:
    return [
        PrepareImage(domid),
        SuspendGuest(domid, spec.id, timeout),
        SaveDomain(domid, spec.memory.static_max),
    ]


def _is_vdi(image: Source) -> bool:
    return image.kind is SourceKind.VDI


def _in_turn(steps: list[Step]) -> tuple[Planned, ...]:
    return tuple(Planned(step, (index - 1,) if index else ()) for index, step in enumerate(steps))
