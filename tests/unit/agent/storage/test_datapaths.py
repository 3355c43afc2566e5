"""Datapaths: who uses which VDI, when the driver is called, and what is left after failures, crashes and reboots."""

import asyncio

import pytest

from kit.shelf import sr_id, vdi_id
from kit.storage import StorageAgent, StorageHost
from xenhost.core.devices import SourceKind
from xenhost.core.errors import HandleInvalid, OperationNotAllowed, XenhostError
from xenhost.core.storage import AttachMode, IoLimits, NewVdi
from xenhost.core.storage_errors import SrDeviceInUse, SrNotAttached, VdiInUse, VdiNotAvailable, VdiReadonly
from xenhost.core.storage_requests import AttachSr, CreateVdi, DetachSr
from xenhost.core.units import MIB
from xenhost.drivers.sim.faults import When

SR, VDI = sr_id(), vdi_id()
A, B = "vbd/a/xvda", "vbd/b/xvda"
FREE = IoLimits()


async def successor(agent: StorageAgent, host: StorageHost) -> StorageAgent:
    await agent.engine.close()
    return await host.start()


@pytest.fixture(autouse=True)
async def disks(agent: StorageAgent) -> None:
    for number in (1, 2):
        await agent.succeed(CreateVdi(SR, NewVdi(vdi_id(number), MIB)))
    await agent.succeed(CreateVdi(SR, NewVdi(vdi_id(3), MIB, sharable=True)))
    await agent.succeed(CreateVdi(SR, NewVdi(vdi_id(4), MIB, read_only=True)))


async def test_connecting_attaches_activates_and_gives_a_block_device(agent: StorageAgent, host: StorageHost) -> None:
    connection = await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    assert connection.source.kind is SourceKind.BLOCK
    assert agent.engine.source(A) == connection.source
    assert host.shelf.active == {VDI: AttachMode.RW}
    assert agent.engine.vdi(VDI).datapaths == (A,)
    assert [view.state for view in agent.engine.datapath_views()] == ["activated"]
    await agent.engine.disconnect(A)
    assert not host.shelf.active
    assert not host.shelf.attached
    assert not host.shelf.blocks
    assert agent.engine.source(A) is None
    assert not agent.engine.datapaths()


async def test_connecting_again_gives_the_same_answer_without_a_call(agent: StorageAgent, host: StorageHost) -> None:
    first = await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    host.shelf.calls.clear()
    assert await agent.engine.connect(A, VDI, AttachMode.RW, FREE) == first
    assert not host.shelf.calls


async def test_limits_change_under_a_user_that_was_connected_with_some(agent: StorageAgent, host: StorageHost) -> None:
    source = (await agent.engine.connect(A, VDI, AttachMode.RW, IoLimits(iops=5))).source
    await agent.engine.limit(A, IoLimits(iops=7))
    assert host.shelf.limits == {VDI: IoLimits(iops=7)}
    agent = await successor(agent, host)
    await agent.engine.limit(A, FREE)
    assert host.shelf.limits == {VDI: FREE}
    await agent.engine.limit(A, IoLimits(bytes_per_second=1))
    agent = await successor(agent, host)
    assert agent.engine.source(A) == source
    assert host.shelf.limits == {VDI: IoLimits(bytes_per_second=1)}
    host.shelf.calls.clear()
    await agent.engine.limit(A, IoLimits(bytes_per_second=1))
    assert not host.shelf.calls


async def test_the_tightest_limits_of_several_users_count(agent: StorageAgent, host: StorageHost) -> None:
    await agent.engine.connect(A, VDI, AttachMode.RO, IoLimits(iops=5))
    await agent.engine.connect(B, VDI, AttachMode.RO, IoLimits(iops=9))
    await agent.engine.limit(A, IoLimits(iops=20))
    assert host.shelf.limits == {VDI: IoLimits(iops=9)}


async def test_who_uses_a_vdi_directly_cannot_be_limited_meanwhile(agent: StorageAgent, host: StorageHost) -> None:
    await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    with pytest.raises(OperationNotAllowed, match="plug it again"):
        await agent.engine.limit(A, IoLimits(iops=5))
    with pytest.raises(VdiNotAvailable):
        await agent.engine.limit(B, IoLimits(iops=5))
    agent = await successor(agent, host)
    assert host.shelf.limits == {VDI: FREE}


async def test_limits_that_cannot_be_changed_are_as_before(agent: StorageAgent, host: StorageHost) -> None:
    await agent.engine.connect(A, VDI, AttachMode.RW, IoLimits(iops=5))
    host.shelf.faults.fail("activate_vdi")
    with pytest.raises(XenhostError):
        await agent.engine.limit(A, IoLimits(iops=7))
    agent = await successor(agent, host)
    assert host.shelf.limits == {VDI: IoLimits(iops=5)}


async def test_two_readers_activate_once_and_the_last_deactivates(agent: StorageAgent, host: StorageHost) -> None:
    await asyncio.gather(*(agent.engine.connect(name, VDI, AttachMode.RO, FREE) for name in (A, B)))
    assert host.shelf.count("activate_vdi") == 1
    await agent.engine.disconnect(A)
    assert host.shelf.active
    assert host.shelf.blocks
    await agent.engine.disconnect(B)
    assert not host.shelf.active
    assert host.shelf.count("deactivate_vdi") == 1


async def test_a_second_writer_is_refused_unless_the_vdi_is_sharable(agent: StorageAgent, host: StorageHost) -> None:
    alone = await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    assert not alone.source.shared
    for mode in AttachMode:
        with pytest.raises(VdiInUse, match=A):
            await agent.engine.connect(B, VDI, mode, FREE)
    await agent.engine.connect(A + "2", vdi_id(3), AttachMode.RO, FREE)
    together = await agent.engine.connect(B, vdi_id(3), AttachMode.RW, FREE)
    assert together.source.shared, "the hypervisor would refuse the second guest"
    assert host.shelf.active[vdi_id(3)] is AttachMode.RW
    await agent.engine.disconnect(B)
    assert host.shelf.active[vdi_id(3)] is AttachMode.RO


async def test_what_is_read_only_is_not_connected_for_writing(agent: StorageAgent) -> None:
    with pytest.raises(VdiReadonly):
        await agent.engine.connect(A, vdi_id(4), AttachMode.RW, FREE)
    await agent.engine.connect(A, vdi_id(4), AttachMode.RO, FREE)


async def test_a_datapath_leads_to_one_vdi(agent: StorageAgent) -> None:
    await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    with pytest.raises(OperationNotAllowed, match="disconnect it first"):
        await agent.engine.connect(A, vdi_id(2), AttachMode.RW, FREE)
    with pytest.raises(OperationNotAllowed, match="connected rw"):
        await agent.engine.connect(A, VDI, AttachMode.RO, FREE)
    with pytest.raises(HandleInvalid):
        await agent.engine.connect(B, vdi_id(9), AttachMode.RW, FREE)


async def test_limits_reach_the_driver_and_can_be_changed(agent: StorageAgent, host: StorageHost) -> None:
    await agent.engine.connect(A, VDI, AttachMode.RW, IoLimits(100))
    assert host.shelf.limits[VDI] == IoLimits(100)
    await agent.engine.connect(A, VDI, AttachMode.RW, IoLimits(200))
    assert host.shelf.limits[VDI] == IoLimits(200)
    await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    assert host.shelf.limits[VDI] == FREE


async def test_an_sr_in_use_is_not_detached(agent: StorageAgent) -> None:
    await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    with pytest.raises(SrDeviceInUse, match=A):
        await agent.engine.submit(DetachSr(SR))
    await agent.engine.disconnect(A)
    await agent.succeed(DetachSr(SR))
    with pytest.raises(SrNotAttached):
        await agent.engine.connect(A, VDI, AttachMode.RW, FREE)


@pytest.mark.parametrize("verb", ["attach_vdi", "activate_vdi", "connect"])
@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER])
async def test_a_connection_that_fails_leaves_nothing(
    agent: StorageAgent, host: StorageHost, verb: str, when: When
) -> None:
    host.shelf.faults.fail(verb, when=when)
    with pytest.raises(XenhostError):
        await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    assert not host.shelf.active
    assert not host.shelf.attached
    assert not host.shelf.blocks
    assert not agent.engine.datapath_views()
    await agent.engine.connect(A, VDI, AttachMode.RW, FREE)


@pytest.mark.parametrize("verb", ["attach_vdi", "activate_vdi", "connect"])
@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER])
async def test_a_cancelled_connection_is_taken_back(
    agent: StorageAgent, host: StorageHost, verb: str, when: When
) -> None:
    host.shelf.faults.hang(verb, when=when)
    connecting = asyncio.ensure_future(agent.engine.connect(A, VDI, AttachMode.RW, FREE))
    await agent.turns(50)
    connecting.cancel()
    await asyncio.wait({connecting})
    assert connecting.cancelled()
    await host.clock.sleep(100)
    assert not host.shelf.active
    assert not host.shelf.attached
    assert not agent.engine.datapath_views()


@pytest.mark.parametrize("verb", ["disconnect", "deactivate_vdi", "detach_vdi"])
async def test_a_disconnection_that_fails_is_leaked_and_tried_again(
    agent: StorageAgent, host: StorageHost, verb: str
) -> None:
    await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    host.shelf.faults.fail(verb)
    host.shelf.faults.fail(verb, nth=2)
    await agent.engine.disconnect(A)
    assert [view.state for view in agent.engine.datapath_views()] == ["leaked"]
    assert not agent.engine.datapaths()
    await host.clock.sleep(100)
    assert not agent.engine.datapath_views()
    assert not host.shelf.attached


async def test_a_leaked_datapath_makes_way_for_the_next_user(agent: StorageAgent, host: StorageHost) -> None:
    await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    host.shelf.faults.fail("deactivate_vdi")
    await agent.engine.disconnect(A)
    await agent.engine.connect(B, VDI, AttachMode.RW, FREE)
    assert agent.engine.vdi(VDI).datapaths == (B,)


async def test_the_next_agent_takes_over_what_is_in_use(agent: StorageAgent, host: StorageHost) -> None:
    first = await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    await agent.engine.close()
    host.shelf.calls.clear()
    second = await host.start()
    assert second.engine.source(A) == first.source
    assert await second.engine.connect(A, VDI, AttachMode.RW, FREE) == first
    assert host.shelf.active == {VDI: AttachMode.RW}
    assert not host.shelf.count("deactivate_vdi")
    await second.engine.disconnect(A)
    assert not host.shelf.attached
    await second.engine.close()


async def test_what_died_with_its_agent_is_activated_again(agent: StorageAgent, host: StorageHost) -> None:
    await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    await agent.engine.close()
    host.shelf.active.clear()
    second = await host.start()
    assert host.shelf.active == {VDI: AttachMode.RW}
    await second.engine.close()


async def test_the_agents_own_datapaths_end_with_it(agent: StorageAgent, host: StorageHost) -> None:
    transfer = agent.engine.open_for_transfer(VDI, AttachMode.RW)
    await transfer.__aenter__()
    assert not host.shelf.blocks
    await agent.engine.close()
    assert host.shelf.active
    second = await host.start()
    await host.clock.sleep(100)
    assert not host.shelf.active
    assert not second.engine.datapath_views()
    await second.engine.close()


async def test_a_reboot_ends_every_datapath(agent: StorageAgent, host: StorageHost) -> None:
    await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    await agent.engine.close()
    host.reboot()
    second = await host.start()
    assert not second.engine.datapath_views()
    assert second.engine.sr(SR).attached
    await second.engine.connect(B, VDI, AttachMode.RW, FREE)
    await second.engine.close()


async def test_an_active_vdi_that_nobody_knows_is_left_alone(agent: StorageAgent, host: StorageHost) -> None:
    await agent.succeed(DetachSr(SR))
    host.shelf.attached[VDI] = host.shelf.active[VDI] = AttachMode.RW
    await agent.succeed(AttachSr(SR))
    assert agent.engine.datapaths() == [f"found/{VDI}"]
    with pytest.raises(VdiInUse, match="found/"):
        await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    await agent.engine.disconnect(f"found/{VDI}")
    assert not host.shelf.active


async def test_a_transfer_has_the_bytes_and_no_block_device(agent: StorageAgent, host: StorageHost) -> None:
    async with agent.engine.open_for_transfer(VDI, AttachMode.RO) as backend:
        assert backend.path.endswith(VDI)
        assert not host.shelf.blocks
        with pytest.raises(VdiInUse):
            await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    assert not host.shelf.active


@pytest.mark.parametrize("turns", range(6))
async def test_a_transfer_that_is_cancelled_twice_is_over_all_the_same(
    agent: StorageAgent, host: StorageHost, turns: int
) -> None:
    inside = asyncio.Event()

    async def hold() -> None:
        async with agent.engine.open_for_transfer(VDI, AttachMode.RW):
            inside.set()
            await asyncio.Event().wait()

    holding = asyncio.create_task(hold())
    await inside.wait()
    holding.cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    holding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await holding
    assert not host.shelf.active
    assert not agent.engine.datapath_views()


async def test_an_export_needs_no_block_device(agent: StorageAgent, host: StorageHost) -> None:
    export = await agent.engine.export_nbd(VDI)
    assert host.shelf.exported == {VDI: f"/shelf/{SR}/{VDI}"}
    assert not host.shelf.blocks
    assert agent.engine.exports() == [export]
    assert await agent.engine.export_nbd(VDI) == export
    assert host.shelf.count("export") == 1
    assert (await agent.engine.export_nbd(VDI, vdi_id(2))).bitmap == "changed"
    await agent.engine.unexport_nbd(VDI)
    assert not host.shelf.exported
    assert not host.shelf.active


async def test_an_export_outlives_the_agent_and_is_ended_by_the_next(agent: StorageAgent, host: StorageHost) -> None:
    await agent.engine.export_nbd(VDI)
    await agent.engine.close()
    second = await host.start()
    assert host.shelf.exported
    assert second.engine.vdi(VDI).datapaths == (f"export/{VDI}",)
    await second.engine.unexport_nbd(VDI)
    assert not host.shelf.exported
    assert not host.shelf.active
    await second.engine.close()


async def test_a_vm_is_refused_at_once_while_its_sr_cannot_be_reached(agent: StorageAgent, host: StorageHost) -> None:
    await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    await agent.engine.close()
    host.shelf.unreachable.add(SR)
    second = await host.start()
    host.shelf.faults.hang("attach")
    await host.clock.sleep(3)
    before = host.clock.monotonic()
    with pytest.raises(SrNotAttached, match="does not answer"):
        await second.engine.connect(B, vdi_id(2), AttachMode.RW, FREE)
    assert second.engine.source(A) is not None
    await second.engine.disconnect(A)
    assert host.clock.monotonic() == before
    host.shelf.unreachable.clear()
    await host.clock.sleep(300)
    assert not host.shelf.active
    assert not second.engine.datapath_views()
    await second.engine.close()


async def test_a_user_whose_server_has_ended_is_told_and_can_begin_again(
    agent: StorageAgent, host: StorageHost
) -> None:
    await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    del host.shelf.active[VDI]
    agent.engine.lost(VDI)
    await agent.turns()
    assert not host.shelf.blocks
    assert A in agent.engine.sr(SR).problem
    await agent.engine.disconnect(A)
    await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    assert host.shelf.active == {VDI: AttachMode.RW}
    await host.clock.sleep(200_000)
    assert not agent.engine.sr(SR).problem


async def test_an_sr_that_is_gone_for_good_can_be_forgotten_when_its_vms_are(
    agent: StorageAgent, host: StorageHost
) -> None:
    await agent.engine.connect(A, VDI, AttachMode.RW, FREE)
    await agent.engine.close()
    host.shelf.unreachable.add(SR)
    second = await host.start()
    with pytest.raises(SrDeviceInUse, match=A):
        await second.engine.submit(DetachSr(SR))
    with pytest.raises(SrDeviceInUse, match=A):
        await second.engine.forget_sr(SR)
    await second.engine.disconnect(A)
    await second.succeed(DetachSr(SR))
    await second.engine.forget_sr(SR)
    assert not second.engine.datapath_views()
    await second.engine.close()
