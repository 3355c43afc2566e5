"""vdi_nbd_server_info: where a VDI can be read over NBD."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VDI_NBD_SERVER_INFO: Final[Class] = declare(
    "vdi_nbd_server_info",
    "Where a VDI can be read over NBD.",
    writer="pool-admin",
    calls="",
    since="7.3",
    stored=False,
    fields="""
    run exportname string @7.3: The name to ask for; it holds a session.
    run address string @7.3: The server's address.
    run port int @7.3: Its port.
    run cert string @7.3: Its certificate.
    run subject string @7.3: A name that the certificate has.
    """,
)
