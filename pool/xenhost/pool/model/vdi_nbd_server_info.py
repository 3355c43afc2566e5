"""vdi_nbd_server_info: vdi nbd server info."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VDI_NBD_SERVER_INFO: Final[Class] = declare(
    "vdi_nbd_server_info",
    "Vdi nbd server info.",
    writer="pool-admin",
    calls="",
    since="7.3",
    stored=False,
    fields="""
    run exportname string @7.3: Exportname.
    run address string @7.3: Address.
    run port int @7.3: Port.
    run cert string @7.3: Cert.
    run subject string @7.3: Subject.
    """,
)
