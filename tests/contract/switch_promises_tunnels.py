"""What the switch port promises of tunnels: hosts that speak the protocols are at the other end of the cable."""

import struct
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from contract.switch_frames import BROADCAST, plain
from contract.switch_ground import Cable, Datagrams, Guest, SwitchGround, Wire, arrives_as
from contract.switch_promises_bridges import MAC_A, MAC_X, NET_A, NET_B
from contract.switch_promises_vifs import neighbour
from xenhost.core.network import Bridge, NicUplink, Topology, TunnelProtocol, TunnelUplink

Interface = IPv4Interface | IPv6Interface
HERE = IPv4Interface("10.6.0.1/24")
HERE6 = IPv6Interface("fd00:6::1/64")
FIRST6, SECOND6 = IPv6Interface("fd00:6::2/64"), IPv6Interface("fd00:6::3/64")
FIRST, SECOND = IPv4Interface("10.6.0.2/24"), IPv4Interface("10.6.0.3/24")
KEY = 7001
VXLAN_PORT = 4789
GRE = 47


class Vxlan(Wire):
    """The inner frames of VXLAN (RFC 7348)."""

    def __init__(self, socket: Datagrams, to: IPv4Address | IPv6Address) -> None:
        self._socket, self._to = socket, to

    def send(self, frame: bytes) -> None:
        """Wrap it."""
        self._socket.send(struct.pack("!II", 0x08000000, KEY << 8) + frame, self._to, VXLAN_PORT)

    def take(self) -> list[bytes]:
        """Unwrapped; those of other networks are not there."""
        return [each[8:] for each in self._socket.take() if each[:8] == struct.pack("!II", 0x08000000, KEY << 8)]


class Gre(Wire):
    """The inner frames of GRE with a key (RFC 2784, RFC 2890) that carries Ethernet."""

    def __init__(self, socket: Datagrams, to: IPv4Address | IPv6Address) -> None:
        self._socket, self._to = socket, to

    def send(self, frame: bytes) -> None:
        """Wrap it."""
        self._socket.send(struct.pack("!HHI", 0x2000, 0x6558, KEY) + frame, self._to)

    def take(self) -> list[bytes]:
        """Unwrapped."""
        head = struct.pack("!HHI", 0x2000, 0x6558, KEY)
        skip = 20 if self._to.version == 4 else 0  # raw sockets of IPv6 give no header
        return [each[skip + 8 :] for each in self._socket.take() if each[skip : skip + 8] == head]


def here(other: IPv4Address | IPv6Address) -> Interface:
    """Of the host, in the same family."""
    return HERE if other.version == 4 else HERE6


def wish(card: Cable, protocol: TunnelProtocol, *remotes: IPv4Address | IPv6Address, mtu: int = 1400) -> Topology:
    """A transport network, and a tunnelled one."""
    return Topology(
        (
            Bridge("xapi5", NET_B, TunnelUplink(protocol, remotes, KEY, here(remotes[0]).ip), mtu=mtu),
            Bridge("xenbr0", NET_A, NicUplink(card.device)),
        )
    )


async def tunnelled(
    ground: SwitchGround, protocol: TunnelProtocol, *others: Interface, mtu: int = 1400
) -> tuple[Guest, list[Wire], Cable]:
    """A guest on a tunnelled network, and the far ends."""
    card = await ground.nic()
    assert not await ground.switch.apply(wish(card, protocol, *(each.ip for each in others), mtu=mtu))
    own = here(others[0].ip)
    await ground.give_address("xenbr0", own)
    wires: list[Wire] = []
    for each in others:
        partner = await ground.partner((card,), each)
        if protocol is TunnelProtocol.GRE:
            wires.append(Gre(partner.ip(GRE), own.ip))
        else:
            wires.append(Vxlan(partner.udp(VXLAN_PORT), own.ip))
    return await neighbour(ground, "xapi5", MAC_A), wires, card


async def both_ways(guest: Guest, far: Wire) -> None:
    """Frames pass through the tunnel."""
    await arrives_as(guest.wire, plain(MAC_A, BROADCAST, "out"), far, plain(MAC_A, BROADCAST, "out"))
    await arrives_as(far, plain(MAC_X, MAC_A, "in"), guest.wire, plain(MAC_X, MAC_A, "in"))


async def apart(guest: Guest, one: Wire, two: Wire) -> None:
    """What a remote sends to all comes to the guest and to no other remote."""
    await both_ways(guest, one)
    await both_ways(guest, two)
    shout = plain(MAC_X, BROADCAST, "to all")
    await arrives_as(one, shout, guest.wire, shout)
    end = plain(MAC_A, BROADCAST, "end")
    assert shout not in await arrives_as(guest.wire, end, two, end)


async def vxlan_carries_frames(ground: SwitchGround) -> None:
    """To another host and back."""
    guest, (far,), _ = await tunnelled(ground, TunnelProtocol.VXLAN, FIRST)
    await both_ways(guest, far)


async def vxlan_keeps_remotes_apart(ground: SwitchGround) -> None:
    """Each reaches the guests, none the other: they have tunnels of their own between them."""
    guest, (one, two), _ = await tunnelled(ground, TunnelProtocol.VXLAN, FIRST, SECOND)
    await apart(guest, one, two)


async def vxlan_remotes_come_and_go(ground: SwitchGround) -> None:
    """Without harm to the others."""
    guest, (one, two), card = await tunnelled(ground, TunnelProtocol.VXLAN, FIRST, SECOND)
    await both_ways(guest, two)
    before = await ground.identity("xapi5")
    assert not await ground.switch.apply(wish(card, TunnelProtocol.VXLAN, SECOND.ip))
    one.take()
    await both_ways(guest, two)
    assert plain(MAC_A, BROADCAST, "out") not in one.take()
    assert not await ground.switch.apply(wish(card, TunnelProtocol.VXLAN, FIRST.ip, SECOND.ip))
    await both_ways(guest, one)
    assert await ground.identity("xapi5") == before


async def gre_carries_frames(ground: SwitchGround) -> None:
    """To another host and back."""
    guest, (far,), _ = await tunnelled(ground, TunnelProtocol.GRE, FIRST)
    await both_ways(guest, far)


async def gre_keeps_remotes_apart(ground: SwitchGround) -> None:
    """As VXLAN does."""
    guest, (one, two), _ = await tunnelled(ground, TunnelProtocol.GRE, FIRST, SECOND)
    await apart(guest, one, two)


async def vxlan_carries_frames_over_ipv6(ground: SwitchGround) -> None:
    """To two hosts and back; they reach one another by tunnels of their own."""
    guest, (one, two), _ = await tunnelled(ground, TunnelProtocol.VXLAN, FIRST6, SECOND6)
    await apart(guest, one, two)


async def gre_carries_frames_over_ipv6(ground: SwitchGround) -> None:
    """To two hosts and back; they reach one another by tunnels of their own."""
    guest, (one, two), _ = await tunnelled(ground, TunnelProtocol.GRE, FIRST6, SECOND6)
    await apart(guest, one, two)


async def gre_over_ipv6_adds_62_bytes(ground: SwitchGround) -> None:
    """So full frames of such a network fit into packets of 1500."""
    await full_frames_fit(ground, TunnelProtocol.GRE, 62)


async def vxlan_over_ipv6_adds_70_bytes(ground: SwitchGround) -> None:
    """So full frames of such a network fit into packets of 1500."""
    await full_frames_fit(ground, TunnelProtocol.VXLAN, 70)


async def full_frames_fit(ground: SwitchGround, protocol: TunnelProtocol, overhead: int) -> None:
    """In one packet, without another header of IPv6."""
    guest, (far,), card = await tunnelled(ground, protocol, FIRST6, mtu=1500 - overhead)
    await both_ways(guest, far)
    card.wire.take()
    full = plain(MAC_A, BROADCAST, "x" * (1500 - overhead))
    await arrives_as(guest.wire, full, far, full)
    long = [each for each in card.wire.take() if len(each) > 1000]
    assert {(len(each), each[20]) for each in long} == {(1514, GRE if protocol is TunnelProtocol.GRE else 17)}


async def tunnel_goes_and_is_found_again(ground: SwitchGround) -> None:
    """By the next agent: unchanged if it is wished, gone if not."""
    guest, (far,), card = await tunnelled(ground, TunnelProtocol.VXLAN, FIRST)
    await both_ways(guest, far)
    before = await ground.identity("xapi5")
    await ground.restart()
    assert not await ground.switch.apply(wish(card, TunnelProtocol.VXLAN, FIRST.ip))
    assert await ground.identity("xapi5") == before
    await both_ways(guest, far)
    assert not await ground.switch.apply(Topology((Bridge("xenbr0", NET_A, NicUplink(card.device)),)))
    assert not await ground.exists("xapi5")


PROMISES = (
    vxlan_carries_frames,
    vxlan_keeps_remotes_apart,
    vxlan_remotes_come_and_go,
    gre_carries_frames,
    gre_keeps_remotes_apart,
    vxlan_carries_frames_over_ipv6,
    gre_carries_frames_over_ipv6,
    gre_over_ipv6_adds_62_bytes,
    vxlan_over_ipv6_adds_70_bytes,
    tunnel_goes_and_is_found_again,
)
