"""Operations as their clients see them: ids, progress, cancel, waiting, retention, memory, one at a time."""

import asyncio

import pytest

from kit.agent import Agent, SimHost
from kit.specs import cd, disk, file_disk, nic, spec, vm_id
from xenhost.agent.engine.config import EngineConfig
from xenhost.core.devices import Source, SourceKind
from xenhost.core.errors import (
    DeviceAlreadyAttached,
    DeviceAlreadyExists,
    HandleInvalid,
    HostNotEnoughFreeMemory,
    HypervisorUnavailable,
    InternalError,
    InvalidValue,
    OperationNotAllowed,
    OtherOperationInProgress,
    TaskCancelled,
    VbdIsEmpty,
    VbdNotEmpty,
    VbdNotRemovableMedia,
    XenhostError,
)
from xenhost.core.ids import DevId, DomId, OperationId, VmId
from xenhost.core.memory import plan_memory
from xenhost.core.requests import (
    EjectVbd,
    InsertVbd,
    PlugVbd,
    PlugVif,
    RebootVm,
    Request,
    ShutdownVm,
    StartVm,
    UnplugVbd,
    UnplugVif,
)
from xenhost.core.units import GIB, MIB
from xenhost.core.views import OperationState
from xenhost.core.vm import PowerState
from xenhost.drivers.sim.config import SimConfig

VM = vm_id()
ISO = Source(SourceKind.FILE, "/srv/a.iso")


async def waiting(host: SimHost, agent: Agent, request: Request) -> OperationId:
    """Submit something that then waits for the guest, time standing still."""
    host.clock.auto = False
    operation = await agent.engine.submit(request)
    while "hard_shutdown" not in agent.engine.vm(VM).status.allowed_operations:
        await host.clock.sleep(0)
    host.clock.auto = True
    return operation.id


async def started(host: SimHost, agent: Agent) -> DomId:
    await agent.engine.create_vm(spec(vbds=(disk(), file_disk()), vifs=(nic(),)))
    await agent.succeed(StartVm(VM))
    await agent.settled(VM)
    return agent.engine.vm(VM).status.domid or DomId(0)


async def test_one_operation_at_a_time(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec())
    first, second = await asyncio.gather(
        agent.engine.submit(StartVm(VM)), agent.engine.submit(StartVm(VM)), return_exceptions=True
    )
    assert isinstance(second, OtherOperationInProgress)
    assert not isinstance(first, BaseException)
    await agent.ended(first.id)


async def test_one_request_id_at_once_is_one_operation(agent: Agent) -> None:
    await agent.engine.create_vm(spec())
    several = await asyncio.gather(*(agent.engine.submit(StartVm(VM), "one") for _ in range(5)))
    assert len({operation.id for operation in several}) == 1
    with pytest.raises(InvalidValue, match="another request"):
        await agent.engine.submit(StartVm(VM, paused=True), "one")
    await agent.ended(several[0].id)


@pytest.mark.parametrize("request_", [ShutdownVm(VM), RebootVm(VM), UnplugVbd(VM, file_disk().devid)])
async def test_a_hard_shutdown_takes_the_place_of_what_waits(host: SimHost, agent: Agent, request_: Request) -> None:
    domid = await started(host, agent)
    host.world.guest(domid).silent()
    first = await waiting(host, agent, request_)
    before = host.clock.monotonic()
    second = await agent.engine.submit(ShutdownVm(VM, hard=True))
    with pytest.raises(OtherOperationInProgress):
        await agent.engine.submit(ShutdownVm(VM, hard=True))
    assert (await agent.ended(second.id)).state is OperationState.SUCCEEDED
    cancelled = agent.engine.operation(first)
    assert cancelled.state is OperationState.CANCELLED
    assert isinstance(cancelled.error, TaskCancelled)
    assert host.clock.monotonic() == before
    assert agent.engine.vm(VM).status.power_state is PowerState.HALTED
    assert not host.world.domains


async def test_a_cancelled_clean_shutdown_leaves_the_vm_running(host: SimHost, agent: Agent) -> None:
    domid = await started(host, agent)
    host.world.guest(domid).silent()
    operation = await waiting(host, agent, ShutdownVm(VM))
    answered = await agent.engine.cancel(operation)
    assert answered.state is OperationState.CANCELLING
    assert (await agent.engine.cancel(operation)).id == operation, "asking twice is no error"
    assert (await agent.ended(operation)).state is OperationState.CANCELLED
    assert (await agent.engine.cancel(operation)).state is OperationState.CANCELLED
    assert agent.engine.vm(VM).status.domid == domid
    assert host.world.domains[domid].stopping is None


async def test_a_teardown_is_not_cancelled(host: SimHost, agent: Agent) -> None:
    await started(host, agent)
    host.world.faults.hang("destroy_domain")
    operation = await agent.engine.submit(ShutdownVm(VM, hard=True))
    while "destroying" not in agent.engine.operation(operation.id).step:
        await host.clock.sleep(0)
    with pytest.raises(OperationNotAllowed, match="can no longer be cancelled"):
        await agent.engine.cancel(operation.id)
    assert (await agent.ended(operation.id)).state is OperationState.SUCCEEDED


async def test_progress_grows_and_has_words(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec(vbds=(disk(),), vifs=(nic(),)))
    reader = agent.engine.hub.subscribe(None)
    operation = await agent.engine.submit(StartVm(VM))
    seen: list[float] = []
    words: set[str] = set()
    while not (now := agent.engine.operation(operation.id)).state.ended:
        seen.append(now.progress)
        words |= set(now.step.split(", "))
        await anext(reader)
    assert seen == sorted(seen)
    assert {"creating the domain", "building domain 1", "plugging xvda", "plugging VIF 0"} <= words
    assert agent.engine.operation(operation.id).progress == 1.0


async def test_waiting_ends_with_its_time(host: SimHost, agent: Agent) -> None:
    domid = await started(host, agent)
    host.world.guest(domid).silent()
    operation = await agent.engine.submit(ShutdownVm(VM))
    before = host.clock.monotonic()
    assert not (await agent.engine.wait(operation.id, 5.0)).state.ended
    assert host.clock.monotonic() - before == 5.0
    assert (await agent.engine.wait(operation.id, 500.0)).state is OperationState.FAILED


async def test_ended_operations_are_forgotten_by_number_and_age(host: SimHost) -> None:
    agent = await host.start(EngineConfig(keep_operations=3, keep_seconds=1000.0))
    await agent.engine.create_vm(spec())
    for _ in range(3):
        await agent.succeed(StartVm(VM))
        await agent.succeed(ShutdownVm(VM, hard=True))
    kept = agent.engine.operations()
    assert len(kept) == 3
    host.clock.advance(2000.0)
    await agent.succeed(StartVm(VM))
    assert len(agent.engine.operations()) == 1
    await agent.close()
    agent = await host.start()
    assert len(agent.engine.operations()) == 1
    await agent.close()


async def test_an_ended_operation_can_be_forgotten(host: SimHost, agent: Agent) -> None:
    domid = await started(host, agent)
    host.world.guest(domid).silent()
    operation = await waiting(host, agent, ShutdownVm(VM))
    with pytest.raises(OperationNotAllowed):
        await agent.engine.forget(operation)
    await agent.ended(operation)
    await agent.engine.forget(operation)
    with pytest.raises(HandleInvalid):
        agent.engine.operation(operation)


async def test_memory_is_promised_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    need = plan_memory(spec(mib=1024)).footprint
    host = SimHost(tmp_path_factory.mktemp("m"), SimConfig(memory_total=GIB + 2 * need, memory_dom0=GIB))
    agent = await host.start()
    for number in range(1, 5):
        await agent.engine.create_vm(spec(number, mib=1024))
    results = await asyncio.gather(
        *(agent.engine.submit(StartVm(vm_id(number))) for number in range(1, 5)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, HostNotEnoughFreeMemory)]
    assert len(refused) == 2
    assert all(int(error.values["needed"]) == need > int(error.values["available"]) for error in refused)
    for result in results:
        if not isinstance(result, BaseException):
            assert (await agent.ended(result.id)).state is OperationState.SUCCEEDED
    with pytest.raises(HostNotEnoughFreeMemory):
        await agent.engine.submit(StartVm(refused_vm(agent)))
    running = next(v.spec.id for v in agent.engine.vms() if v.status.power_state is PowerState.RUNNING)
    await agent.succeed(ShutdownVm(running, hard=True))
    await agent.succeed(StartVm(refused_vm(agent)))
    await agent.close()


def refused_vm(agent: Agent) -> VmId:
    return next(v.spec.id for v in agent.engine.vms() if v.status.power_state is PowerState.HALTED)


async def test_a_start_that_fails_gives_its_memory_back(host: SimHost, agent: Agent) -> None:
    await agent.engine.create_vm(spec())
    host.world.faults.fail("create_domain", error=HypervisorUnavailable("no", msg="no"))
    await agent.do(StartVm(VM))
    assert agent.engine._services.ledger.total == 0
    await agent.succeed(StartVm(VM))
    assert agent.engine._services.ledger.total == 0


async def test_a_journal_that_cannot_be_written_refuses_the_operation(
    host: SimHost, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await agent.engine.create_vm(spec())
    full = InternalError("disk full", message="disk full")
    enqueue = agent.store.enqueue

    def failing(*_: object) -> "asyncio.Future[None]":
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_exception, full)
        return future

    monkeypatch.setattr(agent.store, "enqueue", failing)
    with pytest.raises(InternalError, match="disk full"):
        await agent.engine.submit(StartVm(VM))
    monkeypatch.setattr(agent.store, "enqueue", enqueue)
    assert agent.engine.operations() == []
    assert agent.engine._services.ledger.total == 0
    assert not host.world.domains
    await agent.succeed(StartVm(VM))


async def test_an_outcome_waits_for_the_journal(host: SimHost, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    await agent.engine.create_vm(spec())
    operation = await agent.engine.submit(StartVm(VM))
    write, failures = agent.store.write, iter([InternalError("disk full", message="disk full")] * 3)

    async def failing(*writes: object) -> None:
        for failure in failures:
            raise failure
        await write(*writes)  # type: ignore[arg-type]

    monkeypatch.setattr(agent.store, "write", failing)
    assert (await agent.ended(operation.id)).state is OperationState.SUCCEEDED
    assert host.clock.monotonic() >= 15.0
    assert agent.engine.vm(VM).status.problem == ""


@pytest.mark.parametrize("running", [True, False])
async def test_devices_come_and_go(host: SimHost, agent: Agent, running: bool) -> None:
    await agent.engine.create_vm(spec(vbds=(disk(), cd())))
    if running:
        await agent.succeed(StartVm(VM))
    await agent.succeed(PlugVbd(VM, file_disk()))
    await agent.succeed(PlugVif(VM, nic(2)))
    await agent.succeed(InsertVbd(VM, cd().devid, ISO))
    vm = agent.engine.vm(VM).spec
    assert set(vm.vbds) == {disk(), cd(path=ISO.path), file_disk()}
    assert vm.vifs == (nic(2),)
    refusals: list[tuple[Request, type[XenhostError]]] = [
        (PlugVbd(VM, file_disk()), DeviceAlreadyAttached),
        (PlugVbd(VM, disk("xvdb")), DeviceAlreadyExists),
        (PlugVif(VM, nic(2)), DeviceAlreadyAttached),
        (PlugVif(VM, nic(2, "other")), DeviceAlreadyExists),
        (InsertVbd(VM, cd().devid, ISO), VbdNotEmpty),
        (InsertVbd(VM, disk().devid, ISO), VbdNotRemovableMedia),
        (EjectVbd(VM, disk().devid), VbdNotRemovableMedia),
        (UnplugVbd(VM, disk("xvdz").devid), HandleInvalid),
        (UnplugVif(VM, DevId(7)), HandleInvalid),
        (PlugVbd(VM, disk("xvde", "relative")), InvalidValue),
        (UnplugVif(VM, DevId(2), timeout=-1.0), InvalidValue),
    ]
    for request, error in refusals:
        with pytest.raises(error):
            await agent.engine.submit(request)
    await agent.succeed(EjectVbd(VM, cd().devid))
    with pytest.raises(VbdIsEmpty):
        await agent.engine.submit(EjectVbd(VM, cd().devid))
    await agent.succeed(UnplugVbd(VM, file_disk().devid))
    await agent.succeed(UnplugVif(VM, DevId(2)))
    assert agent.engine.vm(VM).spec == spec(vbds=(disk(), cd()))
    assert not host.world.loops
    assert len(agent.engine.vm(VM).status.devices) == (2 if running else 0)


async def test_the_view_after_an_operation_is_that_of_its_end(agent: Agent) -> None:
    await agent.engine.create_vm(spec(mib=256))
    await agent.succeed(StartVm(VM))
    status = agent.engine.vm(VM).status
    assert (status.power_state, status.memory, status.vcpus_online) == (PowerState.RUNNING, 256 * MIB, 1)
    await agent.succeed(PlugVbd(VM, disk()))
    assert len(agent.engine.vm(VM).status.devices) == 1
