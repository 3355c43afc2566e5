"""VM_metrics: what is measured of a VM."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VM_METRICS: Final[Class] = declare(
    "VM_metrics",
    "What is measured of a VM.",
    writer="vm-admin",
    fields="""
    run uuid string: Its UUID.
    run memory_actual int: The memory it has, in bytes.
    run VCPUs_number int: How many CPUs it has.
    run VCPUs_utilisation map int float deprecated: How busy each CPU is, from 0 to 1.
    run VCPUs_CPU map int int: Which CPU each runs on.
    run VCPUs_params map string string: Weight, cap and affinity as they are.
    run VCPUs_flags map int set string: What each CPU is doing.
    run state set string: What the domain is doing.
    run start_time datetime: When it started.
    run install_time datetime: When it was made.
    run last_updated datetime: When this was measured.
    rw  other_config map string string = {} @5.0: Keys of clients and of features that have no field.
    run hvm bool @7.1: It runs with hardware virtualisation.
    run nested_virt bool @7.1: Its guest can run guests.
    run nomigrate bool @7.1: It cannot be moved.
    run current_domain_type domain_type = unspecified @7.4: What it runs as.
    ins numa_optimised bool = false @26.2.0: Its memory is near its CPUs.
    ins numa_nodes int = 0 @26.2.0: Over how many nodes its memory lies.
    run numa_node_memory map int int @26.2.0: Its memory on each node, in bytes.
    """,
)
