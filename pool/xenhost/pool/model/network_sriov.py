"""network_sriov: network sriov."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

NETWORK_SRIOV: Final[Class] = declare(
    "network_sriov",
    "Network sriov.",
    writer="pool-admin",
    since="7.5",
    fields="""
    run uuid string: Its UUID.
    ins physical_PIF ref PIF = OpaqueRef:NULL <> PIF.sriov_physical_PIF_of @7.5: Physical pif.
    ins logical_PIF ref PIF = OpaqueRef:NULL <> PIF.sriov_logical_PIF_of @7.5: Logical pif.
    run requires_reboot bool @7.5: Requires reboot.
    run configuration_mode sriov_configuration_mode = unknown @7.5: Configuration mode.
    """,
    messages="""
    get_remaining_capacity(self ref network_sriov) -> int
        host read-only @7.5: Get remaining capacity.
    destroy(self ref network_sriov)
        host pool-operator @7.5: Destroy.
    create(pif ref PIF, network ref network) -> ref network_sriov
        host pool-operator @7.5: Create.
    """,
)
