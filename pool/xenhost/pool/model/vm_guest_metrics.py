"""VM_guest_metrics: what a guest says of itself."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VM_GUEST_METRICS: Final[Class] = declare(
    "VM_guest_metrics",
    "What a guest says of itself.",
    writer="vm-admin",
    fields="""
    run uuid string: Its UUID.
    run os_version map string string: Its operating system.
    run PV_drivers_version map string string: The version of its drivers.
    run PV_drivers_up_to_date bool deprecated: Its drivers are up to date; always true once there are some.
    run memory map string string deprecated: What it says of its memory.
    run disks map string string deprecated: What it says of its disks.
    run networks map string string: Its addresses, by interface.
    run other map string string: What else it says.
    run last_updated datetime: When this was measured.
    rw  other_config map string string = {} @5.0: Keys of clients and of features that have no field.
    run live bool @5.0: It spoke lately.
    run netbios_name map string string @24.28.0: Its NetBIOS name.
    run can_use_hotplug_vbd tristate_type = unspecified @7.0: Disks can be added while it runs.
    run can_use_hotplug_vif tristate_type = unspecified @7.0: Network interfaces can be added while it runs.
    run PV_drivers_detected bool @7.0: A driver of it has connected.
    run services map string string @25.15.0: Services that it says it runs.
    """,
)
