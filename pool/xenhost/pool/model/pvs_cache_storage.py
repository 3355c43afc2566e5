"""PVS_cache_storage: pvs cache storage."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PVS_CACHE_STORAGE: Final[Class] = declare(
    "PVS_cache_storage",
    "Pvs cache storage.",
    writer="pool-operator",
    calls="create destroy get_by_uuid get_record get_all get_all_records get_all_records_where",
    since="7.1",
    fields="""
    run uuid string @7.1: Its UUID.
    ins host ref host = OpaqueRef:NULL @7.1: Host.
    ins SR ref SR = OpaqueRef:NULL @7.1: Sr.
    ins site ref PVS_site = OpaqueRef:NULL <> PVS_site.cache_storage @7.1: Site.
    ins size int = 21474836480 @7.1: Size.
    run VDI ref VDI @7.1: Vdi.
    """,
)
