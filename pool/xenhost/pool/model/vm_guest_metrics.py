"""VM_guest_metrics: vm guest metrics."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VM_GUEST_METRICS: Final[Class] = declare(
    "VM_guest_metrics",
    "Vm guest metrics.",
    writer="vm-admin",
    fields="""
    run uuid string: Its UUID.
    run os_version map string string: Os version.
    run PV_drivers_version map string string: Pv drivers version.
    run PV_drivers_up_to_date bool deprecated: Pv drivers up to date.
    run memory map string string deprecated: Memory.
    run disks map string string deprecated: Disks.
    run networks map string string: Networks.
    run other map string string: Other.
    run last_updated datetime: When this was measured.
    rw  other_config map string string = {} @5.0: Keys of clients and of features that have no field.
    run live bool @5.0: Live.
    run netbios_name map string string @24.28.0: Netbios name.
    run can_use_hotplug_vbd tristate_type = unspecified @7.0: Can use hotplug vbd.
    run can_use_hotplug_vif tristate_type = unspecified @7.0: Can use hotplug vif.
    run PV_drivers_detected bool @7.0: Pv drivers detected.
    run services map string string @25.15.0: Services.
    """,
)
