"""Certificates of a whole pool master: what its listener shows, and what it trusts."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from component.harness.agent import Agent as HostAgent
from component.harness.agent import running as agent_running
from xenhost.pool.call import ApiError, Context, Ref, Value
from xenhost.pool.front import FrontSettings
from xenhost.pool.master import Master, MasterSettings, running
from xenhost.pool.session.authenticator import FixedUsers
from xenhost.pool.session.table import SessionLimits
from xenhost.pool.wire.listener import Address, ListenSettings
from xenhost.system.clock import SystemClock

ROOT = Context(user="root", superuser=True)
ANYWHERE = Address("127.0.0.1", 0)
NOW = datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        kind = serialization.PrivateFormat.PKCS8
        return str(self.key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode())


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def issue(
    name: str,
    key: Any = KEY,
    by: Issued | None = None,
    since: timedelta = timedelta(days=-1),
    until: timedelta = timedelta(days=1),
    algorithm: Any = None,
) -> Issued:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + since)
        .not_valid_after(NOW + until)
        .add_extension(x509.BasicConstraints(by is None, None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(by.key if by else key, algorithm or hashes.SHA256())
    )
    return Issued(certificate, key)


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool master with one host."""

    master: Master
    host: Ref
    agent: HostAgent

    @property
    def ref(self) -> Ref:
        return next(iter(self.master.database.rows("pool")))

    async def call(self, method: str, *params: Value) -> Any:
        return await self.master.dispatcher.call(ROOT, method, params)

    async def refused(self, method: str, *params: Value) -> list[str]:
        with pytest.raises(ApiError) as caught:
            await self.call(method, *params)
        return caught.value.as_xenapi()

    async def shown(self) -> bytes:
        """What a client that connects now sees, as DER."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        port = self.master.front.listener.https_ports[0]
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        try:
            found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            return found
        finally:
            writer.close()

    def records(self, kind: str) -> list[Any]:
        return [row for row in self.master.database.rows("Certificate").values() if row["type"] == kind]


@asynccontextmanager
async def pool(folder: Path, https: bool = True) -> AsyncIterator[Pool]:
    (folder / "state").mkdir(exist_ok=True)
    listen = ListenSettings((ANYWHERE,), (ANYWHERE,) if https else (), (folder / "xapi",), folder / "tls")
    front = FrontSettings(listen, folder / "audit.log", "1", SessionLimits())
    settings = MasterSettings(folder / "state", f"unix:{folder}/link.sock", front)
    users = FixedUsers({"root": "x"})
    async with running(settings, users, users, SystemClock()) as master:
        socket = folder / "run/xenhost/xenhostd.sock"
        toml = f'[master]\naddress = "unix:{folder}/link.sock"\nendpoints = ["unix:{socket}"]\n'
        async with agent_running(folder, toml) as agent, asyncio.timeout(60):
            while not (master.database.rows("host") and (not https or master.database.rows("Certificate"))):
                await asyncio.sleep(0.05)
            yield Pool(master, next(iter(master.database.rows("host"))), agent)


async def test_a_certificate_is_installed_shown_at_once_and_after_a_restart(tmp_path: Path) -> None:
    authority = issue("ca", OTHER)
    new = issue("localhost", by=authority)
    der = new.certificate.public_bytes(serialization.Encoding.DER)
    async with pool(tmp_path) as found:
        before = await found.shown()
        (record,) = found.records("host")
        assert (record["host"], record["name"]) == (found.host, "")
        assert await found.call("host.get_server_certificate", found.host)
        await found.call("host.install_server_certificate", found.host, new.pem, new.key_pem, authority.pem)
        assert await found.shown() == der != before
        (record,) = found.records("host")
        assert record["not_after"] == new.certificate.not_valid_after.replace(tzinfo=UTC)
        digest = new.certificate.fingerprint(hashes.SHA256())
        assert record["fingerprint_sha256"] == ":".join(f"{byte:02X}" for byte in digest)
        assert await found.call("host.get_server_certificate", found.host) == new.pem
        assert await found.call("host.get_certificates", found.host) == (record.ref,)
    async with pool(tmp_path) as found:
        assert await found.shown() == der
        assert [each.ref for each in found.records("host")] == [record.ref], "the same record"
        await found.call("host.reset_server_certificate", found.host)
        assert await found.shown() != der
        again = await found.shown()
        await found.call("host.emergency_reset_server_certificate")
        assert await found.shown() != again
        assert len(found.records("host")) == 1
        assert (await found.refused("host.refresh_server_certificate", found.host))[0] == "OPERATION_NOT_ALLOWED"
    assert not list((tmp_path / "tls").glob(".*")), "nothing half written is left"


async def test_a_certificate_that_does_not_fit_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    good, ca = issue("localhost"), issue("ca", OTHER)
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    curve = ec.generate_private_key(ec.SECP256R1())
    late = issue("x", since=timedelta(days=-3), until=timedelta(days=-1))
    early = issue("x", since=timedelta(days=1), until=timedelta(days=2))
    sha384 = issue("x", algorithm=hashes.SHA384())
    cases: list[tuple[str, tuple[str, str, str]]] = [
        ("KEY_INVALID", (good.pem, "nonsense", "")),
        ("KEY_INVALID", (good.pem, "x" * 300_000, "")),
        ("KEY_ALGORITHM_NOT_SUPPORTED", (good.pem, issue("x", curve).key_pem, "")),
        ("KEY_RSA_LENGTH_NOT_SUPPORTED", (good.pem, issue("x", small).key_pem, "")),
        ("INVALID", ("nonsense", good.key_pem, "")),
        ("EXPIRED", (late.pem, late.key_pem, "")),
        ("NOT_VALID_YET", (early.pem, early.key_pem, "")),
        ("KEY_MISMATCH", (good.pem, ca.key_pem, "")),
        ("SIGNATURE_NOT_SUPPORTED", (sha384.pem, sha384.key_pem, "")),
        ("CHAIN_INVALID", (good.pem, good.key_pem, "nonsense")),
        ("CHAIN_INVALID", (good.pem, good.key_pem, ca.pem)),
        ("CHAIN_INVALID", (issue("y", by=ca).pem, good.key_pem, issue("ca").pem)),
    ]
    async with pool(tmp_path) as found:
        before = await found.shown()
        for code, params in cases:
            error = await found.refused("host.install_server_certificate", found.host, *params)
            assert error[0] == f"SERVER_CERTIFICATE_{code}", error
        assert await found.shown() == before
        other = await found.master.database.change(lambda t: t.create("host", {}))
        error = await found.refused("host.install_server_certificate", other, good.pem, good.key_pem, "")
        assert error[0] == "OPERATION_NOT_ALLOWED"


async def test_plain_http_is_closed_and_opened(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        url = found.master.front.listener.http_ports[0]
        assert await status(url) == 200
        await found.call("pool.set_https_only", found.ref, True)
        assert await status(url) == 301
        assert await found.call("host.get_https_only", found.host) is True
    async with pool(tmp_path) as found:
        url = found.master.front.listener.http_ports[0]
        async with asyncio.timeout(20):
            while await status(url) != 301:  # its host has to be known first
                await asyncio.sleep(0.05)
        await found.call("host.set_https_only", found.host, False)
        assert await status(url) == 200


async def test_plain_http_is_not_closed_where_there_is_nothing_else(tmp_path: Path) -> None:
    async with pool(tmp_path, https=False) as found:
        error = await found.refused("host.set_https_only", found.host, True)
        assert error[0] == "OPERATION_NOT_ALLOWED"
        assert await status(found.master.front.listener.http_ports[0]) == 200


async def test_authorities_are_installed_by_name_and_survive(tmp_path: Path) -> None:
    ca = issue("ca")
    async with pool(tmp_path) as found:
        for name in ("../x.pem", ".x.pem", "x", "", "a/b.pem", "x.pem\n"):
            error = await found.refused("pool.install_ca_certificate", name, ca.pem)
            assert error == ["CERTIFICATE_NAME_INVALID", name]
        late = issue("ca", since=timedelta(days=-3), until=timedelta(days=-1))
        assert (await found.refused("pool.install_ca_certificate", "x.pem", late.pem))[0] == "CA_CERTIFICATE_EXPIRED"
        assert await found.refused("pool.install_ca_certificate", "x.pem", "?") == ["CA_CERTIFICATE_INVALID"]
        await found.call("pool.install_ca_certificate", "x.pem", ca.pem)
        assert await found.refused("pool.certificate_install", "x.pem", ca.pem) == [
            "CERTIFICATE_ALREADY_EXISTS",
            "x.pem",
        ]
        assert await found.call("pool.certificate_list") == ("x.pem",)
        (tmp_path / "state/trust/ca/y.pem").write_text(ca.pem)
        for foreign in (".y.pem.part", "y z.pem", "ä.pem"):
            (tmp_path / "state/trust/ca" / foreign).write_text("nonsense")
        await found.call("pool.certificate_sync")
        assert sorted(await found.call("pool.certificate_list")) == ["x.pem", "y.pem"]
    async with pool(tmp_path) as found:
        assert sorted(await found.call("pool.certificate_list")) == ["x.pem", "y.pem"]
        await found.call("pool.uninstall_ca_certificate", "x.pem")
        await found.call("pool.certificate_uninstall", "y.pem")
        assert await found.call("pool.certificate_list") == ()
        assert await found.refused("pool.uninstall_ca_certificate", "x.pem") == [
            "CERTIFICATE_DOES_NOT_EXIST",
            "x.pem",
        ]
        await found.call("pool.uninstall_ca_certificate", "x.pem", True)


async def test_certificates_are_trusted_for_a_purpose(tmp_path: Path) -> None:
    one = issue("one")
    async with pool(tmp_path) as found:
        install = "pool.install_trusted_certificate"
        assert await found.refused(install, found.ref, False, one.pem, []) == ["CERTIFICATE_LACKS_PURPOSE"]
        await found.call(install, found.ref, False, one.pem, ["ldaps"])
        (record,) = found.records("pinned")
        assert (record["purpose"], record["name"]) == (("ldaps",), "")
        error = await found.refused(install, found.ref, False, one.pem, ["ldaps", "licensing"])
        assert error == ["TRUSTED_CERTIFICATE_ALREADY_EXISTS", record["fingerprint_sha256"]]
        await found.call(install, found.ref, False, one.pem, ["licensing"])
        await found.call(install, found.ref, True, one.pem, [])
        assert (len(found.records("pinned")), len(found.records("ca"))) == (2, 1)
        assert len(list((tmp_path / "state/trust/trusted").iterdir())) == 3
        server = found.records("host")[0].ref
        error = await found.refused("pool.uninstall_trusted_certificate", found.ref, server)
        assert error == ["NOT_TRUSTED_CERTIFICATE", server]
        for kind in ("pinned", "ca"):
            for row in found.records(kind):
                await found.call("pool.uninstall_trusted_certificate", found.ref, row.ref)
        assert list((tmp_path / "state/trust/trusted").iterdir()) == []


async def test_a_trusted_certificate_that_cannot_be_kept_has_no_record(tmp_path: Path) -> None:
    async with pool(tmp_path) as found:
        (tmp_path / "state/trust").mkdir(exist_ok=True)
        (tmp_path / "state/trust/trusted").write_text("no folder")
        error = await found.refused("pool.install_trusted_certificate", found.ref, True, issue("ca").pem, [])
        assert error[0] == "INTERNAL_ERROR"
        assert found.records("ca") == []


async def test_a_test_post_verifies_by_what_was_installed(tmp_path: Path) -> None:
    ca = issue("ca", OTHER)
    server, folder = issue("localhost", by=ca), tmp_path / "server"
    folder.mkdir()
    (folder / "all.pem").write_text(server.key_pem + server.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "all.pem")
    got: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.readuntil(b"\r\n\r\n") + await reader.read(4))
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nyes")
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = listening.sockets[0].getsockname()[1]
    revoked = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(NOW - timedelta(days=1))
        .next_update(NOW + timedelta(days=1))
        .add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(server.certificate.serial_number)
            .revocation_date(NOW - timedelta(hours=1))
            .build()
        )
        .sign(ca.key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )
    async with listening, pool(tmp_path) as found:
        error = await found.refused("pool.send_test_post", "localhost", port, "body")
        assert error[0] == "SSL_VERIFY_ERROR"
        install = "pool.install_trusted_certificate"
        await found.call(install, found.ref, True, ca.pem, ["licensing"])
        await found.call(install, found.ref, False, ca.pem, ["licensing"])
        error = await found.refused("pool.send_test_post", "localhost", port, "body")
        assert error[0] == "SSL_VERIFY_ERROR", "what is trusted for something else, or pinned"
        await found.call(install, found.ref, True, ca.pem, [])
        assert await found.call("pool.send_test_post", "localhost", port, "body") == "yes"
        (general,) = (row for row in found.records("ca") if not row["purpose"])
        await found.call("pool.uninstall_trusted_certificate", found.ref, general.ref)
        error = await found.refused("pool.send_test_post", "localhost", port, "body")
        assert error[0] == "SSL_VERIFY_ERROR"
        await found.call("pool.install_ca_certificate", "ca.pem", ca.pem)
        assert await found.call("pool.send_test_post", "localhost", port, "body") == "yes"
        assert got[-1].startswith(b"POST / HTTP/1.0\r\n")
        assert got[-1].endswith(b"body")
        assert await found.refused("pool.crl_install", "r.pem", "nonsense") == ["CRL_CORRUPT", "r.pem"]
        assert await found.refused("pool.crl_install", "../r", revoked) == ["CRL_NAME_INVALID", "../r"]
        await found.call("pool.crl_install", "r.pem", revoked)
        assert await found.call("pool.crl_list") == ("r.pem",)
        assert await found.refused("pool.crl_install", "r.pem", revoked) == ["CRL_ALREADY_EXISTS", "r.pem"]
        error = await found.refused("pool.send_test_post", "localhost", port, "body")
        assert error == ["SSL_VERIFY_ERROR", "certificate revoked"]
        await found.call("pool.crl_uninstall", "r.pem")
        assert await found.refused("pool.crl_uninstall", "r.pem") == ["CRL_DOES_NOT_EXIST", "r.pem"]
        for host, number in (("localhost", 0), ("a b", 443), ("x" * 300, 443)):
            assert (await found.refused("pool.send_test_post", host, number, ""))[0] == "INVALID_VALUE"
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            number = closed.getsockname()[1]
            error = await found.refused("pool.send_test_post", "localhost", number, "")
            assert error == ["TLS_CONNECTION_FAILED", "localhost", str(number)]


async def status(port: int) -> int:
    """Of a GET of the page, over plain HTTP."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        line = await reader.readline()
        return int(line.split()[1])
    finally:
        writer.close()
