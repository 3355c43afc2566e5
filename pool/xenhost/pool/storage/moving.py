"""VDIs that go to another SR, and images of an SR that become VDIs."""

import asyncio
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

import structlog

from xenhost.api.host.v1 import storage_pb2, vdi_service_pb2
from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Context, FrozenMap, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.storage.reach import agent_of_sr
from xenhost.pool.storage.vdi_work import VdiWork
from xenhost.pool.storage.vdis import ON_BOOT, Vdis

_KEPT: Final = ("other_config", "xenstore_data", "tags", "allow_caching", "metadata_of_pool")
"""Fields that no host knows of."""


class VdiMoves:
    """Answers VDI.pool_migrate and VDI.introduce."""

    def __init__(self, database: Database, agents: Agents, work: VdiWork, vdis: Vdis) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._work: Final = work
        self._vdis: Final = vdis
        self._log: Final = structlog.get_logger("xenpoold.storage")

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"VDI.pool_migrate": self.migrate, "VDI.introduce": self.introduce}

    async def migrate(self, context: Context, vdi: Ref, sr: Ref, options: Mapping[str, Value]) -> Ref:
        """It is copied to the SR, its VMs get the copy, and it is destroyed. The VDI that is there now.

        Raises ApiError OPERATION_NOT_ALLOWED if a VM uses it that is not halted, VDI_CBT_ENABLED. Until the copy is
        whole, a failure or cancellation leaves everything as it was.
        """
        self._database.get("SR", sr)
        self.check(vdi)
        copy = await self._vdis.copy(context, vdi, sr)
        try:
            await self._complete(context, vdi, copy)
        except BaseException:
            await asyncio.shield(self._drop(context, copy))
            raise
        await asyncio.shield(self._exchange(context, vdi, copy))
        return copy

    async def introduce(
        self,
        context: Context,
        uuid: str,
        name_label: str,
        name_description: str,
        sr: Ref,
        type: str,
        sharable: bool,
        read_only: bool,
        other_config: FrozenMap,
        location: str,
        xenstore_data: FrozenMap,
        sm_config: FrozenMap,
        *_: Value,
    ) -> Ref:
        """An image that the SR has is a VDI now; the driver says what the rest of it is.

        Raises ApiError LOCATION_NOT_UNIQUE, SR_OPERATION_NOT_SUPPORTED, VDI_LOCATION_MISSING.
        """
        for other in self._database.get("SR", sr).refs("VDIs"):
            record = self._database.get("VDI", other)
            if record["location"] == location and record["uuid"] != uuid:
                raise ApiError("LOCATION_NOT_UNIQUE", sr, location)
        agent = agent_of_sr(self._database, self._agents, sr)
        request = vdi_service_pb2.IntroduceVdiRequest(
            sr_id=str(self._database.get("SR", sr)["uuid"]),
            location=location,
            id=uuid or str(uuid4()),
            name=name_label,
            description=name_description,
            sm_config={key: str(value) for key, value in sm_config.items()},
        )
        vdi = await self._work.carried_out(context, agent, agent.vdis.IntroduceVdi, request)
        fields: dict[str, Value] = {"other_config": other_config, "xenstore_data": xenstore_data}
        await self._database.change(lambda t: t.set("VDI", vdi, fields))
        if sharable:
            await self._vdis.set_sharable(context, vdi, True)
        return vdi

    def check(self, vdi: Ref) -> None:
        """Could it move now? Raises ApiError."""
        record = self._database.get("VDI", vdi)
        if record["cbt_enabled"]:
            raise ApiError("VDI_CBT_ENABLED", vdi)
        if record["is_a_snapshot"]:
            raise ApiError("OPERATION_NOT_ALLOWED", "a snapshot stays in the SR of its VDI; copy it")
        if record["type"] == "suspend":
            raise ApiError("OPERATION_NOT_ALLOWED", "the memory of a suspended VM stays where it is; resume the VM")
        self._database.note(lambda t: _check_halted(t, vdi))

    async def _complete(self, context: Context, vdi: Ref, copy: Ref) -> None:
        """What the copy has of its own is as the VDI's."""
        record = self._database.get("VDI", vdi)
        wanted, fields = storage_pb2.Vdi(), []
        if record["sharable"]:
            wanted.sharable = True
            fields.append("sharable")
        if record["read_only"]:
            wanted.read_only = True
            fields.append("read_only")
        if record["on_boot"] != "persist":
            wanted.on_boot = ON_BOOT[str(record["on_boot"])]
            fields.append("on_boot")
        wanted.name, wanted.description = str(record["name_label"]), str(record["name_description"])
        await self._vdis.change(context, copy, wanted, "name", "description", *fields)

    async def _exchange(self, context: Context, vdi: Ref, copy: Ref) -> None:
        try:
            await self._database.change(lambda t: self._replace(t, vdi, copy))
        except ApiError:
            await self._drop(context, copy)
            raise
        await self._drop(context, vdi)

    def _replace(self, transaction: Transaction, vdi: Ref, copy: Ref) -> None:
        _check_halted(transaction, vdi)
        record = transaction.get("VDI", vdi)
        transaction.set("VDI", copy, {name: record[name] for name in _KEPT})
        for vbd in record.refs("VBDs"):
            transaction.set("VBD", vbd, {"VDI": copy})

    async def _drop(self, context: Context, vdi: Ref) -> None:
        try:
            await self._vdis.destroy(context, vdi)
        except (ApiError, XenhostError) as error:
            self._log.warning("a VDI that was copied elsewhere stays", vdi=vdi, error=str(error))


def _check_halted(transaction: Transaction, vdi: Ref) -> None:
    """Nobody uses it, or begins to."""
    for vbd in transaction.get("VDI", vdi).refs("VBDs"):
        record = transaction.get("VBD", vbd)
        vm = transaction.get("VM", record.one("VM"))
        words = vm["current_operations"]
        assert isinstance(words, dict)
        others = set(words.values()) - {"migrate_send"}  # which moves its disks
        if record["currently_attached"] or vm["power_state"] != "Halted" or others:
            raise ApiError(
                "OPERATION_NOT_ALLOWED",
                f"VM {vm['name_label']} uses the disk, and no disk moves under a running VM yet; shut it down first",
            )
