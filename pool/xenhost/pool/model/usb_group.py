"""USB_group: USB devices of one kind, on all hosts."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

USB_GROUP: Final[Class] = declare(
    "USB_group",
    "USB devices of one kind, on all hosts.",
    writer="pool-admin",
    since="7.3",
    fields="""
    run uuid string @7.3: Its UUID.
    rw  name_label string = "" @7.3: Its name, for people.
    rw  name_description string = "" @7.3: Notes, for people.
    run PUSBs set ref PUSB <> PUSB.USB_group @7.3: The devices in it.
    run VUSBs set ref VUSB <> VUSB.USB_group @7.3: What gives them to VMs.
    rw  other_config map string string = {} @7.3: Keys of clients and of features that have no field.
    """,
    messages="""
    destroy(self ref USB_group)
        db pool-admin @7.3: Remove it.
    create(name_label? string, name_description? string, other_config? map string string) -> ref USB_group
        db pool-admin @7.3: Make one.
    """,
)
