"""What happens to domains without being asked: from the hypervisor to the keepers and the event hub."""

from collections.abc import Mapping
from typing import Final

from xenhost.agent.engine.actor import contained
from xenhost.agent.engine.keeper import VmKeeper
from xenhost.agent.engine.services import Services
from xenhost.agent.events.hub import EventHub
from xenhost.core.errors import XenhostError
from xenhost.core.events import ChangeKind, ObjectKind, ObjectRef
from xenhost.core.ids import DomId, VmId
from xenhost.core.ports.hypervisor import DomainEvent, DomainEventKind


class Watcher:
    """Follows the hypervisor. An event costs the same however many VMs there are."""

    def __init__(self, services: Services, keepers: Mapping[VmId, VmKeeper], hub: EventHub) -> None:
        self._services: Final = services
        self._keepers: Final = keepers
        self._hub: Final = hub
        self._owners: Final[dict[DomId, VmId]] = {}
        """For events that name only the domain."""

    async def run(self) -> None:
        """Until cancelled, or until the driver is closed."""
        while True:
            try:
                async for event in self._services.hypervisor.events():
                    await contained(self._heard(event), self._services.log, domid=str(event.domid))
                return
            except XenhostError as error:
                self._services.log.warning("events of the hypervisor are lost", error=str(error))
                await self._services.clock.sleep(self._services.config.observe_delay)
                await self._resync()

    async def _heard(self, event: DomainEvent) -> None:
        if event.kind is DomainEventKind.RESYNC:
            await self._resync()
            return
        if event.vm is not None:
            self._owners[event.domid] = event.vm
        vm = self._owners.get(event.domid)
        keeper = None if vm is None else self._keepers.get(vm)
        if keeper is not None:
            keeper.heard(event)
        if event.kind is DomainEventKind.APPEARED:
            self._hub.publish(ObjectRef(ObjectKind.DOMAIN, str(event.domid)), ChangeKind.ADDED)
        elif event.kind is DomainEventKind.GONE:
            self._owners.pop(event.domid, None)
            self._hub.publish(ObjectRef(ObjectKind.DOMAIN, str(event.domid)), ChangeKind.DELETED)

    async def _resync(self) -> None:
        """Events were lost: look at everything again."""
        try:
            for domain in await self._services.hypervisor.domains():
                self._owners[domain.domid] = domain.vm
        except XenhostError as error:
            self._services.log.warning("cannot list the domains", error=str(error))
        # The list may be older than what an operation has done meanwhile: each keeper looks at its domain by itself.
        for keeper in self._keepers.values():
            keeper.look_again()
