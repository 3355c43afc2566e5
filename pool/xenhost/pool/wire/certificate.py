"""The certificate that clients see: made at the first start, replaced by whatever an administrator puts there.

What the API installs is one file with key and certificates, so that they change together; it goes before the others.

RSA, as the cipher suites of xapi's peers want (tls_policy.ml).
"""

import datetime
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from xenhost.system.whole_file import replace_file

CERTIFICATE: Final = "xenpoold.crt"
KEY: Final = "xenpoold.key"
INSTALLED: Final = "xenpoold.pem"
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"
_BITS: Final = 2048
_DAYS: Final = 3650
_MAX_COMMON_NAME: Final = 64


def ensure_certificate(folder: Path, names: Sequence[str]) -> tuple[Path, Path]:
    """Certificate and key; made for these host names and addresses if there are none. Blocks for a second.

    Raises OSError.
    """
    if (installed := folder / INSTALLED).exists():
        return installed, installed
    certificate, key = folder / CERTIFICATE, folder / KEY
    if not (certificate.exists() and key.exists()):
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        made, signed = make_certificate(names)
        pem = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        # the key first: one without certificate is made anew, a certificate without key is useless
        replace_file(key, pem, 0o600)
        replace_file(certificate, signed.public_bytes(serialization.Encoding.PEM), 0o644)
    return certificate, key


def make_certificate(names: Sequence[str]) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    """A new key, and a certificate that it signs itself. Blocks for a second."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
    return key, _self_signed(key, names)


def install_certificate(folder: Path, content: bytes) -> None:
    """Key, certificate and chain, from now on. Blocks. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    replace_file(folder / INSTALLED, content, 0o600)


def shown_certificate(folder: Path) -> str:
    """The certificate alone, as PEM; empty if there is none. Blocks. Raises OSError."""
    path = folder / (INSTALLED if (folder / INSTALLED).exists() else CERTIFICATE)
    if not path.exists():
        return ""
    _, begin, rest = path.read_text("ascii").partition(_BEGIN)
    body, end, _ = rest.partition(_END)
    return f"{begin}{body}{end}\n" if end else ""


def _self_signed(key: rsa.RSAPrivateKey, names: Sequence[str]) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, (names[0] if names else "xenhost")[:_MAX_COMMON_NAME])])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # clocks differ
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(each) for each in names or ["xenhost"]]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
