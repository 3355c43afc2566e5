"""Hosts that their VMs leave, to other hosts of the pool. Each guest stands still while it moves (see migrating).

Sources: xapi's xapi_host.ml (compute_evacuation_plan_no_wlb, evacuate), for what is refused and how.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Final

from xenhost.core.errors import XenhostError
from xenhost.pool.call import NULL_REF, ApiError, Context, FrozenMap, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.engine.refusal import refusal
from xenhost.pool.engine.tasks import Tasks, Work
from xenhost.pool.vms.migrating import VmMigration
from xenhost.pool.vms.placement import size_of

BATCH: Final = 10
"""VMs that move at once if nobody says how many; xapi's number."""
_NOWHERE: Final = ("HOST_DISABLED", "HOST_OFFLINE", "NO_HOSTS_AVAILABLE")
"""What a start is refused with if there is no other host at all."""


class Evacuation:
    """Answers host.evacuate, and what would hinder it."""

    def __init__(self, database: Database, tasks: Tasks, migration: VmMigration) -> None:
        self._database: Final = database
        self._tasks: Final = tasks
        self._migration: Final = migration

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "host.assert_can_evacuate": self.assert_can,
            "host.evacuate": self.evacuate,
            "host.get_vms_which_prevent_evacuation": self.staying,
        }

    async def staying(self, context: Context, host: Ref) -> FrozenMap:
        """VMs that run on it and cannot move, and why."""
        return FrozenMap({vm: tuple(error.as_xenapi()) for vm, error in self._errors(host).items()})

    async def assert_can(self, context: Context, host: Ref) -> None:
        """Could all of its VMs move now? Raises ApiError CANNOT_EVACUATE_HOST: of each that cannot, `code,param,…`."""
        if errors := self._errors(host):
            raise ApiError("CANNOT_EVACUATE_HOST", "|".join(",".join(each.as_xenapi()) for each in errors.values()))

    async def evacuate(self, context: Context, host: Ref, network: Ref, evacuate_batch_size: int) -> None:
        """Move its VMs, the largest first, so many at once; each has a task of its own. Nothing goes over `network`.

        Raises ApiError, before anything moves: why a VM cannot; later: why the first that did not move has not. Those
        that have moved stay where they are then, and no others are begun. Cancelled, those under way go on where they
        were.
        """
        if network != NULL_REF:
            self._database.get("network", network)
        if evacuate_batch_size < 0:
            raise ApiError("INVALID_VALUE", "evacuate_batch_size", str(evacuate_batch_size))
        for error in self._errors(host).values():
            raise error
        await self._all(context, host, self._residents(host), evacuate_batch_size or BATCH)
        if left := self._residents(host):  # not moved after all, or started meanwhile on a host that is not disabled
            raise ApiError("OPERATION_PARTIALLY_FAILED", "host.evacuate", *left)

    async def _all(self, context: Context, host: Ref, vms: list[Ref], at_once: int) -> None:
        waiting, parts, failed = deque(vms), set[Ref](), list[ApiError]()

        async def move_some() -> None:
            while waiting and not failed:
                part = self._tasks.start(
                    context, "Async.VM.pool_migrate", self._work(host, waiting.popleft(), failed.append)
                )
                parts.add(part)
                await self._tasks.wait(part)
                parts.discard(part)
                self._tasks.progress(context.task, 1 - (len(waiting) + len(parts)) / len(vms))

        try:
            await asyncio.gather(*(move_some() for _ in vms[:at_once]))
        except BaseException:
            waiting.clear()
            await self._tasks.stop(context, parts)
            raise
        if failed:
            raise failed[0]

    def _work(self, host: Ref, vm: Ref, failed: Callable[[ApiError], None]) -> Work:
        async def work(context: Context) -> None:
            try:
                if vm in self._residents(host):  # else it has gone by itself
                    goal = self._migration.goal(vm, host, Counter())
                    await self._migration.pool_migrate(context, vm, goal, {})
            except (ApiError, XenhostError) as error:
                failure = _naming(vm, error if isinstance(error, ApiError) else refusal(self._database, error))
                failed(failure)
                raise failure from error

        return work

    def _errors(self, host: Ref) -> dict[Ref, ApiError]:
        """Of VMs that cannot move while the others do."""
        errors, taken = dict[Ref, ApiError](), Counter[Ref]()
        for vm in self._residents(host):
            try:
                taken[self._migration.goal(vm, host, taken)] += size_of(self._database.get("VM", vm))
            except ApiError as error:
                errors[vm] = _naming(vm, error)
        return errors

    def _residents(self, host: Ref) -> list[Ref]:
        """Its VMs, the largest first, as it is hardest to find room for them."""
        vms = [self._database.get("VM", vm) for vm in self._database.get("host", host).refs("resident_VMs")]
        return [vm.ref for vm in sorted(vms, key=size_of, reverse=True) if not vm["is_control_domain"]]


def _naming(vm: Ref, error: ApiError) -> ApiError:
    """As xapi says that no host has room: of which VM, in place of what a start would say."""
    if error.code in _NOWHERE:
        return ApiError("NO_HOSTS_AVAILABLE", vm)
    if error.code == "HOST_NOT_ENOUGH_FREE_MEMORY":
        return ApiError("HOST_NOT_ENOUGH_FREE_MEMORY", vm)
    return error
