"""Time, SSH and iSCSI name of hosts as they are: hosts that come back are asked, for others may have set them."""

from typing import Final

from xenhost.api.host.v1 import host_service_pb2 as pb
from xenhost.pool.call import Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.returned import ReturnedHosts

_OFF: Final = "Disabled"
_ON: Final = "Factory"
"""Of a host that has been without: which servers it asks, it does not tell."""


class MachineFacts:
    """Keeps the records true."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self.hosts: Final = ReturnedHosts(agents, self._look, "settings of a host are not known")

    async def _look(self, host: Ref) -> None:
        before = self._database.get("host", host)
        agent = self._agents.agent(host)
        told = await agent.call(agent.hosts.GetMachine, pb.GetMachineRequest())

        def write(transaction: Transaction) -> None:
            now = transaction.get("host", host)
            fields = true_fields(before, told)
            transaction.set("host", host, {name: fields[name] for name in fields if now[name] == before[name]})

        await self._database.change(write)


def true_fields(record: Record, told: pb.Machine) -> dict[str, Value]:
    """What the record has to say otherwise."""
    found: dict[str, Value] = {}
    if told.timezone and record["timezone"] != told.timezone:
        found["timezone"] = told.timezone
    if told.ntp_enabled != (record["ntp_mode"] != _OFF):
        found["ntp_mode"] = _ON if told.ntp_enabled else _OFF
    if told.HasField("ssh") and record["ssh_enabled"] != told.ssh:
        found["ssh_enabled"] = told.ssh
    if told.iscsi_iqn and record["iscsi_iqn"] != told.iscsi_iqn:
        found["iscsi_iqn"] = told.iscsi_iqn
    return found
