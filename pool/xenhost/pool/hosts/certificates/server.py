"""The certificate that clients see, and whether they may come in without: it is the pool master's alone."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from xenhost.core.clock import Clock
from xenhost.pool.call import NULL_REF, ApiError, Context, Implementation, Ref
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.certificates import pem
from xenhost.pool.hosts.certificates.trusted import described
from xenhost.pool.hosts.coordinator import master_host
from xenhost.pool.wire.certificate import install_certificate, make_certificate, shown_certificate
from xenhost.pool.wire.listener import PoolListener

LOOK_SECONDS: Final = 0.5


class ServerCertificates:
    """Answers for them."""

    def __init__(self, database: Database, listener: PoolListener, folder: Path, clock: Clock) -> None:
        """`folder`: where the listener finds its certificate."""
        self._database: Final = database
        self._listener: Final = listener
        self._folder: Final = folder
        self._clock: Final = clock
        self._changing: Final = asyncio.Lock()

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "host.get_server_certificate": self._get,
            "host.install_server_certificate": self._install,
            "host.reset_server_certificate": self._reset,
            "host.emergency_reset_server_certificate": self._emergency_reset,
            "host.refresh_server_certificate": self._refuse_refresh,
            "host.set_https_only": self._set_https_only,
            "pool.set_https_only": self._set_https_only_everywhere,
        }

    async def begin(self) -> None:
        """Wait until the master's host is known; then its record tells of the certificate, and it listens as set."""
        while (host := master_host(self._database)) == NULL_REF:
            await self._clock.sleep(LOOK_SECONDS)
        if self._database.get("host", host)["https_only"] and self._listener.https_ports:
            self._listener.https_only = True
        text = await asyncio.to_thread(shown_certificate, self._folder)
        if text:
            await self._put(host, x509.load_pem_x509_certificate(text.encode()))

    async def _get(self, context: Context, host: Ref) -> str:
        self._check(host)
        return await asyncio.to_thread(shown_certificate, self._folder)

    async def _install(self, context: Context, host: Ref, certificate: str, private_key: str, chain: str) -> None:
        """Whoever connects from now on sees it. Raises ApiError SERVER_CERTIFICATE_…."""
        self._check(host)
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        whole, leaf = await asyncio.to_thread(pem.server_pem, certificate, private_key, chain, now)
        await self._show(host, whole, leaf)

    async def _reset(self, context: Context, host: Ref) -> None:
        """One of its own making, for its name and address."""
        self._check(host)
        record = self._database.get("host", host)
        names = [str(record[name]) for name in ("hostname", "address") if record[name]]
        key, leaf = await asyncio.to_thread(make_certificate, names)
        await self._show(host, pem.key_pem(key) + pem.pem_of(leaf), leaf)

    async def _emergency_reset(self, context: Context) -> None:
        await self._reset(context, master_host(self._database))

    async def _refuse_refresh(self, context: Context, host: Ref) -> None:
        text = "hosts get their certificates from the CA that their configuration names; replace them there"
        raise ApiError("OPERATION_NOT_ALLOWED", text)

    async def _set_https_only(self, context: Context, host: Ref, value: bool) -> None:
        """Other hosts than the master's serve no HTTP. Raises ApiError OPERATION_NOT_ALLOWED."""
        if host == master_host(self._database):
            if value and not self._listener.https_ports:
                raise ApiError("OPERATION_NOT_ALLOWED", "the pool master serves no HTTPS: start it with --https")
            self._listener.https_only = value
        await self._database.change(lambda t: t.set("host", host, {"https_only": value}))

    async def _set_https_only_everywhere(self, context: Context, pool: Ref, value: bool) -> None:
        for host in tuple(self._database.rows("host")):
            await self._set_https_only(context, host, value)

    async def _show(self, host: Ref, whole: bytes, leaf: x509.Certificate) -> None:
        async with self._changing:
            await asyncio.to_thread(install_certificate, self._folder, whole)
            await self._listener.reload_certificate()
            await self._put(host, leaf)

    async def _put(self, host: Ref, certificate: x509.Certificate) -> None:
        """The only record of its kind of this host; the same certificate keeps its record."""
        fields = {**described(certificate), "type": "host", "host": host, "name": ""}

        def write(transaction: Transaction) -> None:
            known = False
            for ref, row in tuple(transaction.rows("Certificate").items()):
                if row["type"] == "host" and row["host"] == host:
                    if row["fingerprint_sha256"] == fields["fingerprint_sha256"] and not known:
                        known = True
                    else:
                        transaction.delete("Certificate", ref)
            if not known:
                transaction.create("Certificate", fields)

        await self._database.change(write)

    def _check(self, host: Ref) -> None:
        if host != master_host(self._database):
            raise ApiError(
                "OPERATION_NOT_ALLOWED", "only the pool master serves clients, and has a certificate for them"
            )
