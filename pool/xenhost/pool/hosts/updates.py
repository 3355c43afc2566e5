"""Where updates come from, and when they are fetched. Hosts are Debian's, and are updated by its own tools."""

from collections.abc import Mapping, Sequence
from typing import Final

from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agents

_WEEK: Final = 7
_XENSERVER: Final = {
    "pool_patch": ("apply", "pool_apply", "precheck", "clean", "pool_clean", "destroy", "clean_on_host"),
    "pool_update": ("apply", "pool_apply", "precheck", "pool_clean", "destroy"),
}
"""Messages about updates of XenServer, of which there are none here."""


class PoolUpdates:
    """Answers these messages; codes as xapi has them for a pool that can fetch nothing."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "pool.set_repositories": self._set_repositories,
            "pool.add_repository": self._add_repository,
            "pool.remove_repository": self._remove_repository,
            "pool.sync_updates": self._sync,
            "pool.configure_update_sync": self._configure_sync,
            "pool.set_update_sync_enabled": self._set_sync,
            "host.apply_updates": self._apply,
            "host.rescan_drivers": self._rescan_drivers,
            **{f"{cls}.{name}": self._of_xenserver(cls) for cls, names in _XENSERVER.items() for name in names},
        }

    def _of_xenserver(self, cls: str) -> Implementation:
        async def refuse(context: Context, ref: Ref, *_: Value) -> None:
            """Raises ApiError HANDLE_INVALID: there is no way in for an update of XenServer."""
            self._database.get(cls, ref)
            raise ApiError("OPERATION_NOT_ALLOWED", "hosts are updated by their own distribution")

        return refuse

    async def _set_repositories(self, context: Context, pool: Ref, value: Sequence[Ref]) -> None:
        await self._put(pool, tuple(dict.fromkeys(value)))

    async def _add_repository(self, context: Context, pool: Ref, value: Ref) -> None:
        await self._put(pool, tuple(dict.fromkeys((*self._repositories(pool), value))))

    async def _remove_repository(self, context: Context, pool: Ref, value: Ref) -> None:
        await self._put(pool, tuple(each for each in self._repositories(pool) if each != value))

    async def _put(self, pool: Ref, repositories: tuple[Ref, ...]) -> None:
        """Without any, nothing is fetched by itself."""

        def write(transaction: Transaction) -> None:
            fields: dict[str, Value] = {"repositories": repositories}
            if not repositories:
                fields["update_sync_enabled"] = False
            transaction.set("pool", pool, fields)

        for each in repositories:
            self._database.get("Repository", each)
        await self._database.change(write)

    async def _sync(self, context: Context, pool: Ref, *_: Value) -> str:
        raise ApiError("CAN_NOT_SYNC_UPDATES" if self._repositories(pool) else "NO_REPOSITORY_ENABLED")

    async def _configure_sync(self, context: Context, pool: Ref, frequency: str, day: int) -> None:
        """Raises ApiError INVALID_UPDATE_SYNC_DAY."""
        if frequency == "weekly" and not 0 <= day < _WEEK:
            raise ApiError("INVALID_UPDATE_SYNC_DAY", str(day))
        fields: dict[str, Value] = {
            "update_sync_frequency": frequency,
            "update_sync_day": day if frequency == "weekly" else 0,
        }
        await self._database.change(lambda t: t.set("pool", pool, fields))

    async def _set_sync(self, context: Context, pool: Ref, value: bool) -> None:
        """Raises ApiError NO_REPOSITORIES_CONFIGURED, CAN_NOT_PERIODIC_SYNC_UPDATES."""
        if value:
            found = self._repositories(pool)
            raise ApiError("CAN_NOT_PERIODIC_SYNC_UPDATES" if found else "NO_REPOSITORIES_CONFIGURED")
        await self._database.change(lambda t: t.set("pool", pool, {"update_sync_enabled": False}))

    async def _apply(self, context: Context, host: Ref, hash: str) -> Value:
        pool = next(iter(self._database.rows("pool")))
        raise ApiError("CAN_NOT_SYNC_UPDATES" if self._repositories(pool) else "NO_REPOSITORY_ENABLED")

    async def _rescan_drivers(self, context: Context, host: Ref) -> None:
        """Debian's kernel has one version of each driver: none to choose from. Raises ApiError HOST_OFFLINE."""
        self._agents.agent(host)

    def _repositories(self, pool: Ref) -> list[Ref]:
        return self._database.get("pool", pool).refs("repositories")
