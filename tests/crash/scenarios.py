"""What is interrupted: a request, what is there before it, and what is right after it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from kit.functions import FAST
from kit.specs import cd, disk, file_disk, nic, spec, vdi_disk, vm_id
from xenhost.core.devices import IoLimits, Source, SourceKind, VifChange, VifLocking
from xenhost.core.errors import (
    DeviceAlreadyAttached,
    HandleInvalid,
    VbdIsEmpty,
    VbdNotEmpty,
    VmBadPowerState,
    XenhostError,
)
from xenhost.core.ids import DevId, parse_device
from xenhost.core.requests import (
    CheckpointVm,
    DiskSnapshot,
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
from xenhost.core.storage import VdiId
from xenhost.core.views import VmView
from xenhost.core.vm import PowerState, VmSpec, VmType

VM: Final = vm_id(1)
XVDB: Final = parse_device("xvdb")[0]
XVDD: Final = parse_device("xvdd")[0]
LIMITS: Final = IoLimits(iops=500)
ISO: Final = Source(SourceKind.FILE, "/srv/a.iso")


def running(view: VmView) -> bool:
    return view.status.power_state is PowerState.RUNNING and view.status.domid is not None


def halted(view: VmView) -> bool:
    return view.status.power_state is PowerState.HALTED and view.status.domid is None


def paused(view: VmView) -> bool:
    return view.status.power_state is PowerState.PAUSED


def suspended(view: VmView) -> bool:
    return view.status.power_state is PowerState.SUSPENDED and view.status.domid is None


def has_disk(view: VmView) -> bool:
    return view.spec.vbd(XVDB) is not None


def has_nic(view: VmView) -> bool:
    return view.spec.vif(DevId(1)) is not None


def is_locked(view: VmView) -> bool:
    vif = view.spec.vif(DevId(1))
    return vif is not None and vif.locking is VifLocking.LOCKED


def has_medium(view: VmView) -> bool:
    vbd = view.spec.vbd(XVDD)
    return vbd is not None and vbd.source == ISO


def has_vdi(view: VmView) -> bool:
    vbd = view.spec.vbd(XVDD)
    return vbd is not None and vbd.source.kind is SourceKind.VDI


def is_limited(view: VmView) -> bool:
    vbd = view.spec.vbd(XVDB)
    return vbd is not None and vbd.limits == LIMITS


def no(condition: Callable[[VmView], bool]) -> Callable[[VmView], bool]:
    return lambda view: running(view) and not condition(view)


def also(condition: Callable[[VmView], bool]) -> Callable[[VmView], bool]:
    return lambda view: running(view) and condition(view)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One operation to interrupt."""

    name: str
    spec: VmSpec
    request: Request
    before: Callable[[VmView], bool]
    """True of the VM as long as nothing was done (or all was undone)."""
    after: Callable[[VmView], bool]
    """True once it was done."""
    prepare: Sequence[Request] = field(default_factory=tuple)
    already: tuple[type[XenhostError], ...] = (VmBadPowerState,)
    """How a repetition is refused because it has been done; none: it is done again."""
    keeps_running: bool = False
    """A new domain that runs is what was wanted: it is never destroyed again."""
    turns_back: bool = True
    """After an interruption it may be as before; else it must be done once it was begun."""


LOCK: Final = VifChange(locking=VifLocking.LOCKED, ipv4_allowed=("10.0.0.7",))
FULL: Final = spec(vbds=(disk(), file_disk()), vifs=(nic(), nic(1)))
HVM: Final = spec(kind=VmType.HVM, vbds=(disk(), cd(path="/srv/a.iso")), vifs=(nic(),))
SMALL: Final = spec(vbds=(disk(),), vifs=(nic(),))
DRIVE: Final = spec(vbds=(disk(), cd()), vifs=(nic(),))
LOADED: Final = spec(vbds=(disk(), cd(path=ISO.path)), vifs=(nic(),))
VDIS: Final = spec(
    vbds=(vdi_disk("xvda", 7), vdi_disk(), replace(cd(), source=vdi_disk(number=2).source)), vifs=(nic(),)
)
FUNCTIONS: Final = spec(vbds=(disk(),), vifs=(nic(), nic(1, FAST), nic(2, FAST)))
VDI_CD: Final = spec(vbds=(vdi_disk("xvda", 7), replace(cd(), source=vdi_disk(number=2).source)))
ON: Final = (StartVm(VM),)


def _vdi(number: int) -> VdiId:
    return VdiId(vdi_disk(number=number).source.path)


IMAGE: Final = vdi_disk(number=9).source
"""A VDI for suspend images."""
CHECKPOINT: Final = CheckpointVm(VM, IMAGE, tuple(DiskSnapshot(_vdi(number), _vdi(number + 20)) for number in (7, 1)))
OFF: Final = (*ON, SuspendVm(VM))

SCENARIOS: Final = {
    scenario.name: scenario
    for scenario in (
        Scenario("start", FULL, StartVm(VM), halted, running, keeps_running=True),
        Scenario("start-hvm", HVM, StartVm(VM), halted, running, keeps_running=True),
        Scenario("start-paused", SMALL, StartVm(VM, paused=True), halted, paused),
        Scenario("clean-shutdown", FULL, ShutdownVm(VM), running, halted, ON, turns_back=False),
        Scenario("hard-shutdown", FULL, ShutdownVm(VM, hard=True), running, halted, ON, turns_back=False),
        Scenario("clean-reboot", FULL, RebootVm(VM), running, running, ON, keeps_running=True),
        Scenario("hard-reboot", HVM, RebootVm(VM, hard=True), running, running, ON, keeps_running=True),
        Scenario("pause", SMALL, PauseVm(VM), running, paused, ON, turns_back=False),
        Scenario("unpause", SMALL, UnpauseVm(VM), paused, running, (StartVm(VM, paused=True),), turns_back=False),
        Scenario(
            "plug-vbd",
            SMALL,
            PlugVbd(VM, file_disk()),
            no(has_disk),
            also(has_disk),
            ON,
            already=(DeviceAlreadyAttached,),
        ),
        Scenario(
            "unplug-vbd",
            FULL,
            UnplugVbd(VM, XVDB),
            also(has_disk),
            no(has_disk),
            ON,
            already=(HandleInvalid,),
            turns_back=False,
        ),
        Scenario(
            "force-unplug-vbd",
            FULL,
            UnplugVbd(VM, XVDB, force=True),
            also(has_disk),
            no(has_disk),
            ON,
            already=(HandleInvalid,),
            turns_back=False,
        ),
        Scenario(
            "plug-vif", SMALL, PlugVif(VM, nic(1)), no(has_nic), also(has_nic), ON, already=(DeviceAlreadyAttached,)
        ),
        Scenario(
            "unplug-vif",
            FULL,
            UnplugVif(VM, DevId(1)),
            also(has_nic),
            no(has_nic),
            ON,
            already=(HandleInvalid,),
            turns_back=False,
        ),
        Scenario("update-vif", FULL, UpdateVif(VM, DevId(1), LOCK), no(is_locked), also(is_locked), ON, already=()),
        Scenario(
            "insert", DRIVE, InsertVbd(VM, XVDD, ISO), no(has_medium), also(has_medium), ON, already=(VbdNotEmpty,)
        ),
        Scenario(
            "eject",
            LOADED,
            EjectVbd(VM, XVDD),
            also(has_medium),
            no(has_medium),
            ON,
            already=(VbdIsEmpty,),
            turns_back=False,
        ),
        Scenario("suspend", FULL, SuspendVm(VM), running, suspended, ON),
        Scenario("suspend-vdis", VDIS, SuspendVm(VM, IMAGE), running, suspended, ON),
        Scenario("checkpoint", VDIS, CHECKPOINT, running, running, ON),
        Scenario("resume", FULL, ResumeVm(VM), suspended, running, OFF, keeps_running=True),
        Scenario("resume-hvm", HVM, ResumeVm(VM), suspended, running, OFF, keeps_running=True),
        Scenario("resume-paused", SMALL, ResumeVm(VM, paused=True), suspended, paused, OFF),
        Scenario(
            "resume-vdis", VDIS, ResumeVm(VM), suspended, running, (*ON, SuspendVm(VM, IMAGE)), keeps_running=True
        ),
        Scenario("forget-suspended", FULL, ShutdownVm(VM, hard=True), suspended, halted, OFF, turns_back=False),
        Scenario("start-functions", FUNCTIONS, StartVm(VM), halted, running, keeps_running=True),
        Scenario("shutdown-functions", FUNCTIONS, ShutdownVm(VM, hard=True), running, halted, ON, turns_back=False),
        Scenario("reboot-functions", FUNCTIONS, RebootVm(VM, hard=True), running, running, ON, keeps_running=True),
        Scenario("start-vdis", VDIS, StartVm(VM), halted, running, keeps_running=True),
        Scenario("hard-shutdown-vdis", VDIS, ShutdownVm(VM, hard=True), running, halted, ON, turns_back=False),
        Scenario("hard-reboot-vdis", VDIS, RebootVm(VM, hard=True), running, running, ON, keeps_running=True),
        Scenario(
            "plug-vdi",
            SMALL,
            PlugVbd(VM, vdi_disk()),
            no(has_disk),
            also(has_disk),
            ON,
            already=(DeviceAlreadyAttached,),
        ),
        Scenario(
            "unplug-vdi",
            VDIS,
            UnplugVbd(VM, XVDB),
            also(has_disk),
            no(has_disk),
            ON,
            already=(HandleInvalid,),
            turns_back=False,
        ),
        Scenario("limit-vdi", VDIS, LimitVbd(VM, XVDB, LIMITS), no(is_limited), also(is_limited), ON, already=()),
        Scenario(
            "insert-vdi",
            DRIVE,
            InsertVbd(VM, XVDD, vdi_disk(number=2).source),
            no(has_vdi),
            also(has_vdi),
            ON,
            already=(VbdNotEmpty,),
        ),
        Scenario(
            "eject-vdi",
            VDI_CD,
            EjectVbd(VM, XVDD),
            also(has_vdi),
            no(has_vdi),
            ON,
            already=(VbdIsEmpty,),
            turns_back=False,
        ),
    )
}
