"""PCI: A PCI device of a host."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PCI: Final[Class] = declare(
    "PCI",
    "A PCI device of a host.",
    writer="pool-operator",
    since="6.0",
    fields="""
    run uuid string @6.0: Its UUID.
    ins class_id string = "" @6.0: The number of its kind.
    ins class_name string = "" @6.0: Its kind.
    ins vendor_id string = "" @6.0: The number of its maker.
    ins vendor_name string = "" @6.0: Its maker.
    ins device_id string = "" @6.0: Its number.
    ins device_name string = "" @6.0: Its name.
    ins host ref host = OpaqueRef:NULL <> host.PCIs @6.0: The host.
    ins pci_id string = "" @6.0: Where it is on the bus.
    run functions int hidden: How many functions it has.
    run attached_VMs set ref VM <> VM.attached_PCIs hidden: VMs that have it.
    run dependencies set ref PCI @6.0: Devices that must go with it.
    rw  other_config map string string = {} @6.0: Keys of clients and of features that have no field.
    ins subsystem_vendor_id string = "" @6.2sp1: The number of the card's maker.
    ins subsystem_vendor_name string = "" @6.2sp1: The card's maker.
    ins subsystem_device_id string = "" @6.2sp1: The card's number.
    ins subsystem_device_name string = "" @6.2sp1: The card's name.
    ins driver_name string = "" @7.5: Its driver in dom0.
    """,
    messages="""
    get_dom0_access_status(self ref PCI) -> pci_dom0_access
        host pool-operator @24.14.0: Whether dom0 uses it, now and after the next boot.
    enable_dom0_access(self ref PCI) -> pci_dom0_access
        host pool-operator @24.14.0: Give it to dom0 after the next boot.
    disable_dom0_access(self ref PCI) -> pci_dom0_access
        host pool-operator @24.14.0: Take it from dom0 after the next boot.
    """,
)
