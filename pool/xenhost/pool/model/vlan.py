"""VLAN: tagged traffic as an interface of its own."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

VLAN: Final[Class] = declare(
    "VLAN",
    "Tagged traffic as an interface of its own.",
    writer="pool-operator",
    since="4.1",
    fields="""
    run uuid string: Its UUID.
    ins tagged_PIF ref PIF = OpaqueRef:NULL <> PIF.VLAN_slave_of @4.1: The PIF that carries tagged frames.
    run untagged_PIF ref PIF @4.1: The PIF that stands for it.
    ins tag int = -1 @4.1: Its number.
    rw  other_config map string string = {} @4.1: Keys of clients and of features that have no field.
    """,
    messages="""
    create(tagged_PIF ref PIF, tag int, network ref network) -> ref VLAN
        host pool-operator @4.1: Make a VLAN on a PIF.
    destroy(self ref VLAN)
        host pool-operator @4.1: Remove it.
    """,
)
