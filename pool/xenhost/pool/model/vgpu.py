"""VGPU: vgpu."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VGPU: Final[Class] = declare(
    "VGPU",
    "Vgpu.",
    writer="pool-operator",
    since="6.0",
    fields="""
    run uuid string @6.0: Its UUID.
    run VM ref VM <> VM.VGPUs @6.0: Vm.
    run GPU_group ref GPU_group <> GPU_group.VGPUs @6.0: Gpu group.
    run device string = "0" @6.0: Device.
    run currently_attached bool @6.0: Currently attached.
    rw  other_config map string string = {} @6.0: Keys of clients and of features that have no field.
    run type ref VGPU_type <> VGPU_type.VGPUs @6.2sp1: Type.
    run resident_on ref PGPU <> PGPU.resident_VGPUs @6.2sp1: Resident on.
    run scheduled_to_be_resident_on ref PGPU @7.0: Scheduled to be resident on.
    run compatibility_metadata map string string @7.3: Compatibility metadata.
    rw  extra_args string = "" @8.1: Extra args.
    run PCI ref PCI @8.1: Pci.
    """,
    messages="""
    create(VM ref VM, GPU_group ref GPU_group, device? string = "0", other_config? map string string, type? ref
        VGPU_type) -> ref VGPU
        db pool-operator @6.0: Create.
    destroy(self ref VGPU)
        db pool-operator @6.0: Destroy.
    """,
)
