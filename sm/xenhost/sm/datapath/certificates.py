"""Certificates for NBD exports where none are configured: a CA of this host, a server's and a client's."""

import asyncio
import ipaddress
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from xenhost.sm.command import CommandError, Commands
from xenhost.sm.datapath.storage_daemon import StorageDaemonError

CA: Final = "ca-cert.pem"
DAYS: Final = "3650"
_KEY: Final = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


async def make_certificates(commands: Commands, folder: Path, names: Sequence[str]) -> None:
    """Make them, all or none. No-op if there is a CA's certificate. Raises StorageDaemonError.

    `client-cert.pem` and `client-key.pem` are for a backup tool; nothing here uses them.
    """
    if await asyncio.to_thread((folder / CA).exists):
        return
    new = folder.with_name(folder.name + ".new")
    try:
        await asyncio.to_thread(_fresh, new)
        authority = ["-x509", "-subj", "/CN=xenhost NBD", "-days", DAYS, "-addext", "keyUsage=critical,keyCertSign"]
        await _openssl(commands, "req", *_KEY, *authority, "-keyout", str(new / "ca-key.pem"), "-out", str(new / CA))
        addresses = ",".join(_alternative(name) for name in names) or "DNS:localhost"
        await _sign(commands, new, "server", f"subjectAltName={addresses}\nextendedKeyUsage=serverAuth\n")
        await _sign(commands, new, "client", "extendedKeyUsage=clientAuth\n")
        await asyncio.to_thread(_replace, new, folder)
    except (CommandError, OSError) as error:
        raise StorageDaemonError(f"certificates for NBD cannot be made: {error}") from error


async def _sign(commands: Commands, folder: Path, who: str, extensions: str) -> None:
    request, file = folder / f"{who}.csr", folder / f"{who}.ext"
    await asyncio.to_thread(file.write_text, extensions)
    subject = ["-subj", f"/CN=xenhost NBD {who}", "-keyout", str(folder / f"{who}-key.pem"), "-out", str(request)]
    await _openssl(commands, "req", *_KEY, *subject)
    signer = ["-CA", str(folder / CA), "-CAkey", str(folder / "ca-key.pem"), "-CAcreateserial", "-days", DAYS]
    out = ["-extfile", str(file), "-out", str(folder / f"{who}-cert.pem")]
    await _openssl(commands, "x509", "-req", "-in", str(request), *signer, *out)


async def _openssl(commands: Commands, *words: str) -> None:
    await commands.run("openssl", *words, timeout=30.0)


def _alternative(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _fresh(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)


def _replace(new: Path, folder: Path) -> None:
    if folder.exists():
        folder.rmdir()  # a configured directory that is not complete is not ours to fill
    os.replace(new, folder)
