"""PVS_site: machines that boot from the same PVS servers."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PVS_SITE: Final[Class] = declare(
    "PVS_site",
    "Machines that boot from the same PVS servers.",
    writer="pool-operator",
    since="7.1",
    fields="""
    run uuid string @7.1: Its UUID.
    rw  name_label string = "" @7.1: Its name, for people.
    rw  name_description string = "" @7.1: Notes, for people.
    ins PVS_uuid string = "" @7.1: Its name there.
    run cache_storage set ref PVS_cache_storage <> PVS_cache_storage.site @7.1: Where hosts cache its disks.
    run servers set ref PVS_server <> PVS_server.site @7.1: Its servers.
    run proxies set ref PVS_proxy <> PVS_proxy.site @7.1: VMs' proxies to it.
    """,
    messages="""
    set_PVS_uuid(self ref PVS_site, value string)
        pool via pool-operator @7.1: Set PVS_uuid.
    forget(self ref PVS_site)
        pool via pool-operator @7.1: Remove the record.
        ! PVS_SITE_CONTAINS_RUNNING_PROXIES PVS_SITE_CONTAINS_SERVERS
    introduce(name_label string, name_description string, PVS_uuid string) -> ref PVS_site
        pool via pool-operator @7.1: Make a record.
    """,
)
