"""Starting, stopping and pausing VMs: placement, the agent's operation, and what it changes in the pool."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from xenhost.api.host.v1 import vm_pb2, vm_service_pb2
from xenhost.core.clock import Clock
from xenhost.core.errors import HandleInvalid, XenhostError
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.vm import halt, put_vm
from xenhost.pool.metrics.databases import bring_database
from xenhost.pool.storage.reach import make_known
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.membership import PROTECTED
from xenhost.pool.vms.placement import placed, vdis_of, why_not
from xenhost.pool.vms.spec import vm_spec
from xenhost.pool.vms.suspend_images import SuspendImages

MAX_DELAY: Final = 24 * 3600
"""Seconds: nothing waits longer for the next VM of a group."""


class VmPower:
    """Answers the messages about the power state of VMs."""

    def __init__(
        self, database: Database, agents: Agents, tasks: Tasks, busy: Busy, clock: Clock, images: SuspendImages
    ) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._tasks: Final = tasks
        self._busy: Final = busy
        self._clock: Final = clock
        self._images: Final = images

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VM.start": self.start,
            "VM.start_on": self.start_on,
            "VM.clean_shutdown": self.clean_shutdown,
            "VM.shutdown": self.shutdown,
            "VM.hard_shutdown": self.hard_shutdown,
            "VM.clean_reboot": self.clean_reboot,
            "VM.hard_reboot": self.hard_reboot,
            "VM.pause": self.pause,
            "VM.unpause": self.unpause,
            "VM.power_state_reset": self.power_state_reset,
            "VM.get_possible_hosts": self.possible_hosts,
            "VM.assert_can_boot_here": self.assert_can_boot_here,
        }

    async def start(self, context: Context, vm: Ref, start_paused: bool, force: bool) -> None:
        """On the host that suits it best. It returns when its start_delay has passed, too."""
        await self._start(context, vm, None, start_paused, "start")

    async def start_on(self, context: Context, vm: Ref, host: Ref, start_paused: bool, force: bool) -> None:
        """On that host, or nowhere. It returns as `start` does."""
        await self._start(context, vm, host, start_paused, "start_on")

    async def clean_shutdown(self, context: Context, vm: Ref) -> None:
        """The guest is asked."""
        with self._busy.doing(context, vm, "clean_shutdown"):
            await self._stop(context, vm, hard=False)

    async def shutdown(self, context: Context, vm: Ref) -> None:
        """The guest is asked; if it does not obey, within its shutdown_delay if it has one, it is not asked again."""
        with self._busy.doing(context, vm, "shutdown"):
            if self._database.get("VM", vm)["power_state"] != "Running":
                return await self._halt(context, vm)
            try:
                await self._stop(context, vm, hard=False, seconds=self._delay(vm, "shutdown_delay"))
            except XenhostError as error:
                if error.reason not in ("VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT", "VM_SHUTDOWN_TIMEOUT"):
                    raise
                await self._stop(context, vm, hard=True)

    async def hard_shutdown(self, context: Context, vm: Ref) -> None:
        """The guest is not asked. One that is suspended loses its memory."""
        with self._busy.doing(context, vm, "hard_shutdown"):
            await self._halt(context, vm)

    async def clean_reboot(self, context: Context, vm: Ref) -> None:
        """The guest is asked."""
        await self._reboot(context, vm, False, "clean_reboot")

    async def hard_reboot(self, context: Context, vm: Ref) -> None:
        """The guest is not asked."""
        await self._reboot(context, vm, True, "hard_reboot")

    async def pause(self, context: Context, vm: Ref) -> None:
        """Its vCPUs stand still."""
        request = vm_service_pb2.PauseVmRequest(id=self._uuid(vm))
        with self._busy.doing(context, vm, "pause"):
            agent = self.agent(vm)
            await self.run(context, vm, agent, agent.vms.PauseVm, request)

    async def unpause(self, context: Context, vm: Ref) -> None:
        """Its vCPUs run again."""
        request = vm_service_pb2.UnpauseVmRequest(id=self._uuid(vm))
        with self._busy.doing(context, vm, "unpause"):
            agent = self.agent(vm)
            await self.run(context, vm, agent, agent.vms.UnpauseVm, request)

    async def power_state_reset(self, context: Context, vm: Ref) -> None:
        """It runs nowhere, whatever the pool believed. Raises ApiError OPERATION_NOT_ALLOWED if its host is alive."""
        record = self._database.get("VM", vm)
        if record["is_control_domain"]:
            raise ApiError("CANNOT_RESET_CONTROL_DOMAIN", vm)
        host = record.one("resident_on")
        if host != NULL_REF and self._agents.alive(host):
            raise ApiError("OPERATION_NOT_ALLOWED", "its host is alive: shut the VM down hard")

        def reset(transaction: Transaction) -> None:
            halt(transaction, vm)
            transaction.set("VM", vm, {"suspend_VDI": NULL_REF})  # it goes on from nothing that was saved

        await self._database.change(reset)

    async def possible_hosts(self, context: Context, vm: Ref) -> tuple[Ref, ...]:
        """Where it could run now."""
        record = self._database.get("VM", vm)
        hosts = self._database.rows("host")
        return tuple(host for host in hosts if why_not(self._database, self._agents, record, host) is None)

    async def assert_can_boot_here(self, context: Context, vm: Ref, host: Ref) -> None:
        """Raises ApiError: why not."""
        self._database.get("host", host)
        reason = why_not(self._database, self._agents, self._database.get("VM", vm), host)
        if reason is not None:
            raise reason

    async def _start(self, context: Context, vm: Ref, only: Ref | None, paused: bool, word: str) -> None:
        with self._busy.doing(context, vm, word), placed(self._database, self._agents, vm, only) as host:
            agent = self._agents.agent(host)
            spec = vm_spec(self._database, vm)
            platform = json.dumps(dict(spec.platform))
            self._database.note(lambda t: t.set("VM", vm, {"booted_platform": platform}))
            await self.introduce(vm, host, spec)
            request = vm_service_pb2.StartVmRequest(id=spec.id, paused=paused)
            await self.run(context, vm, agent, agent.vms.StartVm, request)
            await self.protect(vm, True)
        await self._rest(vm, "start_delay")

    async def introduce(self, vm: Ref, host: Ref, spec: vm_pb2.Vm) -> None:
        """The host knows the VM as it is now and its VDIs, and has what was measured of it."""
        agent = self._agents.agent(host)
        await make_known(self._database, agent, vdis_of(self._database, self._database.get("VM", vm)))
        await _introduce(agent, spec)
        hosts = tuple(self._database.rows("host"))
        others = [self._agents.agent(each) for each in hosts if each != host and self._agents.alive(each)]
        await bring_database(others, agent, spec.id)

    async def protect(self, vm: Ref, runs: bool) -> None:
        """Shall it always run? As its priority says, if it runs now; who stops or suspends it means it."""
        record = self._database.find("VM", vm)
        if record is not None:
            always = runs and record["ha_restart_priority"] == PROTECTED
            await self._database.change(lambda t: t.set("VM", vm, {"ha_always_run": always}))

    async def _halt(self, context: Context, vm: Ref) -> None:
        if self._database.get("VM", vm)["power_state"] == "Suspended":
            self._busy.check_settled(vm)
            await self.protect(vm, False)
            await self._images.give_up(context, vm)
        else:
            await self._stop(context, vm, hard=True)

    async def _stop(self, context: Context, vm: Ref, hard: bool, seconds: int = 0) -> None:
        """It rests for its shutdown_delay then. `seconds` for the guest to be gone; 0: as the agent says."""
        agent = self.agent(vm)
        request = vm_service_pb2.ShutdownVmRequest(id=self._uuid(vm), hard=hard, timeout_seconds=seconds)
        await self.run(context, vm, agent, agent.vms.ShutdownVm, request)
        await self.protect(vm, False)
        await self._rest(vm, "shutdown_delay")

    async def _rest(self, vm: Ref, name: str) -> None:
        if self._database.find("VM", vm) is not None:
            await self._clock.sleep(self._delay(vm, name))

    def _delay(self, vm: Ref, name: str) -> int:
        seconds = self._database.get("VM", vm)[name]
        assert isinstance(seconds, int)
        return min(seconds, MAX_DELAY)

    async def _reboot(self, context: Context, vm: Ref, hard: bool, word: str) -> None:
        with self._busy.doing(context, vm, word):
            agent = self.agent(vm)
            request = vm_service_pb2.RebootVmRequest(id=self._uuid(vm), hard=hard)
            await self.run(context, vm, agent, agent.vms.RebootVm, request)

    async def run(self, context: Context, vm: Ref, agent: Agent, method: Any, request: Any) -> None:
        """See it through; then the pool knows what came of it, before the caller does."""
        answer = await agent.carry_out(method, request, lambda done: self._tasks.progress(context.task, done))
        now = vm_pb2.Vm()
        answer.Unpack(now)
        await self._database.change(lambda t: put_vm(Book(t, agent.host), now))

    def agent(self, vm: Ref) -> Agent:
        """Of the host that it runs on."""
        return self._agents.agent(self._database.get("VM", vm).one("resident_on"))

    def _uuid(self, vm: Ref) -> str:
        return str(self._database.get("VM", vm)["uuid"])


async def _introduce(agent: Agent, spec: vm_pb2.Vm) -> None:
    """The agent knows the VM as it is now, whatever it remembers of an earlier run."""
    with suppress(HandleInvalid):
        await agent.call(agent.vms.DeleteVm, vm_service_pb2.DeleteVmRequest(id=spec.id))
    await agent.call(agent.vms.CreateVm, vm_service_pb2.CreateVmRequest(vm=spec))
