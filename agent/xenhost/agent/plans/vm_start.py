"""Making a domain and letting it run.

VDI ... ------+
              v
          +-> VBD ... -+
create ---+-> build ---+-> device model (HVM) -+-> unpause
          +-> VIF ... -+                       |
          +-> (build) -> scheduling -----------+

A boot loader in dom0 reads the first disk: then the build waits for its VDI too.
"""

from xenhost.agent.steps.domain import BuildDomain, CreateDomain, SetScheduling, StartDeviceModel, UnpauseDomain
from xenhost.agent.steps.suspend import CheckImage, ConnectImage, RestoreDomain, TakeImage
from xenhost.agent.steps.vbd import PlugVbd
from xenhost.agent.steps.vdi import ConnectVdi
from xenhost.agent.steps.vif import PlugVif
from xenhost.core.devices import Source, SourceKind, Vbd
from xenhost.core.steps import OnFailure, OnRecovery, Planned, Stage
from xenhost.core.vm import Vcpus, VmSpec, VmType, boot_disk


def start_stage(spec: VmSpec, paused: bool, on_recovery: OnRecovery, image: Source | None = None) -> Stage:
    """Everything that can run concurrently does. With an `image` the guest goes on from it; a VDI it is in comes first.
    Destroying the domain undoes all of it but the VDIs' datapaths.

    These come first in the stage, as what comes first is undone last: when the domain does not use them any more.
    """
    steps: list[Planned] = []

    def add(step: Planned) -> int:
        steps.append(step)
        return len(steps) - 1

    vdis = {vbd.devid: add(Planned(ConnectVdi(vbd))) for vbd in spec.vbds if vbd.source.kind is SourceKind.VDI}

    def ready(vbd: Vbd | None) -> tuple[int, ...]:
        return (vdis[vbd.devid],) if vbd is not None and vbd.devid in vdis else ()

    connected = (add(Planned(ConnectImage())),) if image is not None and image.kind is SourceKind.VDI else ()
    made = add(Planned(CreateDomain()))
    if image is None:
        built = add(Planned(BuildDomain(), (*ready(boot_disk(spec)), made), made))
    else:
        built = add(Planned(RestoreDomain(spec.memory.static_max), (*connected, made), made))
    last = [built]
    last += [add(Planned(PlugVbd(vbd), (*ready(vbd), made), made)) for vbd in spec.vbds]
    last += [add(Planned(PlugVif(vif), (made,), made)) for vif in spec.vifs]
    if spec.type is VmType.HVM:
        last.append(add(Planned(StartDeviceModel(), tuple(last), made)))
    default = Vcpus()
    if (spec.vcpus.affinity, spec.vcpus.weight, spec.vcpus.cap) != (default.affinity, default.weight, default.cap):
        last.append(add(Planned(SetScheduling(), (built,), made)))
    if image is not None:
        last = [add(Planned(CheckImage(), tuple(last)))]
        last = [add(Planned(TakeImage(), tuple(last)))]
    if not paused:
        add(Planned(UnpauseDomain(), tuple(last), made))
    return Stage(tuple(steps), OnFailure.UNWIND, on_recovery)
