"""PCI: pci."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PCI: Final[Class] = declare(
    "PCI",
    "Pci.",
    writer="pool-operator",
    since="6.0",
    fields="""
    run uuid string @6.0: Its UUID.
    ins class_id string = "" @6.0: Class id.
    ins class_name string = "" @6.0: Class name.
    ins vendor_id string = "" @6.0: Vendor id.
    ins vendor_name string = "" @6.0: Vendor name.
    ins device_id string = "" @6.0: Device id.
    ins device_name string = "" @6.0: Device name.
    ins host ref host = OpaqueRef:NULL <> host.PCIs @6.0: Host.
    ins pci_id string = "" @6.0: Pci id.
    run functions int hidden: Functions.
    run attached_VMs set ref VM <> VM.attached_PCIs hidden: Attached vms.
    run dependencies set ref PCI @6.0: Dependencies.
    rw  other_config map string string = {} @6.0: Keys of clients and of features that have no field.
    ins subsystem_vendor_id string = "" @6.2sp1: Subsystem vendor id.
    ins subsystem_vendor_name string = "" @6.2sp1: Subsystem vendor name.
    ins subsystem_device_id string = "" @6.2sp1: Subsystem device id.
    ins subsystem_device_name string = "" @6.2sp1: Subsystem device name.
    ins driver_name string = "" @7.5: Driver name.
    """,
    messages="""
    get_dom0_access_status(self ref PCI) -> pci_dom0_access
        host pool-operator @24.14.0: Get dom0 access status.
    enable_dom0_access(self ref PCI) -> pci_dom0_access
        host pool-operator @24.14.0: Enable dom0 access.
    disable_dom0_access(self ref PCI) -> pci_dom0_access
        host pool-operator @24.14.0: Disable dom0 access.
    """,
)
