"""What the switch port promises of VLANs."""

from contract.switch_frames import BROADCAST, plain
from contract.switch_ground import SwitchGround, arrives, arrives_as
from contract.switch_promises_bridges import MAC_A, MAC_B, MAC_X, NET_A, NET_B
from contract.switch_promises_vifs import neighbour
from xenhost.core.network import Bridge, NicUplink, Topology, VlanUplink

TAG = 105
MANY = 25
"""Few enough for an emulated processor."""
NET_C = "6c1e4b1e-0000-4000-8000-00000000000c"


def wish(card: str, tag: int = TAG) -> Topology:
    """A card's bridge, and one with the traffic of one tag."""
    return Topology(
        (
            Bridge("xapi1", NET_B, VlanUplink("xenbr0", card, tag)),  # its parent comes later: order is no matter
            Bridge("xenbr0", NET_A, NicUplink(card)),
        )
    )


async def vlan_carries_frames_with_its_tag(ground: SwitchGround) -> None:
    """Untagged for the guest, tagged on the wire, both ways; the parent's traffic is apart."""
    card = await ground.nic()
    assert not await ground.switch.apply(wish(card.device))
    plainly, inside = await neighbour(ground, "xenbr0", MAC_A), await neighbour(ground, "xapi1", MAC_B)
    await arrives_as(inside.wire, plain(MAC_B, BROADCAST, "out"), card.wire, plain(MAC_B, BROADCAST, "out", tag=TAG))
    await arrives_as(card.wire, plain(MAC_X, MAC_B, "in", tag=TAG), inside.wire, plain(MAC_X, MAC_B, "in"))
    await arrives(card.wire, plain(MAC_X, MAC_A, "plain"), plainly.wire)
    await arrives(plainly.wire, plain(MAC_A, BROADCAST, "plain"), card.wire)
    assert plain(MAC_A, BROADCAST, "plain") not in inside.wire.take()


async def vlans_of_one_card_are_apart(ground: SwitchGround) -> None:
    """Two tags, two networks."""
    card = await ground.nic()
    two = Topology((*wish(card.device).bridges, Bridge("xapi2", NET_C, VlanUplink("xenbr0", card.device, 106))))
    assert not await ground.switch.apply(two)
    five, six = await neighbour(ground, "xapi1", MAC_A), await neighbour(ground, "xapi2", MAC_B)
    await arrives_as(card.wire, plain(MAC_X, BROADCAST, "6", tag=106), six.wire, plain(MAC_X, BROADCAST, "6"))
    assert plain(MAC_X, BROADCAST, "6") not in five.wire.take()


async def vlan_goes_without_its_parents_leave(ground: SwitchGround) -> None:
    """It is taken away and its parent stays; it is put back after a restart."""
    card = await ground.nic()
    await ground.switch.apply(wish(card.device))
    before = await ground.identity("xenbr0")
    await ground.restart()
    assert not await ground.switch.apply(Topology((Bridge("xenbr0", NET_A, NicUplink(card.device)),)))
    assert not await ground.exists("xapi1")
    assert not await ground.switch.apply(wish(card.device))
    inside = await neighbour(ground, "xapi1", MAC_B)
    await arrives_as(card.wire, plain(MAC_X, MAC_B, "in", tag=TAG), inside.wire, plain(MAC_X, MAC_B, "in"))
    assert await ground.identity("xenbr0") == before


async def vlan_changes_its_tag(ground: SwitchGround) -> None:
    """Guests stay on it."""
    card = await ground.nic()
    await ground.switch.apply(wish(card.device))
    inside = await neighbour(ground, "xapi1", MAC_B)
    await arrives_as(card.wire, plain(MAC_X, MAC_B, "in", tag=TAG), inside.wire, plain(MAC_X, MAC_B, "in"))
    assert not await ground.switch.apply(wish(card.device, 106))
    await arrives_as(card.wire, plain(MAC_X, MAC_B, "6", tag=106), inside.wire, plain(MAC_X, MAC_B, "6"))
    card.wire.send(plain(MAC_X, MAC_B, "old", tag=TAG))
    await arrives_as(card.wire, plain(MAC_X, MAC_B, "end", tag=106), inside.wire, plain(MAC_X, MAC_B, "end"))
    assert plain(MAC_X, MAC_B, "old") not in inside.wire.take()


async def many_vlans_fit_on_a_card(ground: SwitchGround) -> None:
    """And are found as they are by the next agent."""
    card = await ground.nic()
    many = tuple(
        Bridge(f"xapi{tag}", f"{NET_B[:-4]}{tag:04d}", VlanUplink("xenbr0", card.device, tag))
        for tag in range(1, MANY + 1)
    )
    topology = Topology((Bridge("xenbr0", NET_A, NicUplink(card.device)), *many))
    assert not await ground.switch.apply(topology)
    inside = await neighbour(ground, f"xapi{MANY}", MAC_B)
    await arrives_as(card.wire, plain(MAC_X, MAC_B, "in", tag=MANY), inside.wire, plain(MAC_X, MAC_B, "in"))
    before = await ground.identity("xapi10")
    await ground.restart()
    assert not await ground.switch.apply(topology)
    assert await ground.identity("xapi10") == before
    assert not await ground.switch.apply(Topology())
    assert not await ground.exists(f"xapi{MANY}")


PROMISES = (
    vlan_carries_frames_with_its_tag,
    vlans_of_one_card_are_apart,
    vlan_goes_without_its_parents_leave,
    vlan_changes_its_tag,
    many_vlans_fit_on_a_card,
)
