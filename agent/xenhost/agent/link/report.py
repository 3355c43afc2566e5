"""What the master is told, as messages."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import zip_longest
from typing import Final, TypeVar

from xenhost.agent.engine.engine import Engine
from xenhost.agent.messages.log import MessageLog
from xenhost.agent.rpc.convert.event import change_to_proto
from xenhost.agent.rpc.convert.guest import guest_change_to_proto, guest_metrics_to_proto
from xenhost.agent.rpc.convert.host import domain_to_proto, host_to_proto
from xenhost.agent.rpc.convert.metrics import message_to_proto
from xenhost.agent.rpc.convert.network import (
    bond_to_proto,
    host_network_to_proto,
    network_to_proto,
    pif_to_proto,
    sriov_to_proto,
    tunnel_to_proto,
    vlan_to_proto,
)
from xenhost.agent.rpc.convert.sr import sr_to_proto
from xenhost.agent.rpc.convert.times import timestamp
from xenhost.agent.rpc.convert.vdi import vdi_to_proto
from xenhost.agent.rpc.convert.vm import vm_to_proto
from xenhost.agent.rpc.networking import Networking
from xenhost.agent.storage.engine import StorageEngine
from xenhost.api.host.v1 import host_service_pb2, network_pb2
from xenhost.api.link.v1 import link_service_pb2
from xenhost.core.clock import Clock
from xenhost.core.errors import HandleInvalid
from xenhost.core.events import Change, ChangeKind, ObjectKind
from xenhost.core.guest_metrics import GuestMetrics
from xenhost.core.ids import VmId
from xenhost.core.network_records import BondId, NetworkId, PifId, SriovId, TunnelId
from xenhost.core.storage import SrId, VdiId
from xenhost.core.vm import PowerState

BATCH: Final = 200
"""Changes in one message, so that its size is bounded."""
VDIS: Final = 1000
"""VDIs in one snapshot."""
T = TypeVar("T")


class Reporter:
    """Looks at the engine and says what there is. Raises XenhostErrors of the hypervisor."""

    def __init__(
        self,
        engine: Engine,
        storage: StorageEngine,
        clock: Clock,
        network: Networking | None = None,
        messages: MessageLog | None = None,
    ) -> None:
        self._engine = engine
        self._messages = messages
        self._storage = storage
        self._network = network
        self._clock = clock
        self._guests: dict[VmId, GuestMetrics] = {}
        """As the master knows them."""

    async def host(self) -> host_service_pb2.Host:
        """This host."""
        info, devices = await self._engine.host(), await self._engine.pci_devices()
        return host_to_proto(info, devices, self._engine.host_id, self._engine.instance_id)

    async def snapshots(self, token: str) -> AsyncIterator[link_service_pb2.Snapshot]:
        """Everything there is; `token` was taken before, so that what changes meanwhile is reported again."""
        vdis = [vdi_to_proto(view) for view in self._storage.vdis()]
        networks = [] if self._network is None else [*host_network_to_proto(self._network.host_network())]
        guests = self._engine.guests.views()
        self._guests = {vm: view.metrics for vm, view in guests.items()}
        parts = list(zip_longest([vdis[at : at + VDIS] for at in range(0, len(vdis), VDIS)], networks)) or [
            (None, None)
        ]
        yield link_service_pb2.Snapshot(
            host=await self.host(),
            vms=[vm_to_proto(view) for view in self._engine.vms()],
            domains=[domain_to_proto(domain) for domain in await self._engine.domains()],
            guest_metrics=[guest_metrics_to_proto(vm, view) for vm, view in guests.items()],
            messages=[] if self._messages is None else map(message_to_proto, self._messages.all()),
            srs=[sr_to_proto(view) for view in self._storage.srs()],
            vdis=parts[0][0],
            network=parts[0][1],
            more=len(parts) > 1,
            resume_token=token,
        )
        for number, (some, network) in enumerate(parts[1:], 2):
            yield link_service_pb2.Snapshot(vdis=some, network=network, more=number < len(parts), resume_token=token)

    def changes(self, changes: Sequence[Change], token: str) -> Iterator[link_service_pb2.Changes]:
        """What changed, and what it is about as that is now; in several messages if there is much."""
        for change in changes:
            if change.ref.kind is ObjectKind.VM_GUEST_METRICS and change.kind is not ChangeKind.MODIFIED:
                self._guests.pop(VmId(change.ref.id), None)
        for start in range(0, len(changes), BATCH):
            batch = changes[start : start + BATCH]
            message = link_service_pb2.Changes(
                events=[change_to_proto(change) for change in batch],
                vms=list(_there(batch, ObjectKind.VM, lambda id: vm_to_proto(self._engine.vm(VmId(id))))),
                srs=list(_there(batch, ObjectKind.SR, lambda id: sr_to_proto(self._storage.sr(SrId(id))))),
                vdis=list(_there(batch, ObjectKind.VDI, lambda id: vdi_to_proto(self._storage.vdi(VdiId(id))))),
                guest_metrics=list(_there(batch, ObjectKind.VM_GUEST_METRICS, self._guest)),
                resume_token=token if start + BATCH >= len(changes) else "",
            )
            if self._messages is not None:
                message.messages.extend(map(message_to_proto, _there(batch, ObjectKind.MESSAGE, self._messages.get)))
            if self._network is not None:
                message.MergeFrom(_networks(self._network, batch))
            yield message

    def _guest(self, id: str) -> link_service_pb2.GuestMetricsChange:
        vm = VmId(id)
        view = self._engine.guests.view(vm)
        change = guest_change_to_proto(vm, view, self._guests.get(vm))
        self._guests[vm] = view.metrics
        return change

    async def heartbeat(self) -> link_service_pb2.Heartbeat:
        """A sign of life, with what placement wants to know."""
        info = await self._engine.host()
        return link_service_pb2.Heartbeat(
            time=timestamp(self._clock.now()),
            memory_free_bytes=info.memory_free,
            running_vms=sum(view.status.power_state is PowerState.RUNNING for view in self._engine.vms()),
            operations=sum(not operation.state.ended for operation in self._engine.operations()),
        )


def _networks(network: Networking, batch: Sequence[Change]) -> link_service_pb2.Changes:
    def bond(id: str) -> network_pb2.Bond:
        view = network.bond(BondId(id))
        return bond_to_proto(view, network.pif(view.bond.master).pif.device)

    return link_service_pb2.Changes(
        networks=_there(batch, ObjectKind.NETWORK, lambda id: network_to_proto(network.network(NetworkId(id)))),
        pifs=_there(batch, ObjectKind.PIF, lambda id: pif_to_proto(network.pif(PifId(id)))),
        bonds=_there(batch, ObjectKind.BOND, bond),
        vlans=_there(batch, ObjectKind.VLAN, lambda id: vlan_to_proto(network.vlan(PifId(id)))),
        tunnels=_there(batch, ObjectKind.TUNNEL, lambda id: tunnel_to_proto(network.tunnel(TunnelId(id)))),
        sriovs=_there(batch, ObjectKind.NETWORK_SRIOV, lambda id: sriov_to_proto(network.sriov(SriovId(id)))),
    )


def _there(changes: Sequence[Change], kind: ObjectKind, shown: Callable[[str], T]) -> Iterator[T]:
    """Objects of that kind that are there."""
    for change in changes:
        if change.ref.kind is kind and change.kind is not ChangeKind.DELETED:
            try:
                yield shown(change.ref.id)
            except HandleInvalid:
                continue  # deleted since; that change is on its way
