"""VMs out of archives: made whole, or not at all."""

import asyncio
from collections.abc import AsyncIterator, Callable, Container, Coroutine, Iterator, Mapping
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from xenhost.api.host.v1 import storage_pb2
from xenhost.pool.call import NULL_REF, ApiError, Context, FrozenMap, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.engine.tasks import Tasks
from xenhost.pool.networks.networks import Networks
from xenhost.pool.storage.streams import VdiStreams
from xenhost.pool.vms.busy import Busy
from xenhost.pool.vms.making import VmMaking, remove_vm
from xenhost.pool.vms.unfinished import FINISHED, IMPORT_TASK, Unfinished
from xenhost.pool.xva import document
from xenhost.pool.xva.compression import decompressed
from xenhost.pool.xva.disk_reader import DiskReader
from xenhost.pool.xva.planning import NewDevice, NewDisk, NewVm, Plan, Planner, Wanted
from xenhost.pool.xva.tar import Member, TarReader

MAX_IMPORTS: Final = 16
"""At once: each may need some ten MiB, and as many disks are what a host takes."""
IDLE_SECONDS: Final = 300.0
"""An import ends of which not a byte has come for so long."""
RECORDS_SECONDS: Final = 600.0
"""For what an archive says of its VMs: others with as much to say wait meanwhile."""
_STEPS_A_TURN: Final = 20
_VDI_TYPES: Final = frozenset(storage_pb2.VdiType.keys())

Also = Callable[[Transaction, tuple[Ref, ...]], None]
"""Changes what follows from VMs that are there now; no snapshots, unless there is nothing else."""


class Importer:
    """Makes them."""

    def __init__(
        self,
        database: Database,
        tasks: Tasks,
        busy: Busy,
        streams: VdiStreams,
        making: VmMaking,
        networks: Networks,
        unfinished: Unfinished,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._database: Final = database
        self._tasks: Final = tasks
        self._busy: Final = busy
        self._streams: Final = streams
        self._making: Final = making
        self._networks: Final = networks
        self._unfinished: Final = unfinished
        self._idle_seconds: Final = idle_seconds
        self._running = 0
        self._big: Final = asyncio.Lock()
        self._restored: Final[dict[str, Ref]] = {}
        """By UUIDs that they will have: VMs that are being imported, or replaced."""

    async def load(self, context: Context, wanted: Wanted, untrusted: AsyncIterator[bytes]) -> tuple[Ref, ...]:
        """The VMs of an archive that comes in pieces, packed or not; what is behind it is not read.

        If it fails, or is cancelled, nothing of it stays. Raises ApiError IMPORT_ERROR…, TOO_BUSY, or what stands
        against it.
        """
        if self._running >= MAX_IMPORTS:
            raise ApiError("TOO_BUSY")
        self._running += 1
        try:
            return await self._load(context, wanted, untrusted)
        finally:
            self._running -= 1

    async def recover(self, context: Context, records: document.Document, force: bool, also: Also) -> None:
        """The VMs of these records, as they were; their disks are in SRs of this pool, in the same places.

        If it fails, or is cancelled, nothing of it stays. Raises ApiError IMPORT_ERROR…, or what stands against it.
        """
        plan = await self._planned(records, Wanted(restore=True, force=force))
        async with self._begun(context, plan) as made:
            await self._devices(context, plan, "VIF", made)
            await self._devices(context, plan, "VBD", made)
            await self._finish(plan, made, also)

    async def _load(self, context: Context, wanted: Wanted, untrusted: AsyncIterator[bytes]) -> tuple[Ref, ...]:
        tar = TarReader(decompressed(_in_time(untrusted, self._idle_seconds)))
        header = await tar.next()
        if header is None or header.name != document.NAME:
            found = header.name if header is not None else ""
            raise ApiError("IMPORT_ERROR_UNEXPECTED_FILE", document.NAME, found[:200])
        async with self._big if header.size > document.BIG else nullcontext():
            plan, ignored = await self._understood(tar, header, wanted)
        if wanted.dry_run:
            return ()
        async with self._begun(context, plan) as made:
            await self._devices(context, plan, "VIF", made)
            self._tell(context)
            await self._disks(context, plan, tar, ignored, made)
            await self._devices(context, plan, "VBD", made)
            return await self._finish(plan, made)

    async def _understood(self, tar: TarReader, header: Member, wanted: Wanted) -> tuple[Plan, set[Ref]]:
        """What is to be made, and which disks are not. The records themselves, which may be many, are not kept."""
        try:
            async with asyncio.timeout(RECORDS_SECONDS):
                content = await tar.content(header, document.MAX_BYTES)
        except TimeoutError:
            text = f"{document.NAME} has not come within {RECORDS_SECONDS:g} s"
            raise ApiError("IMPORT_ERROR", text) from None
        records = await asyncio.to_thread(document.read, content)
        plan = await self._planned(records, wanted)
        return plan, {thing.id for thing in records.of("VDI")} - {disk.id for disk in plan.disks}

    async def _planned(self, records: document.Document, wanted: Wanted) -> Plan:
        """Others get their turn meanwhile."""
        steps, number = Planner(self._database, records, wanted).plan(), 0
        while True:
            try:
                next(steps)
            except StopIteration as end:
                plan: Plan = end.value
                return plan
            number += 1
            if number % _STEPS_A_TURN == 0:
                await asyncio.sleep(0)

    @asynccontextmanager
    async def _begun(self, context: Context, plan: Plan) -> AsyncIterator[dict[Ref, Ref]]:
        """The VMs are there, and busy; what stands for what in the archive. If it goes wrong, all is taken away."""
        made = dict(plan.there)
        mark = context.task if context.task != NULL_REF else Ref(f"OpaqueRef:{uuid4()}")
        vms: list[Ref] = []
        disks = FrozenMap({"": "", **{disk.uuid: plan.wanted.sr for disk in plan.disks}})
        with ExitStack() as busy:
            for vm in plan.vms:
                if vm.uuid:
                    busy.enter_context(self._restoring(vm))
                if vm.replaces != NULL_REF:
                    busy.enter_context(self._busy.doing(context, vm.replaces, "destroy"))
            try:
                for vm in plan.vms:
                    args = _marked(vm.args, mark)
                    more = {**vm.more, "unfinished": disks if not vms else FrozenMap({"": ""})}
                    made[vm.id] = await self._shielded(self._making.create_vm(context, args, more), vms)
                    busy.enter_context(self._busy.held(context, made[vm.id], "import"))
                    if vm.uuid:
                        self._restored[vm.uuid] = made[vm.id]
                for id, network in plan.networks.items():
                    made[id] = await self._networks.create(context, _marked(network, mark))
                yield made
            except BaseException:
                await asyncio.shield(self._unfinished.undo(vms))
                raise

    @contextmanager
    def _restoring(self, vm: NewVm) -> Iterator[None]:
        """Nobody else makes a VM with its UUID. Raises ApiError DUPLICATE_VM."""
        there = self._restored.get(vm.uuid)
        if there is None:
            with suppress(ApiError):  # somebody may have made it since it was planned
                found = self._database.by_uuid("VM", vm.uuid)
                there = found if found != vm.replaces else None
        if there is not None:
            raise ApiError("DUPLICATE_VM", there)
        self._restored[vm.uuid] = vm.replaces
        try:
            yield
        finally:
            del self._restored[vm.uuid]

    async def _shielded(self, making: Coroutine[Any, Any, Ref], made: list[Ref]) -> Ref:
        """What is made is in `made`, even if the waiting for it is cancelled."""
        task = asyncio.ensure_future(making)
        try:
            await asyncio.shield(task)
        finally:
            await asyncio.wait([task])
            if task.exception() is None:
                made.append(task.result())
        return task.result()

    async def _devices(self, context: Context, plan: Plan, cls: str, made: dict[Ref, Ref]) -> None:
        for device in plan.devices:
            if device.cls == cls:
                other = made.get(device.other, NULL_REF)
                create, field = {
                    "VBD": (self._making.create_vbd, "VDI"),
                    "VIF": (self._making.create_vif, "network"),
                }[cls]
                ref = await create(context, {**device.args, "VM": made[device.vm], field: other})
                if device.uuid:
                    made[_key(device)] = ref

    async def _disks(
        self, context: Context, plan: Plan, tar: TarReader, ignored: Container[Ref], made: dict[Ref, Ref]
    ) -> None:
        whole, done = sum(disk.size for disk in plan.disks), 0

        def progress(size: int) -> None:
            nonlocal done
            done += size
            self._tasks.progress(context.task, done / whole)

        reader = DiskReader(tar, ignored, plan.wanted.force, progress)
        quiet = replace(context, task=NULL_REF)
        for disk in plan.disks:
            async with aclosing(reader.disk(disk.id, disk.size)) as pieces:
                vdi = await self._streams.make(quiet, plan.wanted.sr, _vdi(disk), pieces)
            kept = {name: disk.fields[name] for name in ("other_config", "xenstore_data", "tags")}
            await self._database.change(lambda t, vdi=vdi, kept=kept: t.set("VDI", vdi, kept))  # type: ignore[misc] # bound now
            made[disk.id] = vdi

    async def _finish(
        self, plan: Plan, made: Mapping[Ref, Ref], also: Also = lambda transaction, vms: None
    ) -> tuple[Ref, ...]:
        """The VMs are as they shall be, in place of those that they replace. It cannot be cancelled any more."""
        for vm in plan.vms:
            if vm.replaces != NULL_REF:
                await self._making.forget_vm(vm.uuid)

        def finish(transaction: Transaction) -> tuple[Ref, ...]:
            for vm in plan.vms:
                ref = made[vm.id]
                if vm.replaces != NULL_REF:
                    remove_vm(transaction, vm.replaces)
                links = {"snapshot_of": made.get(vm.snapshot_of), "parent": made.get(vm.parent)}
                transaction.set("VM", ref, {**FINISHED, **{name: to for name, to in links.items() if to is not None}})
                if vm.uuid:
                    transaction.set("VM", ref, {"uuid": vm.uuid})
            for device in plan.devices:
                ref = made.get(_key(device), NULL_REF)
                if ref != NULL_REF and transaction.by_uuid(device.cls, device.uuid) is None:
                    transaction.set(device.cls, ref, {"uuid": device.uuid})
            all_vms = tuple(made[vm.id] for vm in plan.vms)
            vms = tuple(vm for vm in all_vms if not transaction.get("VM", vm)["is_a_snapshot"]) or all_vms
            also(transaction, vms)
            return vms

        done = asyncio.ensure_future(self._database.change(finish))
        with suppress(asyncio.CancelledError):
            await asyncio.shield(done)
        return await done

    def _tell(self, context: Context) -> None:
        """Clients that want to change networks do it now."""
        record = self._database.find("task", context.task)
        if record is not None:
            config = record["other_config"]
            assert isinstance(config, dict)
            told = FrozenMap({**config, "object_creation": "complete"})
            self._database.note(lambda t: t.set("task", context.task, {"other_config": told}))


async def _in_time(untrusted: AsyncIterator[bytes], idle_seconds: float) -> AsyncIterator[bytes]:
    """The same. Raises ApiError IMPORT_ERROR if nothing comes for so long."""
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                piece = await anext(untrusted, None)
        except TimeoutError:
            raise ApiError("IMPORT_ERROR", f"nothing of the archive has come for {idle_seconds:g} s") from None
        if piece is None:
            return
        yield piece


def _marked(args: Mapping[str, Value], mark: Ref) -> dict[str, Value]:
    """What is made says for which task, and is found by that if it is to be taken away."""
    config = args["other_config"]
    assert isinstance(config, dict)
    return {**args, "other_config": FrozenMap({**config, IMPORT_TASK: mark})}


def _key(device: NewDevice) -> Ref:
    """Under which a device that shall keep its UUID is remembered; no reference of an archive looks like it."""
    return Ref(f"{device.cls} {device.uuid}")


def _vdi(disk: NewDisk) -> storage_pb2.Vdi:
    kind = f"VDI_TYPE_{str(disk.fields['type']).upper()}"
    return storage_pb2.Vdi(
        id=disk.uuid,
        name=str(disk.fields["name_label"]),
        description=str(disk.fields["name_description"]),
        type=kind if kind in _VDI_TYPES else "VDI_TYPE_USER",
        virtual_size_bytes=disk.size,
        sharable=bool(disk.fields["sharable"]),
        read_only=bool(disk.fields["read_only"]),
    )
