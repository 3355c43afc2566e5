"""The plans, as text: what is done, after what, and what a failure or a restart of the agent means."""

from dataclasses import replace

import pytest

from kit.specs import cd, disk, file_disk, nic, spec, vdi_disk, vm_id
from xenhost.agent.plans.after_stop import Damping, after_stop, emulator_lost
from xenhost.agent.plans.planner import plan_request
from xenhost.agent.steps.registry import STEPS, decode_plan, encode_plan
from xenhost.core.devices import IoLimits, Source, SourceKind
from xenhost.core.errors import HandleInvalid
from xenhost.core.ids import DevId, DomId
from xenhost.core.record import BadRecord
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
)
from xenhost.core.steps import OnFailure, OnRecovery, Plan, Planned, Stage
from xenhost.core.storage import VdiId
from xenhost.core.vm import AfterStop, BootloaderBoot, ShutdownReason, Vcpus, VmSpec, VmType

VM = vm_id()
D = DomId(5)
ISO = Source(SourceKind.FILE, "/srv/a.iso")
PV = spec(vbds=(disk(), cd()), vifs=(nic(),))
HVM = spec(kind=VmType.HVM, vbds=(disk(), file_disk()), vifs=(nic(),))
VDIS = spec(vbds=(disk(), vdi_disk("xvdb"), vdi_disk("xvdc", 2)))
BOOTED = replace(VDIS, boot=BootloaderBoot(), vbds=(cd(), vdi_disk("xvda")))
VDI_CD = replace(cd(), source=vdi_disk().source)
LOADED = spec(vbds=(disk(), VDI_CD))
IMAGE = Source(SourceKind.FILE, "/var/lib/image")
IN_VDI = vdi_disk(number=9).source
SUSPENDED = replace(VDIS, suspended=IN_VDI)
PINNED = replace(spec(), vcpus=Vcpus(2, 2, ((0,), (1,)), weight=512))


def text(plan: Plan) -> list[str]:
    """`kind<-after`, with `/` between stages and what each does when it fails and after a restart."""
    lines = []
    for stage in plan.stages:
        steps = " ".join(
            planned.step.kind + ("<-" + ",".join(map(str, planned.after)) if planned.after else "")
            for planned in stage.steps
        )
        lines.append(f"{stage.on_failure}/{stage.on_recovery}: {steps}")
    return lines


START_PV = "domain.create domain.build<-0 vbd.plug<-0 vbd.plug<-0 vif.plug<-0 domain.unpause<-1,2,3,4"
GOLDEN: list[tuple[str, VmSpec, Request, list[str]]] = [
    ("start", PV, StartVm(VM), [f"unwind/unwind: {START_PV}"]),
    (
        "start paused",
        PV,
        StartVm(VM, paused=True),
        ["unwind/unwind: domain.create domain.build<-0 vbd.plug<-0 vbd.plug<-0 vif.plug<-0"],
    ),
    (
        "suspend",
        PV,
        SuspendVm(VM, IMAGE),
        [
            "unwind/unwind: image.prepare guest.suspend<-0 domain.save<-1",
            "forward/forward: domain.destroy vdi.disconnect_all<-0",
        ],
    ),
    (
        "suspend into a VDI",
        VDIS,
        SuspendVm(VM, IN_VDI),
        [
            "unwind/unwind: image.connect image.prepare<-0 guest.suspend<-1 domain.save<-2",
            "forward/forward: domain.destroy vdi.disconnect_all<-0",
        ],
    ),
    (
        "checkpoint",
        VDIS,
        CheckpointVm(VM, IN_VDI, (DiskSnapshot(VdiId("a"), VdiId("b")),)),
        [
            "unwind/unwind: image.connect image.prepare<-0 guest.suspend<-1 domain.save<-2 image.disconnect<-3"
            " disk.snapshot<-3",
            "unwind/forward: guest.resume",
        ],
    ),
    (
        "resume",
        SUSPENDED,
        ResumeVm(VM),
        [
            "unwind/unwind: vdi.connect vdi.connect image.connect domain.create domain.restore<-2,3 vbd.plug<-3"
            " vbd.plug<-0,3 vbd.plug<-1,3 image.check<-4,5,6,7 image.take<-8 domain.unpause<-9",
            "forward/forward: image.drop image.disconnect<-0",
        ],
    ),
    (
        "resume paused",
        replace(PV, suspended=IMAGE),
        ResumeVm(VM, paused=True),
        [
            "unwind/unwind: domain.create domain.restore<-0 vbd.plug<-0 vbd.plug<-0 vif.plug<-0"
            " image.check<-1,2,3,4 image.take<-5",
            "forward/forward: image.drop",
        ],
    ),
    (
        "forget a suspended guest",
        SUSPENDED,
        ShutdownVm(VM, hard=True),
        ["forward/forward: image.drop image.disconnect<-0"],
    ),
    (
        "start hvm",
        HVM,
        StartVm(VM),
        [
            "unwind/unwind: domain.create domain.build<-0 vbd.plug<-0 vbd.plug<-0 vif.plug<-0"
            " domain.device_model<-1,2,3,4 domain.unpause<-1,2,3,4,5"
        ],
    ),
    (
        "start pinned",
        PINNED,
        StartVm(VM),
        ["unwind/unwind: domain.create domain.build<-0 domain.scheduling<-1 domain.unpause<-1,2"],
    ),
    ("hard shutdown", PV, ShutdownVm(VM, hard=True), ["forward/forward: domain.destroy"]),
    (
        "clean shutdown",
        PV,
        ShutdownVm(VM),
        ["unwind/forward: guest.shut_down", "forward/forward: domain.destroy"],
    ),
    (
        "clean reboot",
        PV,
        RebootVm(VM),
        ["unwind/forward: guest.shut_down", "forward/forward: domain.destroy", f"unwind/retry: {START_PV}"],
    ),
    ("hard reboot", PV, RebootVm(VM, hard=True), ["forward/forward: domain.destroy", f"unwind/retry: {START_PV}"]),
    ("pause", PV, PauseVm(VM), ["unwind/forward: domain.pause"]),
    ("unpause", PV, UnpauseVm(VM), ["unwind/forward: domain.unpause"]),
    ("plug vbd", PV, PlugVbd(VM, file_disk()), ["unwind/unwind: vbd.plug"]),
    ("unplug vbd", PV, UnplugVbd(VM, disk().devid), ["unwind/forward: vbd.unplug"]),
    ("insert", PV, InsertVbd(VM, cd().devid, ISO), ["unwind/unwind: vbd.medium"]),
    ("eject", PV, EjectVbd(VM, cd().devid), ["unwind/forward: vbd.medium"]),
    (
        "start from vdis",
        VDIS,
        StartVm(VM),
        [
            "unwind/unwind: vdi.connect vdi.connect domain.create domain.build<-2"
            " vbd.plug<-2 vbd.plug<-0,2 vbd.plug<-1,2 domain.unpause<-3,4,5,6"
        ],
    ),
    (
        "start from the boot loader of a vdi",
        BOOTED,
        StartVm(VM),
        ["unwind/unwind: vdi.connect domain.create domain.build<-0,1 vbd.plug<-1 vbd.plug<-0,1 domain.unpause<-2,3,4"],
    ),
    (
        "hard shutdown with vdis",
        VDIS,
        ShutdownVm(VM, hard=True),
        ["forward/forward: domain.destroy vdi.disconnect_all<-0"],
    ),
    ("plug vdi", PV, PlugVbd(VM, vdi_disk()), ["unwind/unwind: vdi.connect vbd.plug<-0"]),
    (
        "unplug vdi",
        VDIS,
        UnplugVbd(VM, vdi_disk().devid),
        ["unwind/forward: vbd.unplug", "forward/forward: vdi.disconnect"],
    ),
    (
        "insert vdi",
        PV,
        InsertVbd(VM, cd().devid, vdi_disk().source),
        ["unwind/unwind: vdi.connect vbd.medium<-0"],
    ),
    (
        "eject vdi",
        LOADED,
        EjectVbd(VM, cd().devid),
        ["unwind/forward: vbd.medium", "forward/forward: vdi.disconnect"],
    ),
    ("limit vdi", VDIS, LimitVbd(VM, vdi_disk().devid, IoLimits(iops=5)), ["unwind/forward: vdi.limit"]),
    ("limit an empty drive", PV, LimitVbd(VM, cd().devid, IoLimits(iops=5)), []),
    ("plug vif", PV, PlugVif(VM, nic(1)), ["unwind/unwind: vif.plug"]),
    ("unplug vif", PV, UnplugVif(VM, DevId(0)), ["unwind/forward: vif.unplug"]),
]


@pytest.mark.parametrize(("vm", "request_", "golden"), [row[1:] for row in GOLDEN], ids=[row[0] for row in GOLDEN])
def test_a_request_becomes_its_plan(vm: VmSpec, request_: Request, golden: list[str]) -> None:
    plan = plan_request(request_, vm, None if isinstance(request_, StartVm) or vm.suspended else D)
    assert text(plan) == golden
    assert decode_plan(encode_plan(plan)) == plan


@pytest.mark.parametrize(
    ("request_", "changes"),
    [
        (PlugVbd(VM, file_disk()), {"vbds": (disk(), cd(), file_disk())}),
        (UnplugVbd(VM, disk().devid), {"vbds": (cd(),)}),
        (InsertVbd(VM, cd().devid, ISO), {"vbds": (disk(), cd(path=ISO.path))}),
        (PlugVif(VM, nic(1)), {"vifs": (nic(), nic(1))}),
        (UnplugVif(VM, DevId(0)), {"vifs": ()}),
    ],
)
@pytest.mark.parametrize("domid", [None, D])
def test_a_device_plan_holds_the_new_specification(
    request_: Request, changes: dict[str, object], domid: DomId | None
) -> None:
    plan = plan_request(request_, PV, domid)
    assert plan.spec_after is not None
    for name in ("vbds", "vifs"):
        assert getattr(plan.spec_after, name) == changes.get(name, getattr(PV, name))
    assert bool(plan.stages) == (domid is not None), "of a halted VM only the specification changes"


def test_the_creation_of_a_domain_is_undone_with_all_that_was_added() -> None:
    (stage,) = plan_request(StartVm(VM), HVM, None).stages
    assert [planned.undone_with for planned in stage.steps] == [None, 0, 0, 0, 0, 0, 0]


def test_the_datapaths_of_vdis_are_undone_after_the_domain_that_used_them() -> None:
    (stage,) = plan_request(StartVm(VM), VDIS, None).stages
    kinds = [planned.step.kind for planned in stage.steps]
    assert [planned.undone_with for planned in stage.steps] == [None, None, None, 2, 2, 2, 2, 2]
    undone_last_first = [kind for kind in reversed(kinds) if kind in ("vdi.connect", "domain.create")]
    assert undone_last_first == ["domain.create", "vdi.connect", "vdi.connect"]


def test_only_earlier_steps_can_be_waited_for() -> None:
    step = plan_request(PauseVm(VM), PV, D).stages[0].steps[0].step
    with pytest.raises(ValueError, match="earlier"):
        Stage((Planned(step, (0,)),), OnFailure.UNWIND, OnRecovery.UNWIND)


def test_a_drive_that_is_not_there_is_named() -> None:
    with pytest.raises(HandleInvalid, match="xvdc"):
        plan_request(EjectVbd(VM, file_disk("xvdc").devid), PV, D)


def test_every_step_says_what_it_is() -> None:
    for kind, step in STEPS.items():
        assert kind == step.kind
        assert step.weight > 0


@pytest.mark.parametrize(("vm", "request_"), [row[1:3] for row in GOLDEN], ids=[row[0] for row in GOLDEN])
def test_every_step_has_a_deadline(vm: VmSpec, request_: Request) -> None:
    for stage in plan_request(request_, vm, D).stages:
        assert all(0 < planned.step.deadline < 3600 for planned in stage.steps)


@pytest.mark.parametrize("damage", ["kind", "after", "undone_with", "fields", "on_failure"])
def test_a_damaged_plan_is_refused(damage: str) -> None:
    plan = encode_plan(plan_request(StartVm(VM), PV, None))
    assert isinstance(plan, dict)
    stages = plan["stages"]
    assert isinstance(stages, list)
    stage = stages[0]
    assert isinstance(stage, dict)
    steps = stage["steps"]
    assert isinstance(steps, list)
    target = stage if damage == "on_failure" else steps[2]
    assert isinstance(target, dict)
    target[damage] = "domain.knit"
    with pytest.raises(BadRecord):
        decode_plan(plan)


REASONS = {
    ShutdownReason.POWEROFF: ("guest.shutdown", "after_shutdown"),
    ShutdownReason.REBOOT: ("guest.reboot", "after_reboot"),
    ShutdownReason.WATCHDOG: ("guest.reboot", "after_reboot"),
    ShutdownReason.SOFT_RESET: ("guest.reboot", "after_reboot"),
    ShutdownReason.CRASH: ("guest.crash", "after_crash"),
}


@pytest.mark.parametrize("reason", list(REASONS))
@pytest.mark.parametrize("action", list(AfterStop))
@pytest.mark.parametrize("lived", [119.0, 120.0])
def test_a_stopped_guest_gets_what_its_owner_wants(reason: ShutdownReason, action: AfterStop, lived: float) -> None:
    kind, field = REASONS[reason]
    other = AfterStop.PRESERVE if action is not AfterStop.PRESERVE else AfterStop.DESTROY
    vm = replace(
        spec(),
        after_shutdown=action if field == "after_shutdown" else other,
        after_reboot=action if field == "after_reboot" else other,
        after_crash=action if field == "after_crash" else other,
    )
    found = after_stop(vm, D, reason, lived, Damping())
    if action is AfterStop.PRESERVE:
        assert found is None
        return
    assert found is not None
    assert found[0] == kind
    kinds = [planned.step.kind for stage in found[1].stages for planned in stage.steps]
    restart = ["domain.destroy", "domain.create", "domain.build", "domain.unpause"]
    soon = lived < 120
    if action is AfterStop.DESTROY or (soon and kind == "guest.crash"):
        assert kinds == ["domain.destroy"]
    elif soon:
        assert kinds == [restart[0], "delay", *restart[1:]]
    else:
        assert kinds == restart


@pytest.mark.parametrize("action", list(AfterStop))
def test_a_guest_that_suspended_unasked_goes_on_a_moment_later(action: AfterStop) -> None:
    found = after_stop(replace(spec(), after_shutdown=action), D, ShutdownReason.SUSPEND, 500.0, Damping())
    assert found is not None
    kind, plan = found
    assert (kind, text(plan)) == ("guest.resume", ["unwind/forward: delay", "unwind/forward: guest.resume"])


def test_a_lost_emulator_pauses_a_domain_that_is_to_be_preserved() -> None:
    kind, plan = emulator_lost(replace(spec(), after_crash=AfterStop.PRESERVE), D, 1.0, Damping())
    assert (kind, text(plan)) == ("guest.crash", ["unwind/forward: domain.pause"])
