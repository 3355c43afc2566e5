"""Records of what exists already, made and removed without asking a host; storage plugins do it in every scan."""

from collections.abc import Mapping
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction


class Introductions:
    """Answers these messages. Parameters and fields have the same names."""

    def __init__(self, database: Database) -> None:
        self._database: Final = database

    def answers(self) -> Mapping[str, Implementation]:
        """What to register."""
        return {
            "VDI.db_introduce": self._maker("VDI.db_introduce"),
            "VDI.db_forget": self._forget_vdi,
            "PIF.db_introduce": self._maker("PIF.db_introduce"),
            "PIF.db_forget": self._forget_pif,
            "SR.introduce": self._maker("SR.introduce"),
            "GPU_group.create": self._maker("GPU_group.create"),
            "GPU_group.destroy": self._destroy_gpu_group,
            "USB_group.create": self._maker("USB_group.create"),
            "USB_group.destroy": self._destroy_usb_group,
        }

    def _maker(self, method: str) -> Implementation:
        message = self._database.model.messages[method]
        names = [param.name for param in message.params]

        async def make(context: Context, *params: Value) -> Value:
            fields = dict(zip(names, params, strict=True))
            uuid = str(fields.get("uuid", ""))
            if uuid and any(record["uuid"] == uuid for record in self._database.rows(message.cls).values()):
                raise ApiError("UUID_INVALID", message.cls, uuid)
            return await self._database.change(lambda t: t.create(message.cls, fields))

        return make

    async def _forget_vdi(self, context: Context, vdi: Ref) -> None:
        self._refuse_if_attached("VDI", vdi)
        await self._database.change(lambda t: t.delete("VDI", vdi))

    def _refuse_if_attached(self, cls: str, ref: Ref) -> None:
        for vbd in self._database.get(cls, ref).refs("VBDs"):
            if self._database.get("VBD", vbd)["currently_attached"]:
                raise ApiError("VDI_IN_USE", ref, "forget")

    async def _forget_pif(self, context: Context, pif: Ref) -> None:
        record = self._database.get("PIF", pif)
        metrics = record.one("metrics")

        def forget(transaction: Transaction) -> None:
            transaction.delete("PIF", pif)
            if metrics != NULL_REF:
                transaction.delete("PIF_metrics", metrics)

        await self._database.change(forget)

    async def _destroy_gpu_group(self, context: Context, group: Ref) -> None:
        record = self._database.get("GPU_group", group)
        for name, code in (("PGPUs", "GPU_GROUP_CONTAINS_PGPU"), ("VGPUs", "GPU_GROUP_CONTAINS_VGPU")):
            if members := record[name]:
                raise ApiError(code, _first(members))
        await self._database.change(lambda t: t.delete("GPU_group", group))

    async def _destroy_usb_group(self, context: Context, group: Ref) -> None:
        record = self._database.get("USB_group", group)
        for name, code in (("PUSBs", "USB_GROUP_CONTAINS_PUSB"), ("VUSBs", "USB_GROUP_CONTAINS_VUSB")):
            if members := record[name]:
                raise ApiError(code, _first(members))
        await self._database.change(lambda t: t.delete("USB_group", group))


def _first(members: Value) -> str:
    assert isinstance(members, tuple)
    return str(members[0])
