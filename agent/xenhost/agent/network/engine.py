"""The network engine: what the edge, the VM engine and the link use."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

import structlog

from xenhost.agent.engine.admission import checked_request_id
from xenhost.agent.engine.operations import OperationTable, Tracked
from xenhost.agent.events.hub import EventHub
from xenhost.agent.network.applying import Applier
from xenhost.agent.network.calls import Calls
from xenhost.agent.network.changes.change import changed
from xenhost.agent.network.changes.normal import normal
from xenhost.agent.network.config import NetworkConfig
from xenhost.agent.network.confirmation import Confirmation
from xenhost.agent.network.current import CurrentSwitch
from xenhost.agent.network.demand import Demand
from xenhost.agent.network.effect import Effects
from xenhost.agent.network.finding import find_network, find_pif
from xenhost.agent.network.functions import Functions
from xenhost.agent.network.journal import INTENT, PutDocument, write_intent
from xenhost.agent.network.keeper import Keeper
from xenhost.agent.network.known import Known, VifSource
from xenhost.agent.network.moving import Move, Mover
from xenhost.agent.network.publisher import Publisher
from xenhost.agent.network.recovery import Recovery
from xenhost.agent.network.repeats import same_wish
from xenhost.agent.network.runner import Runner
from xenhost.agent.network.store import NetworkStore, StoredNetwork
from xenhost.agent.network.targets import target
from xenhost.agent.steps.patience import before
from xenhost.core.clock import Clock
from xenhost.core.devices import Vif
from xenhost.core.errors import (
    AgentStopping,
    HandleInvalid,
    HostStillBooting,
    InternalError,
    InvalidValue,
    TooBusy,
    XenhostError,
)
from xenhost.core.events import ObjectKind
from xenhost.core.network import VifNetwork
from xenhost.core.network_records import BondId, ControllerId, NetworkId, PifId, SriovId, TunnelId, Vlan
from xenhost.core.network_requests import NetworkRequest, ResetNetworking, ScanPifs
from xenhost.core.network_views import (
    BondView,
    ControllerView,
    HostNetwork,
    ManagementView,
    NetworkView,
    PifView,
    SriovView,
    TunnelView,
)
from xenhost.core.ports.network import Addresses, FunctionsTaken, Nics
from xenhost.core.pvs import PvsSiteView
from xenhost.core.views import Operation

STORE: Final = "network.db"
"""Name of the file in the state directory."""

T = TypeVar("T")


class NetworkEngine:
    """The networks of one host. Implements core.ports.network.Networks and agent.rpc.networking.Networking.

    Its operations are in the table that it shares with the other engines.
    """

    def __init__(
        self,
        switch: CurrentSwitch,
        addresses: Addresses,
        nics: Nics,
        state_dir: Path,
        clock: Clock,
        operations: OperationTable,
        hub: EventHub,
        *,
        config: NetworkConfig | None = None,
        store: NetworkStore | None = None,
    ) -> None:
        """Does no I/O. `store` replaces the file in tests."""
        config = config or NetworkConfig()
        log = structlog.get_logger("xenhost.network")
        self._known: Final = Known(switch, nics)
        self._config: Final = config
        self._clock: Final = clock
        self._operations: Final = operations
        self._log: Final = log
        self._store: Final = store or NetworkStore(state_dir / STORE)
        self._calls: Final = Calls(clock, config)
        self._applier: Final = Applier(self._known, switch, addresses, nics, self._calls, config, log)
        self._management: Final = Confirmation(self._known, clock)
        effects = Effects(self._known, self._applier, addresses, self._management, operations, clock, config)
        self._mover: Final = Mover(self._known, self._store, self._applier, clock, config)
        self._runner: Final = Runner(
            self._known, self._store, self._applier, effects, self._mover, operations, clock, config
        )
        self._recovery: Final = Recovery(self._known, self._store, self._mover, operations, clock, config)
        self._demand: Final = Demand(self._known, self._applier, clock, config)
        self._functions: Final = Functions(self._known, nics, self._applier, self._calls, clock, config)
        self._publisher: Final = Publisher(self._known, self._management, hub, clock)
        self._keeper: Final = Keeper(self._known, self._applier, self._demand, self._publisher, clock, config)
        self._management.on_change = self._publisher.look
        self._applier.on_looked = self._keeper.looked
        self._tasks: asyncio.TaskGroup | None = None
        self._main: asyncio.Task[None] | None = None
        self._accepting = self._stopping = False
        switch.watch_bonds(self._keeper.bond)
        addresses.watch(self._keeper.address)
        nics.watch(self._keeper.card)

    # Life

    async def start(self) -> None:
        """Open the file, undo what was interrupted, make the networks; then accept requests.

        Start it before everything else that uses networks. Returns when all was tried once, or after a bounded time;
        what does not work is tried again in the background. Raises InternalError if the file cannot be used.
        """
        stored = await self._store.open()
        ready: asyncio.Future[asyncio.TaskGroup] = asyncio.get_running_loop().create_future()
        self._main = asyncio.ensure_future(self._run(ready))
        self._tasks = await ready
        making = self._spawn(self._begin(stored), "networks at start")
        await before(self._clock, self._config.start_patience, _done(making))
        self._publisher.look()
        for name, work in (
            ("network changes", self._changes(making)),
            ("network retries", self._keeper.retry()),
            ("network events", self._keeper.watch()),
            ("networks in use", self._keeper.release()),
            ("VIFs that follow", self._mover.run()),
        ):
            self._spawn(work, name)
        self._accepting = True

    async def ended(self) -> None:
        """Wait until the engine's own tasks have: after `close`, or with the fault that ended them, which is raised."""
        assert self._main is not None, "the network engine has not been started"
        await asyncio.wait({self._main})
        if not self._main.cancelled():
            self._main.result()

    async def close(self) -> None:
        """Accept nothing more, undo what is not confirmed, close the file. The networks stay as they are.

        Close it after everything that uses networks.
        """
        self._accepting, self._stopping = False, True
        if self._main is not None:
            await self._runner.stop()
            self._main.cancel()
            await asyncio.wait({self._main})
            if not self._main.cancelled():
                self._main.exception()  # `ended` raises it
            await self._applier.close()
        await self._calls.close()
        await self._store.close()

    # What others of the agent give

    def set_vifs(self, source: VifSource) -> None:
        """Where plugged VIFs are known, by bridge. Asked often."""
        self._known.vifs = source

    def vifs_changed(self) -> None:
        """A VIF was plugged, unplugged or moved: views show it, and its PVS proxy follows."""
        self._keeper.vifs()

    def set_mover(self, move: Move) -> None:
        """Who moves VIFs from one bridge to another when the uplink goes there."""
        self._mover.use(move)

    def set_redial(self, redial: Callable[[], None]) -> None:
        """Called when management has changed and waits to be reached: an old connection proves nothing."""
        self._management.redial = redial

    # What there is

    def host_network(self) -> HostNetwork:
        """Everything, as of one moment."""
        return self._publisher.view()

    def management(self) -> ManagementView:
        """The management interface, and whether a change of it waits for a confirmation."""
        return self._management.view()

    def networks(self) -> list[NetworkView]:
        """Every network."""
        return list(self._publisher.view().networks)

    def network(self, network: NetworkId) -> NetworkView:
        """One network. Raises HandleInvalid."""
        return _found("network", network, self._publisher.shown(ObjectKind.NETWORK, network), NetworkView)

    def pifs(self) -> list[PifView]:
        """Every PIF."""
        return list(self._publisher.view().pifs)

    def pif(self, pif: PifId) -> PifView:
        """One PIF. Raises HandleInvalid."""
        return _found("PIF", pif, self._publisher.shown(ObjectKind.PIF, pif), PifView)

    def bonds(self) -> list[BondView]:
        """Every bond."""
        return list(self._publisher.view().bonds)

    def bond(self, bond: BondId) -> BondView:
        """One bond. Raises HandleInvalid."""
        return _found("Bond", bond, self._publisher.shown(ObjectKind.BOND, bond), BondView)

    def vlans(self) -> list[Vlan]:
        """Every VLAN."""
        return list(self._publisher.view().vlans)

    def vlan(self, untagged: PifId) -> Vlan:
        """One VLAN, by its untagged PIF. Raises HandleInvalid."""
        return _found("VLAN", untagged, self._known.effective.vlans.get(untagged), Vlan)

    def tunnels(self) -> list[TunnelView]:
        """Every tunnel."""
        return list(self._publisher.view().tunnels)

    def tunnel(self, tunnel: TunnelId) -> TunnelView:
        """One tunnel. Raises HandleInvalid."""
        return _found("tunnel", tunnel, self._publisher.shown(ObjectKind.TUNNEL, tunnel), TunnelView)

    def sriovs(self) -> list[SriovView]:
        """Every network of virtual functions."""
        return list(self._publisher.view().sriovs)

    def sriov(self, sriov: SriovId) -> SriovView:
        """One of them. Raises HandleInvalid."""
        return _found("network_sriov", sriov, self._publisher.shown(ObjectKind.NETWORK_SRIOV, sriov), SriovView)

    def controllers(self) -> list[ControllerView]:
        """Every SDN controller."""
        return list(self._publisher.view().controllers)

    def controller(self, controller: ControllerId) -> ControllerView:
        """One of them. Raises HandleInvalid."""
        found = next((view for view in self._publisher.view().controllers if view.controller.id == controller), None)
        return _found("SDN_controller", controller, found, ControllerView)

    def pvs_sites(self) -> list[PvsSiteView]:
        """Every PVS site, with its servers and proxies."""
        return list(self._publisher.view().pvs_sites)

    def find_network(self, untrusted_text: str) -> NetworkId:
        """By UUID, bridge or unique name. Raises HandleInvalid, InvalidValue."""
        return find_network(self._known, untrusted_text)

    def find_pif(self, untrusted_text: str) -> PifId:
        """By UUID, or device such as eth0, eth0.5, bond0. Raises HandleInvalid, InvalidValue."""
        return find_pif(self._known, untrusted_text)

    # What may be asked

    async def submit(self, untrusted_request: NetworkRequest, request_id: str = "") -> Operation:
        """Begin an operation: on disk when this returns. The same `request_id` again returns the same operation.

        Ids of what is to be made may be left empty. Changes are made in the order they came, one at a time. Raises what
        admission refuses it with, InvalidValue, TooBusy.
        """
        self._check_accepting()
        checked_request_id(request_id)
        if request_id and (old := self._operations.by_request(request_id)):
            return await self._same(old, untrusted_request)
        self._check_readable(untrusted_request)
        request = normal(untrusted_request, lambda: str(uuid4()))
        expected = self._runner.expected()
        after = changed(expected, request, self._known.facts())
        if self._runner.waiting >= self._config.max_operations and not isinstance(request, ResetNetworking):
            raise TooBusy("too many changes of the network are waiting; try again when some have ended")
        tracked = self._runner.launch(request, request_id, target(request, expected, after), after)
        return await _begun(tracked)

    async def confirm_management(self) -> None:
        """Keep the change of the management interface that waits, if any."""
        self._check_accepting()
        self._management.confirm()

    def master_reached(self, dialled: float | None = None) -> None:
        """The master was reached by a connection that began then (monotonic seconds; None: now): keep the change."""
        self._management.master_reached(dialled)

    # What VMs need: core.ports.network.Networks

    async def ready(self, bridge: str) -> VifNetwork:
        """See Networks."""
        return await self._demand.ready(bridge)

    def has_functions(self, bridge: str) -> bool:
        """See Networks."""
        return self._functions.has_functions(bridge)

    def function(self, vif: Vif, taken: FunctionsTaken) -> AbstractAsyncContextManager[Vif]:
        """See Networks."""
        return self._functions.function(vif, taken)

    async def give_back(self, function: str, taken: FunctionsTaken) -> None:
        """See Networks."""
        await self._functions.give_back(function, taken)

    def find(self, untrusted_network: str) -> str:
        """See Networks."""
        return self._demand.find(untrusted_network)

    def watch(self, on_change: Callable[[str], None]) -> None:
        """See Networks."""
        self._demand.watch(on_change)

    # Inside

    async def _run(self, ready: "asyncio.Future[asyncio.TaskGroup]") -> None:
        async with asyncio.TaskGroup() as tasks:
            ready.set_result(tasks)
            await asyncio.get_running_loop().create_future()  # until cancelled

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        assert self._tasks is not None, "the network engine has not been started"
        return self._tasks.create_task(work, name=name)

    async def _begin(self, stored: StoredNetwork) -> None:
        """All that start does; it goes on in the background if it takes too long."""
        pending = self._recovery.read(stored)
        problems = await self._applier.open()
        for problem in problems:
            self._log.warning("networks cannot be reached", place=problem.place, problem=problem.message)
        if pending is not None:
            await self._applier.leave(pending)
        if INTENT not in stored.documents and self._known.cards:
            await self._first_scan()
        await self._demand.adopt()
        await self._applier.apply()
        await self._recovery.settle()
        self._publisher.look()

    async def _changes(self, making: "asyncio.Task[None]") -> None:
        """After what was interrupted has been undone."""
        await asyncio.wait({making})
        await self._runner.run()

    async def _first_scan(self) -> None:
        """A new host: its cards are known, and nothing is done to them."""
        try:
            request = normal(ScanPifs(), lambda: str(uuid4()))
            intent = changed(self._known.intent, request, self._known.facts())
        except XenhostError as error:
            self._log.warning("cards cannot be introduced", error=str(error))
            return
        await self._store.write(PutDocument(INTENT, write_intent(intent)))
        self._known.intent = self._known.effective = intent

    def _check_accepting(self) -> None:
        if self._stopping:
            raise AgentStopping("the agent is about to stop; connect again shortly")
        if not self._accepting:
            raise HostStillBooting("the agent is still recovering from its last life; try again shortly")

    def _check_readable(self, request: NetworkRequest) -> None:
        if self._known.unreadable and not isinstance(request, ResetNetworking):
            raise InternalError(self._known.unreadable, message=self._known.unreadable)

    async def _same(self, tracked: Tracked, untrusted_request: NetworkRequest) -> Operation:
        old = tracked.request
        if not isinstance(old, type(untrusted_request)) or not same_wish(old, untrusted_request):
            raise InvalidValue(
                f"request_id {tracked.request_id} was used for another request",
                field="request_id",
                value=tracked.request_id[:80],
            )
        return await _begun(tracked)


def _found(cls: str, handle: str, found: object | None, type: type[T]) -> T:
    if not isinstance(found, type):
        raise HandleInvalid(f"there is no {cls} {handle[:80]!r}", class_name=cls, handle=handle[:80])
    return found


async def _begun(tracked: Tracked) -> Operation:
    if tracked.begun is not None:
        await asyncio.shield(tracked.begun)
    return tracked.view()


async def _done(task: "asyncio.Task[None]") -> None:
    await asyncio.shield(task)
