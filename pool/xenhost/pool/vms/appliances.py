"""VM_appliance: VMs that are started and shut down together, in their order."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.engine.refusal import refusal
from xenhost.pool.engine.tasks import Tasks, Work
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.power import VmPower

Act = Callable[[Context, Ref], Awaitable[None]]


class Appliances:
    """Answers for them. Each VM has a task of its own; cancelling the whole cancels those that run."""

    def __init__(self, database: Database, tasks: Tasks, power: VmPower) -> None:
        self._database: Final = database
        self._tasks: Final = tasks
        self._power: Final = power
        self._busy: Final = Busy(database, "VM_appliance")

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VM_appliance.start": self.start,
            "VM_appliance.clean_shutdown": self._stopper("clean_shutdown", self._power.clean_shutdown),
            "VM_appliance.hard_shutdown": self._stopper("hard_shutdown", self._power.hard_shutdown),
            "VM_appliance.shutdown": self._stopper("shutdown", self._power.shutdown),
        }

    async def start(self, context: Context, appliance: Ref, paused: bool) -> None:
        """Those with the least order first; the next wait until they run and their start_delay has passed.

        Raises ApiError OPERATION_PARTIALLY_FAILED, naming the VMs that did not start; the others run.
        """

        async def start_one(context: Context, vm: Ref) -> None:
            await self._power.start(context, vm, paused, False)

        await self._all(context, appliance, "start", "Paused" if paused else "Running", start_one)

    def _stopper(self, word: str, act: Act) -> Implementation:
        async def stop(context: Context, appliance: Ref) -> None:
            await self._all(context, appliance, word, "Halted", act)

        return stop

    async def _all(self, context: Context, appliance: Ref, word: str, wanted: str, act: Act) -> None:
        """Those that are not as wanted, group by group; a group goes on when all before it have succeeded or failed."""
        with self._busy.doing(context, appliance, word):
            vms = [vm for vm in self._database.get("VM_appliance", appliance).refs("VMs") if self._state(vm) != wanted]
            groups: dict[int, list[Ref]] = defaultdict(list)
            for vm in vms:
                groups[int(str(self._database.get("VM", vm)["order"]))].append(vm)
            done = 0
            for order in sorted(groups, reverse=word != "start"):
                await self._together(context, groups[order], word, act)
                done += len(groups[order])
                self._tasks.progress(context.task, done / len(vms))
            failed = [vm for vm in vms if self._state(vm) != wanted]
            if failed:
                raise ApiError("OPERATION_PARTIALLY_FAILED", f"VM_appliance.{word}", *failed)

    async def _together(self, context: Context, vms: list[Ref], word: str, act: Act) -> None:
        """Until all have ended, well or not. Cancelled, so are they, and it waits for them."""

        def one(vm: Ref) -> Work:
            async def work(inner: Context) -> None:
                try:
                    await act(inner, vm)
                except XenhostError as error:
                    raise refusal(self._database, error) from error

            return work

        parts = [self._tasks.start(context, f"Async.VM.{word}", one(vm)) for vm in vms]
        try:
            for part in parts:
                await self._tasks.wait(part)
        except asyncio.CancelledError:
            await self._tasks.stop(context, parts)
            raise

    def _state(self, vm: Ref) -> str:
        """Its power state; of one that is gone, none."""
        record = self._database.find("VM", vm)
        return "" if record is None else str(record["power_state"])
