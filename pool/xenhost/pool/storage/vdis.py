"""VDIs: made, copied, changed and destroyed by a host that has their SR attached."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Final
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.api.host.v1 import storage_pb2, vdi_service_pb2
from xenhost.core.errors import HandleInvalid
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.engine.accessors import Accessors
from xenhost.pool.hosts.agent import STREAM_SECONDS, Agents
from xenhost.pool.hosts.told.storage import remove_vdi
from xenhost.pool.storage.reach import agent_of_sr, agent_of_srs, live_agents_of_sr, make_known, pbds_of
from xenhost.pool.storage.secrets import check_content
from xenhost.pool.storage.streams import RAW, VHD, VdiStreams
from xenhost.pool.storage.tracking import VdiTracking
from xenhost.pool.storage.vdi_work import VdiWork

ON_BOOT: Final = {"persist": storage_pb2.ON_BOOT_PERSIST, "reset": storage_pb2.ON_BOOT_RESET}


class Vdis:
    """Answers the messages of VDIs."""

    def __init__(
        self, database: Database, agents: Agents, work: VdiWork, streams: VdiStreams, tracking: VdiTracking
    ) -> None:
        self._database: Final = database
        self._agents: Final = agents
        self._work: Final = work
        self._streams: Final = streams
        self._tracking: Final = tracking
        self._accessors: Final = Accessors(database)

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "VDI.create": self.create,
            "VDI.destroy": self.destroy,
            "crashdump.destroy": self.destroy_dump,
            "VDI.forget": self.forget,
            "VDI.resize": self.resize,
            "VDI.resize_online": partial(self.resize, word="resize_online"),
            "VDI.update": self.update,
            "VDI.snapshot": self.snapshot,
            "VDI.clone": self.clone,
            "VDI.copy": self.copy,
            "VDI.revert": self.revert,
            "VDI.generate_config": self.generate_config,
            "VDI.set_name_label": self.set_name_label,
            "VDI.set_name_description": self.set_name_description,
            "VDI.set_sharable": self.set_sharable,
            "VDI.set_read_only": self.set_read_only,
            "VDI.set_on_boot": self.set_on_boot,
        }

    async def create(self, context: Context, args: Mapping[str, Value], uuid: str = "") -> Ref:
        """A VDI of at least the size asked for, with that UUID if one is given.

        Raises ApiError SR_FULL and what else the SR's driver says.
        """
        given = self._accessors.given(self._database.model.classes["VDI"], args)
        size, sr = given["virtual_size"], Ref(str(given["SR"]))
        if not isinstance(size, int) or size <= 0:
            raise ApiError("INVALID_VALUE", "virtual_size", str(size))
        agent = agent_of_sr(self._database, self._agents, sr)
        sm_config = given.get("sm_config", {})
        assert isinstance(sm_config, dict)
        wanted = storage_pb2.Vdi(
            id=uuid or str(uuid4()),
            sr_id=str(self._database.get("SR", sr)["uuid"]),
            name=str(given.get("name_label", "")),
            description=str(given.get("name_description", "")),
            type=f"VDI_TYPE_{str(given['type']).upper()}",
            virtual_size_bytes=size,
            sharable=bool(given["sharable"]),
            read_only=bool(given["read_only"]),
            sm_config={key: str(value) for key, value in sm_config.items()},
        )
        request = vdi_service_pb2.CreateVdiRequest(vdi=wanted)
        ref = await self._work.carried_out(context, agent, agent.vdis.CreateVdi, request)
        names = ("other_config", "xenstore_data", "tags")
        rest = {name: given[name] for name in names if given.get(name)}
        if rest:
            await self._database.change(lambda t: t.set("VDI", ref, rest))
        return ref

    async def generate_config(self, context: Context, host: Ref, vdi: Ref) -> str:
        """What the driver on that host needs to attach it when there is no pool; it may hold secrets.

        Raises ApiError SR_OPERATION_NOT_SUPPORTED, VDI_IN_USE, HOST_OFFLINE.
        """
        agent = self._work.agent_of(host)
        await make_known(self._database, agent, [vdi])
        request = vdi_service_pb2.GenerateVdiConfigRequest(id=self._work.uuid(vdi))
        with self._work.doing(context, vdi, "generate_config"):
            return str((await agent.call(agent.vdis.GenerateVdiConfig, request, STREAM_SECONDS)).config)

    async def destroy(self, context: Context, vdi: Ref) -> None:
        """With its data and the disks of VMs that it was; CD drives are empty then. Raises ApiError VDI_IN_USE."""
        vbds = self._unused(vdi, "destroy")
        agent = await self._work.agent(vdi)
        request = vdi_service_pb2.DestroyVdiRequest(id=self._work.uuid(vdi))
        await self._tracking.withdraw(vdi)
        with self._work.doing(context, vdi, "destroy"):
            try:
                await self._work.run(context, agent, agent.vdis.DestroyVdi, request)
            except HandleInvalid as error:
                if error.values["class_name"] != "VDI":
                    raise  # else it was destroyed before, and the pool did not come to know

        def gone(transaction: Transaction) -> None:
            for vbd in vbds:
                now = transaction.find("VBD", vbd.ref)
                if now is not None and now["type"] != "CD" and now["VDI"] in (vdi, NULL_REF):
                    transaction.delete("VBD", vbd.ref)
            remove_vdi(transaction, vdi)

        await self._database.change(gone)

    async def destroy_dump(self, context: Context, dump: Ref) -> None:
        """A crash dump of a VM, with the VDI it is in. Raises as `destroy`."""
        vdi = self._database.get("crashdump", dump).one("VDI")
        if vdi != NULL_REF:
            await self.destroy(context, vdi)
        await self._database.change(lambda t: t.delete("crashdump", dump))

    async def forget(self, context: Context, vdi: Ref) -> None:
        """Its data stay: a scan finds it again. Raises ApiError VDI_IN_USE, HOST_OFFLINE if no host of its SR is alive.

        A disk of a VM that it was has no VDI then.
        """
        self._unused(vdi, "forget")
        sr = self._database.get("VDI", vdi).one("SR")
        agents = live_agents_of_sr(self._database, self._agents, sr, attached=False)
        if not agents and (pbds := pbds_of(self._database, sr)):
            raise ApiError("HOST_OFFLINE", str(pbds[0]["host"]))
        request = vdi_service_pb2.ForgetVdiRequest(id=self._work.uuid(vdi))
        with self._work.doing(context, vdi, "forget"):
            for agent in agents:
                with suppress(HandleInvalid):  # it never heard of it
                    await agent.call(agent.vdis.ForgetVdi, request)
        await self._database.change(lambda t: remove_vdi(t, vdi))

    async def resize(self, context: Context, vdi: Ref, size: int, word: str = "resize") -> None:
        """Bigger; also while it is in use. Raises ApiError INVALID_VALUE, VDI_TOO_SMALL: it never shrinks."""
        if size <= 0:
            raise ApiError("INVALID_VALUE", "size", str(size))
        request = vdi_service_pb2.ResizeVdiRequest(id=self._work.uuid(vdi), virtual_size_bytes=size)
        await self._work.made(context, vdi, word, lambda agent: agent.vdis.ResizeVdi, request)

    async def snapshot(self, context: Context, vdi: Ref, driver_params: Mapping[str, Value]) -> Ref:
        """What it is now, kept."""
        request = vdi_service_pb2.SnapshotVdiRequest(
            id=self._work.uuid(vdi), new_id=str(uuid4()), driver_params=_strings(driver_params)
        )
        return await self._work.made(context, vdi, "snapshot", lambda agent: agent.vdis.SnapshotVdi, request)

    async def clone(self, context: Context, vdi: Ref, driver_params: Mapping[str, Value]) -> Ref:
        """Another VDI with the same contents, sharing what it can."""
        request = vdi_service_pb2.CloneVdiRequest(
            id=self._work.uuid(vdi), new_id=str(uuid4()), driver_params=_strings(driver_params)
        )
        return await self._work.made(context, vdi, "clone", lambda agent: agent.vdis.CloneVdi, request)

    async def copy(
        self,
        context: Context,
        vdi: Ref,
        sr: Ref = NULL_REF,
        base_vdi: Ref = NULL_REF,
        into_vdi: Ref = NULL_REF,
    ) -> Ref:
        """Another VDI with the same contents, in any SR, sharing nothing; or `into_vdi`, which has them then.

        With `base_vdi`, an older snapshot whose contents `into_vdi` has, only what differs is written. Goes through
        the pool master if no host has both SRs attached. Raises ApiError VDI_READONLY, VDI_TOO_SMALL, VDI_IN_USE.
        """
        if into_vdi != NULL_REF:
            for each in (vdi, into_vdi):
                check_content(context, self._database.get("VDI", each))
            async with self._streams.reading(context, vdi, RAW if base_vdi == NULL_REF else VHD, base_vdi) as image:
                if base_vdi == NULL_REF:
                    await self._streams.write(context, into_vdi, image.pieces, RAW, image.virtual_size)
                else:
                    await self._streams.write(context, into_vdi, image.pieces, VHD)
            return into_vdi
        if base_vdi != NULL_REF:
            raise ApiError("NOT_IMPLEMENTED", "VDI.copy with base_vdi and without into_vdi")
        origin = self._database.get("VDI", vdi)
        target = origin.one("SR") if sr == NULL_REF else sr
        sm_config = {"type": "raw"} if origin["type"] == "suspend" else {}  # a host reads it as it is
        agent = agent_of_srs(self._database, self._agents, (origin.one("SR"), target))
        if agent is not None:
            request = vdi_service_pb2.CopyVdiRequest(
                id=self._work.uuid(vdi),
                sr_id=str(self._database.get("SR", target)["uuid"]),
                new_id=str(uuid4()),
                sm_config=sm_config,
            )
            with self._work.doing(context, vdi, "copy"):
                await make_known(self._database, agent, [vdi])
                return await self._work.carried_out(context, agent, agent.vdis.CopyVdi, request)
        async with self._streams.reading(context, vdi) as image:
            wanted = storage_pb2.Vdi(
                name=str(origin["name_label"]),
                description=str(origin["name_description"]),
                type=f"VDI_TYPE_{str(origin['type']).upper()}",
                virtual_size_bytes=image.virtual_size,
                sm_config=sm_config,
            )
            return await self._streams.make(context, target, wanted, image.pieces)

    async def revert(self, context: Context, snapshot: Ref) -> None:
        """The VDI that it is a snapshot of has its contents again, and keeps its UUID. Raises ApiError VDI_IN_USE."""
        origin = self._database.get("VDI", snapshot).one("snapshot_of")
        if origin == NULL_REF:
            raise ApiError("OPERATION_NOT_ALLOWED", "it is no snapshot of a VDI that there is")
        request = vdi_service_pb2.RevertVdiRequest(snapshot_id=self._work.uuid(snapshot))
        with self._work.doing(context, snapshot, "revert_to"):
            await self._work.made(context, origin, "revert_from", lambda agent: agent.vdis.RevertVdi, request)

    async def set_name_label(self, context: Context, vdi: Ref, value: str) -> None:
        """What it is called, on the SR too."""
        await self.change(context, vdi, storage_pb2.Vdi(name=value), "name")

    async def set_name_description(self, context: Context, vdi: Ref, value: str) -> None:
        """What it is for, on the SR too."""
        await self.change(context, vdi, storage_pb2.Vdi(description=value), "description")

    async def set_sharable(self, context: Context, vdi: Ref, value: bool) -> None:
        """May several VMs write it at once?"""
        await self.change(context, vdi, storage_pb2.Vdi(sharable=value), "sharable")

    async def set_read_only(self, context: Context, vdi: Ref, value: bool) -> None:
        """May nobody write it?"""
        await self.change(context, vdi, storage_pb2.Vdi(read_only=value), "read_only")

    async def set_on_boot(self, context: Context, vdi: Ref, value: str) -> None:
        """Does a start of the VM keep its content?"""
        with self._work.doing(context, vdi, "set_on_boot"):
            await self.change(context, vdi, storage_pb2.Vdi(on_boot=ON_BOOT[value]), "on_boot")

    async def update(self, context: Context, vdi: Ref) -> None:
        """What the pool has of its name and its notes is written to the SR."""
        record = self._database.get("VDI", vdi)
        wanted = storage_pb2.Vdi(name=str(record["name_label"]), description=str(record["name_description"]))
        with self._work.doing(context, vdi, "update"):
            await self.change(context, vdi, wanted, "name", "description")

    async def change(self, context: Context, vdi: Ref, wanted: storage_pb2.Vdi, *fields: str) -> None:
        """Of what the host keeps: `fields` are set to what `wanted` has."""
        wanted.id = self._work.uuid(vdi)
        request = vdi_service_pb2.UpdateVdiRequest(vdi=wanted, update_mask=FieldMask(paths=fields))
        agent = await self._work.agent(vdi)
        await self._work.carried_out(context, agent, agent.vdis.UpdateVdi, request)

    def _unused(self, vdi: Ref, operation: str) -> list[Record]:
        """Its VBDs, none of which is plugged. Raises ApiError VDI_IN_USE."""
        records = [self._database.get("VBD", vbd) for vbd in self._database.get("VDI", vdi).refs("VBDs")]
        if any(record["currently_attached"] for record in records):
            raise ApiError("VDI_IN_USE", vdi, operation)
        return records


def _strings(values: Mapping[str, Value]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items()}
