"""Settings of hosts that the pool keeps: what they may be. Codes as xapi has them."""

from collections.abc import Mapping
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Context, FrozenMap, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.coordinator import master_host

_DISPLAY: Final = {
    ("enabled", True): "enabled",
    ("disable_on_reboot", True): "enabled",
    ("disabled", True): "enable_on_reboot",
    ("enable_on_reboot", True): "enable_on_reboot",
    ("enabled", False): "disable_on_reboot",
    ("disable_on_reboot", False): "disable_on_reboot",
    ("disabled", False): "disabled",
    ("enable_on_reboot", False): "disabled",
}
"""xapi's update_display: what follows when the screen is asked for, or given up."""
_CACHING: Final = "SR_SUPPORTS_LOCAL_CACHING"


class HostSettings:
    """Answers their setters."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "host.enable_display": self._display(True),
            "host.disable_display": self._display(False),
            "host.set_multipathing": self._set_multipathing,
            "host.set_numa_affinity_policy": self._set_numa,
            "host.emergency_clear_mandatory_guidance": self._clear_guidance,
            "host.set_cpu_features": self._removed,
            "host.reset_cpu_features": self._removed,
            "host.apply_recommended_guidances": self._removed,
            "host.refresh_pack_info": self._refresh_packs,
            "host.compute_memory_overhead": self._memory_overhead,
            "host.enable_local_storage_caching": self._enable_caching,
            "host.disable_local_storage_caching": self._disable_caching,
            "pool.enable_local_storage_caching": self._enable_caching_everywhere,
            "pool.disable_local_storage_caching": self._disable_caching_everywhere,
        }

    def _display(self, on: bool) -> Implementation:
        async def change(context: Context, host: Ref) -> Value:
            after = _DISPLAY[str(self._database.get("host", host)["display"]), on]
            await self._set(host, {"display": after})
            return after

        return change

    async def _set_multipathing(self, context: Context, host: Ref, value: bool) -> None:
        """The field, and the key of other_config that storage plugins read."""
        other = self._database.get("host", host)["other_config"]
        assert isinstance(other, dict)
        both = FrozenMap({**other, "multipathing": str(value).lower()})
        await self._set(host, {"multipathing": value, "other_config": both})

    async def _set_numa(self, context: Context, host: Ref, value: str) -> None:
        await self._set(host, {"numa_affinity_policy": value})

    async def _clear_guidance(self, context: Context) -> None:
        await self._set(master_host(self._database), {"pending_guidances": ()})

    async def _removed(self, context: Context, *_: Value) -> None:
        raise ApiError("MESSAGE_REMOVED")

    async def _refresh_packs(self, context: Context, host: Ref) -> None:
        """Its software is told anew with every connection of its agent. Raises ApiError HOST_OFFLINE."""
        self._agents.agent(host)

    async def _memory_overhead(self, context: Context, host: Ref) -> Value:
        return self._database.get("host", host)["memory_overhead"]

    async def _enable_caching(self, context: Context, host: Ref, sr: Ref) -> None:
        """Raises ApiError HOST_NOT_DISABLED, HOST_IN_USE, HOST_CANNOT_SEE_SR, SR_OPERATION_NOT_SUPPORTED."""
        self.assert_idle(host)
        if not self._can_cache(sr):
            raise ApiError("SR_OPERATION_NOT_SUPPORTED", sr)
        (pbd,) = self._database.get("SR", sr).refs("PBDs")
        if self._database.get("PBD", pbd)["host"] != host:
            raise ApiError("HOST_CANNOT_SEE_SR", host, sr)

        def write(transaction: Transaction) -> None:
            _stop_caching(transaction, host)
            transaction.set("host", host, {"local_cache_sr": sr})
            transaction.set("SR", sr, {"local_cache_enabled": True})

        await self._database.change(write)

    async def _disable_caching(self, context: Context, host: Ref) -> None:
        self.assert_idle(host)
        await self._database.change(lambda t: _stop_caching(t, host))

    async def _enable_caching_everywhere(self, context: Context, pool: Ref) -> None:
        failed: list[str] = []
        for host, record in tuple(self._database.rows("host").items()):
            srs = [self._database.get("PBD", pbd).one("SR") for pbd in record.refs("PBDs")]
            for sr in srs:
                try:
                    await self._enable_caching(context, host, sr)
                    break
                except ApiError:
                    continue
            else:
                failed.append(host)
        if failed:
            raise ApiError("HOSTS_FAILED_TO_ENABLE_CACHING", *failed)

    async def _disable_caching_everywhere(self, context: Context, pool: Ref) -> None:
        failed: list[str] = []
        for host in tuple(self._database.rows("host")):
            try:
                await self._disable_caching(context, host)
            except ApiError:
                failed.append(host)
        if failed:
            raise ApiError("HOSTS_FAILED_TO_DISABLE_CACHING", *failed)

    def assert_idle(self, host: Ref) -> None:
        """Disabled, and no VM runs on it. Raises ApiError HOST_NOT_DISABLED, HOST_IN_USE."""
        record = self._database.get("host", host)
        if record["enabled"]:
            raise ApiError("HOST_NOT_DISABLED")
        for vm in record.refs("resident_VMs"):
            if not self._database.get("VM", vm)["is_control_domain"]:
                raise ApiError("HOST_IN_USE", host, "vm", vm)

    def _can_cache(self, sr: Ref) -> bool:
        record = self._database.get("SR", sr)
        drivers = (each for each in self._database.rows("SM").values() if each["type"] == record["type"])
        able = any(_CACHING in (each["features"] if isinstance(each["features"], dict) else ()) for each in drivers)
        return able and not record["shared"] and len(record.refs("PBDs")) == 1

    async def _set(self, host: Ref, fields: Mapping[str, Value]) -> None:
        await self._database.change(lambda t: t.set("host", host, fields))


def _stop_caching(transaction: Transaction, host: Ref) -> None:
    old = transaction.get("host", host).one("local_cache_sr")
    transaction.set("host", host, {"local_cache_sr": NULL_REF})
    if old != NULL_REF and transaction.find("SR", old) is not None:
        transaction.set("SR", old, {"local_cache_enabled": False})
