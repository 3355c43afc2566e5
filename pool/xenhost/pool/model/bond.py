"""Bond: several cards that are used as one."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

BOND: Final[Class] = declare(
    "Bond",
    "Several cards that are used as one.",
    writer="pool-operator",
    since="4.1",
    fields="""
    run uuid string: Its UUID.
    ins master ref PIF = OpaqueRef:NULL <> PIF.bond_master_of @4.1: The PIF that stands for it.
    run slaves set ref PIF <> PIF.bond_slave_of @4.1: The PIFs in it.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    run primary_slave ref PIF @6.0: The PIF whose MAC and settings it took.
    run mode bond_mode = balance-slb @6.0: How traffic is spread.
    run properties map string string @6.1: Settings of the mode.
    run links_up int @6.1: How many links are up.
    run auto_update_mac bool = true @8.1: It takes another MAC when its first card goes.
    """,
    messages="""
    create(network ref network, members set ref PIF, MAC string, mode? bond_mode = balance-slb,
        properties? map string string)
        -> ref Bond
        host pool-operator @4.1: Make a bond of PIFs of one host.
    destroy(self ref Bond)
        host pool-operator @4.1: Take it apart.
    set_mode(self ref Bond, value bond_mode)
        host pool-operator @6.0: Spread traffic another way.
    set_property(self ref Bond, name string, value string)
        host pool-operator @6.1: Change a setting of the mode.
    """,
)
