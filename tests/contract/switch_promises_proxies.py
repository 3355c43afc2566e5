"""What the switch port promises of PVS proxies; what they do with frames is tried where there is a daemon."""

from ipaddress import IPv4Address

from contract.switch_frames import BROADCAST, ipv4, udp
from contract.switch_ground import SwitchGround, arrives
from contract.switch_promises_bridges import MAC_A, MAC_B, NET_A
from contract.switch_promises_vifs import neighbour
from xenhost.core.network import Bridge, Topology
from xenhost.core.pvs import PVS, PvsPort, PvsRange

BRIDGES = (Bridge("xapi0", NET_A),)
SERVER = IPv4Address("10.7.0.9")


async def without_a_proxy_daemon_traffic_goes_as_ever(ground: SwitchGround) -> None:
    """It is said, and it is no reason not to make the rest."""
    port = PvsPort("xapi0", MAC_A, (PvsRange(SERVER, 6910, 6930),))
    (problem,) = await ground.switch.apply(Topology(BRIDGES, proxies=(port,)))
    assert problem.place == PVS
    assert await ground.switch.proxies() == frozenset()
    guest, server = await neighbour(ground, "xapi0", MAC_A), await neighbour(ground, "xapi0", MAC_B)
    await arrives(guest.wire, ipv4(MAC_A, BROADCAST, "10.7.0.5", str(SERVER), 17, udp(2000, 6910)), server.wire)


PROMISES = (without_a_proxy_daemon_traffic_goes_as_ever,)
