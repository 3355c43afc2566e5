"""What imports and checkpoints have begun and did not end: it is taken away again, also what a killed master has left.

A VM is written down before anything is made for it, with the UUIDs of the disks that will be; it is what remembers them
until that has ended, or until they are gone.
"""

from collections.abc import Iterable
from contextlib import ExitStack, suppress
from typing import Final

import structlog

from xenhost.api.host.v1.sr_service_pb2 import ScanSrRequest
from xenhost.api.host.v1.vdi_service_pb2 import DestroyVdiRequest
from xenhost.api.host.v1.vm_service_pb2 import GetVmRequest
from xenhost.core.clock import Clock
from xenhost.core.errors import HandleInvalid, XenhostError
from xenhost.pool.call import NOTHING, ApiError, Context, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.storage import remove_vdi
from xenhost.pool.hosts.told.vm import put_vm
from xenhost.pool.networks.networks import Networks
from xenhost.pool.storage.reach import agent_of_sr
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.making import remove_vm

RETRY_SECONDS: Final = 5.0
IMPORT_TASK: Final = "import_task"
"""In other_config: the task of the import that made it."""
TRIES: Final = 25
"""Of a disk that its host is still busy with, a second apart."""


class Unfinished:
    """Takes it away."""

    def __init__(self, database: Database, agents: Agents, networks: Networks, busy: Busy, clock: Clock) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._networks: Final = networks
        self._busy: Final = busy
        self._clock: Final = clock
        self._left: Final[dict[Ref, ExitStack]] = {}
        """VMs that could not be taken away yet. Nobody may do anything to them."""
        self._log: Final = structlog.get_logger("xenpoold.xva")

    async def run(self) -> None:
        """Take away what an earlier life has left, and what could not be taken away since. Never returns."""
        for ref, record in tuple(self._database.rows("VM").items()):
            if record.value("unfinished"):
                self._keep(ref)
        while True:
            for vm in tuple(self._left):
                await self.undo([vm])
            await self._clock.sleep(RETRY_SECONDS)

    async def undo(self, vms: Iterable[Ref]) -> None:
        """The VMs and what was made for them are gone; if a host is still at it, or away, as soon as it is not."""
        for vm in vms:
            record = self._database.find("VM", vm)
            if record is not None and record.value("unfinished"):
                if not await is_settled(self._database, self._agents, record.one("snapshot_of")):
                    self._keep(vm)
                    continue
                try:
                    await self._undo(vm)
                except (ApiError, XenhostError) as error:
                    self._log.warning("what has not ended cannot be taken away yet", vm=vm, error=str(error))
                    self._keep(vm)
                    continue
            if (held := self._left.pop(vm, None)) is not None:
                held.close()

    def _keep(self, vm: Ref) -> None:
        if vm not in self._left:
            self._left[vm] = ExitStack()
            self._left[vm].enter_context(self._busy.held(Context(), vm, "destroy"))

    async def _undo(self, vm: Ref) -> None:
        record = self._database.get("VM", vm)
        disks, config = record.value("unfinished"), record["other_config"]
        assert isinstance(disks, dict)
        assert isinstance(config, dict)

        def without_cards(transaction: Transaction) -> None:
            for vif in record.refs("VIFs"):
                transaction.delete("VIF", vif)

        await self._database.change(without_cards)
        for network, each in tuple(self._database.rows("network").items()):
            marks = each["other_config"]
            if isinstance(marks, dict) and marks.get(IMPORT_TASK, "") == config.get(IMPORT_TASK, "none"):
                with suppress(ApiError):  # somebody uses it by now
                    await self._networks.destroy(Context(), network)
        for uuid, sr in disks.items():
            if self._database.find("SR", Ref(str(sr))) is not None:
                await self._destroy(Ref(str(sr)), uuid)

        def gone(transaction: Transaction) -> None:
            for uuid in disks:
                if (vdi := transaction.by_uuid("VDI", uuid)) is not None:
                    remove_vdi(transaction, vdi)
            remove_vm(transaction, vm)

        await self._database.change(gone)

    async def _destroy(self, sr: Ref, uuid: str) -> None:
        """A disk that may be there, or may just be being undone by its host."""
        agent = agent_of_sr(self._database, self._agents, sr)
        record = self._database.get("SR", sr)
        if len(record.refs("PBDs")) > 1:  # another host may have made it: this one has to look for itself
            await agent.carry_out(agent.srs.ScanSr, ScanSrRequest(id=str(record["uuid"])))
        for last in (*[False] * (TRIES - 1), True):
            try:
                await agent.carry_out(agent.vdis.DestroyVdi, DestroyVdiRequest(id=uuid))
            except HandleInvalid:
                return
            except XenhostError:
                if last:
                    raise
                await self._clock.sleep(1.0)


FINISHED: Final = {"unfinished": NOTHING}
"""Fields of a VM whose import or checkpoint has ended."""


async def is_settled(database: Database, agents: Agents, vm: Ref) -> bool:
    """Is no host at anything that was begun with the VM any more? Then the pool knows what they say of it.

    Where it runs, and where it was to go, must answer; others are asked if they are alive.
    """
    record = database.find("VM", vm)
    if record is None:
        return True
    needed = {record.one("resident_on"), record.one("moving_to")}
    for host in tuple(database.rows("host")):
        if host not in needed and not agents.alive(host):
            continue
        try:
            agent = agents.agent(host)
            now = await agent.call(agent.vms.GetVm, GetVmRequest(id=str(record["uuid"])))
        except HandleInvalid:
            continue
        except (ApiError, XenhostError):
            return False
        if now.status.current_operation:
            return False
        await database.change(lambda t, host=host, now=now: put_vm(Book(t, host), now))  # type: ignore[misc] # bound now
    return True
