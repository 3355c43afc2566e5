"""network_sriov: A network of virtual functions of a card."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

NETWORK_SRIOV: Final[Class] = declare(
    "network_sriov",
    "A network of virtual functions of a card.",
    writer="pool-admin",
    since="7.5",
    fields="""
    run uuid string: Its UUID.
    ins physical_PIF ref PIF = OpaqueRef:NULL <> PIF.sriov_physical_PIF_of @7.5: The card.
    ins logical_PIF ref PIF = OpaqueRef:NULL <> PIF.sriov_logical_PIF_of @7.5: The PIF that stands for it.
    run requires_reboot bool @7.5: It is there after the next boot.
    run configuration_mode sriov_configuration_mode = unknown @7.5: How its functions were made.
    run remaining int hidden: How many functions no VIF has.
    """,
    messages="""
    get_remaining_capacity(self ref network_sriov) -> int
        host read-only @7.5: How many functions are free.
    destroy(self ref network_sriov)
        host pool-operator @7.5: Remove it.
    create(pif ref PIF, network ref network) -> ref network_sriov
        host pool-operator @7.5: Make one on a card.
    """,
)
