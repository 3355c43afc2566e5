"""Plans for devices. Of a halted VM only the specification changes."""

from dataclasses import replace

from xenhost.agent.steps.vbd import ChangeMedium, PlugVbd, UnplugVbd
from xenhost.agent.steps.vif import PlugVif, UnplugVif
from xenhost.core.devices import Source, Vbd, Vif
from xenhost.core.ids import DevId
from xenhost.core.steps import OnFailure, OnRecovery, Plan, Planned, Stage, Step
from xenhost.core.vm import VmSpec


def plug_vbd(spec: VmSpec, vbd: Vbd, exists: bool) -> Plan:
    """`exists`: the VM has a domain."""
    after = replace(spec, vbds=(*(old for old in spec.vbds if old.devid != vbd.devid), vbd))
    return _plan(PlugVbd(vbd), exists, OnRecovery.UNWIND, after)


def unplug_vbd(spec: VmSpec, devid: DevId, force: bool, timeout: float, exists: bool) -> Plan:
    """The VBD leaves the specification in the same transaction as the success."""
    after = replace(spec, vbds=tuple(vbd for vbd in spec.vbds if vbd.devid != devid))
    return _plan(UnplugVbd(devid, force, timeout), exists, OnRecovery.FORWARD, after)


def change_medium(spec: VmSpec, vbd: Vbd, source: Source, exists: bool, insert: bool) -> Plan:
    """An interrupted insertion is undone, an interrupted ejection is done."""
    new = replace(vbd, source=source)
    after = replace(spec, vbds=tuple(new if old.devid == vbd.devid else old for old in spec.vbds))
    return _plan(ChangeMedium(new), exists, OnRecovery.UNWIND if insert else OnRecovery.FORWARD, after)


def plug_vif(spec: VmSpec, vif: Vif, exists: bool) -> Plan:
    """`exists`: the VM has a domain."""
    after = replace(spec, vifs=(*(old for old in spec.vifs if old.devid != vif.devid), vif))
    return _plan(PlugVif(vif), exists, OnRecovery.UNWIND, after)


def unplug_vif(spec: VmSpec, devid: DevId, force: bool, timeout: float, exists: bool) -> Plan:
    """The VIF leaves the specification in the same transaction as the success."""
    after = replace(spec, vifs=tuple(vif for vif in spec.vifs if vif.devid != devid))
    return _plan(UnplugVif(devid, force, timeout), exists, OnRecovery.FORWARD, after)


def _plan(step: Step, exists: bool, on_recovery: OnRecovery, after: VmSpec) -> Plan:
    stages = (Stage((Planned(step),), OnFailure.UNWIND, on_recovery),) if exists else ()
    return Plan(stages, after)
