"""Where scenarios are played: a host with a bystander and a foreign domain, agents that die, and what must hold."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from crash.scenarios import IMAGE, VM, Scenario
from kit.agent import Agent, SimHost
from kit.datapaths import Connected, source_of
from kit.dying import Death, DyingStore
from kit.functions import FAST
from kit.specs import file_disk, nic, spec, vm_id
from xenhost.agent.steps.vdi import datapath_of
from xenhost.agent.steps.vif import effective
from xenhost.core.devices import DeviceClass, Source, SourceKind
from xenhost.core.ids import DomId, OperationId
from xenhost.core.network import VifNetwork
from xenhost.core.requests import StartVm
from xenhost.core.storage import AttachMode, VdiId
from xenhost.core.views import Operation, OperationState
from xenhost.drivers.sim.faults import Killed, When

BYSTANDER: Final = vm_id(2)


class Stage:
    """One play."""

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        self.host: Final = SimHost(folder)
        self._image: Final = folder / "image"
        folder.mkdir(exist_ok=True)
        self._image.touch()
        self.host.vdis.files[IMAGE.path] = Source(SourceKind.FILE, str(self._image))
        self.scenario: Final = scenario
        self.operation: OperationId | None = None
        """The interrupted one, if the agent came so far as to name it."""
        self.promised = False
        """Its client was told that it succeeded."""
        self.domid: DomId | None = None
        """Of the VM, before."""
        self.release: Callable[[], None] = lambda: None
        """Lets a call go on that is held."""
        self.ran: DomId | None = None
        """The VM's domain that was running when the agent died."""
        self._bystander = DomId(0)
        self._foreign = DomId(0)

    async def agent(self, at: int = 0, death: Death = Death.AFTER) -> "tuple[Agent, DyingStore]":
        """A new agent, that may die while it starts: then Killed."""
        store = DyingStore(self.host.path)
        agent = self.host.agent(store=store)
        store.on_death = agent.hypervisor.kill
        store.is_dead = lambda: agent.hypervisor._life.dead
        store.arm(at, death)
        try:
            await agent.hypervisor.open()
            await agent.engine.start()
        except Killed:
            await self.bury(agent)
            raise
        return agent, store

    async def prepare(self) -> "tuple[Agent, DyingStore]":
        """What is there before the scenario."""
        agent, store = await self.agent()
        await agent.engine.create_vm(spec(2, vbds=(file_disk("xvda", "/srv/other.img"),), vifs=(nic(),)))
        await agent.succeed(StartVm(BYSTANDER))
        self._foreign = self.host.world.add_foreign_domain()
        await agent.engine.create_vm(self.scenario.spec)
        for request in self.scenario.prepare:
            await agent.succeed(request)
        await agent.settled(VM)
        self.domid = agent.engine.vm(VM).status.domid
        self._bystander = agent.engine.vm(BYSTANDER).status.domid or DomId(0)
        return agent, store

    async def play(self, agent: Agent) -> None:
        """The scenario, to its end or to the death of the agent."""
        try:
            operation = await agent.engine.submit(self.scenario.request, "interrupted")
            self.operation = operation.id
            await self.until_dead_or(agent, operation.id)
            self.promised = agent.engine.operation(operation.id).state is OperationState.SUCCEEDED
        except Killed:
            pass

    async def until_dead_or(self, agent: Agent, operation: OperationId) -> None:
        """Wait for the end of the operation, or of the agent."""
        assert agent.engine._main is not None
        ended = asyncio.ensure_future(agent.ended(operation))
        await asyncio.wait({ended, agent.engine._main}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            ended.result()
            await agent.settled(VM)
        else:
            ended.cancel()
            await asyncio.wait({ended})

    async def idle_or_dead(self, agent: Agent) -> None:
        """Until nothing is under way for the VM, or the agent is dead."""
        assert agent.engine._main is not None
        idle = asyncio.ensure_future(agent.settled(VM))
        await asyncio.wait({idle, agent.engine._main}, return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        await asyncio.wait({idle})

    async def bury(self, agent: Agent) -> None:
        """Whatever is left of a dead agent in this process. None of it can reach the world or the disk."""
        agent.hypervisor.kill()
        ours = [domain for domain in self.host.world.of_vm(VM) if domain.runs]
        self.ran = ours[0].domid if ours else None
        if agent.engine._main is not None:
            agent.engine._main.cancel()
            await asyncio.wait({agent.engine._main})
            if not agent.engine._main.cancelled():
                agent.engine._main.exception()
        await agent.store.close()

    async def check(self, agent: Agent, begun: bool, interrupted: bool = True) -> None:
        """The invariants, on a recovered agent. `begun`: the operation was on disk.

        Not `interrupted`: the operation was cancelled, so what the recovery promises beyond them does not hold.
        """
        await agent.settled(VM)
        operation = self._interrupted(agent)
        assert (operation is not None) == begun
        view = agent.engine.vm(VM)
        after, before = self.scenario.after(view), self.scenario.before(view)
        assert after or before, view
        assert not view.status.problem
        if operation is not None:
            assert operation.state.ended
            # A guest that had acknowledged cannot be asked to stay: it stops by itself then.
            by_itself = any(operation.kind.startswith("guest.") for operation in agent.engine.operations())
            succeeded = operation.state is OperationState.SUCCEEDED or by_itself
            assert after == succeeded or (after and before), operation
        if begun and interrupted and not self.scenario.turns_back:
            assert after
        if self.ran is not None and self.scenario.keeps_running and self.ran != self.domid:
            assert view.status.domid == self.ran, "a guest that was let run was destroyed"
        if self.promised:
            assert after
            assert operation is not None
            assert operation.state is OperationState.SUCCEEDED
        self._nothing_leaked(agent)
        self._bystanders_untouched(agent)
        await self._again(agent)
        await agent.settled(VM)
        self._nothing_leaked(agent)
        self._bystanders_untouched(agent)
        await agent.close()
        self._journal_settled()

    def _interrupted(self, agent: Agent) -> Operation | None:
        found = [operation for operation in agent.engine.operations() if operation.request_id == "interrupted"]
        return found[0] if found else None

    async def _again(self, agent: Agent) -> None:
        """The same request succeeds, or is refused because it has been done."""
        done = self.scenario.after(agent.engine.vm(VM)) and self.scenario.after is not self.scenario.before
        if done and self.scenario.already:
            with pytest.raises(self.scenario.already):
                await agent.do(self.scenario.request, "again")
        else:
            operation = await agent.do(self.scenario.request, "again")
            assert operation.state is OperationState.SUCCEEDED, operation
        assert self.scenario.after(agent.engine.vm(VM))

    def _nothing_leaked(self, agent: Agent) -> None:
        world, view = self.host.world, agent.engine.vm(VM)
        assert world.leaks() == []
        domid = view.status.domid
        expected = {self._bystander, self._foreign} | ({domid} if domid is not None else set())
        assert set(world.domains) == expected
        files = [vbd for vbd in agent.engine.vm(BYSTANDER).spec.vbds if vbd.source.kind is SourceKind.FILE]
        if domid is not None:
            domain = world.domains[domid]
            assert domain.built
            plugged = {(device.cls, device.devid) for device in domain.devices.values() if device.ready}
            assert len(plugged) == len(domain.devices)
            wanted = {(DeviceClass.VBD, vbd.devid) for vbd in view.spec.vbds}
            wanted |= {(DeviceClass.VIF, vif.devid) for vif in view.spec.vifs}
            assert plugged == wanted
            assert {(device.cls, device.devid) for device in view.status.devices} == wanted
            for vbd in view.spec.vbds:
                in_dom0 = source_of(vbd.source.path) if vbd.source.kind is SourceKind.VDI else vbd.source
                assert domain.devices[DeviceClass.VBD, vbd.devid].source == in_dom0
            for vif in view.spec.vifs:
                device = domain.devices[DeviceClass.VIF, vif.devid]
                assert (device.function != "") == (vif.bridge == FAST)
                if device.function:
                    assert self.host.card.addresses[device.function] == vif.mac
                else:
                    assert device.locking == effective(vif, VifNetwork("")).locking
            files += [vbd for vbd in view.spec.vbds if vbd.source.kind is SourceKind.FILE]
        assert sorted(world.loops.values()) == sorted(vbd.source.path for vbd in files)
        vdis = [vbd for vbd in view.spec.vbds if vbd.source.kind is SourceKind.VDI] if domid is not None else []
        assert self.host.vdis.datapaths == {
            datapath_of(VM, vbd.devid): Connected(
                VdiId(vbd.source.path), AttachMode(vbd.mode.value), vbd.limits, done=True
            )
            for vbd in vdis
        }
        assert self.host.vdis.violations == []

    def _bystanders_untouched(self, agent: Agent) -> None:
        status = agent.engine.vm(BYSTANDER).status
        assert status.domid == self._bystander
        domain = self.host.world.domains[self._bystander]
        assert not domain.paused
        assert domain.shutdown is None
        assert len(domain.devices) == 2
        assert self._foreign in self.host.world.domains
        assert not any(o.vm == BYSTANDER and o.kind != "vm.start" for o in agent.engine.operations())

    def _journal_settled(self) -> None:
        with sqlite3.connect(self.host.path) as db:
            (open_operations,) = db.execute("SELECT count(*) FROM operation WHERE NOT settled").fetchone()
            (records,) = db.execute("SELECT count(*) FROM record").fetchone()
        db.close()
        assert (open_operations, records) == (0, 0)


async def count_writes(folder: Path, scenario: Scenario) -> int:
    """How many writes the scenario makes when nothing interrupts it."""
    stage = Stage(folder, scenario)
    agent, store = await stage.prepare()
    store.arm()
    await stage.play(agent)
    count = store.count
    await stage.check(agent, begun=True)
    return count


async def count_calls(folder: Path, scenario: Scenario) -> dict[When, int]:
    """How many moments of port calls the scenario passes."""
    stage = Stage(folder, scenario)
    agent, _ = await stage.prepare()
    passed = dict.fromkeys(When, 0)
    faults = stage.host.world.faults
    reach = faults.reach

    async def counting(verb: str, when: When) -> None:
        passed[when] += 1
        await reach(verb, when)

    faults.reach = counting  # type: ignore[method-assign]  # only to count
    await stage.play(agent)
    await agent.close()
    return passed


def is_begun(stage: Stage) -> bool:
    """Is the operation on disk?"""
    with sqlite3.connect(stage.host.path) as db:
        (count,) = db.execute("SELECT count(*) FROM operation WHERE request_id = 'interrupted'").fetchone()
    db.close()
    return bool(count)
