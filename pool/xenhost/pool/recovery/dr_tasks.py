"""DR_task: SRs of a lost pool, attached for as long as VMs are recovered from them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from xenhost.pool.call import NOTHING, Context, FrozenMap, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.engine.registry import Implementations
from xenhost.pool.recovery.metadata_vdis import MetadataVdis


class DrTasks:
    """Makes and ends them. An SR whose VMs were recovered is no part of its task any more, and stays."""

    def __init__(
        self, database: Database, metadata: MetadataVdis, implementations: Implementations, master: Callable[[], Ref]
    ) -> None:
        """`implementations` probe, plug, unplug and forget."""
        self._database: Final = database
        self._metadata: Final = metadata
        self._implementations: Final = implementations
        self._master: Final = master

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {"DR_task.create": self.create, "DR_task.destroy": self.destroy}

    async def create(
        self, context: Context, type: str, device_config: Mapping[str, Value], whitelist: Sequence[str]
    ) -> Ref:
        """Those SRs of `whitelist` (UUIDs) that are there and that nobody has introduced are, on all hosts.

        If one cannot be, none is. Raises ApiError: what probe, introduction and plug say.
        """
        found: Any = await self._call("SR.probe_ext", context, self._master(), device_config, type, NOTHING)
        task = await self._database.change(lambda t: t.create("DR_task", {}))
        try:
            for each in found:
                known = {record["uuid"] for record in self._database.rows("SR").values()}
                sr = each.get("sr", NOTHING)
                if sr and sr["uuid"] in whitelist and sr["uuid"] not in known:
                    config = FrozenMap({**device_config, **each["configuration"]})
                    await self._introduce(context, task, type, sr, config)
        except BaseException:
            await asyncio.shield(self.destroy(context, task))
            raise
        return task

    async def destroy(self, context: Context, task: Ref) -> None:
        """Its SRs are unplugged and forgotten; their data stay. Raises ApiError VDI_IN_USE, HOST_OFFLINE."""
        for sr in self._database.get("DR_task", task).refs("introduced_SRs"):
            async with self._metadata.using(sr):
                for pbd in self._database.get("SR", sr).refs("PBDs"):
                    await self._call("PBD.unplug", context, pbd)
            await self._call("SR.forget", context, sr)
        await self._database.change(lambda t: t.delete("DR_task", task))

    async def _introduce(
        self, context: Context, task: Ref, type: str, found: Mapping[str, Value], device_config: FrozenMap
    ) -> None:
        """From the first moment it is the task's, which can be destroyed whatever is killed."""
        labels = {name: found[name] for name in ("uuid", "name_label", "name_description")}
        fields = {**labels, "type": type, "shared": True, "introduced_by": task}
        sr = await self._database.change(lambda t: t.create("SR", fields))
        for host in tuple(self._database.rows("host")):
            pbd = await self._call("PBD.create", context, {"host": host, "SR": sr, "device_config": device_config})
            await self._call("PBD.plug", context, pbd)

    async def _call(self, method: str, context: Context, *params: Value) -> Value:
        implementation = self._implementations.find(method)
        assert implementation is not None
        return await implementation(context, *params)
