"""Certificate: A certificate that a host has, or that is trusted."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

CERTIFICATE: Final[Class] = declare(
    "Certificate",
    "A certificate that a host has, or that is trusted.",
    writer="pool-admin",
    since="8.2",
    fields="""
    run uuid string @8.2: Its UUID.
    run name string @1.294.0: Its name.
    run type certificate_type = host @1.294.0: What it is for.
    ins host ref host = OpaqueRef:NULL <> host.certificates @8.2: The host.
    ins not_before datetime = "19700101T00:00:00Z" @8.2: Since when it is valid.
    ins not_after datetime = "19700101T00:00:00Z" @8.2: Until when it is valid.
    ins fingerprint string = "" @8.2 deprecated: Its SHA-256 fingerprint.
    ins fingerprint_sha256 string = "" @24.20.0: Its SHA-256 fingerprint.
    ins fingerprint_sha1 string = "" @24.20.0: Its SHA-1 fingerprint.
    ins purpose set certificate_purpose = [] @26.13.0: What it is trusted for.
    """,
)
