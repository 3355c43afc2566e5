"""What the switch port promises of bridges and the cards on them."""

from contract.switch_frames import BROADCAST, plain
from contract.switch_ground import SwitchGround, arrives, comes_to_mtu
from xenhost.core.network import Bridge, NicUplink, Topology, VifPort

NET_A = "6c1e4b1e-0000-4000-8000-00000000000a"
NET_B = "6c1e4b1e-0000-4000-8000-00000000000b"
MAC_A = "00:16:3e:00:00:0a"
MAC_B = "00:16:3e:00:00:0b"
MAC_X = "00:16:3e:00:00:99"


async def internal_network_joins_its_guests(ground: SwitchGround) -> None:
    """A bridge without uplink carries frames from guest to guest, both ways."""
    assert not await ground.switch.apply(Topology((Bridge("xapi0", NET_A),)))
    one, two = await ground.vif(), await ground.vif()
    await ground.switch.connect_vif(VifPort(one.interface, "xapi0", MAC_A))
    await ground.switch.connect_vif(VifPort(two.interface, "xapi0", MAC_B))
    await arrives(one.wire, plain(MAC_A, BROADCAST, "hello"), two.wire)
    await arrives(two.wire, plain(MAC_B, MAC_A, "hello back"), one.wire)


async def card_on_a_bridge_joins_guests_and_the_wire(ground: SwitchGround) -> None:
    """What a guest sends leaves by the card, and the other way."""
    card, guest = await ground.nic(), await ground.vif()
    assert not await ground.switch.apply(Topology((Bridge("xenbr0", NET_A, NicUplink(card.device)),)))
    await ground.switch.connect_vif(VifPort(guest.interface, "xenbr0", MAC_A))
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "out"), card.wire)
    await arrives(card.wire, plain(MAC_X, MAC_A, "in"), guest.wire)


async def networks_are_apart(ground: SwitchGround) -> None:
    """What one bridge carries does not come out of another one."""
    await ground.switch.apply(Topology((Bridge("xapi0", NET_A), Bridge("xapi1", NET_B))))
    sender, neighbour, stranger = await ground.vif(), await ground.vif(), await ground.vif()
    await ground.switch.connect_vif(VifPort(sender.interface, "xapi0", MAC_A))
    await ground.switch.connect_vif(VifPort(neighbour.interface, "xapi0", MAC_B))
    await ground.switch.connect_vif(VifPort(stranger.interface, "xapi1", MAC_X))
    frame = plain(MAC_A, BROADCAST, "for us")
    await arrives(sender.wire, frame, neighbour.wire)
    assert frame not in stranger.wire.take()


async def bridge_is_as_wished(ground: SwitchGround) -> None:
    """MAC address and MTU are set, and it is up; later wishes change them in place."""
    await ground.switch.apply(Topology((Bridge("xapi0", NET_A, mac="00:16:3e:12:34:56", mtu=1400),)))
    before = await ground.identity("xapi0")
    assert await ground.mac("xapi0") == "00:16:3e:12:34:56"
    await comes_to_mtu(ground, "xapi0", 1400)
    assert await ground.is_up("xapi0")
    await ground.switch.apply(Topology((Bridge("xapi0", NET_A, mac="00:16:3e:12:34:57", mtu=1300),)))
    assert await ground.mac("xapi0") == "00:16:3e:12:34:57"
    await comes_to_mtu(ground, "xapi0", 1300)
    assert await ground.identity("xapi0") == before


async def mac_without_a_wish_is_the_same_at_each_start(ground: SwitchGround) -> None:
    """Nothing a DHCP server would take for another host."""
    await ground.switch.apply(Topology((Bridge("xapi0", NET_A),)))
    before = await ground.mac("xapi0")
    await ground.switch.apply(Topology())
    await ground.restart()
    await ground.switch.apply(Topology((Bridge("xapi0", NET_A),)))
    assert await ground.mac("xapi0") == before


async def applying_again_changes_nothing(ground: SwitchGround) -> None:
    """Not even after the agent was killed: bridges, ports and traffic stay."""
    card, guest = await ground.nic(), await ground.vif()
    wish = Topology((Bridge("xenbr0", NET_A, NicUplink(card.device)), Bridge("xapi0", NET_B)))
    await ground.switch.apply(wish)
    await ground.switch.connect_vif(VifPort(guest.interface, "xenbr0", MAC_A))
    before = [await ground.identity(each) for each in ("xenbr0", "xapi0")]
    states = {each.name: each for each in await ground.switch.bridges()}
    await ground.restart()
    assert not await ground.switch.apply(wish)
    assert [await ground.identity(each) for each in ("xenbr0", "xapi0")] == before
    assert {each.name: each for each in await ground.switch.bridges()} == states
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "still here"), card.wire)


async def what_is_not_wished_goes(ground: SwitchGround) -> None:
    """Also a bridge with guests on it, and one that an earlier agent made; the card is free again."""
    card, guest = await ground.nic(), await ground.vif()
    await ground.switch.apply(Topology((Bridge("xenbr0", NET_A, NicUplink(card.device)), Bridge("xapi0", NET_B))))
    await ground.switch.connect_vif(VifPort(guest.interface, "xenbr0", MAC_A))
    await ground.restart()
    assert not await ground.switch.apply(Topology((Bridge("xapi0", NET_B),)))
    assert not await ground.exists("xenbr0")
    assert await ground.exists("xapi0")
    assert await ground.exists(card.device)
    assert all(card.device not in each.ports for each in await ground.switch.bridges())


async def bridges_of_others_are_left_alone(ground: SwitchGround) -> None:
    """They are listed without a network, and stay with their ports, whatever is wished."""
    card = await ground.nic()
    await ground.foreign_bridge("virbr7", card.device)
    before = await ground.identity("virbr7")
    await ground.switch.apply(Topology((Bridge("xapi0", NET_A),)))
    await ground.switch.apply(Topology())
    found = {each.name: each for each in await ground.switch.bridges()}
    assert found["virbr7"].network == ""
    assert found["virbr7"].ports == (card.device,)
    assert await ground.identity("virbr7") == before


async def name_that_is_taken_is_a_problem(ground: SwitchGround) -> None:
    """Somebody else's bridge is not taken over, and keeps no other bridge back."""
    await ground.foreign_bridge("xapi0")
    problems = await ground.switch.apply(Topology((Bridge("xapi0", NET_A), Bridge("xapi1", NET_B))))
    assert [each.place for each in problems] == ["xapi0"]
    assert await ground.exists("xapi1")
    await ground.switch.apply(Topology())
    assert await ground.exists("xapi0")


async def card_of_others_is_a_problem(ground: SwitchGround) -> None:
    """A card on somebody else's bridge is not taken; all the rest is made, the bridge without it too."""
    card = await ground.nic()
    await ground.foreign_bridge("virbr7", card.device)
    wish = Topology((Bridge("xenbr0", NET_A, NicUplink(card.device)), Bridge("xapi1", NET_B)))
    problems = await ground.switch.apply(wish)
    assert len(problems) == 1
    assert card.device in problems[0].message
    found = {each.name: each for each in await ground.switch.bridges()}
    assert found["virbr7"].ports == (card.device,)
    assert {"xenbr0", "xapi1"} <= set(found)


async def missing_card_is_a_problem(ground: SwitchGround) -> None:
    """Its bridge is there for the guests, and all others are."""
    wish = Topology((Bridge("xenbr9", NET_A, NicUplink("nocard9")), Bridge("xapi1", NET_B)))
    problems = await ground.switch.apply(wish)
    assert len(problems) == 1
    assert "nocard9" in problems[0].message
    assert await ground.exists("xapi1")
    assert await ground.exists("xenbr9")


async def guests_stay_when_the_uplink_changes(ground: SwitchGround) -> None:
    """From one card to another, to none, and back: same bridge, same ports."""
    first, second, guest = await ground.nic(), await ground.nic(), await ground.vif()
    await ground.switch.apply(Topology((Bridge("xenbr0", NET_A, NicUplink(first.device)),)))
    await ground.switch.connect_vif(VifPort(guest.interface, "xenbr0", MAC_A))
    before = await ground.identity("xenbr0")
    await ground.switch.apply(Topology((Bridge("xenbr0", NET_A, NicUplink(second.device)),)))
    first.wire.take()
    frame = plain(MAC_A, BROADCAST, "by the second")
    await arrives(guest.wire, frame, second.wire)
    assert frame not in first.wire.take()
    await ground.switch.apply(Topology((Bridge("xenbr0", NET_A),)))
    (state,) = [each for each in await ground.switch.bridges() if each.name == "xenbr0"]
    assert (state.uplink, state.ports) == ("", (guest.interface,))
    await ground.switch.apply(Topology((Bridge("xenbr0", NET_A, NicUplink(first.device)),)))
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "by the first"), first.wire)
    assert await ground.identity("xenbr0") == before


async def card_moves_from_bridge_to_bridge(ground: SwitchGround) -> None:
    """In one wish; the old bridge stays if it is wished."""
    card, one, two = await ground.nic(), await ground.vif(), await ground.vif()
    await ground.switch.apply(Topology((Bridge("xapi0", NET_A, NicUplink(card.device)), Bridge("xapi1", NET_B))))
    await ground.switch.connect_vif(VifPort(one.interface, "xapi0", MAC_A))
    await ground.switch.connect_vif(VifPort(two.interface, "xapi1", MAC_B))
    assert not await ground.switch.apply(
        Topology((Bridge("xapi0", NET_A), Bridge("xapi1", NET_B, NicUplink(card.device))))
    )
    await arrives(two.wire, plain(MAC_B, BROADCAST, "mine now"), card.wire)
    one.wire.send(plain(MAC_A, BROADCAST, "no more"))
    assert plain(MAC_A, BROADCAST, "no more") not in await arrives(
        two.wire, plain(MAC_B, BROADCAST, "still mine"), card.wire
    )


async def state_tells_uplink_and_ports(ground: SwitchGround) -> None:
    """What is found can be drawn: network, uplink, ports."""
    card, guest = await ground.nic(), await ground.vif()
    await ground.switch.apply(Topology((Bridge("xenbr0", NET_A, NicUplink(card.device)),)))
    await ground.switch.connect_vif(VifPort(guest.interface, "xenbr0", MAC_A))
    (state,) = [each for each in await ground.switch.bridges() if each.name == "xenbr0"]
    assert (state.network, state.uplink) == (NET_A, card.device)
    assert sorted(state.ports) == sorted((card.device, guest.interface))


PROMISES = (
    internal_network_joins_its_guests,
    card_on_a_bridge_joins_guests_and_the_wire,
    networks_are_apart,
    bridge_is_as_wished,
    mac_without_a_wish_is_the_same_at_each_start,
    applying_again_changes_nothing,
    what_is_not_wished_goes,
    bridges_of_others_are_left_alone,
    name_that_is_taken_is_a_problem,
    card_of_others_is_a_problem,
    missing_card_is_a_problem,
    guests_stay_when_the_uplink_changes,
    card_moves_from_bridge_to_bridge,
    state_tells_uplink_and_ports,
)
