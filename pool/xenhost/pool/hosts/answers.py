"""Messages of hosts that the pool answers by itself: which may be used, what they could run."""

from collections.abc import Mapping
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.hosts import keep_out
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.drivers import put_drivers
from xenhost.pool.hosts.told.pcis import drop_pcis
from xenhost.pool.hosts.told.reports import DROPS, of_host
from xenhost.pool.hosts.told.vm import halt


class HostAnswers:
    """Answers them."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "host.enable": self.enable,
            "host.disable": self.disable,
            "host.destroy": self.destroy,
            "pool.eject": self.eject,
            "host.declare_dead": self.declare_dead,
            "host.compute_free_memory": self.free_memory,
        }

    async def enable(self, context: Context, host: Ref) -> None:
        """VMs may start on it again."""
        await self._database.change(lambda t: t.set("host", host, {"enabled": True}))

    async def disable(self, context: Context, host: Ref, auto_enable: bool = True) -> None:
        """No VM starts on it; those that run go on."""
        await self._database.change(lambda t: t.set("host", host, {"enabled": False}))

    async def destroy(self, context: Context, host: Ref) -> None:
        """The record of a lost host, with all that was its own. Raises ApiError HOST_IS_LIVE, HOST_HAS_RESIDENT_VMS."""
        if self._agents.alive(host):
            raise ApiError("HOST_IS_LIVE", host)
        if self._residents(host):
            raise ApiError("HOST_HAS_RESIDENT_VMS", host)
        await self._database.change(lambda t: _destroy(t, host))
        self._agents.forget(host)

    async def eject(self, context: Context, host: Ref) -> None:
        """The same of a host that may be alive. It stays outside until it joins again.

        One that is not told so by a xenpoold of its own, which becomes a master, stays until its UUID is not in
        pool.other_config any more.

        Raises ApiError HOST_HAS_RESIDENT_VMS; OPERATION_NOT_ALLOWED of the pool's master.
        """
        uuid = str(self._database.get("host", host)["uuid"])
        if any(pool["master"] == host for pool in self._database.rows("pool").values()):
            raise ApiError("OPERATION_NOT_ALLOWED", "the pool's master cannot be ejected")
        if self._residents(host):
            raise ApiError("HOST_HAS_RESIDENT_VMS", host)

        def leave(transaction: Transaction) -> None:
            _destroy(transaction, host)
            keep_out(transaction, uuid)

        await self._database.change(leave)
        self._agents.forget(host)

    async def declare_dead(self, context: Context, host: Ref) -> None:
        """It is off: its VMs run nowhere. Raises ApiError HOST_IS_LIVE."""
        if self._agents.alive(host):
            raise ApiError("HOST_IS_LIVE", host)

        def halt_all(transaction: Transaction) -> None:
            for vm in self._residents(host):
                halt(transaction, vm)

        await self._database.change(halt_all)

    async def free_memory(self, context: Context, host: Ref) -> int:
        """Bytes, as the host last said."""
        metrics = self._database.get("host", host).one("metrics")
        free = self._database.get("host_metrics", metrics)["memory_free"]
        assert isinstance(free, int)
        return free

    def _residents(self, host: Ref) -> list[Ref]:
        vms = self._database.get("host", host).refs("resident_VMs")
        return [vm for vm in vms if not self._database.get("VM", vm)["is_control_domain"]]


def _destroy(transaction: Transaction, host: Ref) -> None:
    record = transaction.get("host", host)
    book = Book(transaction, host)
    put_drivers(book, ())
    for cls, drop in DROPS.items():
        for uuid in of_host(book, cls):
            drop(book, uuid)
    drop_pcis(transaction, host)
    for cpu in record.refs("host_CPUs"):
        transaction.delete("host_cpu", cpu)
    for dump in record.refs("crashdumps"):
        transaction.delete("host_crashdump", dump)
    if record["metrics"] != NULL_REF:
        transaction.delete("host_metrics", record.one("metrics"))
    transaction.delete("host", host)
