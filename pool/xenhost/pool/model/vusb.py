"""VUSB: A USB device of a VM."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VUSB: Final[Class] = declare(
    "VUSB",
    "A USB device of a VM.",
    writer="pool-admin",
    since="7.3",
    fields="""
    run uuid string @7.3: Its UUID.
    run allowed_operations set vusb_operations: What may be done to it now; advice only.
    run current_operations map string vusb_operations: What is being done to it, by task.
    run VM ref VM <> VM.VUSBs @7.3: The VM.
    run USB_group ref USB_group <> USB_group.VUSBs @7.3: The group its device comes from.
    rw  other_config map string string = {} @7.3: Keys of clients and of features that have no field.
    run currently_attached bool: It is plugged.
    """,
    messages="""
    destroy(self ref VUSB)
        host pool-admin @7.3: Remove it.
    unplug(self ref VUSB)
        host pool-admin @7.3: Take it from the running VM.
    create(VM ref VM, USB_group ref USB_group, other_config? map string string) -> ref VUSB
        host pool-admin @7.3: Give a VM a device of a group.
    """,
)
