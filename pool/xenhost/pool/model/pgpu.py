"""PGPU: A GPU of a host."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

PGPU: Final[Class] = declare(
    "PGPU",
    "A GPU of a host.",
    writer="pool-operator",
    since="6.0",
    fields="""
    run uuid string @6.0: Its UUID.
    ins PCI ref PCI = OpaqueRef:NULL @6.0: Its PCI device.
    ins GPU_group ref GPU_group = OpaqueRef:NULL <> GPU_group.PGPUs @6.0: The group it is in.
    run host ref host <> host.PGPUs @6.0: The host.
    rw  other_config map string string = {} @6.0: Keys of clients and of features that have no field.
    run supported_VGPU_types set ref VGPU_type <> VGPU_type.supported_on_PGPUs @6.2sp1: Kinds of virtual GPUs it
            could run.
    run enabled_VGPU_types set ref VGPU_type <> VGPU_type.enabled_on_PGPUs @6.2sp1: Kinds it may run.
    run resident_VGPUs set ref VGPU <> VGPU.resident_on @6.2sp1: Virtual GPUs that run on it.
    ins size int = 0 hidden: How much it holds.
    run supported_VGPU_max_capacities map ref VGPU_type int @6.2sp1: How many of each kind it could run.
    run dom0_access pci_dom0_access = enabled @6.5sp1 deprecated: Whether dom0 uses it, now and after the next boot.
    run is_system_display_device bool @6.5sp1: The host's screen is on it.
    run compatibility_metadata map string string @7.3: What tells whether a VM can be moved to it.
    """,
    messages="""
    add_enabled_VGPU_types(self ref PGPU, value ref VGPU_type)
        pool pool-operator @6.2sp1: Let it run one more kind.
    remove_enabled_VGPU_types(self ref PGPU, value ref VGPU_type)
        pool pool-operator @6.2sp1: Let it run one kind less.
    set_enabled_VGPU_types(self ref PGPU, value set ref VGPU_type)
        pool pool-operator @6.2sp1: Say which kinds it may run.
    set_GPU_group(self ref PGPU, value ref GPU_group)
        pool pool-operator @6.2sp1: Put it into another group.
    get_remaining_capacity(self ref PGPU, vgpu_type ref VGPU_type) -> int
        pool read-only @6.2sp1: How many more of a kind it could run.
    enable_dom0_access(self ref PGPU) -> pci_dom0_access
        host pool-operator @6.5sp1 deprecated: Give it to dom0 after the next boot.
    disable_dom0_access(self ref PGPU) -> pci_dom0_access
        host pool-operator @6.5sp1 deprecated: Take it from dom0 after the next boot.
    """,
)
