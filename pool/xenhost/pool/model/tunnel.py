"""tunnel: A network that is carried within another."""

from typing import Final

from xenhost.pool.schema.declarations import Class
from xenhost.pool.schema.notation import declare

TUNNEL: Final[Class] = declare(
    "tunnel",
    "A network that is carried within another.",
    writer="pool-operator",
    since="5.6fp1",
    fields="""
    run uuid string @5.6fp1: Its UUID.
    ins access_PIF ref PIF = OpaqueRef:NULL <> PIF.tunnel_access_PIF_of @5.6fp1: The PIF that stands for it.
    ins transport_PIF ref PIF = OpaqueRef:NULL <> PIF.tunnel_transport_PIF_of @5.6fp1: The PIF that carries it.
    rw  status map string string = {"active":"false"} @5.6fp1: Whether it works.
    rw  other_config map string string = {} @5.6fp1: Keys of clients and of features that have no field.
    rw  protocol tunnel_protocol = gre @1.250.0: How it is carried.
    """,
    messages="""
    create(transport_PIF ref PIF, network ref network, protocol? tunnel_protocol = gre) -> ref tunnel
        host pool-operator @5.6fp1: Make a tunnel on a PIF.
        ! OPENVSWITCH_NOT_ACTIVE TRANSPORT_PIF_NOT_CONFIGURED IS_TUNNEL_ACCESS_PIF
    destroy(self ref tunnel)
        host pool-operator @5.6fp1: Remove it.
    """,
)
