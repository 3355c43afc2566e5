"""GPU_group: GPUs of one kind, on all hosts."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

GPU_GROUP: Final[Class] = declare(
    "GPU_group",
    "GPUs of one kind, on all hosts.",
    writer="pool-operator",
    since="6.0",
    fields="""
    run uuid string @6.0: Its UUID.
    rw  name_label string = "" @6.0: Its name, for people.
    rw  name_description string = "" @6.0: Notes, for people.
    run PGPUs set ref PGPU <> PGPU.GPU_group @6.0: The GPUs in it.
    run VGPUs set ref VGPU <> VGPU.GPU_group @6.0: Virtual GPUs that use it.
    run GPU_types set string @6.0: The kinds of GPU it holds.
    rw  other_config map string string = {} @6.0: Keys of clients and of features that have no field.
    rw  allocation_algorithm allocation_algorithm = depth_first @6.2sp1: Whether GPUs are filled one by one or
            evenly.
    run supported_VGPU_types set ref VGPU_type <> VGPU_type.supported_on_GPU_groups @6.2sp1: Kinds that a GPU in it
            could run.
    run enabled_VGPU_types set ref VGPU_type <> VGPU_type.enabled_on_GPU_groups @6.2sp1: Kinds that a GPU in it may
            run.
    """,
    messages="""
    create(name_label? string, name_description? string, other_config? map string string) -> ref GPU_group
        db pool-operator @6.0: Make an empty group.
    destroy(self ref GPU_group)
        db pool-operator @6.0: Remove an empty group.
    get_remaining_capacity(self ref GPU_group, vgpu_type ref VGPU_type) -> int
        pool read-only @6.2sp1: How many more of a kind it could run.
    """,
)
