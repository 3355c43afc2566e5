"""VIFs: what they may send, which addresses their guests are given, to which network they go; also while plugged."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final
from weakref import WeakValueDictionary

from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.api.host.v1 import vif_service_pb2, vm_pb2
from xenhost.core.network import MAX_VLAN
from xenhost.pool.call import NULL_REF, ApiError, Context, FrozenMap, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agent, Agents
from xenhost.pool.hosts.told.book import Book
from xenhost.pool.hosts.told.network import NO_VLAN
from xenhost.pool.hosts.told.vm import put_vm
from xenhost.pool.networks.addresses import checked_address, checked_allowed, checked_interface
from xenhost.pool.networks.work import NetworkWork
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.spec import vif_spec

MAX_ALLOWED: Final = 256
"""Addresses of a family that a VIF may use."""
FEATURE: Final = "feature-static-ip-setting"
"""What a guest's agent says that can be told addresses."""
_VERSIONS: Final = {"ipv4": 4, "ipv6": 6}


class Vifs:
    """Answers the messages that change a VIF, one after another. A plugged one changes first: its record is so."""

    def __init__(self, database: Database, agents: Agents, busy: Busy) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._busy: Final = busy
        self._locks: Final[WeakValueDictionary[Ref, asyncio.Lock]] = WeakValueDictionary()
        """By VIF, while somebody changes it, or waits."""
        self._work: Final = NetworkWork(database, agents)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        found: dict[str, Implementation] = {
            "VIF.set_locking_mode": self.set_locking_mode,
            "VIF.set_trunks": self.set_trunks,
            "VIF.add_trunks": self.add_trunks,
            "VIF.remove_trunks": self.remove_trunks,
            "VIF.move": self.move,
        }
        for family in _VERSIONS:
            found |= {
                f"VIF.set_{family}_allowed": self._setter(family),
                f"VIF.add_{family}_allowed": self._adder(family),
                f"VIF.remove_{family}_allowed": self._remover(family),
                f"VIF.configure_{family}": self._configurer(family),
            }
        return {method: self._one_by_one(answer) for method, answer in found.items()}

    def _one_by_one(self, answer: Implementation) -> Implementation:
        """What it reads of the VIF is so until it has written."""

        async def alone(context: Context, vif: Ref, *more: Any) -> None:
            async with self._locks.setdefault(vif, asyncio.Lock()):
                await answer(context, vif, *more)

        return alone

    async def set_locking_mode(self, context: Context, vif: Ref, mode: str) -> None:
        """What it may send. Raises ApiError OPERATION_NOT_ALLOWED: an SDN controller has rules of its own."""
        if self._locked(vif, mode) and self._database.rows("SDN_controller"):
            raise ApiError("OPERATION_NOT_ALLOWED", "A vswitch controller is active")
        await self._change(vif, {"locking_mode": mode}, "locking")

    async def set_trunks(self, context: Context, vif: Ref, tags: Sequence[int]) -> None:
        """VLANs that its guest may use. Raises ApiError VLAN_TAG_INVALID, NETWORK_INCOMPATIBLE_WITH_TRUNKS."""
        for tag in tags:
            if not 0 <= tag <= MAX_VLAN:
                raise ApiError("VLAN_TAG_INVALID", str(tag))
        if tags:
            self._check_no_vlan(self._database.get("VIF", vif).one("network"))
        await self._change(vif, {"trunks": tuple(dict.fromkeys(tags))}, "trunks")

    async def add_trunks(self, context: Context, vif: Ref, tag: int) -> None:
        """One more. Raises as `set_trunks` does."""
        await self.set_trunks(context, vif, (*self._trunks(vif), tag))

    async def remove_trunks(self, context: Context, vif: Ref, tag: int) -> None:
        """One less, if it is there."""
        left = tuple(each for each in self._trunks(vif) if each != tag)
        await self._change(vif, {"trunks": left}, "trunks")

    async def move(self, context: Context, vif: Ref, network: Ref) -> None:
        """Without being unplugged. Raises ApiError HOST_CANNOT_ATTACH_NETWORK, NETWORK_INCOMPATIBLE_WITH_TRUNKS."""
        self._database.get("network", network)
        if self._trunks(vif):
            self._check_no_vlan(network)
        if (agent := self._active(vif)) is not None:
            pifs = [self._database.get("PIF", pif) for pif in self._database.get("network", network).refs("PIFs")]
            if pifs and not any(pif["host"] == agent.host for pif in pifs):
                raise ApiError("HOST_CANNOT_ATTACH_NETWORK", agent.host, network)
            await self._work.network(agent, network)
        await self._change(vif, {"network": network}, "network")

    def _setter(self, family: str) -> Implementation:
        async def set_allowed(context: Context, vif: Ref, addresses: Sequence[str]) -> None:
            await self._allow(vif, family, addresses)

        return set_allowed

    def _adder(self, family: str) -> Implementation:
        async def add_allowed(context: Context, vif: Ref, address: str) -> None:
            await self._allow(vif, family, (*self._allowed(vif, family), address))

        return add_allowed

    def _remover(self, family: str) -> Implementation:
        async def remove_allowed(context: Context, vif: Ref, address: str) -> None:
            await self._allow(vif, family, [each for each in self._allowed(vif, family) if each != address])

        return remove_allowed

    def _configurer(self, family: str) -> Implementation:
        async def configure(context: Context, vif: Ref, mode: str, address: str, gateway: str) -> None:
            if mode == "Static":
                own = checked_interface("address", address, _VERSIONS[family])
                if self._locked(vif) and str(own.ip) not in self._allowed(vif, family):
                    raise ApiError("ADDRESS_VIOLATES_LOCKING_CONSTRAINT", address)
                if gateway:
                    checked_address("gateway", gateway, _VERSIONS[family])
            self._check_can_be_told(self._database.get("VIF", vif).one("VM"))
            static = mode == "Static"
            fields: dict[str, Value] = {
                f"{family}_configuration_mode": mode,
                f"{family}_addresses": (address,) if static else (),
                f"{family}_gateway": gateway if static else "",
            }
            await self._change(vif, fields, family)

        return configure

    async def _allow(self, vif: Ref, family: str, addresses: Sequence[str]) -> None:
        field = f"{family}_allowed"
        kept = tuple(dict.fromkeys(checked_allowed(field, each, _VERSIONS[family]) for each in addresses))
        if len(kept) > MAX_ALLOWED:
            raise ApiError("INVALID_VALUE", field, f"{len(kept)} addresses; {MAX_ALLOWED} are allowed")
        await self._change(vif, {field: kept}, field)

    async def _change(self, vif: Ref, fields: Mapping[str, Value], path: str) -> None:
        """`path` is what the agent calls it. Raises XenhostError, ApiError: also OTHER_OPERATION_IN_PROGRESS."""
        self._busy.check_settled(self._database.get("VIF", vif).one("VM"))
        agent, now = self._active(vif), vm_pb2.Vm()
        if agent is not None:
            record = self._database.get("VIF", vif)
            request = vif_service_pb2.UpdateVifRequest(
                vm_id=str(self._database.get("VM", record.one("VM"))["uuid"]),
                index=int(str(record["device"])),
                vif=vif_spec(self._database, vif, fields),
                update_mask=FieldMask(paths=[path]),
            )
            (await self._work.run(agent, agent.vifs.UpdateVif, request)).Unpack(now)

        def write(transaction: Transaction) -> None:
            transaction.set("VIF", vif, fields)
            if agent is not None:
                put_vm(Book(transaction, agent.host), now)

        await self._database.change(write)

    def _active(self, vif: Ref) -> Agent | None:
        """The agent of the host where it is plugged now. Raises ApiError HOST_OFFLINE."""
        record = self._database.get("VIF", vif)
        host = self._database.get("VM", record.one("VM")).one("resident_on")
        return self._agents.agent(host) if record["currently_attached"] and host != NULL_REF else None

    def _locked(self, vif: Ref, mode: str = "") -> bool:
        mode = mode or str(self._database.get("VIF", vif)["locking_mode"])
        return mode == "locked"  # a network's default is never that

    def _allowed(self, vif: Ref, family: str) -> tuple[str, ...]:
        found = self._database.get("VIF", vif)[f"{family}_allowed"]
        assert isinstance(found, tuple)
        return found

    def _trunks(self, vif: Ref) -> tuple[int, ...]:
        found = self._database.get("VIF", vif)["trunks"]
        assert isinstance(found, tuple)
        return found

    def _check_no_vlan(self, network: Ref) -> None:
        """Raises ApiError: frames of a network that is a VLAN have a tag already."""
        pifs = self._database.get("network", network).refs("PIFs")
        if any(self._database.get("PIF", pif)["VLAN"] != NO_VLAN for pif in pifs):
            raise ApiError("NETWORK_INCOMPATIBLE_WITH_TRUNKS", network)

    def _check_can_be_told(self, vm: Ref) -> None:
        """Raises ApiError VM_LACKS_FEATURE: its guest says nothing of taking addresses."""
        metrics = self._database.find("VM_guest_metrics", self._database.get("VM", vm).one("guest_metrics"))
        other = FrozenMap() if metrics is None else metrics["other"]
        assert isinstance(other, dict)
        if other.get(FEATURE) != "1":
            raise ApiError("VM_LACKS_FEATURE", vm)
