"""Settings of the pool that have rules: what they may be, and what else changes with them. Codes as xapi has them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from xenhost.core.clock import Clock
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.text import as_text
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.web_address import is_web_address

MAX_THREADS: Final = 100
_TELEMETRY_DAYS: Final = {"daily": 2, "weekly": 14, "monthly": 62}


class PoolSettings:
    """Answers their setters."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database: Final = database
        self._clock: Final = clock

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "pool.set_local_auth_max_threads": self._within("local_auth_max_threads", 1, MAX_THREADS),
            "pool.set_ext_auth_max_threads": self._within("ext_auth_max_threads", 1, MAX_THREADS),
            "pool.set_ext_auth_cache_enabled": self._plain("ext_auth_cache_enabled"),
            "pool.set_ext_auth_cache_size": self._at_least("ext_auth_cache_size", 0, "size"),
            "pool.set_ext_auth_cache_expiry": self._at_least("ext_auth_cache_expiry", 1, "expiry"),
            "pool.set_telemetry_next_collection": self._set_next_collection,
            "pool.reset_telemetry_uuid": self._reset_telemetry_uuid,
            "pool.set_uefi_certificates": self._refuse_uefi("pool.set_custom_uefi_certificates"),
            "host.set_uefi_certificates": self._refuse_uefi("pool.set_custom_uefi_certificates"),
            "pool.set_custom_uefi_certificates": self._refuse_uefi("nobody yet: guests have no UEFI firmware here"),
            "pool.get_guest_secureboot_readiness": self._secureboot_readiness,
            "pool.configure_repository_proxy": self._set_proxy,
            "pool.disable_repository_proxy": self._remove_proxy,
            "pool.disable_ssl_legacy": self._no_ssl,
            "pool.enable_ssl_legacy": self._refuse_ssl,
            "host.set_ssl_legacy": self._set_ssl,
        }

    async def _set_next_collection(self, context: Context, pool: Ref, value: datetime) -> None:
        days = _TELEMETRY_DAYS[str(self._database.get("pool", pool)["telemetry_frequency"])]
        if value > datetime.fromtimestamp(self._clock.now(), UTC) + timedelta(days=days):
            raise ApiError("TELEMETRY_NEXT_COLLECTION_TOO_LATE", as_text(value))
        await self._set(pool, {"telemetry_next_collection": value})

    async def _reset_telemetry_uuid(self, context: Context, pool: Ref) -> None:
        await self._database.change(lambda t: _renew_secret(t, pool, "telemetry_uuid", str(uuid4())))

    async def _secureboot_readiness(self, context: Context, pool: Ref) -> str:
        """No guest has UEFI firmware here, whatever certificates the pool was given."""
        return "not_ready"

    async def _set_proxy(self, context: Context, pool: Ref, url: str, username: str, password: str) -> None:
        if not is_web_address(url):
            raise ApiError("INVALID_REPOSITORY_PROXY_URL", url[:200])
        if bool(username) != bool(password) or "\n" in username + password:
            raise ApiError("INVALID_REPOSITORY_PROXY_CREDENTIAL")

        def configure(transaction: Transaction) -> None:
            fields: dict[str, Value] = {"repository_proxy_url": url, "repository_proxy_username": username}
            transaction.set("pool", pool, fields)
            _renew_secret(transaction, pool, "repository_proxy_password", password)

        await self._database.change(configure)

    async def _remove_proxy(self, context: Context, pool: Ref) -> None:
        def remove(transaction: Transaction) -> None:
            transaction.set("pool", pool, {"repository_proxy_url": "", "repository_proxy_username": ""})
            _renew_secret(transaction, pool, "repository_proxy_password", "")

        await self._database.change(remove)

    async def _no_ssl(self, context: Context, pool: Ref) -> None:
        """Nothing older than TLS 1.2 is spoken here, ever."""

    async def _refuse_ssl(self, context: Context, pool: Ref) -> None:
        raise ApiError("VALUE_NOT_SUPPORTED", "value", "true", "Legacy SSL support has been removed")

    async def _set_ssl(self, context: Context, host: Ref, value: bool) -> None:
        if value:
            await self._refuse_ssl(context, host)

    def _refuse_uefi(self, better: str) -> Implementation:
        async def refuse(context: Context, ref: Ref, value: str) -> None:
            raise ApiError("OPERATION_NOT_ALLOWED", f"UEFI certificates are set by {better}")

        return refuse

    def _plain(self, name: str) -> Implementation:
        async def write(context: Context, pool: Ref, value: Value) -> None:
            await self._set(pool, {name: value})

        return write

    def _at_least(self, name: str, least: int, word: str) -> Implementation:
        async def write(context: Context, pool: Ref, value: int) -> None:
            if value < least:
                raise ApiError("INVALID_VALUE", word, str(value))
            await self._set(pool, {name: value})

        return write

    def _within(self, name: str, least: int, most: int) -> Implementation:
        async def write(context: Context, pool: Ref, value: int) -> None:
            if not least <= value <= most:
                raise ApiError("VALUE_NOT_SUPPORTED", name, str(value), f"it must be from {least} to {most}")
            await self._set(pool, {name: value})

        return write

    async def _set(self, pool: Ref, fields: Mapping[str, Value]) -> None:
        await self._database.change(lambda t: t.set("pool", pool, fields))


def _renew_secret(transaction: Transaction, pool: Ref, name: str, value: str) -> None:
    """Another secret, or none for the empty one; the old one goes."""
    old = transaction.get("pool", pool).one(name)
    new = transaction.create("secret", {"value": value}) if value else NULL_REF
    transaction.set("pool", pool, {name: new})
    if old != NULL_REF and transaction.find("secret", old) is not None:
        transaction.delete("secret", old)
