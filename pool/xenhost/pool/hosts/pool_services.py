"""What the pool is asked to do as a whole, and what of it has no meaning here: then xapi's answer in that state."""

from collections.abc import Mapping, Sequence
from typing import Final

from xenhost.pool.call import NULL_REF, ApiError, Context, FrozenMap, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.coordinator import master_host

EDITION: Final = "free"
"""The one there is."""
NEVER: Final = "never"


class PoolServices:
    """Answers for them: the database, licences, HA, workload balancing, redo log, the pool's secret."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        wlb = {
            name: self._restricted("WLB")
            for name in (
                *("pool.initialize_wlb", "pool.send_wlb_configuration", "pool.retrieve_wlb_configuration"),
                *("pool.retrieve_wlb_recommendations", "host.retrieve_wlb_evacuate_recommendations"),
                "VM.retrieve_wlb_recommendations",
            )
        }
        return {
            **wlb,
            "pool.deconfigure_wlb": self._no_wlb,
            "pool.sync_database": self._sync_database,
            "pool.get_license_state": self._license_state,
            "pool.apply_edition": self._apply_edition_everywhere,
            "host.apply_edition": self._apply_edition,
            "host.license_add": self._add_licence,
            "host.license_remove": self._remove_licence,
            "pool.enable_ha": self._refuse_ha,
            "pool.disable_ha": self._no_ha,
            "pool.ha_prevent_restarts_for": self._no_ha,
            "host.emergency_ha_disable": self._emergency_ha_disable,
            "pool.enable_redo_log": self._refuse_redo_log,
            "pool.disable_redo_log": self._disable_redo_log,
            "pool.detect_nonhomogeneous_external_auth": self._detect_nonhomogeneous,
            "pool.rotate_secret": self._rotate_secret,
            "pool.check_update_readiness": self._update_readiness,
            "host.list_methods": self._list_methods,
        }

    def _restricted(self, feature: str) -> Implementation:
        """As xapi answers where the edition leaves a feature out."""

        async def refuse(context: Context, *_: Value) -> None:
            raise ApiError("LICENCE_RESTRICTION", feature)

        return refuse

    async def _no_wlb(self, context: Context) -> None:
        raise ApiError("WLB_NOT_INITIALIZED")

    async def _sync_database(self, context: Context) -> None:
        """Return when everything that was noted is on disk."""
        await self._database.change(lambda transaction: None)

    async def _license_state(self, context: Context, pool: Ref) -> Value:
        """The least edition of its hosts, which is free if one of them has it."""
        editions = {str(record["edition"]) for record in self._database.rows("host").values()} or {EDITION}
        return FrozenMap({"edition": EDITION if EDITION in editions else min(editions), "expiry": NEVER})

    async def _apply_edition_everywhere(self, context: Context, pool: Ref, edition: str) -> None:
        await self._give_edition(tuple(self._database.rows("host")), edition)

    async def _apply_edition(self, context: Context, host: Ref, edition: str, force: bool) -> None:
        await self._give_edition((host,), edition)

    async def _give_edition(self, hosts: Sequence[Ref], edition: str) -> None:
        if edition != EDITION:
            raise ApiError("INVALID_EDITION", edition[:100])

        def give(transaction: Transaction) -> None:
            for host in hosts:
                transaction.set("host", host, {"edition": edition})

        await self._database.change(give)

    async def _add_licence(self, context: Context, host: Ref, contents: str) -> None:
        """Licences are sold for other editions. Raises ApiError LICENSE_PROCESSING_ERROR."""
        raise ApiError("LICENSE_PROCESSING_ERROR")

    async def _remove_licence(self, context: Context, host: Ref) -> None:
        await self._give_edition((host,), EDITION)

    async def _refuse_ha(self, context: Context, *_: Value) -> None:
        """Nothing on hosts looks after the others. Raises ApiError HA_NOT_INSTALLED."""
        raise ApiError("HA_NOT_INSTALLED", master_host(self._database))

    async def _no_ha(self, context: Context, *_: Value) -> None:
        raise ApiError("HA_NOT_ENABLED")

    async def _emergency_ha_disable(self, context: Context, soft: bool) -> None:
        if not soft:
            raise ApiError("HA_NOT_ENABLED")

    async def _refuse_redo_log(self, context: Context, sr: Ref) -> None:
        self._database.get("SR", sr)
        raise ApiError("CANNOT_ENABLE_REDO_LOG", "the database of this pool writes no log to SRs")

    async def _disable_redo_log(self, context: Context) -> None:
        pool = next(iter(self._database.rows("pool")))
        await self._database.change(lambda t: t.set("pool", pool, {"redo_log_enabled": False}))

    async def _detect_nonhomogeneous(self, context: Context, pool: Ref) -> None:
        """Raises ApiError POOL_JOINING_EXTERNAL_AUTH_MISMATCH: the hosts ask different directories."""
        names = ("external_auth_type", "external_auth_service_name")
        found = {tuple(record[name] for name in names) for record in self._database.rows("host").values()}
        if len(found) > 1:
            raise ApiError("POOL_JOINING_EXTERNAL_AUTH_MISMATCH")

    async def _rotate_secret(self, context: Context) -> None:
        """Members know each other by certificates; there is no secret to change, but what it needs must hold.

        Raises ApiError CANNOT_CONTACT_HOST.
        """
        for host in self._database.rows("host"):
            if not self._agents.alive(host):
                raise ApiError("CANNOT_CONTACT_HOST", host)

    async def _update_readiness(self, context: Context, pool: Ref, requires_reboot: bool) -> Value:
        """Lists that begin with a code: hosts that are lost, and with a reboot VMs that cannot leave their host."""
        found: list[Value] = []
        for host, record in self._database.rows("host").items():
            if not self._agents.alive(host):
                found.append(("HOST_OFFLINE", host))
            elif requires_reboot:
                guests = (vm for vm in record.refs("resident_VMs") if not self._is_dom0(vm))
                found += (("VM_LACKS_FEATURE", vm) for vm in guests)
        return tuple(found)

    def _is_dom0(self, vm: Ref) -> bool:
        return vm == NULL_REF or bool(self._database.get("VM", vm)["is_control_domain"])

    async def _list_methods(self, context: Context) -> Value:
        return tuple(self._database.model.messages)
