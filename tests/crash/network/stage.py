"""Where scenarios are played: a host with management and a VIF in use, agents that die, and what must hold."""

import asyncio
import sqlite3
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

from crash.network.scenarios import STATIC, SWITCH, Scenario, pif, resolved
from kit.dying import Death
from kit.network import DyingNetworkStore, NetworkAgent, NetworkHost
from xenhost.agent.network.journal import PENDING, read_intent
from xenhost.agent.network.wishes.wish import Wish, wish
from xenhost.core.errors import XenhostError
from xenhost.core.ids import OperationId
from xenhost.core.network import LockingMode, SwitchKind, VifPort
from xenhost.core.network_records import Intent, NetworkId
from xenhost.core.network_requests import CreateNetwork, NetworkRequest, ReconfigureManagement
from xenhost.core.network_views import VifOnNetwork
from xenhost.core.views import Operation, OperationState
from xenhost.drivers.sim.faults import Killed
from xenhost.drivers.sim.network.switch import SimSwitch
from xenhost.drivers.sim.network.world import NetworkLife, card

BYSTANDERS: Final = NetworkId("5a000000-0000-4000-8000-000000000099")
VIF: Final = VifOnNetwork("vm", 0, "vif1.0", "52:54:00:00:00:01", LockingMode.UNLOCKED)


class Stage:
    """One play."""

    def __init__(self, folder: Path, scenario: Scenario) -> None:
        folder.mkdir(parents=True)
        self.host: Final = NetworkHost(folder)
        if scenario is SWITCH:
            self.host.config = type(self.host.config)(switch=SwitchKind.BRIDGE)
        self.scenario: Final = scenario
        self.bridge = ""
        """Of a network that a VIF is on all the time."""
        self.request: NetworkRequest = scenario.request
        self.before = Intent()
        self.after = Intent()
        """What is wanted without, and with the change."""

    async def agent(self, at: int = 0, death: Death = Death.AFTER) -> "tuple[NetworkAgent, DyingNetworkStore]":
        """A new one, that may die while it starts: then Killed."""
        store = DyingNetworkStore(self.host.path)
        agent = self.host.agent(store)

        def die() -> None:
            agent.life.dead = True

        store.on_death = die
        store.is_dead = lambda: agent.life.dead
        store.arm(at, death)
        if self.bridge:
            agent.engine.set_vifs(lambda: {self.bridge: (VIF,)})
        if not await self.lives(agent, agent.engine.start()):
            await self.bury(agent)
            raise Killed
        return agent, store

    async def prepare(self) -> "tuple[NetworkAgent, DyingNetworkStore]":
        """What is there before the scenario."""
        agent, store = await self.agent()
        if self.scenario is not SWITCH:
            await self._do(agent, ReconfigureManagement(pif("eth0"), ipv4=STATIC, confirm_seconds=0))
            await self._do(agent, CreateNetwork(BYSTANDERS, name="bystanders"))
            self.bridge = agent.engine.find("bystanders")
            agent.engine.set_vifs(lambda: {self.bridge: (VIF,)})
            await agent.engine.ready(self.bridge)
            switch = SimSwitch(NetworkLife(self.host.world))
            await switch.connect_vif(VifPort(VIF.interface, self.bridge, VIF.mac))
        for request in self.scenario.prepare:
            await self._do(agent, request)
        if self.scenario.new_card:
            self.host.world.add_card(card(7))
        if self.scenario.lost_card:
            self.host.world.remove_card(self.scenario.lost_card)
        await self.host.clock.sleep(5)
        self.request = self._resolved(agent, self.scenario.request)
        self.before = agent.engine._known.intent
        return agent, store

    async def play(self, agent: NetworkAgent) -> None:
        """The scenario, to its end or to the death of the agent."""
        await self.lives(agent, self._play(agent))

    async def _play(self, agent: NetworkAgent) -> None:
        operation = await agent.engine.submit(self.request, "interrupted")
        await agent.ended(operation.id)

    async def lives(self, agent: NetworkAgent, work: Awaitable[None]) -> bool:
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

    async def bury(self, agent: NetworkAgent) -> None:
        """Whatever is left of a dead agent in this process. None of it can reach the host or the disk."""
        agent.life.dead = True
        if agent.engine._main is not None:
            agent.engine._main.cancel()
            await asyncio.wait({agent.engine._main})
            if not agent.engine._main.cancelled():
                agent.engine._main.exception()
        await agent.engine._calls.close()
        await agent.engine._store.close()
        world = self.host.world
        for watchers in (world.on_card, world.on_address, world.on_bond):
            watchers.clear()

    def state(self) -> OperationState | None:
        """Of the operation, as it is on disk; None: it has none."""
        with sqlite3.connect(self.host.path) as db:
            row = db.execute("SELECT state FROM operation WHERE request_id = 'interrupted'").fetchone()
        db.close()
        return None if row is None or row[0] is None else OperationState(row[0])

    async def check(self, agent: NetworkAgent, promised: OperationState | None) -> None:
        """The invariants, on an agent that has recovered. `promised`: how the operation had ended on disk."""
        operation = self.interrupted(agent)
        if promised is not None:
            assert operation is not None
            assert operation.state is promised
        if operation is not None:
            assert operation.state.ended
        self.all_or_nothing(agent, operation is not None and operation.state is OperationState.SUCCEEDED)
        await self._again(agent)
        self.nothing_leaked(agent)
        await agent.engine.close()
        self._settled()

    def interrupted(self, agent: NetworkAgent) -> Operation | None:
        """The operation, if it is known."""
        tracked = agent.table.by_request("interrupted")
        return None if tracked is None else tracked.view()

    def all_or_nothing(self, agent: NetworkAgent, done: bool) -> None:
        """The network is as it was, or as was wished."""
        intent = agent.engine._known.intent
        assert (intent != self.before) == done
        self.nothing_leaked(agent)

    def nothing_leaked(self, agent: NetworkAgent) -> None:
        """What there is, is what is wished; the bystander noticed nothing; nothing of others was touched."""
        world, known = self.host.world, agent.engine._known
        wanted: Wish = wish(known.intent, known.facts())
        assert known.effective == known.intent
        assert world.ours() == {bridge.name: bridge for bridge in wanted.topology.bridges}
        assert world.controllers == wanted.topology.controllers
        assert world.proxies == wanted.topology.proxies
        assert world.plan == wanted.addresses
        virtual = {intent_pif.device for intent_pif in map(self._physical(known.intent), known.intent.sriovs.values())}
        assert {device for device, nic in world.cards.items() if nic.sriov_enabled} == virtual
        assert world.bridges["virbr0"].made is None
        if self.bridge:
            assert world.bridges[self.bridge].ports == [VIF.interface]
        assert not known.problems or self.scenario.lost_card

    @staticmethod
    def _physical(intent: Intent):  # type: ignore[no-untyped-def]  # a lambda with a name
        return lambda sriov: intent.pifs[sriov.physical]

    async def _again(self, agent: NetworkAgent) -> None:
        """The same request again: it succeeds or is refused, and either way the network is in order."""
        try:
            operation = await agent.engine.submit(self.request, "again")
        except XenhostError:
            return
        await self.host.clock.sleep(1)
        await agent.engine.confirm_management()
        ended = await agent.ended(operation.id)
        assert ended.state is OperationState.SUCCEEDED, ended

    def _settled(self) -> None:
        with sqlite3.connect(self.host.path) as db:
            (unended,) = db.execute("SELECT count(*) FROM operation WHERE state IS NULL").fetchone()
            documents = dict(db.execute("SELECT name, body FROM document"))
        db.close()
        assert unended == 0
        assert PENDING not in documents
        read_intent(documents["intent"])

    async def _do(self, agent: NetworkAgent, request: NetworkRequest) -> None:
        await agent.succeed(self._resolved(agent, request))

    def _resolved(self, agent: NetworkAgent, request: NetworkRequest) -> NetworkRequest:
        return resolved(request, {view.pif.device: view.pif.id for view in reversed(agent.engine.pifs())})


async def held(agent: NetworkAgent, operation: OperationId, reached: asyncio.Event) -> None:
    """Until the operation hangs where it is meant to, or has ended."""
    ending = asyncio.ensure_future(agent.ended(operation))
    there = asyncio.ensure_future(reached.wait())
    await asyncio.wait({ending, there}, return_when=asyncio.FIRST_COMPLETED)
    there.cancel()
    if not ending.done():
        ending.cancel()
    await asyncio.wait({ending, there})
