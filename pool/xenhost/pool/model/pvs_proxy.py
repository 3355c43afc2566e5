"""PVS_proxy: pvs proxy."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PVS_PROXY: Final[Class] = declare(
    "PVS_proxy",
    "Pvs proxy.",
    writer="pool-admin",
    since="7.1",
    fields="""
    run uuid string @7.1: Its UUID.
    ins site ref PVS_site = OpaqueRef:NULL <> PVS_site.proxies @7.1: Site.
    ins VIF ref VIF = OpaqueRef:NULL @7.1: Vif.
    run currently_attached bool @7.1: Currently attached.
    run status pvs_proxy_status = stopped @7.1: Status.
    """,
    messages="""
    destroy(self ref PVS_proxy)
        host pool-operator @7.1: Destroy.
    create(site ref PVS_site, VIF ref VIF) -> ref PVS_proxy
        host pool-operator @7.1: Create.
    """,
)
