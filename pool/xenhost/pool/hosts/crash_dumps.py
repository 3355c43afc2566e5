"""Crash dumps of hosts: their records are those of the folders that hosts have when they come back."""

from collections.abc import Mapping
from datetime import UTC
from typing import Final

from xenhost.api.host.v1 import host_service_pb2 as pb
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.returned import ReturnedHosts


class CrashDumps:
    """Answers for them."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self.hosts: Final = ReturnedHosts(agents, self._look, "crash dumps of a host are not known")

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"host_crashdump.destroy": self._destroy, "host_crashdump.upload": self._refuse_upload}

    async def _destroy(self, context: Context, dump: Ref) -> None:
        """The folder on its host, too. Raises ApiError HOST_OFFLINE."""
        record = self._database.get("host_crashdump", dump)
        agent = self._agents.agent(record.one("host"))
        await agent.call(agent.hosts.DeleteCrashDump, pb.DeleteCrashDumpRequest(name=str(record.value("filename"))))
        await self._database.change(lambda t: t.delete("host_crashdump", dump))

    async def _refuse_upload(self, context: Context, dump: Ref, url: str, options: Value) -> None:
        """A dump is as large as memory, and is better fetched from its host. Raises ApiError OPERATION_NOT_ALLOWED."""
        name = str(self._database.get("host_crashdump", dump).value("filename"))
        raise ApiError("OPERATION_NOT_ALLOWED", f"copy /var/crash/{name} from the host")

    async def _look(self, host: Ref) -> None:
        agent = self._agents.agent(host)
        told = await agent.call(agent.hosts.ListCrashDumps, pb.ListCrashDumpsRequest())
        there = {dump.name: dump for dump in told.dumps}

        def write(transaction: Transaction) -> None:
            known = {}
            for ref in transaction.get("host", host).refs("crashdumps"):
                known[str(transaction.get("host_crashdump", ref).value("filename"))] = ref
            for name in known.keys() - there.keys():
                transaction.delete("host_crashdump", known[name])
            for name in sorted(there.keys() - known.keys()):
                fields: dict[str, Value] = {
                    "host": host,
                    "filename": name,
                    "timestamp": there[name].time.ToDatetime(UTC),
                    "size": there[name].size_bytes,
                }
                transaction.create("host_crashdump", fields)

        await self._database.change(write)
