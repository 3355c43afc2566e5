"""The disk with the memory of a suspended VM, exchanged for a copy of it."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from xenhost.pool.call import ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.record import Record
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.storage.streams import VdiStreams
from xenhost.pool.vms.allowed import bad_state, doing_of

_ZEROS: Final = bytes(1 << 20)


class SuspendedMemory:
    """Answers for it."""

    def __init__(self, database: Database, streams: VdiStreams) -> None:
        self._database: Final = database
        self._streams: Final = streams

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"VM.set_suspend_VDI": self.exchange}

    async def exchange(self, context: Context, vm: Ref, vdi: Ref) -> None:
        """Both are read and compared. Cancellable.

        Raises ApiError VM_BAD_POWER_STATE, OTHER_OPERATION_IN_PROGRESS, also if the VM goes on meanwhile,
        VDI_INCOMPATIBLE_TYPE, SUSPEND_VDI_REPLACEMENT_IS_NOT_IDENTICAL, and what reading raises.
        """
        record, new = self._database.get("VM", vm), self._database.get("VDI", vdi)
        _check_asleep(record)
        if new["type"] == "cbt_metadata":
            raise ApiError("VDI_INCOMPATIBLE_TYPE", vm, "cbt_metadata")
        old = record.one("suspend_VDI")
        if old == vdi:
            return
        sums = [await self._checksum(context, each) for each in (old, vdi)]
        if sums[0] != sums[1]:
            uuids = [self._database.get("VDI", each)["uuid"] for each in (old, vdi)]
            raise ApiError(
                "SUSPEND_VDI_REPLACEMENT_IS_NOT_IDENTICAL",
                *(f"{uuid} : {checksum}" for uuid, checksum in zip(uuids, sums, strict=True)),
            )
        await self._database.change(lambda t: _exchange(t, vm, old, vdi))

    async def _checksum(self, context: Context, vdi: Ref) -> str:
        digest = sha256()
        async with self._streams.reading(context, vdi) as outgoing:
            async for piece in outgoing.pieces:
                digest.update(piece.data)
                zeros = piece.zeros
                while zeros:
                    part = min(zeros, len(_ZEROS))
                    digest.update(memoryview(_ZEROS)[:part])
                    zeros -= part
        return digest.hexdigest()


def _exchange(transaction: Transaction, vm: Ref, old: Ref, new: Ref) -> None:
    record = transaction.get("VM", vm)
    _check_asleep(record)
    if record["suspend_VDI"] != old:
        raise ApiError("HANDLE_INVALID", "VDI", old)  # it went on and was suspended again
    transaction.set("VM", vm, {"suspend_VDI": new})


def _check_asleep(vm: Record) -> None:
    if vm["power_state"] != "Suspended":
        raise bad_state(vm, "Suspended")
    for task, word in doing_of(vm):
        raise ApiError("OTHER_OPERATION_IN_PROGRESS", "VM", vm.ref, word, task)
