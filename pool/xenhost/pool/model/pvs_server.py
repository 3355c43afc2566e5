"""PVS_server: servers of a PVS site."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PVS_SERVER: Final[Class] = declare(
    "PVS_server",
    "Servers of a PVS site.",
    writer="pool-admin",
    since="7.1",
    fields="""
    run uuid string @7.1: Its UUID.
    ins addresses set string = [] @7.1: Their addresses.
    ins first_port int = 0 @7.1: The first of their ports.
    ins last_port int = 0 @7.1: The last of their ports.
    ins site ref PVS_site = OpaqueRef:NULL <> PVS_site.servers @7.1: The site.
    """,
    messages="""
    forget(self ref PVS_server)
        db pool-operator @7.1: Remove the record.
    introduce(addresses set string, first_port int, last_port int, site ref PVS_site) -> ref PVS_server
        db pool-operator @7.1: Make a record.
    """,
)
