"""SRs: attaching, scanning, forgetting; those that cannot be reached; chores."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest

from kit.shelf import ALL, shelf_info, sr_id, sr_spec, vdi_id
from kit.storage import StorageAgent, StorageHost
from xenhost.agent.storage.config import StorageConfig
from xenhost.core.errors import HandleInvalid, InvalidValue, OtherOperationInProgress
from xenhost.core.events import ObjectKind
from xenhost.core.storage import AttachMode, Capability, IoLimits, NewVdi, Vdi
from xenhost.core.storage_errors import (
    SrAttached,
    SrNotEmpty,
    SrOperationNotSupported,
    SrUnknownDriver,
    SrUuidExists,
)
from xenhost.core.storage_requests import (
    AttachSr,
    CreateSr,
    CreateVdi,
    DestroySr,
    DestroyVdi,
    DetachSr,
    ResizeVdi,
    ScanSr,
    StorageRequest,
    UpdateSr,
)
from xenhost.core.units import GIB, MIB
from xenhost.core.views import OperationState
from xenhost.drivers.sim.faults import When

SR, VDI = sr_id(), vdi_id()


def vdi(number: int) -> Vdi:
    return Vdi(vdi_id(number), f"{number}.img", MIB)


async def test_an_sr_goes_through_its_life(agent: StorageAgent, host: StorageHost) -> None:
    assert agent.engine.sr(SR).attached
    await agent.succeed(DetachSr(SR))
    assert not agent.engine.sr(SR).attached
    assert not host.shelf.mounted
    await agent.succeed(AttachSr(SR))
    await agent.succeed(CreateVdi(SR, NewVdi(VDI, MIB)))
    with pytest.raises(SrNotEmpty):
        await agent.engine.submit(DestroySr(SR))
    await agent.succeed(DestroyVdi(VDI))
    await agent.succeed(DestroySr(SR))
    with pytest.raises(HandleInvalid):
        agent.engine.sr(SR)
    assert not host.shelf.places


async def test_multipathing_is_set_before_an_sr_is_attached_and_stays(agent: StorageAgent, host: StorageHost) -> None:
    config = agent.engine.sr(SR).spec.device_config
    await agent.succeed(AttachSr(SR, multipathing=True))
    assert agent.engine.sr(SR).spec.device_config == config, "it is attached: nothing is changed"
    await agent.succeed(DetachSr(SR))
    await agent.succeed(AttachSr(SR, multipathing=False))
    assert agent.engine.sr(SR).spec.device_config == config, "it was off"
    for wanted in (True, None):
        await agent.succeed(DetachSr(SR))
        await agent.succeed(AttachSr(SR, multipathing=wanted))
        assert agent.engine.sr(SR).spec.device_config == {**config, "multipathing": "true"}


async def test_attaching_what_is_attached_is_no_error(agent: StorageAgent, host: StorageHost) -> None:
    await agent.succeed(AttachSr(SR))
    assert host.shelf.count("attach") == 0


async def test_an_sr_that_exists_is_introduced_attached_and_forgotten(agent: StorageAgent, host: StorageHost) -> None:
    await agent.succeed(CreateVdi(SR, NewVdi(VDI, MIB)))
    await agent.succeed(DetachSr(SR))
    await agent.engine.forget_sr(SR, "forget")
    await agent.engine.forget_sr(SR, "forget")
    assert not agent.engine.vdis()
    assert host.shelf.places[SR].vdis
    await agent.engine.introduce_sr(sr_spec())
    await agent.engine.introduce_sr(sr_spec())
    with pytest.raises(SrUuidExists):
        await agent.engine.introduce_sr(replace(sr_spec(), device_config={}))
    await agent.succeed(AttachSr(SR))
    assert agent.engine.vdi(VDI).vdi.virtual_size == MIB
    with pytest.raises(SrAttached):
        await agent.engine.forget_sr(SR)


async def test_a_type_without_a_driver_is_refused(agent: StorageAgent) -> None:
    with pytest.raises(SrUnknownDriver):
        await agent.engine.introduce_sr(replace(sr_spec(2), type="nowhere"))
    with pytest.raises(SrUnknownDriver):
        await agent.engine.submit(CreateSr(replace(sr_spec(2), type="nowhere")))


async def test_secrets_are_not_shown(agent: StorageAgent) -> None:
    await agent.succeed(CreateSr(sr_spec(2, pin="1234", chappassword="5678")))
    shown = agent.engine.sr(sr_id(2)).spec.device_config
    assert "1234" not in shown.values()
    assert "5678" not in shown.values()
    assert shown["place"] == "p2"


async def test_a_reference_to_a_secret_of_a_pool_says_what_to_give_instead(agent: StorageAgent) -> None:
    for key in ("password_secret", "cifspassword_secret", "chappassword_secret"):
        wanted = f"give {key.removesuffix('_secret')} itself"
        with pytest.raises(InvalidValue, match=wanted):
            await agent.engine.submit(CreateSr(sr_spec(2, **{key: str(uuid4())})))
        with pytest.raises(InvalidValue, match=wanted):
            await agent.engine.introduce_sr(sr_spec(2, **{key: str(uuid4())}))
        with pytest.raises(InvalidValue, match=wanted):
            await agent.engine.probe("shelf", {key: str(uuid4())}, {})


async def test_a_scan_finds_what_is_new_and_forgets_what_is_gone(agent: StorageAgent, host: StorageHost) -> None:
    place = host.shelf.places[SR]
    place.vdis.update({vdi_id(number): vdi(number) for number in (1, 2)})
    await agent.succeed(ScanSr(SR))
    assert {view.vdi.id for view in agent.engine.vdis(SR)} == {vdi_id(1), vdi_id(2)}
    del place.vdis[vdi_id(1)]
    await agent.succeed(ScanSr(SR))
    assert {view.vdi.id for view in agent.engine.vdis(SR)} == {vdi_id(2)}


async def test_a_scan_that_fails_forgets_nothing(agent: StorageAgent, host: StorageHost) -> None:
    await agent.succeed(CreateVdi(SR, NewVdi(VDI, MIB)))
    host.shelf.unreachable.add(SR)
    assert (await agent.do(ScanSr(SR))).state is OperationState.FAILED
    assert not agent.engine.vdi(VDI).missing


async def test_a_vdi_in_use_that_is_gone_is_missing_until_it_is_back(agent: StorageAgent, host: StorageHost) -> None:
    await agent.succeed(CreateVdi(SR, NewVdi(VDI, MIB)))
    await agent.engine.connect("vbd/a/xvda", VDI, AttachMode.RW, IoLimits())
    found = host.shelf.places[SR].vdis.pop(VDI)
    await agent.succeed(ScanSr(SR))
    assert agent.engine.vdi(VDI).missing
    host.shelf.places[SR].vdis[VDI] = found
    await agent.succeed(ScanSr(SR))
    assert not agent.engine.vdi(VDI).missing


async def test_a_scan_says_nothing_of_what_changes_meanwhile(agent: StorageAgent, host: StorageHost) -> None:
    await agent.succeed(CreateVdi(SR, NewVdi(vdi_id(2), MIB)))
    host.shelf.faults.hang("scan", when=When.AFTER)
    scanning = await agent.engine.submit(ScanSr(SR))
    await agent.turns(50)
    await agent.succeed(CreateVdi(SR, NewVdi(VDI, MIB)))
    await agent.succeed(DestroyVdi(vdi_id(2)))
    agent.cancel(scanning.id)
    await agent.ended(scanning.id)
    assert {view.vdi.id for view in agent.engine.vdis()} == {VDI}


async def test_a_scan_of_many_vdis_is_one_transaction(agent: StorageAgent, host: StorageHost) -> None:
    host.shelf.places[SR].vdis.update({vdi_id(number): vdi(number) for number in range(4096)})
    commits = 0
    store = agent.engine._services.store
    commit = store._commit

    def counting(db: object) -> None:
        nonlocal commits
        commits += 1
        commit(db)  # type: ignore[arg-type]  # passed through

    store._commit = counting  # type: ignore[method-assign]  # only to count
    before = asyncio.get_running_loop().time()
    await agent.succeed(ScanSr(SR))
    assert len(agent.engine.vdis(SR)) == 4096
    assert asyncio.get_running_loop().time() - before < 5.0
    assert commits <= 3


async def test_an_sr_that_cannot_be_reached_holds_nothing_up(host: StorageHost) -> None:
    agent = await host.start()
    await agent.succeed(CreateSr(sr_spec(1)))
    await agent.succeed(CreateSr(sr_spec(2)))
    await agent.engine.close()
    host.shelf.unreachable.add(sr_id(2))
    host.shelf.mounted.clear()
    agent = await host.start()
    assert agent.engine.sr(sr_id(1)).attached
    view = agent.engine.sr(sr_id(2))
    assert not view.attached
    assert "does not answer" in view.problem
    await agent.succeed(CreateVdi(SR, NewVdi(VDI, MIB)))
    host.shelf.unreachable.clear()
    await host.clock.sleep(120)
    view = agent.engine.sr(sr_id(2))
    assert view.attached
    assert not view.problem
    await agent.engine.close()


async def test_an_sr_that_hangs_at_start_holds_nothing_up(host: StorageHost) -> None:
    agent = await host.start()
    await agent.succeed(CreateSr(sr_spec(1)))
    await agent.engine.close()
    host.shelf.faults.hang("attach")
    before = host.clock.monotonic()
    agent = await host.start()
    assert host.clock.monotonic() - before <= 11
    await host.clock.sleep(200)
    assert agent.engine.sr(SR).attached
    await agent.engine.close()


async def test_an_sr_that_cannot_be_reached_is_let_go(host: StorageHost) -> None:
    agent = await host.start()
    await agent.succeed(CreateSr(sr_spec(1)))
    await agent.engine.close()
    host.shelf.unreachable.add(SR)
    agent = await host.start()
    await agent.succeed(DetachSr(SR))
    await agent.engine.forget_sr(SR)
    assert not agent.engine.srs()
    await agent.engine.close()


async def test_a_name_is_kept_here_and_on_the_sr(agent: StorageAgent, host: StorageHost) -> None:
    await agent.succeed(UpdateSr(SR, name="new", other_config={"gc": "false"}))
    assert agent.engine.sr(SR).spec.name == "new"
    assert host.shelf.places[SR].name == "new"
    assert agent.engine.find_sr("new") == SR


async def test_operations_of_the_whole_sr_wait_for_none(agent: StorageAgent, host: StorageHost) -> None:
    host.shelf.slow = 5
    operation = await agent.engine.submit(CreateVdi(SR, NewVdi(VDI, MIB)))
    with pytest.raises(OtherOperationInProgress):
        await agent.engine.submit(DetachSr(SR))
    await agent.ended(operation.id)
    detaching = await agent.engine.submit(DetachSr(SR))
    with pytest.raises(OtherOperationInProgress):
        await agent.engine.submit(CreateVdi(SR, NewVdi(vdi_id(2), MIB)))
    await agent.ended(detaching.id)


@pytest.mark.parametrize(
    ("lacking", "verb"),
    [(Capability.VDI_CREATE, "VDI_CREATE"), (Capability.SR_SCAN, "SR_SCAN")],
)
async def test_what_a_driver_does_not_declare_is_refused_by_name(
    host: StorageHost, lacking: Capability, verb: str
) -> None:
    host.info = shelf_info(ALL - {lacking})
    agent = await host.start()
    await agent.succeed(CreateSr(sr_spec()))
    requests: dict[Capability, StorageRequest] = {
        Capability.VDI_CREATE: CreateVdi(SR, NewVdi(VDI, MIB)),
        Capability.SR_SCAN: ScanSr(SR),
    }
    with pytest.raises(SrOperationNotSupported, match=verb):
        await agent.engine.submit(requests[lacking])
    await agent.engine.close()


async def test_srs_and_vdis_have_events_and_revisions(agent: StorageAgent) -> None:
    changes = agent.hub.subscribe(None)
    before = agent.engine.sr(SR).revision
    await agent.succeed(CreateVdi(SR, NewVdi(VDI, MIB)))
    batch, _ = await anext(changes)
    kinds = {change.ref.kind for change in batch}
    assert {ObjectKind.SR, ObjectKind.VDI, ObjectKind.OPERATION} <= kinds
    assert agent.engine.sr(SR).revision > before


async def test_operations_are_remembered_by_the_next_agent(agent: StorageAgent, host: StorageHost) -> None:
    operation = await agent.succeed(CreateVdi(SR, NewVdi(VDI, MIB)), "mine")
    await agent.engine.close()
    second = await host.start()
    found = second.table.get(operation.id).view()
    assert found == operation
    assert (await second.do(CreateVdi(SR, NewVdi(VDI, MIB)), "mine")).id == operation.id
    await second.engine.close()


async def test_an_sr_without_a_place_for_its_name_is_renamed_here(host: StorageHost) -> None:
    host.info = shelf_info(ALL - {Capability.SR_UPDATE})
    agent = await host.start()
    await agent.succeed(CreateSr(sr_spec()))
    await agent.succeed(UpdateSr(SR, name="new"))
    assert agent.engine.sr(SR).spec.name == "new"
    assert host.shelf.count("update") == 0
    await agent.engine.close()


async def test_an_sr_is_scanned_by_itself_if_it_is_to_be(host: StorageHost) -> None:
    host.config = StorageConfig(stat_period=30.0, chores_at_once=0)
    agent = await host.start()
    await agent.succeed(CreateSr(replace(sr_spec(), other_config={"auto-scan": "true"})))
    host.shelf.places[SR].vdis[VDI] = vdi(1)
    await host.clock.sleep(100)
    assert [view.vdi.id for view in agent.engine.vdis()] == [VDI]
    await agent.engine.close()


async def test_a_fault_in_a_driver_is_an_error_of_that_call_only(host: StorageHost) -> None:
    agent = await host.start()
    await agent.succeed(CreateSr(sr_spec()))

    async def broken(*args: object) -> None:
        raise ZeroDivisionError

    sr = agent.engine._services.attached(SR)
    sr.create_vdi = broken  # type: ignore[method-assign,assignment]  # a driver with a fault
    operation = await agent.do(CreateVdi(SR, NewVdi(VDI, MIB)))
    assert operation.state is OperationState.FAILED
    assert "ZeroDivisionError" in str(operation.error)
    await agent.succeed(ScanSr(SR))
    await agent.engine.close()


async def test_the_state_of_an_sr_is_looked_at_now_and_then(host: StorageHost) -> None:
    host.config = StorageConfig(stat_period=30.0, chores_at_once=0)
    agent = await host.start()
    await agent.succeed(CreateSr(sr_spec()))
    host.shelf.unreachable.add(SR)
    await host.clock.sleep(100)
    assert agent.engine.sr(SR).problem == "it does not answer"
    host.shelf.unreachable.clear()
    await host.clock.sleep(100)
    assert not agent.engine.sr(SR).problem
    await agent.engine.close()


async def test_an_interrupted_operation_waits_for_its_sr_and_can_be_cancelled(host: StorageHost) -> None:
    agent = await host.start()
    await agent.succeed(CreateSr(sr_spec()))
    for number in (1, 2):
        await agent.succeed(CreateVdi(SR, NewVdi(vdi_id(number), MIB)))
    host.shelf.faults.hang("destroy_vdi")
    host.shelf.faults.hang("resize_vdi")
    operations = [await agent.engine.submit(request) for request in (DestroyVdi(VDI), ResizeVdi(vdi_id(2), GIB))]
    await agent.turns(50)
    agent.life.dead = True
    await agent.engine.close()
    host.shelf.unreachable.add(SR)
    second = await host.start()
    await host.clock.sleep(100)
    assert [second.table.get(each.id).state for each in operations] == [OperationState.RUNNING] * 2
    assert second.cancel(operations[0].id)
    assert (await second.ended(operations[0].id)).state is OperationState.CANCELLED
    before = host.clock.monotonic()
    await second.engine.close()
    assert host.clock.monotonic() - before < 5
    host.shelf.unreachable.clear()
    third = await host.start()
    assert (await third.ended(operations[1].id)).state is OperationState.SUCCEEDED
    assert third.engine.vdi(vdi_id(2)).vdi.virtual_size == GIB
    assert VDI in host.shelf.places[SR].vdis
    await third.engine.close()


@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER])
async def test_an_interrupted_destruction_of_an_sr_is_done_or_told(host: StorageHost, when: When) -> None:
    agent = await host.start()
    await agent.succeed(CreateSr(sr_spec()))
    host.shelf.faults.hang("destroy", when=when)
    operation = await agent.engine.submit(DestroySr(SR))
    await agent.turns(50)
    agent.life.dead = True
    await agent.engine.close()
    host.shelf.faults.clear()
    second = await host.start()
    ended = await second.ended(operation.id)
    if when is When.BEFORE:
        assert ended.state is OperationState.SUCCEEDED
    else:
        assert "if it is gone" in str(ended.error)
        await second.succeed(DetachSr(SR))
        await second.engine.forget_sr(SR)
    assert not second.engine.srs()
    assert not host.shelf.places
    await second.engine.close()


async def test_a_vdi_in_use_that_cannot_be_taken_over_is_tried_again(host: StorageHost) -> None:
    host.config = StorageConfig(stat_period=30.0, chores_at_once=0)
    agent = await host.start()
    await agent.succeed(CreateSr(sr_spec()))
    await agent.succeed(CreateVdi(SR, NewVdi(VDI, MIB)))
    await agent.engine.connect("vbd/a/xvda", VDI, AttachMode.RW, IoLimits())
    await agent.engine.close()
    host.shelf.active.clear()
    host.shelf.faults.fail("activate_vdi")
    second = await host.start()
    assert "cannot be taken over" in second.engine.sr(SR).problem
    await host.clock.sleep(100)
    assert host.shelf.active == {VDI: AttachMode.RW}
    assert not second.engine.sr(SR).problem
    await second.engine.close()


async def test_two_that_make_the_same_sr_are_told_apart(host: StorageHost) -> None:
    agent = await host.start()
    operations = [await agent.engine.submit(CreateSr(sr_spec())) for _ in range(2)]
    outcomes = [(await agent.ended(operation.id)).error for operation in operations]
    assert outcomes[0] is None
    assert isinstance(outcomes[1], SrUuidExists)
    await agent.engine.close()


async def test_an_sr_is_probed_and_created_where_its_driver_can(host: StorageHost) -> None:
    agent = await host.start()
    assert (await agent.engine.probe("shelf", {}, {})).missing == "place"
    await agent.engine.close()
    host.info = shelf_info(ALL - {Capability.SR_PROBE, Capability.SR_CREATE})
    agent = await host.start()
    with pytest.raises(SrOperationNotSupported, match="SR_PROBE"):
        await agent.engine.probe("shelf", {}, {})
    with pytest.raises(SrOperationNotSupported, match="SR_CREATE"):
        await agent.engine.submit(CreateSr(sr_spec()))
    await agent.engine.close()
