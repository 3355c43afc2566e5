"""PGPU: pgpu."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PGPU: Final[Class] = declare(
    "PGPU",
    "Pgpu.",
    writer="pool-operator",
    since="6.0",
    fields="""
    run uuid string @6.0: Its UUID.
    ins PCI ref PCI = OpaqueRef:NULL @6.0: Pci.
    ins GPU_group ref GPU_group = OpaqueRef:NULL <> GPU_group.PGPUs @6.0: Gpu group.
    run host ref host <> host.PGPUs @6.0: Host.
    rw  other_config map string string = {} @6.0: Keys of clients and of features that have no field.
    run supported_VGPU_types set ref VGPU_type <> VGPU_type.supported_on_PGPUs @6.2sp1: Supported vgpu types.
    run enabled_VGPU_types set ref VGPU_type <> VGPU_type.enabled_on_PGPUs @6.2sp1: Enabled vgpu types.
    run resident_VGPUs set ref VGPU <> VGPU.resident_on @6.2sp1: Resident vgpus.
    ins size int = 0 hidden: Size.
    run supported_VGPU_max_capacities map ref VGPU_type int @6.2sp1: Supported vgpu max capacities.
    run dom0_access pci_dom0_access = enabled @6.5sp1 deprecated: Dom0 access.
    run is_system_display_device bool @6.5sp1: Is system display device.
    run compatibility_metadata map string string @7.3: Compatibility metadata.
    """,
    messages="""
    add_enabled_VGPU_types(self ref PGPU, value ref VGPU_type)
        pool pool-operator @6.2sp1: Add enabled vgpu types.
    remove_enabled_VGPU_types(self ref PGPU, value ref VGPU_type)
        pool pool-operator @6.2sp1: Remove enabled vgpu types.
    set_enabled_VGPU_types(self ref PGPU, value set ref VGPU_type)
        pool pool-operator @6.2sp1: Set enabled vgpu types.
    set_GPU_group(self ref PGPU, value ref GPU_group)
        pool pool-operator @6.2sp1: Set gpu group.
    get_remaining_capacity(self ref PGPU, vgpu_type ref VGPU_type) -> int
        pool read-only @6.2sp1: Get remaining capacity.
    enable_dom0_access(self ref PGPU) -> pci_dom0_access
        host pool-operator @6.5sp1 deprecated: Enable dom0 access.
    disable_dom0_access(self ref PGPU) -> pci_dom0_access
        host pool-operator @6.5sp1 deprecated: Disable dom0 access.
    """,
)
