"""What the guests of running VMs tell of themselves, as VM_guest_metrics."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

import structlog

from xenhost.agent.engine.actor import contained
from xenhost.agent.events.hub import EventHub
from xenhost.agent.inventory.inventory import Inventory
from xenhost.core.clock import Clock
from xenhost.core.errors import HandleInvalid, ResumeTokenExpired
from xenhost.core.events import ChangeKind, ObjectKind, ObjectRef
from xenhost.core.guest_metrics import GuestMetrics, GuestMetricsView, guest_metrics
from xenhost.core.ids import DomId, VmId
from xenhost.core.ports.hypervisor import Hypervisor

_log = structlog.get_logger()

Spawn = Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None]"]


class GuestFollower:
    """Follows each guest from when its domain is known until it is gone; the last words of a guest are kept.

    A change of one VM costs the same however many there are.
    """

    def __init__(self, hypervisor: Hypervisor, inventory: Inventory, hub: EventHub, clock: Clock, spawn: Spawn) -> None:
        self._hypervisor: Final = hypervisor
        self._inventory: Final = inventory
        self._hub: Final = hub
        self._clock: Final = clock
        self._spawn: Final = spawn
        self._views: Final[dict[VmId, GuestMetricsView]] = {}
        self._followed: Final[dict[VmId, tuple[DomId, asyncio.Task[None]]]] = {}

    def view(self, vm: VmId) -> GuestMetricsView:
        """The newest of a VM. Raises HandleInvalid if its guest has never said anything, or there is no such VM."""
        view = self._views.get(vm)
        if view is None:
            self._inventory.record(vm)
            raise HandleInvalid(f"the guest of VM {vm} has told nothing yet", class_name="VM_guest_metrics", handle=vm)
        return view

    def views(self) -> dict[VmId, GuestMetricsView]:
        """Of every VM whose guest ever said something to this agent."""
        return dict(self._views)

    async def run(self) -> None:
        """Until the hub is closed."""
        changes = self._hub.subscribe(None, frozenset({ObjectKind.VM}))
        self._look_at_all()
        while True:
            try:
                changed, _ = await anext(changes)
            except StopAsyncIteration:
                return
            except ResumeTokenExpired:
                changes = self._hub.subscribe(None, frozenset({ObjectKind.VM}))
                self._look_at_all()
                continue
            for change in changed:
                self._look(VmId(change.ref.id))

    def _look_at_all(self) -> None:
        for vm in {*(record.spec.id for record in self._inventory), *self._followed, *self._views}:
            self._look(vm)

    def _look(self, vm: VmId) -> None:
        """Follow the domain that the VM has now."""
        record = self._inventory.get(vm)
        domid = None if record is None else record.domid
        followed = self._followed.get(vm)
        if followed is not None and followed[0] != domid:
            del self._followed[vm]
            followed[1].cancel()
        if domid is not None and vm not in self._followed:
            self._followed[vm] = domid, self._spawn(self._follow(vm, domid), f"guest of {vm}")
        elif domid is None and vm in self._views:
            if record is None:
                del self._views[vm]
                self._hub.publish(_ref(vm), ChangeKind.DELETED)
            elif self._views[vm].metrics.live:
                self._publish(vm, replace(self._views[vm].metrics, live=False))

    async def _follow(self, vm: VmId, domid: DomId) -> None:
        """Nothing that a guest says ends more than this."""
        await contained(self._heard(vm, domid), _log, vm=vm, what="what a guest tells of itself")

    async def _heard(self, vm: VmId, domid: DomId) -> None:
        async for data in self._hypervisor.guest_data(domid):
            metrics = guest_metrics(data)
            view = self._views.get(vm)
            if view.metrics != metrics if view is not None else data.nodes:
                self._publish(vm, metrics)

    def _publish(self, vm: VmId, metrics: GuestMetrics) -> None:
        kind = ChangeKind.MODIFIED if vm in self._views else ChangeKind.ADDED
        revision = self._hub.publish(_ref(vm), kind)
        self._views[vm] = GuestMetricsView(metrics, self._clock.now(), revision)


def _ref(vm: VmId) -> ObjectRef:
    return ObjectRef(ObjectKind.VM_GUEST_METRICS, vm)
