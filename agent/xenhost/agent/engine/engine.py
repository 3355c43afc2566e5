"""The engine: what the edge (gRPC, link) uses. Requests in; operations, views and events out."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import structlog

from xenhost.agent.engine.admission import admit, checked_request_id, normal
from xenhost.agent.engine.config import EngineConfig
from xenhost.agent.engine.datapaths import DatapathSweeper
from xenhost.agent.engine.guests import GuestFollower
from xenhost.agent.engine.keeper import VmKeeper
from xenhost.agent.engine.launcher import Launcher
from xenhost.agent.engine.operations import OperationTable, Tracked
from xenhost.agent.engine.reaper import Reaper
from xenhost.agent.engine.registrar import Registrar
from xenhost.agent.engine.services import Services
from xenhost.agent.engine.startup import Startup
from xenhost.agent.engine.vifs import VifFollower
from xenhost.agent.engine.watcher import Watcher
from xenhost.agent.events.hub import EventHub
from xenhost.agent.inventory.inventory import Inventory
from xenhost.agent.inventory.ledger import MemoryLedger
from xenhost.agent.inventory.vm_record import VmRecord
from xenhost.agent.journal.record import PutResidence
from xenhost.agent.journal.store import Store
from xenhost.agent.network.foreign import ForeignBridges
from xenhost.agent.plans.planner import plan_request
from xenhost.agent.steps.patience import before
from xenhost.core.allowed import Verdict
from xenhost.core.clock import Clock
from xenhost.core.devices import Source, SourceKind
from xenhost.core.errors import (
    HypervisorUnavailable,
    InvalidValue,
    OperationNotAllowed,
    OtherOperationInProgress,
    TooBusy,
    VmBadPowerState,
)
from xenhost.core.host import HostInfo, PciDevice
from xenhost.core.ids import DomId, OperationId, VmId
from xenhost.core.memory import plan_memory
from xenhost.core.ports.hypervisor import Console, Hypervisor
from xenhost.core.ports.network import Networks
from xenhost.core.ports.storage import Datapaths
from xenhost.core.requests import Request, ResumeVm, StartVm, SuspendVm
from xenhost.core.states import OnOperation
from xenhost.core.steps import Plan
from xenhost.core.views import Operation, OperationState, VmView
from xenhost.core.vm import Domain, ShutdownReason, VmSpec

STORE: Final = "engine.db"
"""Name of the store's file in the state directory."""
IMAGES: Final = "suspended"
"""Its folder for the memory of suspended guests that is in no VDI."""


class Engine:
    """One host. The hypervisor is opened before `start`, and closed after `close`, by whoever made it."""

    def __init__(
        self,
        hypervisor: Hypervisor,
        storage: Datapaths,
        state_dir: Path,
        clock: Clock,
        drain_seconds: float = 10.0,
        *,
        networks: Networks | None = None,
        host_id: str = "",
        hub: EventHub | None = None,
        operations: OperationTable | None = None,
        config: EngineConfig | None = None,
        store: Store | None = None,
    ) -> None:
        """Does no I/O. `state_dir` will hold the store; `store` replaces it in tests. `storage` is open at `start`.

        `host_id` is kept in a new store. `hub` and `operations` are those of the whole agent, unless it has no other
        parts. Without `networks`, VIFs go on bridges that somebody else has made.
        """
        config = replace(config or EngineConfig(), drain=drain_seconds)
        self.hub: Final = hub or EventHub(str(uuid4()))
        self.instance_id: Final = self.hub.instance_id
        inventory = Inventory(self.hub)
        self._services: Final = Services(
            hypervisor=hypervisor,
            storage=storage,
            networks=networks or ForeignBridges(),
            sweeper=DatapathSweeper(hypervisor, storage, inventory, clock),
            store=store or Store(state_dir / STORE),
            clock=clock,
            config=config,
            operations=operations or operation_table(self.hub, clock, config),
            inventory=inventory,
            ledger=MemoryLedger(),
            spawn=self._spawn,
            log=structlog.get_logger("xenhost.engine"),
        )
        self._images: Final = state_dir / IMAGES
        self._keepers: Final[dict[VmId, VmKeeper]] = {}
        self._launcher: Final = Launcher(self._services)
        self._registrar: Final = Registrar(self._services)
        self._reaper: Final = Reaper(self._services)
        self._watcher: Final = Watcher(self._services, self._keepers, self.hub)
        self._startup: Final = Startup(self._services, self._launcher, self._registrar, self._reaper, host_id)
        self._services.sweeper.is_lost = self._startup.is_lost
        self.vifs: Final = VifFollower(
            hypervisor,
            self._services.networks,
            inventory,
            clock,
            self.submit,
            lambda operation, timeout: self.wait(operation.id, timeout),
        )
        self.guests: Final = GuestFollower(hypervisor, inventory, self.hub, clock, self._spawn)
        self._tasks: asyncio.TaskGroup | None = None
        self._main: asyncio.Task[None] | None = None
        self._accepting = False

    # Life

    @property
    def host_id(self) -> str:
        """UUID of this host, kept in the store. Empty before `start`."""
        return self._startup.host_id

    @property
    def networks(self) -> Networks:
        """Where VIFs go."""
        return self._services.networks

    async def start(self) -> None:
        """Open the store, recover the journal, adopt what runs, reconcile; then accept requests.

        Returns when interrupted operations that only need to be undone have been (or after a bounded time). Raises
        HypervisorUnavailable, and InternalError if the store cannot be used.
        """
        stored = await self._services.store.open()
        ready: asyncio.Future[asyncio.TaskGroup] = asyncio.get_running_loop().create_future()
        self._main = asyncio.ensure_future(self._run(ready))
        self._tasks = await ready
        self._spawn(self._watcher.run(), "hypervisor events")
        self._spawn(self._services.sweeper.run(), "datapaths")
        self._spawn(self.vifs.run(), "VIFs")
        self._spawn(self.vifs.watch(self.hub), "plugged VIFs")
        self._spawn(self.guests.run(), "guests")
        await asyncio.sleep(0)  # let the watcher subscribe before anything is listed
        await self._startup.run(stored, self._keep)
        self.vifs.look_at_all()
        self._accepting = True

    async def ended(self) -> None:
        """Wait until the engine's own tasks have: after `close`, or with the fault that ended them, which is raised."""
        assert self._main is not None, "the engine has not been started"
        await asyncio.wait({self._main})
        if not self._main.cancelled():
            self._main.result()

    async def close(self) -> None:
        """Accept nothing more, let running steps reach a record, close the store. Running VMs notice nothing.

        Operations that have not ended are continued, or undone, by the next start.
        """
        self._accepting = False
        self.hub.close()
        owners: list[VmKeeper | Reaper] = [*self._keepers.values(), self._reaper]
        for owner in owners:
            owner.stop()
        tasks = []
        for job in [job for owner in owners for job in owner.jobs() if job.task is not None]:
            assert job.task is not None
            if job.sleeping or job.execution.waits:
                job.task.cancel()
            tasks.append(job.task)
        if tasks:
            await before(self._services.clock, self._services.config.drain, _ended(tasks))
        if self._main is not None:
            self._main.cancel()
            await asyncio.wait({self._main})
            if not self._main.cancelled():
                self._main.exception()  # `ended` raises it
        await self._services.store.close()

    # VMs

    def vms(self) -> list[VmView]:
        """Every VM."""
        return [record.view() for record in self._services.inventory]

    def vm(self, vm: VmId) -> VmView:
        """One VM. Raises HandleInvalid."""
        return self._services.inventory.record(vm).view()

    def find(self, untrusted_text: str) -> VmId:
        """By UUID or unique name. Raises HandleInvalid, InvalidValue."""
        return self._services.inventory.find(untrusted_text)

    async def create_vm(self, spec: VmSpec, request_id: str = "") -> VmView:
        """Record a VM; the same again is no error. Raises InvalidValue, DuplicateVm, TooBusy."""
        self._check_accepting()
        record = await self._registrar.create(spec, request_id)
        if record is not None:
            await self._startup.rescue(self._keep(record))
        return self.vm(spec.id)

    async def update_vm(self, spec: VmSpec, fields: frozenset[str], request_id: str = "") -> VmView:
        """Take fields (names of VmSpec, dotted) over from `spec`. See Registrar.update."""
        self._check_accepting()
        record = self._services.inventory.record(spec.id)
        await self._registrar.update(record, spec, fields, request_id)
        self._keepers[spec.id].look_again()
        return self.vm(spec.id)

    async def delete_vm(self, vm: VmId, request_id: str = "") -> None:
        """Forget a halted VM; its disks stay. Raises HandleInvalid, VmBadPowerState, OtherOperationInProgress."""
        self._check_accepting()
        if self._services.inventory.get(vm) is None and self._registrar.deleted(vm, request_id):
            return
        record, keeper = self._services.inventory.record(vm), self._keepers[vm]
        await self._registrar.delete(record, request_id)
        keeper.retire()

    # Operations

    async def submit(self, untrusted_request: Request, request_id: str = "") -> Operation:
        """Begin an operation: on disk when this returns. The same `request_id` again returns the same operation.

        Raises what admission refuses it with, HandleInvalid, TooBusy, HostNotEnoughFreeMemory.
        """
        self._check_accepting()
        checked_request_id(request_id)
        if isinstance(untrusted_request, SuspendVm) and untrusted_request.image is None:
            image = Source(SourceKind.FILE, str(self._images / f"{untrusted_request.vm}.image"))
            untrusted_request = replace(untrusted_request, image=image)
        vm, free, seen = untrusted_request.vm, 0, -1
        while True:
            if request_id and (old := self._services.operations.by_request(request_id)):
                return await self._repeated(old, normal(untrusted_request))
            record = self._services.inventory.record(vm)
            keeper = self._keepers[vm]
            request, verdict = admit(untrusted_request, keeper.situation)
            if self._services.operations.running >= self._services.config.max_operations:
                raise TooBusy("too many operations are running; try again when some have ended")
            if not isinstance(request, StartVm | ResumeVm) or seen == self._services.ledger.changes:
                break
            # What is free may only be compared with what is promised if nothing was released in between.
            seen = self._services.ledger.changes
            free = (await self._services.hypervisor.host()).memory_free
        plan = plan_request(request, record.spec, record.domid)
        entry = self._launcher.entry(request.kind, record.spec, plan, record.domid, request, request_id)
        if isinstance(request, StartVm | ResumeVm):
            self._services.ledger.reserve(entry.id, record.spec, plan_memory(record.spec).footprint, free)
        if verdict is Verdict.PREEMPT:
            self._preempt(record)
        tracked = self._launcher.launch(keeper, entry)
        return await self._begun(tracked)

    def operation(self, operation: OperationId) -> Operation:
        """One operation. Raises HandleInvalid."""
        return self._services.operations.get(operation).view()

    def operations(self) -> list[Operation]:
        """Every operation, the oldest first."""
        return [tracked.view() for tracked in self._services.operations]

    async def cancel(self, operation: OperationId) -> Operation:
        """Ask an operation to stop and undo itself; no-op if it has ended or is at it. Returns at once.

        Raises HandleInvalid, OperationNotAllowed if it can no longer be undone.
        """
        tracked = self._services.operations.get(operation)
        if not tracked.state.ended and tracked.state is not OperationState.CANCELLING:
            if not tracked.cancel("the operation was cancelled"):
                doing = f" ({tracked.step})" if tracked.step else ""
                raise OperationNotAllowed(
                    f"operation {operation} can no longer be cancelled{doing}; wait until it has ended",
                    reason_text="it is past the point of no return",
                )
            self._services.operations.advance(tracked, OnOperation.CANCEL)
        return tracked.view()

    async def wait(self, operation: OperationId, timeout: float) -> Operation:
        """The operation when it has ended, or after so many seconds as it then is. Raises HandleInvalid."""
        tracked = self._services.operations.get(operation)
        if not tracked.done.is_set():
            await before(self._services.clock, timeout, tracked.done.wait())
        return tracked.view()

    async def forget(self, operation: OperationId) -> None:
        """Drop an operation that has ended. Raises HandleInvalid, OperationNotAllowed."""
        self._services.store.note(*self._services.operations.forget(operation))

    # Host

    async def host(self) -> HostInfo:
        """The host now."""
        return await self._services.hypervisor.host()

    async def pci_devices(self) -> Sequence[PciDevice]:
        """See Hypervisor."""
        return await self._services.hypervisor.pci_devices()

    async def domains(self) -> Sequence[Domain]:
        """Every domain, those of others too."""
        return await self._services.hypervisor.domains()

    async def domain(self, domid: DomId) -> Domain | None:
        """One of them."""
        return await self._services.hypervisor.domain(domid)

    async def console(self, vm: VmId) -> Console:
        """Where the consoles of a running VM are. Raises HandleInvalid, VmBadPowerState."""
        domid = self._services.inventory.record(vm).domid
        if domid is None:
            raise VmBadPowerState(
                f"VM {vm} is halted; it has a console only while it runs", vm=vm, expected="running", actual="halted"
            )
        return await self._services.hypervisor.console(domid)

    # Inside

    async def _run(self, ready: "asyncio.Future[asyncio.TaskGroup]") -> None:
        async with asyncio.TaskGroup() as tasks:
            ready.set_result(tasks)
            await asyncio.get_running_loop().create_future()  # until cancelled

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        assert self._tasks is not None, "the engine has not been started"
        return self._tasks.create_task(work, name=name)

    def _keep(self, record: VmRecord) -> VmKeeper:
        """Look after a VM from now on."""
        keeper = VmKeeper(self._services, record, self._unasked)
        self._keepers[record.spec.id] = keeper
        self._spawn(self._kept(record.spec.id, keeper), f"VM {record.spec.id}")
        return keeper

    async def _kept(self, vm: VmId, keeper: VmKeeper) -> None:
        await keeper.run()
        if self._keepers.get(vm) is keeper:
            del self._keepers[vm]

    def _unasked(self, keeper: VmKeeper, kind: str, plan: Plan, stopped: ShutdownReason | None) -> None:
        """Begin what a guest has caused."""
        record = keeper.record
        entry = self._launcher.entry(kind, record.spec, plan, record.domid)
        last = record.last_stop if stopped is None else stopped.value
        note = PutResidence(record.spec.id, record.domid, record.started, last)
        record.last_stop = last
        self._launcher.launch(keeper, entry, stopped, (note,))

    def _preempt(self, record: VmRecord) -> None:
        assert record.busy is not None
        tracked = self._services.operations.get(OperationId(record.busy.operation))
        if not tracked.cancel("a hard shutdown took its place"):
            raise OtherOperationInProgress(
                f"operation {tracked.id} ({tracked.kind}) holds VM {record.spec.id}; try again when it has ended",
                class_name="VM",
                object=record.spec.id,
            )
        self._services.operations.advance(tracked, OnOperation.CANCEL)

    async def _repeated(self, tracked: Tracked, request: Request) -> Operation:
        if tracked.request != request:
            raise InvalidValue(
                f"request_id {tracked.request_id} was used for another request",
                field="request_id",
                value=tracked.request_id[:80],
            )
        return await self._begun(tracked)

    async def _begun(self, tracked: Tracked) -> Operation:
        if tracked.begun is not None:
            await asyncio.shield(tracked.begun)
        return tracked.view()

    def _check_accepting(self) -> None:
        if not self._accepting:
            message = "the agent is starting or ending; try again soon"
            raise HypervisorUnavailable(message, msg=message)


def operation_table(hub: EventHub, clock: Clock, config: EngineConfig) -> OperationTable:
    """An empty one."""
    return OperationTable(hub, clock, config.keep_operations, config.keep_seconds)


async def _ended(tasks: "Sequence[asyncio.Task[None]]") -> None:
    await asyncio.wait(tasks)
