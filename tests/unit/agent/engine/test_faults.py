"""Every port call of an operation fails once, or for good, and so does what should undo it."""

import pytest

from kit.agent import Agent, SimHost
from kit.specs import cd, disk, file_disk, nic, spec, vm_id
from xenhost.core.devices import DeviceClass, Source, SourceKind
from xenhost.core.errors import (
    DeviceDetachRejected,
    DomainExists,
    HypervisorUnavailable,
    InternalError,
    OtherOperationInProgress,
    ShutdownNotAcknowledged,
    ShutdownTimeout,
)
from xenhost.core.ids import DevId, DomId
from xenhost.core.requests import (
    EjectVbd,
    InsertVbd,
    PauseVm,
    PlugVbd,
    PlugVif,
    RebootVm,
    Request,
    ShutdownVm,
    StartVm,
    UnplugVbd,
    UnplugVif,
)
from xenhost.core.views import OperationState, VmView
from xenhost.core.vm import Domain, PowerState, VmType
from xenhost.drivers.sim.faults import When

VM = vm_id()
DOM0 = DomId(0)
HVM = spec(kind=VmType.HVM, vbds=(disk(), file_disk(), cd()), vifs=(nic(),))
ISO = Source(SourceKind.FILE, "/srv/a.iso")
BOOM = HypervisorUnavailable("xenstored has gone", msg="xenstored has gone")
UP_VERBS = ["create_domain", "build_domain", "plug_vbd", "plug_vif", "start_device_model", "unpause_domain"]


@pytest.mark.parametrize("verb", UP_VERBS)
@pytest.mark.parametrize("when", list(When))
async def test_a_start_that_fails_leaves_nothing(host: SimHost, agent: Agent, verb: str, when: When) -> None:
    await agent.engine.create_vm(HVM)
    host.world.faults.fail(verb, when=when, error=BOOM)
    operation = await agent.do(StartVm(VM))
    if operation.state is OperationState.SUCCEEDED:
        host.world.faults.clear()  # the simulated verb has no such moment
        await agent.succeed(ShutdownVm(VM, hard=True))
        return
    assert operation.error is BOOM
    _nothing_left(host, agent)
    await agent.succeed(StartVm(VM))


@pytest.mark.parametrize("when", list(When))
async def test_an_undo_that_fails_is_tried_again(host: SimHost, agent: Agent, when: When) -> None:
    await agent.engine.create_vm(HVM)
    host.world.faults.fail("build_domain", error=BOOM)
    host.world.faults.fail("destroy_domain", when=when)
    operation = await agent.do(StartVm(VM))
    assert operation.error is BOOM
    await agent.settled(VM)
    _nothing_left(host, agent)
    assert agent.engine.vm(VM).status.problem == ""


async def test_an_undo_that_keeps_failing_is_reported_and_goes_on(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(HVM)
    host.world.faults.fail("build_domain", error=BOOM)
    host.world.faults.fail("destroy_domain", error=BOOM, every=True)
    operation = await agent.do(StartVm(VM))
    assert operation.state is OperationState.FAILED
    assert "could not be undone" in agent.engine.vm(VM).status.problem
    with pytest.raises(OtherOperationInProgress):
        await agent.engine.submit(StartVm(VM))
    host.world.faults.clear()
    await host.clock.sleep(100.0)
    await agent.settled(VM)
    _nothing_left(host, agent)
    assert agent.engine.vm(VM).status.problem == ""
    await agent.succeed(StartVm(VM))


async def test_an_undo_that_keeps_failing_survives_the_agent(host: SimHost) -> None:
    agent = await host.start()
    await agent.engine.create_vm(HVM)
    host.world.faults.fail("build_domain", error=BOOM)
    host.world.faults.fail("destroy_domain", error=BOOM, every=True)
    failed = await agent.do(StartVm(VM))
    await agent.close()
    host.world.faults.clear()
    agent = await host.start()
    await agent.settled(VM)
    await host.clock.sleep(1.0)
    assert agent.engine.operation(failed.id).state is OperationState.FAILED
    assert str(agent.engine.operation(failed.id).error) == str(BOOM)
    _nothing_left(host, agent)
    await agent.succeed(StartVm(VM))
    await agent.close()


@pytest.mark.parametrize("when", list(When))
@pytest.mark.parametrize("request_", [ShutdownVm(VM), ShutdownVm(VM, hard=True)], ids=["clean", "hard"])
async def test_a_teardown_that_fails_is_tried_again(host: SimHost, agent: Agent, request_: Request, when: When) -> None:
    await agent.engine.create_vm(HVM)
    await agent.succeed(StartVm(VM))
    host.world.faults.fail("destroy_domain", when=when)
    await agent.succeed(request_)
    _nothing_left(host, agent)


async def test_a_teardown_that_keeps_failing_is_reported_and_goes_on(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(HVM)
    await agent.succeed(StartVm(VM))
    host.world.faults.fail("destroy_domain", error=BOOM, every=True)
    operation = await agent.do(ShutdownVm(VM, hard=True))
    assert operation.state is OperationState.FAILED
    assert "xenstored has gone" in agent.engine.vm(VM).status.problem
    host.world.faults.clear()
    await host.clock.sleep(100.0)
    await agent.settled(VM)
    _nothing_left(host, agent)


@pytest.mark.parametrize("verb", UP_VERBS)
async def test_a_reboot_that_cannot_start_again_leaves_the_vm_halted(host: SimHost, agent: Agent, verb: str) -> None:
    await agent.engine.create_vm(HVM)
    await agent.succeed(StartVm(VM))
    host.world.faults.fail(verb, error=BOOM)
    operation = await agent.do(RebootVm(VM, hard=True))
    assert operation.error is BOOM
    _nothing_left(host, agent)
    await agent.succeed(StartVm(VM))


DEVICES: list[tuple[Request, str]] = [
    (PlugVbd(VM, file_disk("xvdf")), "plug_vbd"),
    (UnplugVbd(VM, file_disk().devid), "unplug_vbd"),
    (PlugVif(VM, nic(3)), "plug_vif"),
    (UnplugVif(VM, nic().devid), "unplug_vif"),
    (InsertVbd(VM, cd().devid, ISO), "change_medium"),
    (PauseVm(VM), "pause_domain"),
]


@pytest.mark.parametrize("when", list(When))
@pytest.mark.parametrize(("request_", "verb"), DEVICES, ids=[verb for _, verb in DEVICES])
async def test_a_device_operation_that_fails_changes_nothing_or_everything(
    host: SimHost, agent: Agent, request_: Request, verb: str, when: When
) -> None:
    await agent.engine.create_vm(HVM)
    await agent.succeed(StartVm(VM))
    await agent.settled(VM)
    before = agent.engine.vm(VM)
    host.world.faults.fail(verb, when=when, error=BOOM)
    operation = await agent.do(request_)
    await agent.settled(VM)
    after = agent.engine.vm(VM)
    if operation.state is OperationState.FAILED:
        assert operation.error is BOOM
        assert after.spec == before.spec
        assert _places(after) == _places(before)
        assert after.status.power_state is before.status.power_state
    assert len(_places(after)) == len(after.spec.vbds) + len(after.spec.vifs)


async def test_an_undone_plug_is_undone_again_if_that_fails(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec(vbds=(disk(),)))
    await agent.succeed(StartVm(VM))
    host.world.faults.fail("plug_vbd", when=When.DURING, error=BOOM)
    host.world.faults.fail("unplug_vbd")
    operation = await agent.do(PlugVbd(VM, file_disk()))
    assert operation.error is BOOM
    await agent.settled(VM)
    assert not host.world.loops
    assert len(agent.engine.vm(VM).status.devices) == 1


async def test_an_ejection_that_fails_with_an_empty_drive_has_happened(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec(vbds=(disk(), cd(path=ISO.path))))
    await agent.succeed(StartVm(VM))
    host.world.faults.fail("change_medium", when=When.AFTER, error=BOOM)
    operation = await agent.do(EjectVbd(VM, cd().devid))
    drive = agent.engine.vm(VM).spec.vbd(cd().devid)
    assert drive is not None
    assert (operation.state is OperationState.SUCCEEDED) == (drive.source.kind is SourceKind.EMPTY)
    assert not host.world.loops


async def test_the_refusal_of_the_guest_is_passed_on(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec(vbds=(disk(), file_disk())))
    await agent.succeed(StartVm(VM))
    host.world.guest(agent.engine.vm(VM).status.domid or DOM0).refuse_unplug("in use: mounted on /")
    operation = await agent.do(UnplugVbd(VM, file_disk().devid))
    assert isinstance(operation.error, DeviceDetachRejected)
    assert "mounted on /" in operation.error.values["msg"]
    assert len(agent.engine.vm(VM).spec.vbds) == 2


async def test_a_silent_guest_is_not_shut_down_cleanly(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec())
    await agent.succeed(StartVm(VM))
    host.world.guest(agent.engine.vm(VM).status.domid or DOM0).silent()
    before = host.clock.monotonic()
    operation = await agent.do(ShutdownVm(VM, timeout=300.0))
    assert isinstance(operation.error, ShutdownNotAcknowledged)
    assert host.clock.monotonic() - before == 60.0
    assert agent.engine.vm(VM).status.power_state is PowerState.RUNNING
    await agent.succeed(ShutdownVm(VM, hard=True))


async def test_a_guest_that_acknowledges_and_hangs_is_given_its_time(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec())
    await agent.succeed(StartVm(VM))
    host.world.guest(agent.engine.vm(VM).status.domid or DOM0).never_stop()
    operation = await agent.do(ShutdownVm(VM, timeout=300.0))
    assert isinstance(operation.error, ShutdownTimeout)
    assert host.clock.monotonic() == 300.0
    assert agent.engine.vm(VM).status.power_state is PowerState.RUNNING


async def test_a_hanging_port_call_is_given_up(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec(vbds=(disk(),)))
    host.world.faults.hang("plug_vbd")
    operation = await agent.do(StartVm(VM))
    assert isinstance(operation.error, InternalError)
    assert "plugging xvda" in str(operation.error)
    _nothing_left(host, agent)


async def test_a_fault_of_ours_is_undone_and_reported(
    host: SimHost, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await agent.engine.create_vm(spec(vbds=(disk(),)))

    async def wrong(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(agent.hypervisor, "plug_vbd", wrong)
    operation = await agent.do(StartVm(VM))
    assert isinstance(operation.error, InternalError)
    assert "ZeroDivisionError" in str(operation.error)
    _nothing_left(host, agent)


async def test_a_fault_of_ours_in_a_look_concerns_one_vm_only(
    host: SimHost, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        await agent.engine.create_vm(spec(number))
        await agent.succeed(StartVm(vm_id(number)))
    await agent.settled(VM)
    domid = agent.engine.vm(VM).status.domid or DOM0
    look, faults = agent.hypervisor.domain, [ZeroDivisionError("a bug")] * 2

    async def wrong(which: DomId) -> Domain | None:
        if which == domid and faults:
            raise faults.pop()
        return await look(which)

    monkeypatch.setattr(agent.hypervisor, "domain", wrong)
    host.world.guest(domid).poweroff()
    while not agent.engine.vm(VM).status.problem:
        await host.clock.sleep(0)
    assert "ZeroDivisionError" in agent.engine.vm(VM).status.problem
    await agent.succeed(ShutdownVm(vm_id(2)))
    await host.clock.sleep(30.0)
    await agent.settled(VM)
    assert agent.engine.vm(VM).status.power_state is PowerState.HALTED
    assert agent.engine.vm(VM).status.problem == ""


async def test_a_domain_of_somebody_else_is_not_touched(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec())
    foreign = host.world.add_foreign_domain(vm=VM)
    operation = await agent.do(StartVm(VM))
    assert isinstance(operation.error, DomainExists)
    assert list(host.world.domains) == [foreign]
    assert agent.engine.vm(VM).status.power_state is PowerState.HALTED


def _places(view: VmView) -> set[tuple[DeviceClass, DevId, Source | None]]:
    return {(device.cls, device.devid, device.source) for device in view.status.devices}


def _nothing_left(host: SimHost, agent: Agent) -> None:
    assert not host.world.domains
    assert not host.world.loops
    assert agent.engine.vm(VM).status.power_state is PowerState.HALTED
    assert agent.engine.vm(VM).status.current_operation is None
