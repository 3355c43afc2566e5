"""Chores: begun by the agent itself or on request, never in anybody's way."""

from dataclasses import replace

from kit.shelf import sr_id, sr_spec, vdi_id
from kit.storage import StorageAgent, StorageHost
from xenhost.agent.storage.config import StorageConfig
from xenhost.core.errors import HandleInvalid
from xenhost.core.storage import Chore, NewSnapshot, NewVdi
from xenhost.core.storage_requests import (
    CreateSr,
    CreateVdi,
    DetachSr,
    PerformChore,
    SnapshotVdi,
    UpdateSr,
)
from xenhost.core.units import GIB, MIB
from xenhost.core.views import OperationState

SR, VDI = sr_id(), vdi_id()


async def test_chores_are_begun_several_at_once_and_shown(host: StorageHost) -> None:
    host.config = StorageConfig(stat_period=100_000.0, chores_at_once=2)
    agent = await host.start()
    await agent.succeed(CreateSr(sr_spec()))
    host.shelf.places[SR].chores = [Chore(str(number), "coalesce", f"merging {number}") for number in range(5)]
    host.shelf.slow = 7
    await agent.succeed(CreateVdi(SR, NewVdi(VDI, MIB)))
    await host.clock.sleep(200)
    assert not host.shelf.places[SR].chores
    assert host.shelf.most_running >= 2
    kinds = [tracked.kind for tracked in agent.table]
    assert kinds.count("sr.coalesce") == 5
    await agent.engine.close()


async def test_chores_are_left_alone_where_the_sr_says_so(host: StorageHost) -> None:
    host.config = StorageConfig(stat_period=100_000.0, chores_at_once=2)
    agent = await host.start()
    await agent.succeed(CreateSr(replace(sr_spec(), other_config={"coalesce": "false"})))
    host.shelf.places[SR].chores = [Chore("1", "coalesce", "merging"), Chore("2", "delete", "deleting")]
    await agent.succeed(CreateVdi(SR, NewVdi(VDI, MIB)))
    await host.clock.sleep(200)
    assert [chore.id for chore in host.shelf.places[SR].chores] == ["1"]
    await agent.succeed(UpdateSr(SR, other_config={"gc": "false"}))
    host.shelf.places[SR].chores.append(Chore("3", "delete", "deleting"))
    await agent.succeed(CreateVdi(SR, NewVdi(vdi_id(2), MIB)))
    await host.clock.sleep(200)
    assert [chore.id for chore in host.shelf.places[SR].chores] == ["1", "3"]
    await agent.engine.close()


async def test_a_chore_without_room_is_not_begun(host: StorageHost) -> None:
    host.config = StorageConfig(stat_period=100_000.0, chores_at_once=2)
    agent = await host.start()
    await agent.succeed(CreateSr(sr_spec()))
    host.shelf.places[SR].chores = [Chore("1", "coalesce", "merging", needs=200 * GIB)]
    await agent.succeed(CreateVdi(SR, NewVdi(VDI, MIB)))
    await host.clock.sleep(200)
    assert host.shelf.count("perform") == 0
    await agent.engine.close()


async def test_chores_are_performed_on_request(agent: StorageAgent, host: StorageHost) -> None:
    host.shelf.places[SR].chores = [Chore(str(number), "coalesce", f"merging {number}") for number in range(3)]
    await agent.succeed(PerformChore(SR, "1"))
    assert [chore.id for chore in host.shelf.places[SR].chores] == ["0", "2"]
    assert isinstance((await agent.do(PerformChore(SR, "1"))).error, HandleInvalid)
    await agent.succeed(PerformChore(SR, ""))
    assert not host.shelf.places[SR].chores


async def test_a_chore_makes_way_for_whoever_needs_its_vdi(agent: StorageAgent, host: StorageHost) -> None:
    await agent.succeed(CreateVdi(SR, NewVdi(VDI, MIB)))
    host.shelf.places[SR].chores = [Chore("1", "coalesce", "merging", vdi=VDI)]
    host.shelf.faults.hang("perform")
    chore = await agent.engine.submit(PerformChore(SR, "1"))
    await agent.turns(50)
    await agent.succeed(SnapshotVdi(VDI, NewSnapshot(vdi_id(2))))
    ended = await agent.ended(chore.id)
    assert ended.state is OperationState.CANCELLED
    assert "made way" in str(ended.error)


async def test_a_chore_makes_way_for_a_detach(agent: StorageAgent, host: StorageHost) -> None:
    host.shelf.places[SR].chores = [Chore("1", "coalesce", "merging")]
    host.shelf.faults.hang("perform")
    chore = await agent.engine.submit(PerformChore(SR, "1"))
    await agent.turns(50)
    await agent.succeed(DetachSr(SR))
    assert (await agent.ended(chore.id)).state is OperationState.CANCELLED
