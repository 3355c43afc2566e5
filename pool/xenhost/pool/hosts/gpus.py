"""GPUs of hosts and their groups. No host gives a VM a GPU, whole or shared: none can run any kind of virtual GPU.

Source: xapi's xapi_pgpu.ml, for what is refused and how.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from xenhost.pool.call import ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.pcis import Pcis
from xenhost.pool.hosts.told.pcis import set_types, type_of


class Gpus:
    """Answers for them."""

    def __init__(self, database: Database, pcis: Pcis) -> None:
        self._database: Final = database
        self._pcis: Final = pcis

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "PGPU.add_enabled_VGPU_types": self.add_type,
            "PGPU.remove_enabled_VGPU_types": self.remove_type,
            "PGPU.set_enabled_VGPU_types": self.set_types,
            "PGPU.set_GPU_group": self.set_group,
            "PGPU.get_remaining_capacity": self.capacity,
            "PGPU.enable_dom0_access": self._dom0("PCI.enable_dom0_access"),
            "PGPU.disable_dom0_access": self._dom0("PCI.disable_dom0_access"),
            "GPU_group.get_remaining_capacity": self.group_capacity,
        }

    async def add_type(self, context: Context, pgpu: Ref, value: Ref) -> None:
        """Raises ApiError VGPU_TYPE_NOT_SUPPORTED."""
        enabled = self._database.get("PGPU", pgpu).refs("enabled_VGPU_types")
        await self.set_types(context, pgpu, [*enabled, value])

    async def remove_type(self, context: Context, pgpu: Ref, value: Ref) -> None:
        """No-op for one that it may not run."""
        self._database.get("VGPU_type", value)
        enabled = self._database.get("PGPU", pgpu).refs("enabled_VGPU_types")
        await self.set_types(context, pgpu, [each for each in enabled if each != value])

    async def set_types(self, context: Context, pgpu: Ref, value: Sequence[Ref]) -> None:
        """Raises ApiError VGPU_TYPE_NOT_SUPPORTED."""
        supported = self._database.get("PGPU", pgpu).refs("supported_VGPU_types")
        for each in value:
            self._database.get("VGPU_type", each)
            if each not in supported:
                raise ApiError("VGPU_TYPE_NOT_SUPPORTED", each, ",".join(supported))
        await self._database.change(lambda t: t.set("PGPU", pgpu, {"enabled_VGPU_types": tuple(value)}))

    async def set_group(self, context: Context, pgpu: Ref, value: Ref) -> None:
        """Raises ApiError PGPU_NOT_COMPATIBLE_WITH_GPU_GROUP: that has GPUs of another kind; PGPU_IN_USE_BY_VM."""
        record = self._database.get("PGPU", pgpu)
        self._database.get("GPU_group", value)
        if resident := record.refs("resident_VGPUs"):
            vms = (self._database.get("VGPU", vgpu).one("VM") for vgpu in resident)
            raise ApiError("PGPU_IN_USE_BY_VM", ",".join(vms))

        def move(transaction: Transaction) -> None:
            kind, group = type_of(transaction, record.one("PCI")), transaction.get("GPU_group", value)
            types, old = group["GPU_types"], transaction.get("PGPU", pgpu).one("GPU_group")
            assert isinstance(types, tuple)
            if group["PGPUs"] and kind not in types:
                raise ApiError("PGPU_NOT_COMPATIBLE_WITH_GPU_GROUP", kind, ",".join(map(str, types)))
            transaction.set("PGPU", pgpu, {"GPU_group": value})
            for each in (value, old):
                if transaction.find("GPU_group", each) is not None:
                    set_types(transaction, each)

        await self._database.change(move)

    async def capacity(self, context: Context, pgpu: Ref, vgpu_type: Ref) -> int:
        """None: as xapi answers for a kind that it does not support."""
        self._database.get("PGPU", pgpu)
        self._database.get("VGPU_type", vgpu_type)
        return 0

    async def group_capacity(self, context: Context, group: Ref, vgpu_type: Ref) -> int:
        """That of its GPUs together."""
        pgpus = self._database.get("GPU_group", group).refs("PGPUs")
        self._database.get("VGPU_type", vgpu_type)
        return sum([await self.capacity(context, pgpu, vgpu_type) for pgpu in pgpus])

    def _dom0(self, method: str) -> Implementation:
        wish = self._pcis.answers()[method]

        async def change(context: Context, pgpu: Ref) -> str:
            return str(await wish(context, self._database.get("PGPU", pgpu).one("PCI")))

        return change
