"""Certificates and keys as text: read and judged. Pure; codes and order as in xapi (gencert/lib.ml)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from xenhost.pool.call import ApiError

MAX_PEM: Final = 256 << 10
MAX_CHAIN: Final = 16
_BITS: Final = range(2048, 4097)
_END: Final = b"-----END CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Rejections:
    """The codes for what may be wrong with a certificate of one use."""

    invalid: str
    not_yet: str
    expired: str


SERVER: Final = Rejections(
    "SERVER_CERTIFICATE_INVALID", "SERVER_CERTIFICATE_NOT_VALID_YET", "SERVER_CERTIFICATE_EXPIRED"
)
CA: Final = Rejections("CA_CERTIFICATE_INVALID", "CA_CERTIFICATE_NOT_VALID_YET", "CA_CERTIFICATE_EXPIRED")
TRUSTED: Final = Rejections(
    "TRUSTED_CERTIFICATE_INVALID", "TRUSTED_CERTIFICATE_NOT_VALID_YET", "TRUSTED_CERTIFICATE_EXPIRED"
)


def server_pem(certificate: str, key: str, chain: str, now: datetime) -> tuple[bytes, x509.Certificate]:
    """Key, certificate and chain as one document, if they fit together and may be used. Raises ApiError."""
    private = _private_key(key)
    leaf = valid_certificate(certificate, SERVER, now)
    public = leaf.public_key()
    if not isinstance(public, rsa.RSAPublicKey) or public.public_numbers() != private.public_key().public_numbers():
        raise ApiError("SERVER_CERTIFICATE_KEY_MISMATCH")
    if not isinstance(leaf.signature_hash_algorithm, hashes.SHA256 | hashes.SHA512):
        raise ApiError("SERVER_CERTIFICATE_SIGNATURE_NOT_SUPPORTED")
    above = _chain(chain, leaf) if chain.strip() else ()
    parts = [key_pem(private), *(pem_of(each) for each in (leaf, *above))]
    return b"".join(parts), leaf


def valid_certificate(untrusted: str, codes: Rejections, now: datetime) -> x509.Certificate:
    """The first certificate of a text, if its time has come and is not over. Raises ApiError."""
    try:
        certificate = x509.load_pem_x509_certificate(_bounded(untrusted, codes.invalid))
        since, until = valid_from(certificate), valid_until(certificate)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ApiError(codes.invalid) from error
    if now < since:
        raise ApiError(codes.not_yet, _text(now), _text(since))
    if now > until:
        raise ApiError(codes.expired, _text(now), _text(until))
    return certificate


def check_revocations(untrusted: str, name: str) -> None:
    """A list of revoked certificates. Raises ApiError CRL_CORRUPT."""
    try:
        x509.load_pem_x509_crl(_bounded(untrusted, "CRL_CORRUPT"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ApiError("CRL_CORRUPT", name) from error


def valid_from(certificate: x509.Certificate) -> datetime:
    """In UTC."""
    return certificate.not_valid_before.replace(tzinfo=UTC)


def valid_until(certificate: x509.Certificate) -> datetime:
    """In UTC."""
    return certificate.not_valid_after.replace(tzinfo=UTC)


def pem_of(certificate: x509.Certificate) -> bytes:
    """As PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: rsa.RSAPrivateKey) -> bytes:
    """As PEM, without a password."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def fingerprint(certificate: x509.Certificate, algorithm: str) -> str:
    """`AB:CD:…`, of sha256 or sha1."""
    digest = hashlib.new(algorithm, certificate.public_bytes(serialization.Encoding.DER), usedforsecurity=False)
    return ":".join(f"{byte:02X}" for byte in digest.digest())


def _private_key(untrusted: str) -> rsa.RSAPrivateKey:
    code = "SERVER_CERTIFICATE_KEY_INVALID"
    try:
        key = serialization.load_pem_private_key(_bounded(untrusted, code), password=None)
    except UnsupportedAlgorithm as error:
        raise ApiError("SERVER_CERTIFICATE_KEY_ALGORITHM_NOT_SUPPORTED", str(error)[:100]) from error
    except (ValueError, TypeError) as error:
        raise ApiError(code) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        name = type(key).__name__.lstrip("_").removesuffix("PrivateKey")
        raise ApiError("SERVER_CERTIFICATE_KEY_ALGORITHM_NOT_SUPPORTED", name)
    if key.key_size not in _BITS:
        raise ApiError("SERVER_CERTIFICATE_KEY_RSA_LENGTH_NOT_SUPPORTED", str(key.key_size))
    return key


def _chain(untrusted: str, leaf: x509.Certificate) -> Sequence[x509.Certificate]:
    """Each has signed the one before it. Raises ApiError SERVER_CERTIFICATE_CHAIN_INVALID."""
    code = "SERVER_CERTIFICATE_CHAIN_INVALID"
    texts = [part + _END for part in _bounded(untrusted, code).split(_END)[:-1]]
    if not 0 < len(texts) <= MAX_CHAIN:
        raise ApiError(code)
    try:
        found = [x509.load_pem_x509_certificate(text) for text in texts]
        for issued, issuer in zip((leaf, *found[:-1]), found, strict=True):
            if issued.issuer != issuer.subject:
                raise ApiError(code)
            _check_signature(issued, issuer)
    except (ValueError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise ApiError(code) from error
    return found


def _check_signature(issued: x509.Certificate, issuer: x509.Certificate) -> None:
    """Raises InvalidSignature, ValueError."""
    key, algorithm = issuer.public_key(), issued.signature_hash_algorithm
    if algorithm is None:
        raise ValueError("a signature without a hash")
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(issued.signature, issued.tbs_certificate_bytes, padding.PKCS1v15(), algorithm)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(issued.signature, issued.tbs_certificate_bytes, ec.ECDSA(algorithm))
    else:
        raise ValueError("a key of another kind")


def _bounded(untrusted: str, code: str) -> bytes:
    if len(untrusted) > MAX_PEM or not untrusted.isascii():
        raise ApiError(code)
    return untrusted.encode()


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
