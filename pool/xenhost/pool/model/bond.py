"""Bond: bond."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

BOND: Final[Class] = declare(
    "Bond",
    "Bond.",
    writer="pool-operator",
    since="4.1",
    fields="""
    run uuid string: Its UUID.
    ins master ref PIF = OpaqueRef:NULL <> PIF.bond_master_of @4.1: Master.
    run slaves set ref PIF <> PIF.bond_slave_of @4.1: Slaves.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    run primary_slave ref PIF @6.0: Primary slave.
    run mode bond_mode = balance-slb @6.0: Mode.
    run properties map string string @6.1: Properties.
    run links_up int @6.1: Links up.
    run auto_update_mac bool = true @8.1: Auto update mac.
    """,
    messages="""
    create(network ref network, members set ref PIF, MAC string, mode? bond_mode, properties? map string string)
        -> ref Bond
        host pool-operator @4.1: Create.
    destroy(self ref Bond)
        host pool-operator @4.1: Destroy.
    set_mode(self ref Bond, value bond_mode)
        host pool-operator @6.0: Set mode.
    set_property(self ref Bond, name string, value string)
        host pool-operator @6.1: Set property.
    """,
)
