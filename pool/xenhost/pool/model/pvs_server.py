"""PVS_server: pvs server."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PVS_SERVER: Final[Class] = declare(
    "PVS_server",
    "Pvs server.",
    writer="pool-admin",
    since="7.1",
    fields="""
    run uuid string @7.1: Its UUID.
    ins addresses set string = [] @7.1: Addresses.
    ins first_port int = 0 @7.1: First port.
    ins last_port int = 0 @7.1: Last port.
    ins site ref PVS_site = OpaqueRef:NULL <> PVS_site.servers @7.1: Site.
    """,
    messages="""
    forget(self ref PVS_server)
        db pool-operator @7.1: Forget.
    introduce(addresses set string, first_port int, last_port int, site ref PVS_site) -> ref PVS_server
        db pool-operator @7.1: Introduce.
    """,
)
