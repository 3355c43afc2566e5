"""PVS_proxy: what caches a VM's disk from PVS."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PVS_PROXY: Final[Class] = declare(
    "PVS_proxy",
    "What caches a VM's disk from PVS.",
    writer="pool-admin",
    since="7.1",
    fields="""
    run uuid string @7.1: Its UUID.
    ins site ref PVS_site = OpaqueRef:NULL <> PVS_site.proxies @7.1: The site.
    ins VIF ref VIF = OpaqueRef:NULL @7.1: The interface that it watches.
    run currently_attached bool @7.1: It runs.
    run status pvs_proxy_status = stopped @7.1: How it does.
    """,
    messages="""
    destroy(self ref PVS_proxy)
        host pool-operator @7.1: Remove it.
    create(site ref PVS_site, VIF ref VIF) -> ref PVS_proxy
        host pool-operator @7.1: Make one for an interface.
    """,
)
