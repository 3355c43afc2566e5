"""Host_driver: host driver."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

HOST_DRIVER: Final[Class] = declare(
    "Host_driver",
    "Host driver.",
    writer="pool-admin",
    since="25.2.0",
    fields="""
    run uuid string @25.2.0: Its UUID.
    ins host ref host = OpaqueRef:NULL @25.2.0: Host.
    run name string @25.2.0: Name.
    run friendly_name string @25.2.0: Friendly name.
    run variants set ref Driver_variant <> Driver_variant.driver @25.2.0: Variants.
    run active_variant ref Driver_variant @25.2.0: Active variant.
    run selected_variant ref Driver_variant @25.2.0: Selected variant.
    run type string @25.2.0: Type.
    run description string @25.2.0: Description.
    run info string @25.2.0: Info.
    """,
    messages="""
    rescan(host ref host)
        host pool-admin @25.2.0: Rescan.
    deselect(self ref Host_driver)
        host pool-admin @25.2.0: Deselect.
    select(self ref Host_driver, variant ref Driver_variant)
        host pool-admin @25.2.0: Select.
    """,
)
