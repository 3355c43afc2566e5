"""VGPU_type: A kind of virtual GPU."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VGPU_TYPE: Final[Class] = declare(
    "VGPU_type",
    "A kind of virtual GPU.",
    writer="pool-admin",
    since="6.2sp1",
    fields="""
    run uuid string @6.2sp1: Its UUID.
    ins vendor_name string = "" @6.2sp1: Its maker.
    ins model_name string = "" @6.2sp1: Its name.
    ins framebuffer_size int = 0 @6.2sp1: Its memory in bytes.
    ins max_heads int = 0 @6.2sp1: How many screens it has.
    ins max_resolution_x int = 0 @6.2sp1: The width of the largest screen.
    ins max_resolution_y int = 0 @6.2sp1: The height of the largest screen.
    ins size int = 0 hidden: How much of a GPU it takes.
    run supported_on_PGPUs set ref PGPU <> PGPU.supported_VGPU_types @6.2sp1: GPUs that could run it.
    run enabled_on_PGPUs set ref PGPU <> PGPU.enabled_VGPU_types @6.2sp1: GPUs that may run it.
    run VGPUs set ref VGPU <> VGPU.type @6.2sp1: Virtual GPUs of this kind.
    ins internal_config map string string = {} hidden: Settings of the software.
    run supported_on_GPU_groups set ref GPU_group <> GPU_group.supported_VGPU_types @6.2sp1: Groups that could run
            it.
    run enabled_on_GPU_groups set ref GPU_group <> GPU_group.enabled_VGPU_types @6.2sp1: Groups that may run it.
    ins implementation vgpu_type_implementation = passthrough @7.0: How it is made.
    ins identifier string = "" @7.0: Its name for programs.
    ins experimental bool = false @7.0: It is not finished.
    run compatible_types_in_vm set ref VGPU_type @8.1: Kinds that a VM can have beside it.
    """,
)
