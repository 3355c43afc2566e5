"""PVS_cache_storage: where a host caches the disks of a PVS site."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PVS_CACHE_STORAGE: Final[Class] = declare(
    "PVS_cache_storage",
    "Where a host caches the disks of a PVS site.",
    writer="pool-operator",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    since="7.1",
    fields="""
    run uuid string @7.1: Its UUID.
    ins host ref host = OpaqueRef:NULL @7.1: The host.
    ins SR ref SR = OpaqueRef:NULL @7.1: The SR it is in.
    ins site ref PVS_site = OpaqueRef:NULL <> PVS_site.cache_storage @7.1: The site.
    ins size int = 21474836480 @7.1: Its size in bytes.
    run VDI ref VDI @7.1: The disk of the cache.
    """,
)
