"""What the master is told, as messages."""

from collections.abc import Iterator, Sequence
from typing import Final

from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.convert.event import change_to_proto
from xenhost.agent.rpc.convert.host import domain_to_proto, host_to_proto
from xenhost.agent.rpc.convert.times import timestamp
from xenhost.agent.rpc.convert.vm import vm_to_proto
from xenhost.api.host.v1 import host_service_pb2, vm_pb2
from xenhost.api.link.v1 import link_service_pb2
from xenhost.core.clock import Clock
from xenhost.core.errors import HandleInvalid
from xenhost.core.events import Change, ChangeKind, ObjectKind
from xenhost.core.ids import VmId
from xenhost.core.vm import PowerState

BATCH: Final = 200
"""Changes in one message, so that its size is bounded."""


class Reporter:
    """Looks at the engine and says what there is. Raises XenhostErrors of the hypervisor."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def host(self) -> host_service_pb2.Host:
        """This host."""
        return host_to_proto(await self._engine.host(), self._engine.host_id, self._engine.instance_id)

    async def snapshot(self, token: str) -> link_service_pb2.Snapshot:
        """Everything there is; `token` was taken before, so that what changes meanwhile is reported again."""
        return link_service_pb2.Snapshot(
            host=await self.host(),
            vms=[vm_to_proto(view) for view in self._engine.vms()],
            domains=[domain_to_proto(domain) for domain in await self._engine.domains()],
            resume_token=token,
        )

    def changes(self, changes: Sequence[Change], token: str) -> Iterator[link_service_pb2.Changes]:
        """What changed, and the VMs it is about as they are now; in several messages if there is much."""
        for start in range(0, len(changes), BATCH):
            batch = changes[start : start + BATCH]
            yield link_service_pb2.Changes(
                events=[change_to_proto(change) for change in batch],
                vms=list(self._vms(batch)),
                resume_token=token if start + BATCH >= len(changes) else "",
            )

    async def heartbeat(self) -> link_service_pb2.Heartbeat:
        """A sign of life, with what placement wants to know."""
        info = await self._engine.host()
        return link_service_pb2.Heartbeat(
            time=timestamp(self._clock.now()),
            memory_free_bytes=info.memory_free,
            running_vms=sum(view.status.power_state is PowerState.RUNNING for view in self._engine.vms()),
            operations=sum(not operation.state.ended for operation in self._engine.operations()),
        )

    def _vms(self, changes: Sequence[Change]) -> Iterator[vm_pb2.Vm]:
        for change in changes:
            if change.ref.kind is ObjectKind.VM and change.kind is not ChangeKind.DELETED:
                try:
                    yield vm_to_proto(self._engine.vm(VmId(change.ref.id)))
                except HandleInvalid:
                    continue  # deleted since; that change is on its way
