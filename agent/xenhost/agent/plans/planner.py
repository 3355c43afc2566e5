"""From an admitted request to its plan. Pure."""

from dataclasses import replace
from typing import assert_never

from xenhost.agent.plans import devices
from xenhost.agent.plans.vm_start import start_stage
from xenhost.agent.plans.vm_stop import ask_stage, destroy_stage
from xenhost.agent.plans.vm_suspend import checkpoint_stages, drop_stage, resume_stages, suspend_stages
from xenhost.agent.steps.domain import PauseDomain, UnpauseDomain
from xenhost.core.devices import Vbd, Vif, checked_vif
from xenhost.core.errors import HandleInvalid
from xenhost.core.ids import DevId, DomId, device_name
from xenhost.core.requests import (
    CheckpointVm,
    EjectVbd,
    InsertVbd,
    LimitVbd,
    PauseVm,
    PlugVbd,
    PlugVif,
    RebootVm,
    Request,
    ResumeVm,
    ShutdownVm,
    StartVm,
    SuspendVm,
    UnpauseVm,
    UnplugVbd,
    UnplugVif,
    UpdateVif,
)
from xenhost.core.steps import OnFailure, OnRecovery, Plan, Planned, Stage, Step
from xenhost.core.vm import ShutdownReason, VmSpec


def plan_request(request: Request, spec: VmSpec, domid: DomId | None) -> Plan:
    """What the request takes, for a VM with that domain (None: it has none)."""
    exists = domid is not None
    match request:
        case StartVm(paused=paused):
            return Plan((start_stage(spec, paused, OnRecovery.UNWIND),))
        case ShutdownVm() if spec.suspended is not None and domid is None:
            return Plan((drop_stage(spec.suspended),), replace(spec, suspended=None))
        case ShutdownVm(hard=hard, timeout=timeout):
            return Plan(_stop(spec, domid, ShutdownReason.POWEROFF, hard, timeout))
        case RebootVm(hard=hard, timeout=timeout):
            stop = _stop(spec, domid, ShutdownReason.REBOOT, hard, timeout)
            return Plan((*stop, start_stage(spec, False, OnRecovery.RETRY)))
        case SuspendVm(image=image, timeout=timeout):
            if domid is None or image is None:
                raise ValueError(
                    "admission lets nothing be suspended that does not run, and the engine names the image"
                )
            return Plan(suspend_stages(spec, domid, image, timeout), replace(spec, suspended=image))
        case CheckpointVm():
            if domid is None:
                raise ValueError("admission lets nothing be saved that does not run")
            return Plan(checkpoint_stages(spec, domid, request))
        case ResumeVm(paused=paused):
            if spec.suspended is None:
                raise ValueError("admission lets nothing be resumed that is not suspended")
            return Plan(resume_stages(spec, spec.suspended, paused), replace(spec, suspended=None))
        case PauseVm():
            return Plan((_single(PauseDomain()),))
        case UnpauseVm():
            return Plan((_single(UnpauseDomain()),))
        case PlugVbd(vbd=vbd):
            return devices.plug_vbd(spec, vbd, exists)
        case UnplugVbd(devid=devid, force=force, timeout=timeout):
            return devices.unplug_vbd(spec, devid, force, timeout, exists)
        case InsertVbd(devid=devid, source=source):
            return devices.insert(spec, drive(spec, devid), source, exists)
        case EjectVbd(devid=devid):
            return devices.eject(spec, drive(spec, devid), exists)
        case LimitVbd(devid=devid, limits=limits):
            return devices.limit(spec, drive(spec, devid), limits, exists)
        case PlugVif(vif=vif):
            return devices.plug_vif(spec, vif, exists)
        case UnplugVif(devid=devid, force=force, timeout=timeout):
            return devices.unplug_vif(spec, devid, force, timeout, exists)
        case UpdateVif(devid=devid, change=change):
            old = card(spec, devid)
            return devices.update_vif(spec, old, checked_vif(change.applied(old)), exists)
        case _:
            assert_never(request)


def drive(spec: VmSpec, devid: DevId) -> Vbd:
    """The VBD in that place. Raises HandleInvalid."""
    vbd = spec.vbd(devid)
    if vbd is None:
        name = device_name(devid)
        raise HandleInvalid(f"VM {spec.id} has no VBD {name}", class_name="VBD", handle=name)
    return vbd


def card(spec: VmSpec, devid: DevId) -> Vif:
    """The VIF in that place. Raises HandleInvalid."""
    vif = spec.vif(devid)
    if vif is None:
        raise HandleInvalid(f"VM {spec.id} has no VIF {devid}", class_name="VIF", handle=str(devid))
    return vif


def _stop(spec: VmSpec, domid: DomId | None, reason: ShutdownReason, hard: bool, timeout: float) -> tuple[Stage, ...]:
    if domid is None:  # it was destroyed already, and would have been started again
        return ()
    if hard:
        return (destroy_stage(domid, spec),)
    return ask_stage(domid, spec.id, reason, timeout), destroy_stage(domid, spec)


def _single(step: Step) -> Stage:
    return Stage((Planned(step),), OnFailure.UNWIND, OnRecovery.FORWARD)
