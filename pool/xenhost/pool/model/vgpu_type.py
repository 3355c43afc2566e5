"""VGPU_type: vgpu type."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VGPU_TYPE: Final[Class] = declare(
    "VGPU_type",
    "Vgpu type.",
    writer="pool-admin",
    since="6.2sp1",
    fields="""
    run uuid string @6.2sp1: Its UUID.
    ins vendor_name string = "" @6.2sp1: Vendor name.
    ins model_name string = "" @6.2sp1: Model name.
    ins framebuffer_size int = 0 @6.2sp1: Framebuffer size.
    ins max_heads int = 0 @6.2sp1: Max heads.
    ins max_resolution_x int = 0 @6.2sp1: Max resolution x.
    ins max_resolution_y int = 0 @6.2sp1: Max resolution y.
    ins size int = 0 hidden: Size.
    run supported_on_PGPUs set ref PGPU <> PGPU.supported_VGPU_types @6.2sp1: Supported on pgpus.
    run enabled_on_PGPUs set ref PGPU <> PGPU.enabled_VGPU_types @6.2sp1: Enabled on pgpus.
    run VGPUs set ref VGPU <> VGPU.type @6.2sp1: Vgpus.
    ins internal_config map string string = {} hidden: Internal config.
    run supported_on_GPU_groups set ref GPU_group <> GPU_group.supported_VGPU_types @6.2sp1: Supported on gpu
            groups.
    run enabled_on_GPU_groups set ref GPU_group <> GPU_group.enabled_VGPU_types @6.2sp1: Enabled on gpu groups.
    ins implementation vgpu_type_implementation = passthrough @7.0: Implementation.
    ins identifier string = "" @7.0: Identifier.
    ins experimental bool = false @7.0: Experimental.
    run compatible_types_in_vm set ref VGPU_type @8.1: Compatible types in vm.
    """,
)
