"""VGPU: A virtual GPU of a VM."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VGPU: Final[Class] = declare(
    "VGPU",
    "A virtual GPU of a VM.",
    writer="pool-operator",
    since="6.0",
    fields="""
    run uuid string @6.0: Its UUID.
    run VM ref VM <> VM.VGPUs @6.0: The VM.
    run GPU_group ref GPU_group <> GPU_group.VGPUs @6.0: The group it runs in.
    run device string = "0" @6.0: Its place in the VM.
    run currently_attached bool @6.0: It runs.
    rw  other_config map string string = {} @6.0: Keys of clients and of features that have no field.
    run type ref VGPU_type <> VGPU_type.VGPUs @6.2sp1: Its kind.
    run resident_on ref PGPU <> PGPU.resident_VGPUs @6.2sp1: The GPU it runs on.
    run scheduled_to_be_resident_on ref PGPU @7.0: The GPU where room is held for it.
    run compatibility_metadata map string string @7.3: What tells where it can be moved.
    rw  extra_args string = "" @8.1: More arguments for its emulator.
    run PCI ref PCI @8.1: The device it is given as a whole.
    """,
    messages="""
    create(VM ref VM, GPU_group ref GPU_group, device? string = "0", other_config? map string string, type? ref
        VGPU_type) -> ref VGPU
        db pool-operator @6.0: Give a VM a virtual GPU.
    destroy(self ref VGPU)
        db pool-operator @6.0: Take it.
    """,
)
