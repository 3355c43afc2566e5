"""Operations on VDIs: what they do, what refuses them, and what is left when they fail."""

import asyncio

import pytest

from kit.shelf import sr_id, sr_spec, vdi_id
from kit.storage import StorageAgent, StorageHost
from xenhost.core.errors import HandleInvalid, InvalidValue, OtherOperationInProgress, TaskCancelled
from xenhost.core.events import ObjectKind
from xenhost.core.storage import AttachMode, IoLimits, NewSnapshot, NewVdi, OnBoot, VdiChange, VdiId
from xenhost.core.storage_errors import (
    SrFull,
    SrNotAttached,
    SrOperationNotSupported,
    VdiContentDiffers,
    VdiInUse,
    VdiTooSmall,
)
from xenhost.core.storage_requests import (
    CloneVdi,
    CompareVdis,
    CopyVdi,
    CreateSr,
    CreateVdi,
    DestroyVdi,
    DetachSr,
    IntroduceVdi,
    ResizeVdi,
    RevertVdi,
    ScanSr,
    SetVdiCbt,
    SnapshotVdi,
    UpdateVdi,
)
from xenhost.core.units import GIB, MIB
from xenhost.core.views import OperationState
from xenhost.drivers.sim.faults import When

SR = sr_id()
VDI = vdi_id()


async def made(agent: StorageAgent, number: int = 1, **fields: object) -> VdiId:
    await agent.succeed(CreateVdi(SR, NewVdi(vdi_id(number), MIB, f"disk{number}", **fields)))  # type: ignore[arg-type]  # any field
    return vdi_id(number)


async def test_a_vdi_that_was_made_is_shown_with_what_may_be_done_to_it(agent: StorageAgent) -> None:
    await made(agent)
    view = agent.engine.vdi(VDI)
    assert (view.sr, view.vdi.name, view.vdi.virtual_size) == (SR, "disk1", MIB)
    assert {"snapshot", "destroy", "resize"} <= set(view.allowed_operations)
    assert "data_destroy" not in view.allowed_operations


async def test_a_snapshot_for_a_checkpoint_has_the_id_asked_for_or_there_is_none(
    host: StorageHost, agent: StorageAgent
) -> None:
    await made(agent)
    await agent.engine.snapshot(VDI, vdi_id(2))
    assert agent.engine.vdi(vdi_id(2)).vdi.snapshot_of == VDI
    host.shelf.own_id = vdi_id(3)
    with pytest.raises(SrOperationNotSupported, match="ids of its own"):
        await agent.engine.snapshot(VDI, vdi_id(4))
    assert {view.vdi.id for view in agent.engine.vdis(SR)} == {VDI, vdi_id(2)}
    assert set(host.shelf.places[SR].vdis) == {VDI, vdi_id(2)}


async def test_a_snapshot_for_a_checkpoint_that_is_cancelled_is_undone(host: StorageHost, agent: StorageAgent) -> None:
    await made(agent)
    host.shelf.faults.hang("snapshot_vdi", when=When.AFTER)
    taking = asyncio.ensure_future(agent.engine.snapshot(VDI, vdi_id(2)))
    while vdi_id(2) not in host.shelf.places[SR].vdis:  # a thread writes the journal first
        await agent.turns()
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert {view.vdi.id for view in agent.engine.vdis(SR)} == {VDI}
    assert set(host.shelf.places[SR].vdis) == {VDI}


async def test_an_id_that_is_left_out_is_chosen_and_told(agent: StorageAgent) -> None:
    operation = await agent.succeed(CreateVdi(SR, NewVdi(VdiId(""), MIB)))
    assert agent.engine.vdi(VdiId(operation.result)).vdi.virtual_size == MIB
    assert (operation.target_kind, operation.target) == (ObjectKind.SR, SR)


async def test_the_same_request_again_is_the_same_operation(agent: StorageAgent) -> None:
    request = CreateVdi(SR, NewVdi(VdiId(""), MIB))
    first = await agent.do(request, "mine")
    assert (await agent.do(request, "mine")).id == first.id
    with pytest.raises(InvalidValue, match="used for another request"):
        await agent.engine.submit(CreateVdi(SR, NewVdi(VdiId(""), 2 * MIB)), "mine")
    assert len(agent.engine.vdis()) == 1


async def test_an_id_that_the_sr_has_is_never_taken_nor_destroyed(agent: StorageAgent, host: StorageHost) -> None:
    await made(agent)
    data = host.shelf.places[SR].data
    data[VDI] = b"precious"
    await agent.engine.forget_vdi(VDI)
    with pytest.raises(InvalidValue, match="there is a VDI"):
        await agent.engine.submit(CreateVdi(SR, NewVdi(VDI, 2 * MIB)))
    assert data[VDI] == b"precious"


async def test_what_was_made_is_removed_when_making_fails(agent: StorageAgent, host: StorageHost) -> None:
    host.shelf.faults.fail("create_vdi", when=When.AFTER)
    operation = await agent.do(CreateVdi(SR, NewVdi(VDI, MIB)))
    assert operation.state is OperationState.FAILED
    assert not host.shelf.places[SR].vdis
    assert not agent.engine.vdis()


async def test_an_undo_is_tried_until_it_works(agent: StorageAgent, host: StorageHost) -> None:
    host.shelf.faults.fail("create_vdi", when=When.AFTER)
    host.shelf.faults.fail("destroy_vdi")
    host.shelf.faults.fail("destroy_vdi", nth=2)
    operation = await agent.do(CreateVdi(SR, NewVdi(VDI, MIB)))
    assert operation.state is OperationState.FAILED
    assert not host.shelf.places[SR].vdis


async def test_a_full_sr_says_so(agent: StorageAgent) -> None:
    operation = await agent.do(CreateVdi(SR, NewVdi(VDI, 200 * GIB)))
    assert isinstance(operation.error, SrFull)


async def test_a_verb_that_hangs_ends_with_its_deadline(agent: StorageAgent, host: StorageHost) -> None:
    host.shelf.faults.hang("create_vdi")
    before = host.clock.monotonic()
    operation = await agent.do(CreateVdi(SR, NewVdi(VDI, MIB)))
    assert operation.error is not None
    assert operation.error.reason == "SR_BACKEND_FAILURE_47"
    assert host.clock.monotonic() - before < 140


async def test_a_cancelled_creation_leaves_nothing(agent: StorageAgent, host: StorageHost) -> None:
    host.shelf.faults.hang("create_vdi", when=When.AFTER)
    operation = await agent.engine.submit(CreateVdi(SR, NewVdi(VDI, MIB)))
    await agent.turns()
    assert VDI in host.shelf.places[SR].vdis
    assert agent.cancel(operation.id)
    ended = await agent.ended(operation.id)
    assert ended.state is OperationState.CANCELLED
    assert isinstance(ended.error, TaskCancelled)
    assert VDI not in host.shelf.places[SR].vdis


async def test_a_destruction_that_has_begun_cannot_be_cancelled(agent: StorageAgent, host: StorageHost) -> None:
    await made(agent)
    host.shelf.slow = 5
    operation = await agent.engine.submit(DestroyVdi(VDI))
    await agent.turns()
    assert not agent.cancel(operation.id)
    assert (await agent.ended(operation.id)).state is OperationState.SUCCEEDED
    with pytest.raises(HandleInvalid):
        agent.engine.vdi(VDI)


async def test_a_snapshot_is_reverted_to(agent: StorageAgent, host: StorageHost) -> None:
    await made(agent)
    data = host.shelf.places[SR].data
    data[VDI] = b"old"
    operation = await agent.succeed(SnapshotVdi(VDI, NewSnapshot(VdiId(""), "snap")))
    snapshot = VdiId(operation.result)
    assert agent.engine.vdi(snapshot).vdi.snapshot_of == VDI
    data[VDI] = b"new"
    await agent.succeed(RevertVdi(VDI, snapshot))
    assert data[VDI] == b"old"


async def test_only_its_own_snapshot_is_reverted_to(agent: StorageAgent) -> None:
    await made(agent, 1)
    await made(agent, 2)
    snapshot = VdiId((await agent.succeed(SnapshotVdi(vdi_id(2), NewSnapshot(VdiId(""))))).result)
    with pytest.raises(HandleInvalid, match="no snapshot of"):
        await agent.engine.submit(RevertVdi(VDI, snapshot))


async def test_a_vdi_in_use_is_not_destroyed_but_may_be_snapshotted(agent: StorageAgent) -> None:
    await made(agent)
    await agent.engine.connect("vbd/a/xvda", VDI, AttachMode.RW, IoLimits())
    with pytest.raises(VdiInUse, match="vbd/a/xvda"):
        await agent.engine.submit(DestroyVdi(VDI))
    await agent.succeed(SnapshotVdi(VDI, NewSnapshot(VdiId(""))))
    await agent.succeed(CloneVdi(VDI, NewSnapshot(VdiId(""))))


async def test_growing_a_vdi_in_use_is_told_to_its_user(agent: StorageAgent, host: StorageHost) -> None:
    await made(agent)
    await agent.engine.connect("vbd/a/xvda", VDI, AttachMode.RW, IoLimits())
    await agent.succeed(ResizeVdi(VDI, 4 * MIB))
    assert host.shelf.blocks[VDI] == 4 * MIB
    with pytest.raises(VdiTooSmall):
        await agent.engine.submit(ResizeVdi(VDI, MIB))


async def test_operations_on_one_vdi_exclude_each_other(agent: StorageAgent, host: StorageHost) -> None:
    await made(agent)
    host.shelf.slow = 5
    operation = await agent.engine.submit(SnapshotVdi(VDI, NewSnapshot(VdiId(""))))
    with pytest.raises(OtherOperationInProgress):
        await agent.engine.submit(DestroyVdi(VDI))
    assert agent.engine.vdi(VDI).current_operations == ("snapshot",)
    await agent.ended(operation.id)
    assert agent.engine.vdi(VDI).current_operations == ()


async def test_operations_on_different_vdis_run_at_once(agent: StorageAgent, host: StorageHost) -> None:
    host.shelf.slow = 5
    operations = [await agent.engine.submit(CreateVdi(SR, NewVdi(VdiId(""), MIB))) for _ in range(10)]
    for operation in operations:
        await agent.ended(operation.id)
    assert host.shelf.most_running == 10


async def test_a_copy_holds_what_its_source_does_on_another_sr(agent: StorageAgent, host: StorageHost) -> None:
    await made(agent)
    await agent.succeed(CreateSr(sr_spec(2)))
    host.shelf.places[SR].data[VDI] = b"content"
    operation = await agent.succeed(CopyVdi(VDI, sr_id(2), NewVdi(VdiId(""), 0, "copy")))
    copy = agent.engine.vdi(VdiId(operation.result))
    assert (copy.sr, copy.vdi.virtual_size) == (sr_id(2), MIB)
    assert host.shelf.places[sr_id(2)].data[copy.vdi.id] == b"content"
    assert not host.shelf.active
    assert not agent.engine.datapath_views()
    await agent.succeed(CompareVdis(VDI, copy.vdi.id))
    host.shelf.places[SR].data[VDI] = b"changed"
    assert isinstance((await agent.do(CompareVdis(VDI, copy.vdi.id))).error, VdiContentDiffers)


async def test_a_copy_that_fails_leaves_nothing(agent: StorageAgent, host: StorageHost) -> None:
    await made(agent)
    host.shelf.faults.fail("copy", when=When.AFTER)
    operation = await agent.do(CopyVdi(VDI, SR, NewVdi(vdi_id(2), 0)))
    assert operation.state is OperationState.FAILED
    assert set(host.shelf.places[SR].vdis) == {VDI}
    assert not host.shelf.active
    assert not host.shelf.attached


async def test_a_copy_without_progress_is_ended(agent: StorageAgent, host: StorageHost) -> None:
    await made(agent)
    host.shelf.faults.hang("copy", when=When.AFTER)
    operation = await agent.do(CopyVdi(VDI, SR, NewVdi(vdi_id(2), 0)))
    assert operation.error is not None
    assert operation.error.reason == "SR_BACKEND_FAILURE_47"
    assert set(host.shelf.places[SR].vdis) == {VDI}


async def test_a_vdi_being_copied_is_not_written_to(agent: StorageAgent, host: StorageHost) -> None:
    await made(agent)
    host.shelf.faults.hang("copy")
    operation = await agent.engine.submit(CopyVdi(VDI, SR, NewVdi(vdi_id(2), 0)))
    await agent.turns(200)
    with pytest.raises(OtherOperationInProgress):
        await agent.engine.connect("vbd/a/xvda", VDI, AttachMode.RW, IoLimits())
    with pytest.raises(OtherOperationInProgress):
        await agent.engine.submit(DestroyVdi(vdi_id(2)))
    with pytest.raises(OtherOperationInProgress):
        await agent.engine.submit(CopyVdi(vdi_id(2), SR, NewVdi(vdi_id(3), 0)))
    agent.cancel(operation.id)
    await agent.ended(operation.id)
    await agent.engine.connect("vbd/a/xvda", VDI, AttachMode.RW, IoLimits())


async def test_introducing_is_never_undone_by_deleting(agent: StorageAgent, host: StorageHost) -> None:
    host.shelf.places[SR].loose.add("found.img")
    host.shelf.faults.fail("introduce_vdi", when=When.AFTER)
    operation = await agent.do(IntroduceVdi(SR, VDI, "found.img", "name"))
    assert operation.state is OperationState.FAILED
    assert VDI in host.shelf.places[SR].vdis
    assert host.shelf.count("destroy_vdi") == 0
    await agent.succeed(IntroduceVdi(SR, VDI, "found.img", "name"))
    assert agent.engine.vdi(VDI).vdi.name == "name"


async def test_a_vdi_that_is_reset_at_boot_begins_as_it_was(agent: StorageAgent, host: StorageHost) -> None:
    await made(agent)
    data = host.shelf.places[SR].data
    data[VDI] = b"fresh"
    await agent.succeed(UpdateVdi(VDI, VdiChange(on_boot=OnBoot.RESET)))
    assert [view.vdi.id for view in agent.engine.vdis() if view.vdi.managed] == [VDI]
    for _ in range(2):
        await agent.engine.connect("vbd/a/xvda", VDI, AttachMode.RW, IoLimits())
        assert data[VDI] == b"fresh"
        data[VDI] = b"used"
        await agent.engine.disconnect("vbd/a/xvda")
    await agent.succeed(UpdateVdi(VDI, VdiChange(on_boot=OnBoot.PERSIST)))
    assert set(host.shelf.places[SR].vdis) == {VDI}
    await agent.engine.connect("vbd/a/xvda", VDI, AttachMode.RW, IoLimits())
    assert data[VDI] == b"used"


async def test_a_clone_of_what_is_reset_at_boot_is_not_reset(agent: StorageAgent) -> None:
    await made(agent)
    await agent.succeed(UpdateVdi(VDI, VdiChange(on_boot=OnBoot.RESET)))
    clone = VdiId((await agent.succeed(CloneVdi(VDI, NewSnapshot(VdiId(""))))).result)
    assert agent.engine.vdi(clone).vdi.on_boot is OnBoot.PERSIST
    await agent.engine.connect("vbd/a/xvda", clone, AttachMode.RW, IoLimits())


async def test_a_reset_point_goes_with_its_vdi(agent: StorageAgent, host: StorageHost) -> None:
    await made(agent)
    await agent.succeed(UpdateVdi(VDI, VdiChange(on_boot=OnBoot.RESET)))
    await agent.succeed(DestroyVdi(VDI))
    assert not host.shelf.places[SR].vdis


async def test_changed_block_tracking_is_switched(agent: StorageAgent) -> None:
    await made(agent)
    await agent.succeed(SetVdiCbt(VDI, True))
    assert agent.engine.vdi(VDI).vdi.cbt_enabled
    assert (await agent.engine.changed_blocks(VDI, VDI)).bits == b"\x01"
    await agent.succeed(SetVdiCbt(VDI, False))
    assert not agent.engine.vdi(VDI).vdi.cbt_enabled


async def test_nothing_is_done_to_vdis_of_an_sr_that_is_not_attached(agent: StorageAgent) -> None:
    await made(agent)
    await agent.succeed(DetachSr(SR))
    with pytest.raises(SrNotAttached):
        await agent.engine.submit(SnapshotVdi(VDI, NewSnapshot(VdiId(""))))
    assert agent.engine.vdi(VDI).allowed_operations == ("forget",)


async def test_a_caller_that_goes_away_changes_nothing(agent: StorageAgent) -> None:
    submitting = asyncio.ensure_future(agent.engine.submit(CreateVdi(SR, NewVdi(VDI, MIB)), "mine"))
    await asyncio.sleep(0)
    submitting.cancel()
    await agent.turns(50)
    assert (await agent.do(CreateVdi(SR, NewVdi(VDI, MIB)), "mine")).state is OperationState.SUCCEEDED


async def test_what_a_crash_left_half_made_is_never_shown(agent: StorageAgent, host: StorageHost) -> None:
    await made(agent)
    host.shelf.faults.hang("copy", when=When.AFTER)
    await agent.engine.submit(CopyVdi(VDI, SR, NewVdi(vdi_id(2), 0)))
    await agent.turns(200)
    assert vdi_id(2) in host.shelf.places[SR].vdis
    agent.life.dead = True
    await agent.engine.close()
    host.shelf.faults.hang("destroy_vdi")
    second = await host.start()
    await second.succeed(ScanSr(SR))
    assert [view.vdi.id for view in second.engine.vdis()] == [VDI]
    with pytest.raises(InvalidValue):
        await second.engine.submit(CreateVdi(SR, NewVdi(vdi_id(2), MIB)))
    await host.clock.sleep(200)
    assert set(host.shelf.places[SR].vdis) == {VDI}
    await second.engine.close()
