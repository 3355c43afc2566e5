"""What the pool trusts: authorities, lists of what they have revoked, and certificates for one purpose.

They are files of the master and records of the pool. The master verifies by them whom it calls over HTTPS; agents and
the master know each other by the CA of their own configuration.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from cryptography import x509

from xenhost.core.clock import Clock
from xenhost.pool.call import ApiError, Context, Implementation, Ref, Value
from xenhost.pool.database.database import Database
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.hosts.certificates import pem
from xenhost.pool.hosts.certificates.store import Kind, TrustStore
from xenhost.pool.hosts.web_request import ask

POST_SECONDS: Final = 30.0
MAX_ANSWER: Final = 1 << 20


class TrustedCertificates:
    """Answers for them."""

    def __init__(self, database: Database, store: TrustStore, clock: Clock) -> None:
        self._database: Final = database
        self._store: Final = store
        self._clock: Final = clock
        self._changing: Final = asyncio.Lock()

    def answers(self) -> Mapping[str, Implementation]:
        """By method."""
        return {
            "pool.install_ca_certificate": self._install_ca,
            "pool.certificate_install": self._install_ca,
            "pool.uninstall_ca_certificate": self._uninstall_ca,
            "pool.certificate_uninstall": self._uninstall_ca,
            "pool.certificate_list": self._list_ca,
            "pool.certificate_sync": self._sync,
            "pool.crl_install": self._install_crl,
            "pool.crl_uninstall": self._uninstall_crl,
            "pool.crl_list": self._list_crl,
            "pool.install_trusted_certificate": self._install_trusted,
            "pool.uninstall_trusted_certificate": self._uninstall_trusted,
            "pool.send_test_post": self._send_test_post,
        }

    async def tls(self) -> ssl.SSLContext:
        """For calls over HTTPS: the system's authorities and the pool's; revoked certificates if lists are there.

        Trusted authorities are among them unless they are for some purposes only.
        """
        rows = self._database.rows("Certificate").values()
        general = (row for row in rows if (row["type"], row["name"], row["purpose"]) == ("ca", "", ()))
        trusted = frozenset(f"{row['uuid']}.pem" for row in general)
        return await asyncio.to_thread(self._context, trusted)

    async def _install_ca(self, context: Context, name: str, cert: str) -> None:
        """Raises ApiError CA_CERTIFICATE_…, CERTIFICATE_NAME_INVALID, CERTIFICATE_ALREADY_EXISTS."""
        certificate = pem.valid_certificate(cert, pem.CA, self._now())
        async with self._changing:
            await asyncio.to_thread(self._store.install, Kind.CA, name, pem.pem_of(certificate))
            await self._create(_record(certificate, "ca", name))

    async def _uninstall_ca(self, context: Context, name: str, force: bool = False) -> None:
        """Raises ApiError CERTIFICATE_NAME_INVALID, CERTIFICATE_DOES_NOT_EXIST."""
        async with self._changing:
            await asyncio.to_thread(self._store.uninstall, Kind.CA, name, force)
            await self._forget(lambda row: row["type"] == "ca" and row["name"] == name)

    async def _list_ca(self, context: Context) -> Value:
        rows = self._database.rows("Certificate").values()
        return tuple(str(row["name"]) for row in rows if row["type"] == "ca" and row["name"])

    async def _sync(self, context: Context) -> None:
        """Records are as the files are: an administrator may have put some there, or taken some away."""
        async with self._changing:
            names = await asyncio.to_thread(self._store.names, Kind.CA)
            await self._forget(lambda row: row["type"] == "ca" and row["name"] not in ("", *names))
            known = await self._list_ca(context)
            assert isinstance(known, tuple)
            for name in names:
                if name not in known:
                    text = await asyncio.to_thread(self._store.content, Kind.CA, name)
                    fields = _record(pem.valid_certificate(text, pem.CA, self._now()), "ca", name)
                    await self._create(fields)

    async def _install_crl(self, context: Context, name: str, cert: str) -> None:
        """Raises ApiError CRL_CORRUPT, CRL_NAME_INVALID, CRL_ALREADY_EXISTS."""
        pem.check_revocations(cert, name)
        await asyncio.to_thread(self._store.install, Kind.CRL, name, cert.encode())

    async def _uninstall_crl(self, context: Context, name: str) -> None:
        """Raises ApiError CRL_NAME_INVALID, CRL_DOES_NOT_EXIST."""
        await asyncio.to_thread(self._store.uninstall, Kind.CRL, name)

    async def _list_crl(self, context: Context) -> Value:
        return tuple(await asyncio.to_thread(self._store.names, Kind.CRL))

    async def _install_trusted(self, context: Context, pool: Ref, ca: bool, cert: str, purpose: Sequence[str]) -> None:
        """Raises ApiError TRUSTED_CERTIFICATE_…, CERTIFICATE_LACKS_PURPOSE."""
        certificate = pem.valid_certificate(cert, pem.TRUSTED, self._now())
        if not ca and not purpose:
            raise ApiError("CERTIFICATE_LACKS_PURPOSE")
        fields = {**_record(certificate, "ca" if ca else "pinned", ""), "purpose": tuple(purpose)}
        async with self._changing:
            for row in self._database.rows("Certificate").values():
                same = (row["type"], row["name"], row["fingerprint_sha256"]) == (
                    *(fields["type"], "", fields["fingerprint_sha256"]),
                )
                theirs = row["purpose"]
                assert isinstance(theirs, tuple)
                if same and (set(theirs) == set(purpose) or set(theirs) & set(purpose)):
                    raise ApiError("TRUSTED_CERTIFICATE_ALREADY_EXISTS", str(row["fingerprint_sha256"]))
            uuid = str(uuid4())
            await asyncio.to_thread(self._store.install, Kind.TRUSTED, f"{uuid}.pem", pem.pem_of(certificate))
            await self._create({**fields, "uuid": uuid})

    async def _uninstall_trusted(self, context: Context, pool: Ref, certificate: Ref) -> None:
        """Raises ApiError NOT_TRUSTED_CERTIFICATE."""
        row = self._database.get("Certificate", certificate)
        if row["type"] not in ("ca", "pinned") or row["name"]:
            raise ApiError("NOT_TRUSTED_CERTIFICATE", certificate)
        async with self._changing:
            await self._database.change(lambda t: t.delete("Certificate", certificate))
            await asyncio.to_thread(self._store.uninstall, Kind.TRUSTED, f"{row['uuid']}.pem", True)

    async def _send_test_post(self, context: Context, host: str, port: int, body: str) -> str:
        """Raises ApiError SSL_VERIFY_ERROR, TLS_CONNECTION_FAILED, WLB_TIMEOUT, INVALID_VALUE."""
        if not 0 < port < 1 << 16:
            raise ApiError("INVALID_VALUE", "port", str(port))
        if not host.isprintable() or not host.isascii() or " " in host or len(host) > 255:
            raise ApiError("INVALID_VALUE", "host", host[:100])
        try:
            async with asyncio.timeout(POST_SECONDS):
                head = "POST / HTTP/1.0"
                _, answer = await ask(host, port, head, body.encode(), await self.tls(), MAX_ANSWER)
                return answer.decode(errors="replace")
        except TimeoutError as error:
            raise ApiError("WLB_TIMEOUT", str(POST_SECONDS)) from error
        except ssl.SSLCertVerificationError as error:
            raise ApiError("SSL_VERIFY_ERROR", error.verify_message) from error
        except OSError as error:
            raise ApiError("TLS_CONNECTION_FAILED", host, str(port)) from error

    def _context(self, trusted: frozenset[str]) -> ssl.SSLContext:
        made = ssl.create_default_context()
        for name in self._store.names(Kind.CA):
            made.load_verify_locations(cadata=self._store.content(Kind.CA, name))
        for name in trusted.intersection(self._store.names(Kind.TRUSTED)):
            made.load_verify_locations(cadata=self._store.content(Kind.TRUSTED, name))
        for name in (revoked := self._store.names(Kind.CRL)):
            made.load_verify_locations(cafile=str(self._store.path(Kind.CRL, name)))
        if revoked:
            made.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF
        return made

    async def _forget(self, chosen: Callable[[Mapping[str, Value]], bool]) -> None:
        gone = [ref for ref, row in self._database.rows("Certificate").items() if chosen(row)]

        def forget(transaction: Transaction) -> None:
            for ref in gone:
                transaction.delete("Certificate", ref)

        await self._database.change(forget)

    async def _create(self, fields: Mapping[str, Value]) -> Ref:
        return await self._database.change(lambda t: t.create("Certificate", fields))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)


def _record(certificate: x509.Certificate, kind: str, name: str) -> dict[str, Value]:
    return {**described(certificate), "type": kind, "name": name}


def described(certificate: x509.Certificate) -> dict[str, Value]:
    """What the record of a certificate says of it."""
    sha256 = pem.fingerprint(certificate, "sha256")
    return {
        "not_before": pem.valid_from(certificate),
        "not_after": pem.valid_until(certificate),
        "fingerprint": sha256,
        "fingerprint_sha256": sha256,
        "fingerprint_sha1": pem.fingerprint(certificate, "sha1"),
    }
