"""Who is believed: directories that single hosts ask, certificates of clients, and of the members among themselves."""

from collections.abc import Mapping
from typing import Final

from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.agent import Agents
from xenhost.pool.hosts.coordinator import master_host
from xenhost.pool.session.subjects import PAM


class TrustSettings:
    """Answers these messages."""

    def __init__(self, database: Database, agents: Agents) -> None:
        self._database: Final = database
        self._agents: Final = agents

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "host.enable_external_auth": self._enable_auth,
            "host.disable_external_auth": self._disable_auth,
            "host.external_auth_set_ldaps": self._refuse_ldaps,
            "pool.external_auth_set_ldaps": self._refuse_ldaps_everywhere,
            "pool.enable_client_certificate_auth": self._refuse_client_certificates,
            "pool.disable_client_certificate_auth": self._no_client_certificates,
            "pool.enable_tls_verification": self._verify,
            "host.emergency_disable_tls_verification": self._refuse_blindness,
            "host.emergency_reenable_tls_verification": self._verify_again,
        }

    async def _enable_auth(
        self, context: Context, host: Ref, config: Mapping[str, str], service_name: str, auth_type: str
    ) -> None:
        """Raises ApiError AUTH_UNKNOWN_TYPE, AUTH_ALREADY_ENABLED."""
        record = self._database.get("host", host)
        if auth_type != PAM:
            raise ApiError("AUTH_UNKNOWN_TYPE", auth_type[:100])
        if record["external_auth_type"]:
            service = str(record["external_auth_service_name"])
            raise ApiError("AUTH_ALREADY_ENABLED", str(record["external_auth_type"]), service)
        await self._set(host, {"external_auth_type": auth_type, "external_auth_service_name": service_name})

    async def _disable_auth(self, context: Context, host: Ref, *_: Value) -> None:
        await self._set(host, {"external_auth_type": "", "external_auth_service_name": ""})

    async def _refuse_ldaps(self, context: Context, host: Ref, ldaps: bool, force: bool) -> None:
        """Which protocol a directory is asked by is PAM's affair. Raises ApiError AUTH_IS_DISABLED, …_LDAPS_FAILED."""
        if not self._database.get("host", host)["external_auth_type"]:
            raise ApiError("AUTH_IS_DISABLED")
        raise ApiError("AUTH_SET_LDAPS_FAILED", host, "PAM asks the directory, as its own configuration says")

    async def _refuse_ldaps_everywhere(self, context: Context, pool: Ref, ldaps: bool, force: bool) -> None:
        await self._refuse_ldaps(context, master_host(self._database), ldaps, force)

    async def _refuse_client_certificates(self, context: Context, pool: Ref, name: str) -> None:
        raise ApiError("OPERATION_NOT_ALLOWED", "clients log in with a name and a password here")

    async def _no_client_certificates(self, context: Context, pool: Ref) -> None:
        fields: dict[str, Value] = {"client_certificate_auth_enabled": False, "client_certificate_auth_name": ""}
        await self._database.change(lambda t: t.set("pool", pool, fields))

    async def _verify(self, context: Context) -> None:
        """They always do; every host must be there to prove it. Raises ApiError HOST_OFFLINE."""
        for host in self._database.rows("host"):
            self._agents.agent(host)

        def write(transaction: Transaction) -> None:
            for cls in ("pool", "host"):
                for ref in tuple(transaction.rows(cls)):
                    transaction.set(cls, ref, {"tls_verification_enabled": True})

        await self._database.change(write)

    async def _refuse_blindness(self, context: Context) -> None:
        raise ApiError("OPERATION_NOT_ALLOWED", "hosts never speak with whom they cannot verify")

    async def _verify_again(self, context: Context) -> None:
        """Raises ApiError TLS_VERIFICATION_NOT_ENABLED_IN_POOL."""
        if not all(record["tls_verification_enabled"] for record in self._database.rows("pool").values()):
            raise ApiError("TLS_VERIFICATION_NOT_ENABLED_IN_POOL")
        await self._set(master_host(self._database), {"tls_verification_enabled": True})

    async def _set(self, host: Ref, fields: Mapping[str, Value]) -> None:
        await self._database.change(lambda t: t.set("host", host, fields))
