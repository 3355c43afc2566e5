"""VMs that move to another host of the pool while their guest stands still: their memory goes through a VDI.

It is written down where a VM goes before it is stopped, so that the next master brings it there, or anywhere.
"""

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Final
from uuid import uuid4

import structlog

from xenhost.core.clock import Clock
from xenhost.core.errors import XenhostError
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.placement import attached, choose, placed, srs_of, why_not
from xenhost.pool.vms.plugging import start_error
from xenhost.pool.vms.suspend_images import SuspendImages
from xenhost.pool.vms.suspending import VmSuspending
from xenhost.pool.vms.unfinished import RETRY_SECONDS, is_settled

_NOT_LIVE: Final = "a VM cannot move while its guest runs; live=false moves it through an image of its memory"


def check_not_live(vm: Record, host: Ref, live: bool) -> None:
    """Raises ApiError VM_MIGRATE_FAILED."""
    if live:
        raise ApiError("VM_MIGRATE_FAILED", vm.ref, vm.one("resident_on"), host, _NOT_LIVE)


class VmMigration:
    """Answers VM.pool_migrate."""

    def __init__(
        self,
        database: Database,
        agents: Agents,
        busy: Busy,
        suspending: VmSuspending,
        images: SuspendImages,
        clock: Clock,
    ) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._busy: Final = busy
        self._suspending: Final = suspending
        self._images: Final = images
        self._clock: Final = clock
        self._left: Final[set[Ref]] = set()
        """VMs that were stopped to be moved, and do not run yet."""
        self._log: Final = structlog.get_logger("xenpoold.vms")

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"VM.pool_migrate": self.pool_migrate}

    async def pool_migrate(self, context: Context, vm: Ref, host: Ref, options: Mapping[str, str]) -> None:
        """The guest stands still while its memory is written and read. Cancelled or failed, it goes on where it was.

        The image is in an SR that both hosts have: the suspend SR, else one of its disks'. Raises ApiError
        VM_MIGRATE_FAILED, also for live=true; VM_NO_SUSPEND_SR, and why it cannot run on that host.
        """
        self._database.get("host", host)
        with self._busy.doing(context, vm, "pool_migrate"):
            record = self._database.get("VM", vm)
            source = record.one("resident_on")
            check_not_live(record, host, options.get("live", "false").lower() == "true")
            if error := start_error(self._database, record):  # what is not plugged comes along, too
                raise error
            with nullcontext() if host == source else placed(self._database, self._agents, vm, host):
                sr = self._sr(record, source, host)
                try:
                    await self._database.change(lambda t: t.set("VM", vm, {"moving_to": host}))
                    image = await self._images.create(context, vm, sr, str(uuid4()))
                    await self._suspending.save(context, vm, await self._images.take(context, vm, image))
                    await self._suspending.load(context, vm, host, paused=False)
                except BaseException as error:
                    await asyncio.shield(self._back(vm, source))
                    if isinstance(error, XenhostError):
                        raise ApiError("VM_MIGRATE_FAILED", vm, source, host, str(error)) from error
                    raise
                await self._arrived(vm)

    def goal(self, vm: Ref, source: Ref, taken: Mapping[Ref, int]) -> Ref:
        """The host that it could move to now: where it would be started, were `source` not there.

        `taken`: bytes of memory of each host that others need. Raises ApiError: why there is none.
        """
        self._busy.check(vm, "pool_migrate")
        record = self._database.get("VM", vm)
        if error := start_error(self._database, record):
            raise error
        others = [host for host in self._database.rows("host") if host != source]
        goal = choose(self._database, self._agents, vm, others, taken)
        self._sr(record, source, goal)
        return goal

    async def run(self) -> None:
        """Let those go on that an earlier life has stopped, and that could not go back since. Never returns."""
        self._left.update(
            ref for ref, record in self._database.rows("VM").items() if record.one("moving_to") != NULL_REF
        )
        while True:
            for vm in tuple(self._left):
                try:
                    await self._go_on(vm)
                except (ApiError, XenhostError) as error:
                    self._log.warning("a VM that was to move cannot go on yet", vm=vm, error=str(error))
            await self._clock.sleep(RETRY_SECONDS)

    async def _back(self, vm: Ref, source: Ref) -> None:
        """It goes on where it was; if it cannot now, or a host may still be at it, as soon as some host lets it."""
        try:
            if not await is_settled(self._database, self._agents, vm):
                raise ApiError("OTHER_OPERATION_IN_PROGRESS", "VM", vm, "pool_migrate", "")
            record = self._database.find("VM", vm)
            if record is not None and record["power_state"] == "Suspended":
                await self._suspending.load(Context(), vm, source, paused=False)
        except (ApiError, XenhostError) as error:
            self._log.warning("a VM that was to move cannot go back yet", vm=vm, error=str(error))
            self._left.add(vm)
        else:
            await self._arrived(vm)

    async def _go_on(self, vm: Ref) -> None:
        """Where it was to go, or where it can. Raises ApiError, XenhostError."""
        if not await is_settled(self._database, self._agents, vm):
            return
        record = self._database.find("VM", vm)
        if record is not None:
            if record["power_state"] == "Suspended":
                with self._busy.doing(Context(), vm, "resume"):
                    goal = record.one("moving_to")
                    known = self._database.find("host", goal) is not None
                    only = goal if known and why_not(self._database, self._agents, record, goal) is None else None
                    with placed(self._database, self._agents, vm, only) as host:
                        await self._suspending.load(Context(), vm, host, paused=False)
            elif record["power_state"] == "Running":
                with self._busy.doing(Context(), vm, "pool_migrate"):
                    await self._images.forget(vm, but=record.one("resident_on"))
                    await self._images.drop(Context(), vm)
        self._left.discard(vm)
        await self._arrived(vm)

    async def _arrived(self, vm: Ref) -> None:
        if self._database.find("VM", vm) is not None:
            await self._database.change(lambda t: t.set("VM", vm, {"moving_to": NULL_REF}))

    def _sr(self, vm: Record, *hosts: Ref) -> Ref:
        """Raises ApiError VM_NO_SUSPEND_SR."""
        disks = (sr for sr in srs_of(self._database, vm) if self._database.get("SR", sr)["type"] != "iso")
        found = (*self._images.srs(vm.ref), *disks)
        for sr in found:
            if all(attached(self._database, sr, host) for host in hosts):
                return sr
        raise ApiError("VM_NO_SUSPEND_SR", vm.ref)
