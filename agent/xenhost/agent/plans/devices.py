"""Plans for devices. Of a halted VM only the specification changes."""

from dataclasses import replace

from xenhost.agent.steps.vbd import ChangeMedium, PlugVbd, UnplugVbd
from xenhost.agent.steps.vdi import ConnectVdi, DisconnectVdi, LimitVdi
from xenhost.agent.steps.vif import ChangeVif, PlugVif, UnplugVif
from xenhost.core.devices import IoLimits, Source, SourceKind, Vbd, Vif
from xenhost.core.ids import DevId
from xenhost.core.steps import OnFailure, OnRecovery, Plan, Planned, Stage, Step
from xenhost.core.vm import VmSpec


def plug_vbd(spec: VmSpec, vbd: Vbd, exists: bool) -> Plan:
    """`exists`: the VM has a domain."""
    after = replace(spec, vbds=(*(old for old in spec.vbds if old.devid != vbd.devid), vbd))
    return _plan(_connected(vbd, PlugVbd(vbd)), exists, after)


def unplug_vbd(spec: VmSpec, devid: DevId, force: bool, timeout: float, exists: bool) -> Plan:
    """The VBD leaves the specification in the same transaction as the success."""
    found = [vbd for vbd in spec.vbds if vbd.devid == devid]
    after = replace(spec, vbds=tuple(vbd for vbd in spec.vbds if vbd.devid != devid))
    stages = _single(UnplugVbd(devid, force, timeout)), *(stage for vbd in found for stage in _let_go(vbd))
    return _plan(stages, exists, after)


def insert(spec: VmSpec, vbd: Vbd, source: Source, exists: bool) -> Plan:
    """An interrupted insertion is undone."""
    new = replace(vbd, source=source)
    return _plan(_connected(new, ChangeMedium(new)), exists, _with(spec, new))


def eject(spec: VmSpec, vbd: Vbd, exists: bool) -> Plan:
    """An interrupted ejection is done."""
    new = replace(vbd, source=Source(SourceKind.EMPTY))
    return _plan((_single(ChangeMedium(new)), *_let_go(vbd)), exists, _with(spec, new))


def limit(spec: VmSpec, vbd: Vbd, limits: IoLimits, exists: bool) -> Plan:
    """An interrupted change is done."""
    stages = (_single(LimitVdi(vbd.devid, limits, vbd.limits)),) if vbd.source.kind is SourceKind.VDI else ()
    return _plan(stages, exists, _with(spec, replace(vbd, limits=limits)))


def plug_vif(spec: VmSpec, vif: Vif, exists: bool) -> Plan:
    """`exists`: the VM has a domain."""
    after = replace(spec, vifs=(*(old for old in spec.vifs if old.devid != vif.devid), vif))
    return _plan((_single(PlugVif(vif), OnRecovery.UNWIND),), exists, after)


def unplug_vif(spec: VmSpec, devid: DevId, force: bool, timeout: float, exists: bool) -> Plan:
    """The VIF leaves the specification in the same transaction as the success."""
    after = replace(spec, vifs=tuple(vif for vif in spec.vifs if vif.devid != devid))
    return _plan((_single(UnplugVif(devid, force, timeout)),), exists, after)


def update_vif(spec: VmSpec, old: Vif, new: Vif, exists: bool) -> Plan:
    """An interrupted change is done."""
    after = replace(spec, vifs=tuple(new if vif.devid == new.devid else vif for vif in spec.vifs))
    return _plan((_single(ChangeVif(new, old)),), exists, after)


def _plan(stages: tuple[Stage, ...], exists: bool, after: VmSpec) -> Plan:
    return Plan(stages if exists else (), after)


def _single(step: Step, on_recovery: OnRecovery = OnRecovery.FORWARD) -> Stage:
    return Stage((Planned(step),), OnFailure.UNWIND, on_recovery)


def _connected(vbd: Vbd, step: Step) -> tuple[Stage, ...]:
    """A step that needs the VBD's medium; the datapath of a VDI is made before and undone after it."""
    if vbd.source.kind is not SourceKind.VDI:
        return (_single(step, OnRecovery.UNWIND),)
    steps = Planned(ConnectVdi(vbd)), Planned(step, (0,))
    return (Stage(steps, OnFailure.UNWIND, OnRecovery.UNWIND),)


def _let_go(vbd: Vbd) -> tuple[Stage, ...]:
    """Of a VDI that is not plugged any more: a stage of its own, as nothing before it can be taken back by then."""
    if vbd.source.kind is not SourceKind.VDI:
        return ()
    return (Stage((Planned(DisconnectVdi(vbd.devid)),), OnFailure.FORWARD, OnRecovery.FORWARD),)


def _with(spec: VmSpec, vbd: Vbd) -> VmSpec:
    return replace(spec, vbds=tuple(vbd if old.devid == vbd.devid else old for old in spec.vbds))
