"""The VIFs of all VMs as their networks see them: which are plugged where, and how they follow their networks."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog

from xenhost.agent.events.hub import EventHub
from xenhost.agent.inventory.inventory import Inventory
from xenhost.agent.steps.vif import effective
from xenhost.core.clock import Clock
from xenhost.core.devices import Vif, VifChange, VifLocking
from xenhost.core.errors import OperationNotAllowed, OtherOperationInProgress, ResumeTokenExpired, XenhostError
from xenhost.core.events import ObjectKind
from xenhost.core.ids import DevId, VmId
from xenhost.core.network import LockingMode
from xenhost.core.network_views import VifOnNetwork
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.ports.network import Networks
from xenhost.core.requests import Request, UpdateVif
from xenhost.core.views import Operation, OperationState

_MOVE_SECONDS: Final = 300.0
_SETTLE_SECONDS: Final = 0.1
"""Changes come in bursts."""

Submit = Callable[[Request], Awaitable[Operation]]
Wait = Callable[[Operation, float], Awaitable[Operation]]


class VifFollower:
    """Keeps plugged VIFs as their networks are."""

    def __init__(
        self,
        hypervisor: Hypervisor,
        networks: Networks,
        inventory: Inventory,
        clock: Clock,
        submit: Submit,
        wait: Wait,
    ) -> None:
        self._hypervisor: Final = hypervisor
        self._networks: Final = networks
        self._inventory: Final = inventory
        self._clock: Final = clock
        self._submit: Final = submit
        self._wait: Final = wait
        self._log: Final = structlog.get_logger("xenhost.engine")
        self._changed: Final[set[str]] = set()
        self._wake: Final = asyncio.Event()
        self._plugged: tuple[int, Mapping[str, tuple[VifOnNetwork, ...]]] = -1, {}
        self.on_plugged: Callable[[], None] = lambda: None
        """Called when other VIFs are plugged than before, or others than they were; not for each one."""

    def plugged(self) -> Mapping[str, tuple[VifOnNetwork, ...]]:
        """Those of VMs that have a domain, by bridge. Made anew only if a VM has changed."""
        revision = self._inventory.revision
        if self._plugged[0] != revision:
            self._plugged = revision, self._look()
        return self._plugged[1]

    def _look(self) -> Mapping[str, tuple[VifOnNetwork, ...]]:
        found: dict[str, list[VifOnNetwork]] = {}
        for record in self._inventory:
            for vif in record.spec.vifs if record.domid is not None else ():
                default = vif.locking is VifLocking.NETWORK_DEFAULT
                locking = None if default else LockingMode(vif.locking.value)
                shown = VifOnNetwork(record.spec.id, vif.devid, f"vif{record.domid}.{vif.devid}", vif.mac, locking)
                found.setdefault(vif.bridge, []).append(shown)
        return {bridge: tuple(vifs) for bridge, vifs in found.items()}

    def network_changed(self, bridge: str) -> None:
        """What its network gives to the VIFs on a bridge is different."""
        self._changed.add(bridge)
        self._wake.set()

    def look_at_all(self) -> None:
        """The agent has just begun: what it cannot know of plugged VIFs, such as rules that went meanwhile, is made."""
        self._changed.update(self.plugged())
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled: bring changes of networks to VIFs."""
        self._networks.watch(self.network_changed)
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._changed:
                await self._refresh(self._changed.pop())

    async def watch(self, hub: EventHub) -> None:
        """Until the hub is closed: tell when other VIFs are plugged."""
        last: Mapping[str, tuple[VifOnNetwork, ...]] = {}
        changes = hub.subscribe(None, frozenset({ObjectKind.VM}))
        while True:
            if (now := self.plugged()) != last:
                last = now
                self.on_plugged()
            try:
                await anext(changes)
            except StopAsyncIteration:
                return
            except ResumeTokenExpired:
                changes = hub.subscribe(None, frozenset({ObjectKind.VM}))
            await self._clock.sleep(_SETTLE_SECONDS)

    async def _refresh(self, bridge: str) -> None:
        for plugged in self.plugged().get(bridge, ()):
            await self._update(VmId(plugged.vm), DevId(plugged.devid), bridge)

    async def _update(self, vm: VmId, devid: DevId, bridge: str) -> None:
        record = self._inventory.get(vm)
        vif = None if record is None else record.spec.vif(devid)
        if record is None or record.domid is None or vif is None or vif.bridge != bridge:
            return  # it went while others were updated
        if self._networks.has_functions(bridge):
            return
        try:
            network = await self._networks.ready(bridge)
            await self._hypervisor.update_vif(record.domid, effective(vif, network))
        except XenhostError as error:
            self._log.warning("a VIF does not follow its network", vm=vm, vif=devid, error=str(error))

    async def move(self, old: str, new: str) -> None:
        """Every VIF on one bridge goes to another, those of halted VMs too. Raises what kept one from it."""
        for record in tuple(self._inventory):
            for vif in record.spec.vifs:
                if vif.bridge == old:
                    await self._move(record.spec.id, vif, new)

    async def _move(self, vm: VmId, vif: Vif, bridge: str) -> None:
        operation = await self._submit(UpdateVif(vm, vif.devid, VifChange(bridge=bridge)))
        operation = await self._wait(operation, _MOVE_SECONDS)
        if operation.error is not None:
            raise operation.error
        if not operation.state.ended:
            raise OtherOperationInProgress(f"VIF {vif.devid} of VM {vm} is not moved yet", class_name="VM", object=vm)
        if operation.state is not OperationState.SUCCEEDED:
            raise OperationNotAllowed(f"VIF {vif.devid} of VM {vm} was not moved", reason_text="cancelled")
