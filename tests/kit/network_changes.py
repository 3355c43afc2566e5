"""What tests of the network engine often ask for."""

from ipaddress import IPv4Interface

from kit.network import NetworkAgent
from xenhost.core.network import Ipv4Mode
from xenhost.core.network_records import Ipv4Config
from xenhost.core.network_requests import (
    ReconfigureManagement,
)

STATIC = Ipv4Config(Ipv4Mode.STATIC, IPv4Interface("192.0.2.5/24"))
OTHER = Ipv4Config(Ipv4Mode.STATIC, IPv4Interface("198.51.100.5/24"))
DHCP = Ipv4Config(Ipv4Mode.DHCP)


async def managed(agent: NetworkAgent, device: str = "eth0", config: Ipv4Config = STATIC) -> str:
    """Management on a card."""
    pif = agent.engine.find_pif(device)
    await agent.succeed(ReconfigureManagement(pif, ipv4=config, confirm_seconds=0))
    return agent.engine.pif(pif).bridge
