"""Networks that hosts have made for their cards are one network of the pool where bridge and card have one name.

As in XenServer, where bridges alone count: a bridge that is called after a card is nothing else.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

from xenhost.api.host.v1 import network_pb2, network_service_pb2
from xenhost.pool.call import Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.coordinator import master_host
from xenhost.pool.networks.keeper import NetworkKeeper
from xenhost.pool.networks.networks import MAX_DESTROYED
from xenhost.pool.networks.work import NetworkWork

ANY: Final = "xapi"
"""How bridges are called that are not called after cards."""


class NetworkMerging:
    """Asks hosts to call theirs by the UUID of the pool's."""

    def __init__(self, database: Database, agents: Agents, keeper: NetworkKeeper) -> None:
        self._database: Final = database
        self._keeper: Final = keeper
        self._work: Final = NetworkWork(database, agents)
        keeper.add(self.merge)

    async def merge(self, agent: Agent, told: network_pb2.HostNetwork) -> None:
        """See keeper.Part. One that VIFs are plugged into stays apart until the host comes back without them."""
        cards = {pif.network_id: pif.device for pif in told.pifs if pif.kind == network_pb2.PIF_KIND_PHYSICAL}
        there = {network.id for network in told.networks}
        for network in (each for each in told.networks if each.id in cards):
            mine = self._record(network.id)
            if mine is None:
                continue
            others = [
                record
                for record in self._database.rows("network").values()
                if record["bridge"] == network.bridge and record["uuid"] not in there
            ]
            same = [record for record in others if self._leads(record, cards[network.id])]
            best = min((mine, *same), key=self._rank)
            if best is not mine:
                await self._join(agent, mine, best)
                continue
            if left := [record.ref for record in others if _is_left(record)]:
                await self._database.change(partial(_absorb, networks=left, into=mine.ref))
            for pif in (pif for record in same if not self._plugged(record) for pif in record.refs("PIFs")):
                self._keeper.again(self._database.get("PIF", pif).one("host"))

    async def _join(self, agent: Agent, mine: Record, best: Record) -> None:
        """If the master is killed before it writes that down, a record without PIFs is left, which goes next time."""
        if self._plugged(mine):
            return
        request = network_service_pb2.SetNetworkIdRequest(id=str(mine["uuid"]), new_id=str(best["uuid"]))
        await self._work.run(agent, agent.networks.SetNetworkId, request)
        await self._database.change(partial(_moved, host=agent.host, old=mine, new=best.ref))

    def _rank(self, network: Record) -> tuple[bool, int, str]:
        """The least is the pool's: the one that the master's host is on, then the one with most hosts."""
        pifs = [self._database.get("PIF", pif) for pif in network.refs("PIFs")]
        master = master_host(self._database)
        return all(pif["host"] != master for pif in pifs), -len(pifs), str(network["uuid"])

    def _leads(self, network: Record, device: str) -> bool:
        """A card of that name is on it."""
        pifs = (self._database.get("PIF", pif) for pif in network.refs("PIFs"))
        return any(pif["physical"] and pif["device"] == device for pif in pifs)

    def _plugged(self, network: Record) -> bool:
        return any(self._database.get("VIF", vif)["currently_attached"] for vif in network.refs("VIFs"))

    def _record(self, uuid: str) -> Record | None:
        found = (record for record in self._database.rows("network").values() if record["uuid"] == uuid)
        return next(found, None)


def _is_left(network: Record) -> bool:
    """It had cards: no other bridges are called as theirs."""
    return not network["PIFs"] and not str(network["bridge"]).startswith(ANY)


def _moved(transaction: Transaction, host: Ref, old: Record, new: Ref) -> None:
    """The host's card is on the other one; the last takes the VIFs along.

    A report from before does not bring the old one back.
    """
    known = (*transaction.get("host", host).refs("destroyed_networks"), str(old["uuid"]))
    transaction.set("host", host, {"destroyed_networks": known[-MAX_DESTROYED:]})
    record = transaction.find("network", old.ref)
    if record is None or transaction.find("network", new) is None:
        return  # somebody was quicker; the host tells what it has
    pifs = [transaction.get("PIF", pif) for pif in record.refs("PIFs")]
    for pif in pifs:
        if pif["host"] == host:
            transaction.set("PIF", pif.ref, {"network": new})
    if all(pif["host"] == host for pif in pifs):
        _absorb(transaction, [old.ref], new)


def _absorb(transaction: Transaction, networks: Sequence[Ref], into: Ref) -> None:
    """Networks without PIFs: their VIFs are on that one. Nothing if somebody was quicker."""
    for network in networks:
        record = transaction.find("network", network)
        if record is None or record["PIFs"]:
            continue
        for vif in record.refs("VIFs"):
            transaction.set("VIF", vif, {"network": into})
        transaction.delete("network", network)
