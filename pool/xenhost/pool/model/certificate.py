"""Certificate: certificate."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

CERTIFICATE: Final[Class] = declare(
    "Certificate",
    "Certificate.",
    writer="pool-admin",
    since="8.2",
    fields="""
    run uuid string @8.2: Its UUID.
    run name string @1.294.0: Name.
    run type certificate_type = host @1.294.0: Type.
    ins host ref host = OpaqueRef:NULL <> host.certificates @8.2: Host.
    ins not_before datetime = "19700101T00:00:00Z" @8.2: Not before.
    ins not_after datetime = "19700101T00:00:00Z" @8.2: Not after.
    ins fingerprint string = "" @8.2 deprecated: Fingerprint.
    ins fingerprint_sha256 string = "" @24.20.0: Fingerprint sha256.
    ins fingerprint_sha1 string = "" @24.20.0: Fingerprint sha1.
    ins purpose set certificate_purpose = [] @26.13.0: Purpose.
    """,
)
