"""Where scenarios are played: two SRs, a VDI in use, agents that die, and what must hold."""

import asyncio
import sqlite3
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

import pytest

from crash.storage.scenarios import DATAPATH, DISK, SR, USED, Scenario, bystander
from kit.dying import Death
from kit.storage import DyingStorageStore, StorageAgent, StorageHost
from xenhost.core.ids import OperationId
from xenhost.core.storage import AttachMode
from xenhost.core.views import Operation, OperationState
from xenhost.drivers.sim.faults import Killed


class Stage:
    """One play."""

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self.host: Final = StorageHost(folder)
        self.scenario: Final = scenario
        self.promised = False
        """Its client was told that it succeeded."""

    async def agent(self, at: int = 0, death: Death = Death.AFTER) -> "tuple[StorageAgent, DyingStorageStore]":
        """A new one, that may die while it starts: then Killed."""
        store = DyingStorageStore(self.host.path)
        agent = self.host.agent(store)

        def die() -> None:
            agent.life.dead = True

        store.on_death = die
        store.is_dead = lambda: agent.life.dead
        store.arm(at, death)
        if not await self.lives(agent, agent.engine.start()):
            await self.bury(agent)
            raise Killed
        return agent, store

    async def prepare(self) -> "tuple[StorageAgent, DyingStorageStore]":
        """What is there before the scenario."""
        self.host.folder.mkdir(parents=True, exist_ok=True)
        agent, store = await self.agent()
        await bystander(agent)
        self.host.shelf.places[SR].data[DISK] = b"first"
        for request in self.scenario.prepare:
            await agent.succeed(request)
        self.scenario.shelf(self.host.shelf)
        await agent.turns()
        return agent, store

    async def play(self, agent: StorageAgent) -> None:
        """The scenario, to its end or to the death of the agent."""
        await self.lives(agent, self._play(agent))

    async def _play(self, agent: StorageAgent) -> None:
        operation = await agent.engine.submit(self.scenario.request, "interrupted")
        self.promised = (await agent.ended(operation.id)).state is OperationState.SUCCEEDED

    async def lives(self, agent: StorageAgent, work: Awaitable[None]) -> bool:
        """Do it, unless the agent dies: then False."""
        doing = asyncio.ensure_future(work)
        while not doing.done():
            main = agent.engine._main
            await asyncio.wait({doing, *([main] if main is not None else [])}, timeout=0.01)
            if agent.life.dead or (main is not None and main.done()):
                doing.cancel()
                await asyncio.wait({doing})
                break
        if agent.life.dead:
            if not doing.cancelled():
                doing.exception()  # whatever a dead agent says
            return False
        doing.result()
        return True

    async def bury(self, agent: StorageAgent) -> None:
        """Whatever is left of a dead agent in this process. None of it can reach the shelf or the disk."""
        agent.life.dead = True
        if agent.engine._main is not None:
            agent.engine._main.cancel()
            await asyncio.wait({agent.engine._main})
            if not agent.engine._main.cancelled():
                agent.engine._main.exception()
        await agent.engine._services.calls.close()
        await agent.engine._services.store.close()

    def is_begun(self) -> bool:
        """Is the operation on disk?"""
        with sqlite3.connect(self.host.path) as db:
            (count,) = db.execute("SELECT count(*) FROM operation WHERE request_id = 'interrupted'").fetchone()
        db.close()
        return bool(count)

    async def check(self, agent: StorageAgent, begun: bool, interrupted: bool = True) -> None:
        """The invariants, on a recovered agent. `begun`: the operation was on disk."""
        scenario, shelf = self.scenario, self.host.shelf
        await self.settled(agent)
        operation = self.interrupted(agent)
        assert (operation is not None) == begun
        done = scenario.done(agent, shelf)
        if operation is not None:
            assert operation.state.ended
            if operation.state is OperationState.SUCCEEDED:
                assert done, operation
            elif not scenario.forward:
                assert not done or scenario.name in {"chore", "compare"}, operation
            if interrupted and scenario.forward:
                assert operation.state is OperationState.SUCCEEDED, operation
        if self.promised:
            assert done
        self.nothing_leaked(agent)
        await self._again(agent)
        self.nothing_leaked(agent)
        await agent.engine.close()
        self._journal_settled()

    async def settled(self, agent: StorageAgent) -> None:
        """Until nothing is under way."""
        for tracked in agent.table:
            await agent.ended(tracked.id)
            while not tracked.settled:
                await self.host.clock.sleep(1)
        await self.host.clock.sleep(200)

    def interrupted(self, agent: StorageAgent) -> Operation | None:
        """The operation, if it is known."""
        tracked = agent.table.by_request("interrupted")
        return None if tracked is None else tracked.view()

    async def _again(self, agent: StorageAgent) -> None:
        """The same request succeeds, or is refused because it has been done."""
        scenario, shelf = self.scenario, self.host.shelf
        if scenario.done(agent, shelf) and scenario.already:
            with pytest.raises(scenario.already):
                await self._refused(agent)
        else:
            await agent.succeed(scenario.request, "again")
        assert scenario.done(agent, shelf)

    async def _refused(self, agent: StorageAgent) -> None:
        """At once, or as the outcome."""
        operation = await agent.do(self.scenario.request, "again")
        if operation.error is not None:
            raise operation.error

    def nothing_leaked(self, agent: StorageAgent) -> None:
        """What is in use is what is said to be; what is recorded is what there is; the bystander noticed nothing."""
        shelf = self.host.shelf
        assert shelf.active == shelf.attached == {USED: AttachMode.RW}
        assert set(shelf.blocks) == {USED}
        assert shelf.mounted == {view.spec.id for view in agent.engine.srs() if view.attached}
        assert [(view.datapath, view.state) for view in agent.engine.datapath_views()] == [(DATAPATH, "activated")]
        for view in agent.engine.srs():
            if not view.attached:
                continue
            assert not view.problem
            recorded = {found.vdi.id: found.vdi for found in agent.engine.vdis(view.spec.id)}
            there = shelf.places[view.spec.id].vdis
            stray = {vdi for vdi, found in there.items() if found.location == "stray.img"}
            assert recorded.keys() - stray == there.keys() - stray
            for vdi in recorded.keys() - stray:
                assert recorded[vdi].name == there[vdi].name
                assert recorded[vdi].virtual_size == there[vdi].virtual_size
        assert not shelf.count("deactivate_vdi") or (USED, AttachMode.RW) in shelf.active.items()
        for view in agent.engine.srs():
            assert not view.current_operations
        for found in agent.engine.vdis():
            assert not found.current_operations

    def _journal_settled(self) -> None:
        with sqlite3.connect(self.host.path) as db:
            (unsettled,) = db.execute("SELECT count(*) FROM operation WHERE NOT settled").fetchone()
            datapaths = db.execute("SELECT name FROM datapath").fetchall()
        db.close()
        assert unsettled == 0
        assert datapaths == [(DATAPATH,)]


async def held(agent: StorageAgent, operation: OperationId, reached: asyncio.Event) -> None:
    """Until the operation hangs where it is meant to, or has ended."""
    ending = asyncio.ensure_future(agent.ended(operation))
    there = asyncio.ensure_future(reached.wait())
    await asyncio.wait({ending, there}, return_when=asyncio.FIRST_COMPLETED)
    there.cancel()
    if not ending.done():
        ending.cancel()
    await asyncio.wait({ending, there})
