"""VUSB: vusb."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VUSB: Final[Class] = declare(
    "VUSB",
    "Vusb.",
    writer="pool-admin",
    since="7.3",
    fields="""
    run uuid string @7.3: Its UUID.
    run allowed_operations set vusb_operations: What may be done to it now; advice only.
    run current_operations map string vusb_operations: What is being done to it, by task.
    run VM ref VM <> VM.VUSBs @7.3: Vm.
    run USB_group ref USB_group <> USB_group.VUSBs @7.3: Usb group.
    rw  other_config map string string = {} @7.3: Keys of clients and of features that have no field.
    run currently_attached bool: Currently attached.
    """,
    messages="""
    destroy(self ref VUSB)
        host pool-admin @7.3: Destroy.
    unplug(self ref VUSB)
        host pool-admin @7.3: Unplug.
    create(VM ref VM, USB_group ref USB_group, other_config? map string string) -> ref VUSB
        host pool-admin @7.3: Create.
    """,
)
