"""SDN controllers: who else tells the switches of all hosts what to do."""

from collections.abc import Mapping
from typing import Final

from xenhost.api.host.v1 import network_pb2, sdn_service_pb2
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.networks.addresses import check_port, checked_address
from xenhost.pool.networks.keeper import NetworkKeeper
from xenhost.pool.networks.work import NetworkWork

SSL_PORT: Final = 6632
_PROTOCOL: Final = {"ssl": network_pb2.SDN_PROTOCOL_SSL, "pssl": network_pb2.SDN_PROTOCOL_PSSL}
_IPV4: Final = 4


class Controllers:
    """Answers their messages. There is one at most."""

    def __init__(self, database: Database, agents: Agents, keeper: NetworkKeeper) -> None:
        self._database: Final = database
        self._keeper: Final = keeper
        self._work: Final = NetworkWork(database, agents)
        keeper.add(self.follow)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "SDN_controller.introduce": self.introduce,
            "SDN_controller.forget": self.forget,
            "pool.set_vswitch_controller": self.set_vswitch_controller,
        }

    async def introduce(self, context: Context, protocol: str, address: str, port: int) -> Ref:
        """On all hosts, or on none. Raises ApiError OPERATION_NOT_ALLOWED, OPENVSWITCH_NOT_ACTIVE, INVALID_VALUE."""
        fields = _checked(protocol, address, port)
        return await self._keeper.change(self.follow, lambda t: _create(t, fields), _delete)

    async def forget(self, context: Context, controller: Ref) -> None:
        """By all hosts."""
        await self._keeper.change(self.follow, lambda t: _take(t, controller), _give_back)

    async def set_vswitch_controller(self, context: Context, address: str) -> None:
        """This one alone, over TLS; an empty address: none. Raises as `introduce` does."""
        fields = _checked("ssl", address, SSL_PORT) if address else {}
        pool = next(iter(self._database.rows("pool")))

        def do(transaction: Transaction) -> tuple[Record | None, Ref, Value]:
            before = transaction.get("pool", pool)["vswitch_controller"]
            old = next(iter(transaction.rows("SDN_controller")), NULL_REF)
            if before == address and bool(address) is (old != NULL_REF):
                return None, NULL_REF, before
            taken = None if old == NULL_REF else _take(transaction, old)
            new = _create(transaction, fields) if fields else NULL_REF
            transaction.set("pool", pool, {"vswitch_controller": address})
            return taken, new, before

        def undo(transaction: Transaction, made: tuple[Record | None, Ref, Value]) -> None:
            taken, new, before = made
            if new != NULL_REF:
                _delete(transaction, new)
            if taken is not None:
                _give_back(transaction, taken)
            transaction.set("pool", pool, {"vswitch_controller": before})

        await self._keeper.change(self.follow, do, undo)

    async def follow(self, agent: Agent, told: network_pb2.HostNetwork) -> None:
        """See Part."""
        wanted = {str(record["uuid"]): record for record in self._database.rows("SDN_controller").values()}
        there = {controller.id for controller in told.sdn_controllers}
        for uuid in there - wanted.keys():
            forget = sdn_service_pb2.ForgetSdnControllerRequest(id=uuid)
            await self._work.run(agent, agent.controllers.ForgetSdnController, forget)
        for uuid in wanted.keys() - there:
            record = wanted[uuid]
            introduce = sdn_service_pb2.IntroduceSdnControllerRequest(
                id=uuid,
                protocol=_PROTOCOL[str(record["protocol"])],
                address=str(record["address"]),
                port=int(str(record["port"])),
            )
            await self._work.run(agent, agent.controllers.IntroduceSdnController, introduce)


def _checked(protocol: str, address: str, port: int) -> Mapping[str, Value]:
    """Raises ApiError INVALID_VALUE, INVALID_IP_ADDRESS_SPECIFIED, VALUE_NOT_SUPPORTED."""
    if protocol == "pssl" and address:
        raise ApiError("INVALID_VALUE", "address", address)
    if protocol == "pssl" and port:
        raise ApiError("INVALID_VALUE", "port", str(port))
    if protocol == "ssl":
        if not address:
            raise ApiError("INVALID_VALUE", "address", address)
        checked_address("address", address, _IPV4)
        port = port or SSL_PORT
    if port:
        check_port("port", port)
    return {"protocol": protocol, "address": address, "port": port}


def _create(transaction: Transaction, fields: Mapping[str, Value]) -> Ref:
    if transaction.rows("SDN_controller"):
        raise ApiError("OPERATION_NOT_ALLOWED", "SDN controller has been configured. Please forget it first.")
    return transaction.create("SDN_controller", fields)


def _delete(transaction: Transaction, controller: Ref) -> None:
    transaction.delete("SDN_controller", controller)


def _take(transaction: Transaction, controller: Ref) -> Record:
    record = transaction.get("SDN_controller", controller)
    _delete(transaction, controller)
    return record


def _give_back(transaction: Transaction, taken: Record) -> None:
    transaction.create("SDN_controller", taken, taken.ref)
