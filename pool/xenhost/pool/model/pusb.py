"""PUSB: pusb."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PUSB: Final[Class] = declare(
    "PUSB",
    "Pusb.",
    writer="pool-admin",
    since="7.3",
    fields="""
    run uuid string @7.3: Its UUID.
    ins USB_group ref USB_group = OpaqueRef:NULL <> USB_group.PUSBs @7.3: Usb group.
    ins host ref host = OpaqueRef:NULL <> host.PUSBs @7.3: Host.
    ins path string = "" @7.3: Path.
    ins vendor_id string = "" @7.3: Vendor id.
    ins vendor_desc string = "" @7.3: Vendor desc.
    ins product_id string = "" @7.3: Product id.
    ins product_desc string = "" @7.3: Product desc.
    ins serial string = "" @7.3: Serial.
    ins version string = "" @7.3: Version.
    ins description string = "" @7.3: Description.
    run passthrough_enabled bool @7.3: Passthrough enabled.
    rw  other_config map string string = {} @7.3: Keys of clients and of features that have no field.
    ins speed float = -1.0 @8.2: Speed.
    """,
    messages="""
    set_passthrough_enabled(self ref PUSB, value bool)
        host pool-admin @7.3: Set passthrough enabled.
    scan(host ref host)
        host pool-admin @7.3: Scan.
    """,
)
