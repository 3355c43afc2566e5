"""Making a domain and letting it run.

          +-> build --+-> device model (HVM) -+
create ---+-> VBD ... +                       +-> unpause
          +-> VIF ... ------------------------+
          +-> (build) -> scheduling ----------+
"""

from xenhost.agent.steps.domain import BuildDomain, CreateDomain, SetScheduling, StartDeviceModel, UnpauseDomain
from xenhost.agent.steps.vbd import PlugVbd
from xenhost.agent.steps.vif import PlugVif
from xenhost.core.steps import OnFailure, OnRecovery, Planned, Stage
from xenhost.core.vm import Vcpus, VmSpec, VmType


def start_stage(spec: VmSpec, paused: bool, on_recovery: OnRecovery) -> Stage:
    """Everything that can run concurrently does. Destroying the domain undoes all of it."""
    steps = [Planned(CreateDomain())]

    def add(step: Planned) -> int:
        steps.append(step)
        return len(steps) - 1

    built = add(Planned(BuildDomain(), (0,), 0))
    vbds = [add(Planned(PlugVbd(vbd), (0,), 0)) for vbd in spec.vbds]
    last = [built, *vbds]
    last += [add(Planned(PlugVif(vif), (0,), 0)) for vif in spec.vifs]
    if spec.type is VmType.HVM:
        last.append(add(Planned(StartDeviceModel(), (built, *vbds), 0)))
    default = Vcpus()
    if (spec.vcpus.affinity, spec.vcpus.weight, spec.vcpus.cap) != (default.affinity, default.weight, default.cap):
        last.append(add(Planned(SetScheduling(), (built,), 0)))
    if not paused:
        add(Planned(UnpauseDomain(), tuple(last), 0))
    return Stage(tuple(steps), OnFailure.UNWIND, on_recovery)
