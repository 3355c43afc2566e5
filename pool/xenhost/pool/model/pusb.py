"""PUSB: A USB device of a host."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PUSB: Final[Class] = declare(
    "PUSB",
    "A USB device of a host.",
    writer="pool-admin",
    since="7.3",
    fields="""
    run uuid string @7.3: Its UUID.
    ins USB_group ref USB_group = OpaqueRef:NULL <> USB_group.PUSBs @7.3: The group it is in.
    ins host ref host = OpaqueRef:NULL <> host.PUSBs @7.3: The host.
    ins path string = "" @7.3: Where it is plugged in.
    ins vendor_id string = "" @7.3: The number of its maker.
    ins vendor_desc string = "" @7.3: Its maker.
    ins product_id string = "" @7.3: Its number.
    ins product_desc string = "" @7.3: Its name.
    ins serial string = "" @7.3: Its serial number.
    ins version string = "" @7.3: The version of USB it speaks.
    ins description string = "" @7.3: What it is.
    run passthrough_enabled bool @7.3: VMs may have it.
    rw  other_config map string string = {} @7.3: Keys of clients and of features that have no field.
    ins speed float = -1.0 @8.2: Its speed in Mbit/s.
    """,
    messages="""
    set_passthrough_enabled(self ref PUSB, value bool)
        host pool-admin @7.3: Say whether VMs may have it.
    scan(host ref host)
        host pool-admin @7.3: Look for new devices.
    """,
)
