"""How many hosts may be lost before VMs that are to be restarted find no room: reckoned, though nothing restarts them.

A plan exists only if it does for any hosts that could be lost: as many VMs as the fullest hosts hold, the largest of
all, are placed on the hosts with the least room. What really happens has fewer and smaller VMs, and more room.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xenhost.pool.call import ApiError, Context, FrozenMap, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.vms.membership import PRIORITIES, PROTECTED
from xenhost.pool.vms.placement import free_memory, size_of, srs_of, why_not

_MEMORY: Final = "HOST_NOT_ENOUGH_FREE_MEMORY"


@dataclass(frozen=True, slots=True)
class Stage:
    """What a plan is made of: bytes that hosts have free, and that VMs need, with how many each host holds."""

    free: Sequence[int]
    sizes: Sequence[int]
    """Of all VMs that are to be restarted."""
    counts: Sequence[int]
    """Of these on each host."""
    halted: int
    """Of these that run nowhere now."""


def survives(stage: Stage, lost: int) -> bool:
    """Whether all VMs run again after any so many hosts are lost."""
    if not 0 <= lost <= len(stage.free):
        return False
    homeless = stage.halted + sum(sorted(stage.counts, reverse=True)[:lost])
    room = sorted(stage.free)[: len(stage.free) - lost]
    return _fit(sorted(stage.sizes, reverse=True)[:homeless], room)


def most_lost(stage: Stage) -> int:
    """The largest number that it survives; 0 also if it does not survive that."""
    return max((lost for lost in range(len(stage.free) + 1) if survives(stage, lost)), default=0)


def _fit(sizes: Iterable[int], room: Sequence[int]) -> bool:
    """The largest first, each where it fits first."""
    left = list(room)
    for size in sizes:
        place = next((number for number, each in enumerate(left) if each >= size), None)
        if place is None:
            return False
        left[place] -= size
    return True


class Failover:
    """Answers these messages."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "pool.ha_failover_plan_exists": self._exists,
            "pool.ha_compute_max_host_failures_to_tolerate": self._most,
            "pool.ha_compute_hypothetical_max_host_failures_to_tolerate": self._most_of,
            "pool.ha_compute_vm_failover_plan": self._plan,
            "pool.set_ha_host_failures_to_tolerate": self._set_tolerated,
        }

    async def _exists(self, context: Context, n: int) -> bool:
        return survives(self._stage(self._protected()), n)

    async def _most(self, context: Context) -> int:
        return most_lost(self._stage(self._protected()))

    async def _most_of(self, context: Context, configuration: Mapping[str, str]) -> int:
        """Raises ApiError INVALID_VALUE, HANDLE_INVALID."""
        for priority in configuration.values():
            if priority not in PRIORITIES:
                raise ApiError("INVALID_VALUE", "ha_restart_priority", priority[:100])
        chosen = [self._database.get("VM", Ref(vm)) for vm, each in configuration.items() if each == PROTECTED]
        return most_lost(self._stage(chosen))

    async def _set_tolerated(self, context: Context, pool: Ref, value: int) -> None:
        """Raises ApiError INVALID_VALUE."""
        if value < 0:
            raise ApiError("INVALID_VALUE", "ha_host_failures_to_tolerate", str(value))
        await self._database.change(lambda t: t.set("pool", pool, {"ha_host_failures_to_tolerate": value}))

    async def _plan(self, context: Context, failed_hosts: Sequence[Ref], failed_vms: Sequence[Ref]) -> Value:
        """For each VM a host, or the code of why there is none."""
        left = {host: free_memory(self._database, host) for host in self._live() if host not in failed_hosts}
        vms = sorted((self._database.get("VM", vm) for vm in failed_vms), key=size_of, reverse=True)
        found: dict[str, Value] = {}
        for vm in vms:
            able = [host for host in left if left[host] >= size_of(vm) and self._may(vm, host)]
            if not able:
                shared = all(self._database.get("SR", sr)["shared"] for sr in srs_of(self._database, vm))
                code = _MEMORY if shared else "HA_CONSTRAINT_VIOLATION_SR_NOT_SHARED"
                found[vm.ref] = FrozenMap({"error_code": code})
                continue
            host = max(able, key=left.__getitem__)
            left[host] -= size_of(vm)
            found[vm.ref] = FrozenMap({"host": host})
        return FrozenMap(found)

    def _stage(self, vms: Sequence[Record]) -> Stage:
        """Of VMs that could run on any live host; one that could not makes every plan impossible."""
        live = self._live()
        if any(not self._may(vm, host) for vm in vms for host in live):
            return Stage((), (1,), (), 1)
        homes = [vm["resident_on"] for vm in vms]
        return Stage(
            free=[free_memory(self._database, host) for host in live],
            sizes=[size_of(vm) for vm in vms],
            counts=[homes.count(host) for host in live],
            halted=sum(home not in live for home in homes),
        )

    def _protected(self) -> list[Record]:
        rows = self._database.rows("VM").values()
        return [vm for vm in rows if vm["ha_always_run"] and vm["ha_restart_priority"] == PROTECTED]

    def _live(self) -> list[Ref]:
        hosts = self._database.rows("host").items()
        return [host for host, record in hosts if record["enabled"] and self._agents.alive(host)]

    def _may(self, vm: Record, host: Ref) -> bool:
        """Memory aside."""
        reason = why_not(self._database, self._agents, vm, host)
        return reason is None or reason.code == _MEMORY
