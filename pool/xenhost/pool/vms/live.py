"""What is changed of a VM while it runs: its host's agent takes it over, then the pool knows it."""

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.api.host.v1 import host_service_pb2, vm_pb2, vm_service_pb2
from xenhost.core.clock import Clock
from xenhost.core.units import MIB
from xenhost.pool.call import ApiError, Context, FrozenMap, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.vm import put_vm
from xenhost.pool.vms.busy import Busy

TOLERANCE: Final = MIB
"""Bytes that a balloon may be away from where it should be."""
PATIENCE: Final = 256
"""Seconds to wait for it."""
MAX_DATA: Final = 256
MAX_VALUE: Final = 2048
"""Keys of xenstore_data, and bytes of a value."""


class Live:
    """Answers the messages about VMs that run."""

    def __init__(self, database: Database, agents: Agents, busy: Busy, clock: Clock) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._busy: Final = busy
        self._clock: Final = clock

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VM.set_VCPUs_number_live": self.set_vcpus,
            "VM.wait_memory_target_live": self.wait_for_memory,
            "VM.set_xenstore_data": self.set_xenstore_data,
        }

    async def set_vcpus(self, context: Context, vm: Ref, number: int) -> None:
        """How many it has now, and at its next start. Raises ApiError INVALID_VALUE, VM_BAD_POWER_STATE."""
        with self._busy.doing(context, vm, "changing_VCPUs_live"):
            most = self._database.get("VM", vm)["VCPUs_max"]
            assert isinstance(most, int)
            if not 1 <= number <= most:
                raise ApiError("INVALID_VALUE", "VCPU values must satisfy: 0 < VCPUs ≤ VCPUs_max", str(number))
            await self.update(vm, {"vcpus": {"at_startup": number}}, "vcpus.at_startup")
            await self._database.change(lambda t: t.set("VM", vm, {"VCPUs_at_startup": number}))

    async def wait_for_memory(self, context: Context, vm: Ref) -> None:
        """Until its balloon is where it should be. Cancellable. Raises ApiError VM_MEMORY_TARGET_WAIT_TIMEOUT."""
        with self._busy.doing(context, vm, "awaiting_memory_live"):
            record = self._database.get("VM", vm)
            agent, target = self._agents.agent(record.one("resident_on")), record["memory_dynamic_max"]
            assert isinstance(target, int)
            metrics, has = record.one("metrics"), -1
            for _ in range(PATIENCE):
                domid = self._database.get("VM", vm)["domid"]
                assert isinstance(domid, int)
                request = host_service_pb2.ListDomainsRequest(domid=max(domid, 0))  # it has none between two, rebooting
                told = await agent.call(agent.hosts.ListDomains, request)
                has = next((each.memory_bytes for each in told.domains if each.domid == domid), -1)
                if abs(has - target) <= TOLERANCE:
                    break
                await self._clock.sleep(1.0)
            else:
                raise ApiError("VM_MEMORY_TARGET_WAIT_TIMEOUT", context.task)
            self._database.note(lambda t: t.set("VM_metrics", metrics, {"memory_actual": has}))

    async def set_xenstore_data(self, context: Context, vm: Ref, data: Mapping[str, str]) -> None:
        """What the guest finds below vm-data/, at once if it runs; keys of other places are for people alone."""
        for key, value in data.items():
            if len(value.encode()) > MAX_VALUE or len(data) > MAX_DATA:
                raise ApiError("INVALID_VALUE", "xenstore_data", key[:100])
        if self._database.get("VM", vm)["power_state"] == "Running":
            shown = {key: value for key, value in data.items() if key.startswith("vm-data/")}
            await self.update(vm, {"xenstore_data": shown}, "xenstore_data")
        await self._database.change(lambda t: t.set("VM", vm, {"xenstore_data": FrozenMap(data)}))

    async def update(self, vm: Ref, fields: Mapping[str, Any], *paths: str) -> None:
        """Its agent takes those fields over. Raises XenhostError, ApiError HOST_OFFLINE; nothing is changed then."""
        record = self._database.get("VM", vm)
        agent = self._agents.agent(record.one("resident_on"))
        request = vm_service_pb2.UpdateVmRequest(
            vm=vm_pb2.Vm(id=str(record["uuid"]), **fields), update_mask=FieldMask(paths=paths)
        )
        told = await agent.call(agent.vms.UpdateVm, request)
        await self._database.change(lambda t: put_vm(Book(t, agent.host), told))
