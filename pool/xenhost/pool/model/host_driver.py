"""Host_driver: A driver of a host that is there in several versions."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

HOST_DRIVER: Final[Class] = declare(
    "Host_driver",
    "A driver of a host that is there in several versions.",
    writer="pool-admin",
    since="25.2.0",
    fields="""
    run uuid string @25.2.0: Its UUID.
    ins host ref host = OpaqueRef:NULL @25.2.0: The host.
    run name string @25.2.0: Its name.
    run friendly_name string @25.2.0: Its name, for people.
    run variants set ref Driver_variant <> Driver_variant.driver @25.2.0: Its versions.
    run active_variant ref Driver_variant @25.2.0: The one that is used.
    run selected_variant ref Driver_variant @25.2.0: The one that is used after the next boot.
    run type string @25.2.0: What it drives.
    run description string @25.2.0: What it is.
    run info string @25.2.0: What else is known of it.
    """,
    messages="""
    rescan(host ref host)
        host pool-admin @25.2.0: Look again which there are.
    deselect(self ref Host_driver)
        host pool-admin @25.2.0: Use none after the next boot.
    select(self ref Host_driver, variant ref Driver_variant)
        host pool-admin @25.2.0: Use this one after the next boot.
    """,
)
