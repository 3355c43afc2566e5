"""What the switch port promises of bonds."""

import asyncio
from ipaddress import IPv4Interface

from contract import switch_frames as frames
from contract.switch_frames import ARP_REQUEST, BROADCAST, plain
from contract.switch_ground import (
    DEADLINE,
    OVERTAKEN,
    Cable,
    Guest,
    Partner,
    SwitchGround,
    Wire,
    arrives,
    arrives_as,
    until,
)
from contract.switch_promises_bridges import MAC_A, MAC_B, MAC_X, NET_A, NET_B
from contract.switch_promises_vifs import neighbour
from xenhost.core.network import (
    BondMode,
    BondUplink,
    Bridge,
    BridgeState,
    NicUplink,
    SwitchFeature,
    Topology,
    VlanUplink,
)

BOND_MAC = "00:16:3e:b0:00:01"
TIMES = {"miimon": "100", "updelay": "0", "downdelay": "0", "use_carrier": "1"}
LACPDU = b"\x88\x09\x01"
"""EtherType of slow protocols, and the subtype."""
THERE = IPv4Interface("10.5.0.2/24")


def bond(mode: BondMode, *members: Cable, **properties: str) -> BondUplink:
    """`bond0` of those, without delays."""
    devices = tuple(each.device for each in members)
    wanted = {key if key == "hashing_algorithm" else key.replace("_", "-"): properties[key] for key in properties}
    return BondUplink("bond0", devices, mode, BOND_MAC, TIMES | wanted)


def on_bridge(uplink: BondUplink | NicUplink) -> Topology:
    """With a VLAN, too."""
    device = uplink.device
    return Topology(
        (
            Bridge("xenbr0", NET_A, uplink, mac=BOND_MAC),
            Bridge("xapi1", NET_B, VlanUplink("xenbr0", device, 9)),
        )
    )


async def state(ground: SwitchGround) -> BridgeState:
    """Of the bond's bridge."""
    return next(each for each in await ground.switch.bridges() if each.name == "xenbr0")


async def until_members(ground: SwitchGround, **up: bool) -> None:
    """Wait until the members are up, or not."""
    async with asyncio.timeout(DEADLINE):
        while {each.device: each.up for each in (await state(ground)).members} != up:
            await asyncio.sleep(0.05)


async def active_backup_uses_one_card_at_a_time(ground: SwitchGround) -> None:
    """The first; the next one when its cable is pulled. Guests and VLANs on it feel nothing else."""
    one, two = await ground.nic(), await ground.nic()
    wish = on_bridge(bond(BondMode.ACTIVE_BACKUP, one, two))
    assert not await ground.switch.apply(wish)
    guest, inside = await neighbour(ground, "xenbr0", MAC_A), await neighbour(ground, "xapi1", MAC_B)
    await until_members(ground, **{one.device: True, two.device: True})
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "by one"), one.wire)
    assert plain(MAC_A, BROADCAST, "by one") not in two.wire.take()
    found = await state(ground)
    assert found.uplink == "bond0"
    assert [each.active for each in found.members] == [True, False]
    await ground.set_link(one, False)
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "by two"), two.wire)
    await arrives(two.wire, plain(MAC_X, MAC_A, "in"), guest.wire)
    tagged = plain(MAC_B, BROADCAST, "tagged", tag=9)
    await arrives_as(inside.wire, plain(MAC_B, BROADCAST, "tagged"), two.wire, tagged)
    await until_members(ground, **{one.device: False, two.device: True})
    assert [each.active for each in (await state(ground)).members] == [False, True]
    assert not await ground.switch.apply(wish)


async def wire_learns_where_guests_are_after_a_failover(ground: SwitchGround) -> None:
    """Without a word of theirs, also those on VLANs: else what is sent to them is lost until they speak."""
    one, two = await ground.nic(), await ground.nic()
    await ground.switch.apply(on_bridge(bond(BondMode.ACTIVE_BACKUP, one, two)))
    guest, inside = await neighbour(ground, "xenbr0", MAC_A), await neighbour(ground, "xapi1", MAC_B)
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "hello"), one.wire)
    tagged = plain(MAC_B, BROADCAST, "hello", tag=9)
    await arrives_as(inside.wire, plain(MAC_B, BROADCAST, "hello"), one.wire, tagged)
    await until_members(ground, **{one.device: True, two.device: True})
    two.wire.take()
    await ground.set_link(one, False)
    sources: set[tuple[bytes, bool]] = set()

    def learned() -> bool:
        sources.update((each[6:12], each[12:14] == b"\x81\0") for each in two.wire.take())
        return {(frames.octets(MAC_A), False), (frames.octets(MAC_B), True)} <= sources

    await until(learned, "frames from the guests' addresses on the second cable")


async def changes_of_members_are_told(ground: SwitchGround) -> None:
    """As they happen."""
    one, two = await ground.nic(), await ground.nic()
    calls: list[None] = []
    ground.switch.watch_bonds(lambda: calls.append(None))
    await ground.switch.apply(on_bridge(bond(BondMode.ACTIVE_BACKUP, one, two)))
    await until_members(ground, **{one.device: True, two.device: True})
    await asyncio.sleep(1)
    calls.clear()
    await ground.set_link(two, False)
    await until(lambda: bool(calls), "a call when a cable is pulled")
    await until_members(ground, **{one.device: True, two.device: False})
    calls.clear()
    await ground.set_link(two, True)
    await until(lambda: bool(calls), "a call when it is back")


async def bond_has_its_mac_address(ground: SwitchGround) -> None:
    """Whatever the cards' are; they have theirs again when the bond goes."""
    one, two = await ground.nic(), await ground.nic()
    before = await ground.mac(one.device), await ground.mac(two.device)
    await ground.switch.apply(on_bridge(bond(BondMode.ACTIVE_BACKUP, one, two)))
    assert await ground.mac("xenbr0") == BOND_MAC
    assert not await ground.switch.apply(Topology())
    assert (await ground.mac(one.device), await ground.mac(two.device)) == before


async def uplink_becomes_a_bond_and_a_card_again(ground: SwitchGround) -> None:
    """Guests stay on the bridge."""
    one, two = await ground.nic(), await ground.nic()
    await ground.switch.apply(on_bridge(NicUplink(one.device)))
    guest, inside = await neighbour(ground, "xenbr0", MAC_A), await neighbour(ground, "xapi1", MAC_B)
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "card"), one.wire)
    before = await ground.identity("xenbr0"), await ground.identity("xapi1")
    assert not await ground.switch.apply(on_bridge(bond(BondMode.ACTIVE_BACKUP, two, one)))
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "bond"), two.wire)
    tagged = plain(MAC_B, BROADCAST, "bond", tag=9)
    await arrives_as(inside.wire, plain(MAC_B, BROADCAST, "bond"), two.wire, tagged)
    assert not await ground.switch.apply(on_bridge(NicUplink(one.device)))
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "card again"), one.wire)
    tagged = plain(MAC_B, BROADCAST, "card again", tag=9)
    await arrives_as(inside.wire, plain(MAC_B, BROADCAST, "card again"), one.wire, tagged)
    assert (await ground.identity("xenbr0"), await ground.identity("xapi1")) == before


async def members_come_and_go(ground: SwitchGround) -> None:
    """While the others carry on."""
    one, two, three = await ground.nic(), await ground.nic(), await ground.nic()
    await ground.switch.apply(on_bridge(bond(BondMode.ACTIVE_BACKUP, one, two)))
    guest = await neighbour(ground, "xenbr0", MAC_A)
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "two cards"), one.wire)
    assert not await ground.switch.apply(on_bridge(bond(BondMode.ACTIVE_BACKUP, one, two, three)))
    await until_members(ground, **{each.device: True for each in (one, two, three)})
    assert not await ground.switch.apply(on_bridge(bond(BondMode.ACTIVE_BACKUP, three, two)))
    await until_members(ground, **{each.device: True for each in (two, three)})
    frame = plain(MAC_A, BROADCAST, "without the first")
    one.wire.take()
    async with asyncio.timeout(DEADLINE):  # by either: the switch may stay with the one that carried on
        while frame not in (*two.wire.take(), *three.wire.take()):
            guest.wire.send(frame)
            await asyncio.sleep(0.1)
    assert frame not in one.wire.take()


async def member_that_is_missing_is_a_problem(ground: SwitchGround) -> None:
    """The bond works with the others."""
    one = await ground.nic()
    gone = Cable("nocard7", one.wire)
    problems = await ground.switch.apply(on_bridge(bond(BondMode.ACTIVE_BACKUP, gone, one)))
    assert len(problems) == 1
    assert "nocard7" in problems[0].message
    guest = await neighbour(ground, "xenbr0", MAC_A)
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "alone"), one.wire)


async def lacp_finds_its_partner(ground: SwitchGround) -> None:
    """Both members carry traffic once negotiated, and one is enough; the partner is a bond of another kernel."""
    one, two = await ground.nic(), await ground.nic()
    await ground.partner((one, two), THERE)
    lacp = bond(BondMode.LACP, one, two, hashing_algorithm="tcpudp_ports", lacp_time="fast")
    assert not await ground.switch.apply(on_bridge(lacp))
    guest = await neighbour(ground, "xenbr0", MAC_A)
    await until_members(ground, **{one.device: True, two.device: True})
    assert [each.active for each in (await state(ground)).members] == [True, True]
    await asks(guest)
    await ground.set_link(one, False)
    await until_members(ground, **{one.device: False, two.device: True})
    await asks(guest)


async def partner_sees(partner: Partner, key: int) -> None:
    """That key, on two cables. The kernel's bonding has the user's in the upper 10 bits, above speed and duplex."""
    async with asyncio.timeout(DEADLINE):
        while True:
            seen = await partner.lacp()
            if seen.members == 2 and key in (seen.partner_key, seen.partner_key >> 6):
                return
            await asyncio.sleep(0.1)


async def lacp_key_is_told_to_the_partner(ground: SwitchGround) -> None:
    """Another key, too, while traffic goes on; without one the switch chooses."""
    one, two = await ground.nic(), await ground.nic()
    partner = await ground.partner((one, two), THERE)
    guest: Guest | None = None
    for key in ("77", "78"):
        lacp = bond(BondMode.LACP, one, two, lacp_time="fast", lacp_aggregation_key=key)
        assert not await ground.switch.apply(on_bridge(lacp))
        guest = guest or await neighbour(ground, "xenbr0", MAC_A)
        await until_members(ground, **{one.device: True, two.device: True})
        await partner_sees(partner, int(key))
        await asks(guest)
    assert not await ground.switch.apply(on_bridge(bond(BondMode.LACP, one, two, lacp_time="fast")))
    await until_members(ground, **{one.device: True, two.device: True})
    async with asyncio.timeout(DEADLINE):
        while {(seen := await partner.lacp()).partner_key, seen.partner_key >> 6} & {77, 78} or seen.members != 2:
            await asyncio.sleep(0.1)


async def lacp_says_its_key_to_nobody_in_particular(ground: SwitchGround) -> None:
    """On each cable, also without a partner (IEEE 802.1AX, 6.4.2.3)."""
    one, two = await ground.nic(), await ground.nic()
    lacp = bond(BondMode.LACP, one, two, lacp_time="fast", lacp_aggregation_key="77")
    assert not await ground.switch.apply(on_bridge(lacp))
    for wire in (one.wire, two.wire):
        keys: set[int] = set()

        def said(wire: Wire = wire, keys: set[int] = keys) -> bool:
            keys.update(int.from_bytes(each[26:28], "big") for each in wire.take() if each[12:15] == LACPDU)
            return bool({77, 77 << 6} & {*keys, *(key >> 6 << 6 for key in keys)})

        await until(said, "the key in a message of LACP")


async def lacp_falls_back_to_one_card_without_a_partner(ground: SwitchGround) -> None:
    """If it may. If it must not, and the switch can do that, nothing works."""
    one, two = await ground.nic(), await ground.nic()
    lacp = bond(BondMode.LACP, one, two, lacp_time="fast", lacp_fallback_ab="true")
    assert not await ground.switch.apply(on_bridge(lacp))
    guest = await neighbour(ground, "xenbr0", MAC_A)
    frame = plain(MAC_A, BROADCAST, "alone")
    out = await first_of(guest, frame, one, two)
    other = two.wire if out is one.wire else one.wire
    other.take()
    for _ in range(20):
        guest.wire.send(frame)
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "end"), one.wire if out is one.wire else two.wire)
    assert frame not in other.take(), "one card, not both"
    if SwitchFeature.LACP_STRICT not in ground.switch.features:
        return
    strict = bond(BondMode.LACP, one, two, lacp_time="fast", lacp_fallback_ab="false")
    assert not await ground.switch.apply(on_bridge(strict))
    await until_members(ground, **{one.device: False, two.device: False})
    await asyncio.sleep(OVERTAKEN)
    for wire in (one.wire, two.wire):
        wire.take()
    for _ in range(20):
        guest.wire.send(frame)
        await asyncio.sleep(0.05)
    assert frame not in (*one.wire.take(), *two.wire.take())


async def lacp_works_again_when_its_partner_comes_and_goes(ground: SwitchGround) -> None:
    """Falling back meanwhile."""
    one, two = await ground.nic(), await ground.nic()
    lacp = bond(BondMode.LACP, one, two, lacp_time="fast", lacp_fallback_ab="true")
    assert not await ground.switch.apply(on_bridge(lacp))
    guest = await neighbour(ground, "xenbr0", MAC_A)
    await first_of(guest, plain(MAC_A, BROADCAST, "before"), one, two)
    for number in range(2):
        partner = await ground.partner((one, two), THERE)
        await until_members(ground, **{one.device: True, two.device: True})
        await asks(guest)
        await partner.leave()
        await first_of(guest, plain(MAC_A, BROADCAST, f"after {number}"), one, two)


async def mode_changes_under_guests(ground: SwitchGround) -> None:
    """From LACP to active-backup and back: guests stay, also those on a VLAN."""
    one, two = await ground.nic(), await ground.nic()
    await ground.switch.apply(on_bridge(bond(BondMode.LACP, one, two, hashing_algorithm="src_mac")))
    guest, inside = await neighbour(ground, "xenbr0", MAC_A), await neighbour(ground, "xapi1", MAC_B)
    before = await ground.identity("xenbr0"), await ground.identity("xapi1")
    assert not await ground.switch.apply(on_bridge(bond(BondMode.ACTIVE_BACKUP, one, two)))
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "hello"), one.wire)
    tagged = plain(MAC_B, BROADCAST, "hello", tag=9)
    await arrives_as(inside.wire, plain(MAC_B, BROADCAST, "hello"), one.wire, tagged)
    await ground.partner((one, two), THERE)
    assert not await ground.switch.apply(on_bridge(bond(BondMode.LACP, one, two, lacp_time="fast")))
    await until_members(ground, **{one.device: True, two.device: True})
    await asks(guest)
    assert (await ground.identity("xenbr0"), await ground.identity("xapi1")) == before


async def balance_slb_makes_neither_copies_nor_loops(ground: SwitchGround) -> None:
    """The switches on the wire know of no bond: a broadcast comes by every cable, and what goes out comes back."""
    one, two = await ground.nic(), await ground.nic()
    problems = await ground.switch.apply(on_bridge(bond(BondMode.BALANCE_SLB, one, two)))
    if SwitchFeature.BALANCE_SLB not in ground.switch.features:
        assert problems
        return
    assert not problems
    guest, other = await neighbour(ground, "xenbr0", MAC_A), await neighbour(ground, "xenbr0", MAC_B)
    await until_members(ground, **{one.device: True, two.device: True})
    wires = one.wire, two.wire
    hello = plain(MAC_A, BROADCAST, "hello")
    out = await first_of(guest, hello, one, two)
    back = wires[1] if out is wires[0] else wires[0]
    assert hello not in back.take()
    guest.wire.take()
    other.wire.take()
    copy = plain(MAC_X, BROADCAST, "to all")
    seen: list[bytes] = []
    async with asyncio.timeout(DEADLINE):  # each cable brings one, and one of both comes through
        for wire in wires:
            wire.send(copy)
        while copy not in seen:
            await asyncio.sleep(0.02)
            seen += other.wire.take()
    guest.wire.send(hello)
    back.send(hello)
    for wire in wires:
        seen += await arrives(wire, plain(MAC_X, MAC_B, "unicast comes by either"), other.wire)
    assert seen.count(copy) == 1
    assert hello not in guest.wire.take(), "its own frame came back to it"


async def balance_slb_survives_a_pulled_cable(ground: SwitchGround) -> None:
    """Whichever: broadcasts come in and go out by the other one."""
    if SwitchFeature.BALANCE_SLB not in ground.switch.features:
        return
    one, two = await ground.nic(), await ground.nic()
    assert not await ground.switch.apply(on_bridge(bond(BondMode.BALANCE_SLB, one, two)))
    guest = await neighbour(ground, "xenbr0", MAC_A)
    for gone, left in ((one, two), (two, one)):
        await until_members(ground, **{one.device: True, two.device: True})
        await ground.set_link(gone, False)
        await until_members(ground, **{gone.device: False, left.device: True})
        await arrives(guest.wire, plain(MAC_A, BROADCAST, f"without {gone.device}"), left.wire)
        await arrives(left.wire, plain(MAC_X, BROADCAST, f"without {gone.device}"), guest.wire)
        await ground.set_link(gone, True)


async def first_of(guest: Guest, frame: bytes, one: Cable, two: Cable) -> object:
    """The wire by which it leaves."""
    async with asyncio.timeout(DEADLINE):
        while True:
            guest.wire.send(frame)
            await asyncio.sleep(0.05)
            if frame in one.wire.take():
                return one.wire
            if frame in two.wire.take():
                return two.wire


async def asks(guest: Guest) -> None:
    """Until the host at the other end of the cables answers: ARP."""
    question = frames.arp(MAC_A, ARP_REQUEST, MAC_A, "10.5.0.7", str(THERE.ip))

    def answered() -> bool:
        guest.wire.send(question)
        return any(each[12:14] == b"\x08\x06" and each[28:32] == THERE.ip.packed for each in guest.wire.take())

    await until(answered, "an answer from the partner")


PROMISES = (
    active_backup_uses_one_card_at_a_time,
    wire_learns_where_guests_are_after_a_failover,
    changes_of_members_are_told,
    bond_has_its_mac_address,
    uplink_becomes_a_bond_and_a_card_again,
    members_come_and_go,
    member_that_is_missing_is_a_problem,
    lacp_finds_its_partner,
    lacp_key_is_told_to_the_partner,
    lacp_says_its_key_to_nobody_in_particular,
    lacp_falls_back_to_one_card_without_a_partner,
    lacp_works_again_when_its_partner_comes_and_goes,
    mode_changes_under_guests,
    balance_slb_makes_neither_copies_nor_loops,
    balance_slb_survives_a_pulled_cable,
)
