"""VM_metrics: vm metrics."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VM_METRICS: Final[Class] = declare(
    "VM_metrics",
    "Vm metrics.",
    writer="vm-admin",
    fields="""
    run uuid string: Its UUID.
    run memory_actual int: Memory actual.
    run VCPUs_number int: Vcpus number.
    run VCPUs_utilisation map int float deprecated: Vcpus utilisation.
    run VCPUs_CPU map int int: Vcpus cpu.
    run VCPUs_params map string string: Vcpus params.
    run VCPUs_flags map int set string: Vcpus flags.
    run state set string: State.
    run start_time datetime: Start time.
    run install_time datetime: Install time.
    run last_updated datetime: When this was measured.
    rw  other_config map string string = {} @5.0: Keys of clients and of features that have no field.
    run hvm bool @7.1: Hvm.
    run nested_virt bool @7.1: Nested virt.
    run nomigrate bool @7.1: Nomigrate.
    run current_domain_type domain_type = unspecified @7.4: Current domain type.
    ins numa_optimised bool = false @26.2.0: Numa optimised.
    ins numa_nodes int = 0 @26.2.0: Numa nodes.
    run numa_node_memory map int int @26.2.0: Numa node memory.
    """,
)
