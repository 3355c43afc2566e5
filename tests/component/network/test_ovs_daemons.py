"""Open vSwitch's daemons die, come back, forget; others change what they know. The switch is the one in user space."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path

import pytest

from contract.switch_frames import ARP_REQUEST, BROADCAST, arp, ipv4, plain, udp
from contract.switch_ground import Guest, arrives, until
from contract.switch_ovs import OvsGround, standing
from kit.openvswitch import OvsDaemons
from xenhost.core.network import Bridge, FailMode, LockingMode, NicUplink, Topology, VifPort, VlanUplink
from xenhost.core.network_errors import SwitchUnavailable
from xenhost.drivers.network.ovs.switch import OvsSwitch

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: needs root"),
    pytest.mark.timeout(120),
]
NET = "6c1e4b1e-0000-4000-8000-00000000000a"
NET_B = "6c1e4b1e-0000-4000-8000-00000000000b"
MAC, OTHER = "00:16:3e:00:00:0a", "00:16:3e:00:00:0b"
ONE_BRIDGE = Topology((Bridge("xapi0", NET),))


@pytest.fixture
async def ground() -> AsyncIterator[OvsGround]:
    with tempfile.TemporaryDirectory(prefix="ovs") as folder:
        async with standing(OvsDaemons(Path(folder)), {}) as ground:
            yield ground


def locked(interface: str, bridge: str = "xapi0", **more: int) -> VifPort:
    allowed = frozenset({IPv4Network("10.7.0.5")})
    rate = more.get("rate", 0)
    return VifPort(
        interface, bridge, MAC, locking=LockingMode.LOCKED, ipv4_allowed=allowed, receive_bytes_per_second=rate
    )


def frame(sender: str, mark: str = "") -> bytes:
    return ipv4(MAC, BROADCAST, sender, "10.7.0.1", 17, udp(1, 2, mark.encode()))


GOOD, FORGED = frame("10.7.0.5"), frame("10.7.0.66")


async def locked_guest(ground: OvsGround, bridge: str = "xapi0") -> tuple[Guest, Guest]:
    """And one that listens."""
    guest, sink = await ground.vif(), await ground.vif()
    await ground.switch.connect_vif(VifPort(sink.interface, bridge, OTHER))
    await ground.switch.connect_vif(locked(guest.interface, bridge))
    await arrives(guest.wire, GOOD, sink.wire)
    return guest, sink


async def passes_only_good(guest: Guest, sink: Guest) -> None:
    """Forged frames are sent until good ones arrive; what arrived of them."""
    seen: list[bytes] = []
    async with asyncio.timeout(30):
        while GOOD not in seen:
            guest.wire.send(FORGED)
            guest.wire.send(GOOD)
            await asyncio.sleep(0.002)
            seen += sink.wire.take()
    assert FORGED not in seen


async def test_rules_are_back_before_a_new_vswitchd_forwards_anything(ground: OvsGround) -> None:
    await ground.switch.apply(ONE_BRIDGE)
    guest, sink = await locked_guest(ground)
    before = ground.daemons.flows("xapi0")
    ground.daemons.kill("ovs-vswitchd")
    sink.wire.take()
    ground.daemons.start_switch()
    await passes_only_good(guest, sink)
    ovs = ground.daemons
    await until(lambda: ovs.has_flows("xapi0") and ovs.flows("xapi0") == before, "the same flows")


async def test_a_new_vswitchd_waits_for_an_agent_that_is_gone_too(ground: OvsGround) -> None:
    await ground.switch.apply(ONE_BRIDGE)
    guest, sink = await locked_guest(ground)
    await ground.switch.close()
    ground.daemons.kill("ovs-vswitchd")
    ground.daemons.start_switch()
    sink.wire.take()
    for _ in range(200):
        guest.wire.send(FORGED)
        await asyncio.sleep(0.005)
    assert FORGED not in sink.wire.take()
    await ground.restart()
    await passes_only_good(guest, sink)


async def test_without_locked_vifs_a_new_vswitchd_waits_for_nobody(ground: OvsGround) -> None:
    await ground.switch.apply(ONE_BRIDGE)
    guest, sink = await locked_guest(ground)
    await ground.switch.connect_vif(VifPort(guest.interface, "xapi0", MAC))
    await ground.switch.disconnect_vif(guest.interface)
    await ground.switch.connect_vif(locked(guest.interface))
    assert "flow-restore-wait" in ground.daemons.vsctl("get", "Open_vSwitch", ".", "other_config")
    await ground.switch.disconnect_vif(guest.interface)
    await ground.switch.connect_vif(VifPort(guest.interface, "xapi0", MAC))
    assert ground.daemons.vsctl("get", "Open_vSwitch", ".", "other_config").strip() == "{}"
    await ground.switch.close()
    ground.daemons.kill("ovs-vswitchd")
    ground.daemons.start_switch()
    await arrives(guest.wire, FORGED, sink.wire)
    await ground.switch.open()


async def test_a_restart_by_others_does_not_end_the_waiting(ground: OvsGround) -> None:
    await ground.switch.apply(ONE_BRIDGE)
    await locked_guest(ground)
    ground.daemons.vsctl("remove", "Open_vSwitch", ".", "other_config", "flow-restore-wait")
    await until(
        lambda: "flow-restore-wait" in ground.daemons.vsctl("get", "Open_vSwitch", ".", "other_config"),
        "the next ovs-vswitchd will wait",
    )


async def test_a_new_ovsdb_server_is_found(ground: OvsGround) -> None:
    await ground.switch.apply(ONE_BRIDGE)
    guest, sink = await locked_guest(ground)
    ground.daemons.kill("ovsdb-server")
    ground.daemons.start_database()
    late = await ground.vif()
    await ground.switch.connect_vif(VifPort(late.interface, "xapi0", MAC))
    assert list(await ground.switch.vif_ports()) == sorted((guest.interface, sink.interface, late.interface))
    await passes_only_good(guest, sink)
    assert not await ground.switch.apply(ONE_BRIDGE)


async def test_silent_daemons_are_said_to_be(ground: OvsGround) -> None:
    switch = OvsSwitch(ground.daemons.rundir, "netdev", patience=0.5)
    await switch.open()
    ground.daemons.kill("ovs-vswitchd")
    with pytest.raises(SwitchUnavailable, match="ovs-vswitchd"):
        await switch.apply(ONE_BRIDGE)
    ground.daemons.kill("ovsdb-server")
    with pytest.raises(SwitchUnavailable, match="ovsdb-server"):
        await switch.apply(Topology())
    await switch.close()
    with pytest.raises(SwitchUnavailable):
        await OvsSwitch(ground.daemons.rundir, "netdev", patience=0.5).open()
    ground.daemons.start_database()
    with pytest.raises(SwitchUnavailable):
        await OvsSwitch(ground.daemons.rundir, "netdev", patience=0.5).open()
    ground.daemons.start_switch()


async def test_flows_that_a_controller_costs_are_made_anew(ground: OvsGround) -> None:
    await ground.switch.apply(ONE_BRIDGE)
    guest, sink = await locked_guest(ground)
    before = ground.daemons.flows("xapi0")
    ground.daemons.vsctl("set-controller", "xapi0", "tcp:127.0.0.1:6653")
    ground.daemons.vsctl("set-controller", "xapi0", "tcp:127.0.0.1:6653", "tcp:127.0.0.1:6654")
    await until(lambda: "cookie=0x78656e68" in ground.daemons.flows("xapi0"), "the rules are back")
    ground.daemons.vsctl("del-controller", "xapi0")
    await until(lambda: ground.daemons.flows("xapi0") == before, "the rules are back")
    await passes_only_good(guest, sink)


async def test_a_controller_that_allows_its_own_protocol_only_does_not_lock_us_out(ground: OvsGround) -> None:
    await ground.switch.apply(ONE_BRIDGE)
    guest, sink = await locked_guest(ground)
    ground.daemons.vsctl("set", "bridge", "xapi0", "protocols=OpenFlow11")
    await ground.restart()
    await ground.switch.connect_vif(VifPort(guest.interface, "xapi0", MAC))
    await arrives(guest.wire, FORGED, sink.wire)
    assert set(ground.daemons.vsctl("get", "bridge", "xapi0", "protocols").strip("[]\n").split(", ")) == {
        "OpenFlow11",
        "OpenFlow14",
    }
    assert not await ground.switch.apply(ONE_BRIDGE)


async def test_a_secure_bridge_keeps_dom0_reachable_and_nobody_else(ground: OvsGround) -> None:
    card, guest = await ground.nic(), await ground.vif()
    wish = Topology((Bridge("xenbr0", NET, NicUplink(card.device), fail_mode=FailMode.SECURE),))
    assert not await ground.switch.apply(wish)
    await ground.give_address("xenbr0", IPv4Interface("10.7.0.1/24"))
    await ground.switch.connect_vif(VifPort(guest.interface, "xenbr0", MAC))

    async def answers() -> None:
        question = arp(OTHER, ARP_REQUEST, OTHER, "10.7.0.9", "10.7.0.1")

        def answered() -> bool:
            card.wire.send(question)
            return any(each[:6] == bytes.fromhex(OTHER.replace(":", "")) for each in card.wire.take())

        await until(answered, "dom0 answers")

    await answers()
    ground.daemons.kill("ovs-vswitchd")
    ground.daemons.start_switch()
    await answers()
    guest.wire.send(plain(MAC, BROADCAST, "let me out"))
    await answers()
    assert plain(MAC, BROADCAST, "let me out") not in card.wire.take()
    await ground.switch.apply(Topology((Bridge("xenbr0", NET, NicUplink(card.device)),)))
    await arrives(guest.wire, plain(MAC, BROADCAST, "let me out"), card.wire)


async def test_limits_leave_nothing_behind(ground: OvsGround) -> None:
    await ground.switch.apply(ONE_BRIDGE)
    guests = [await ground.vif() for _ in range(3)]
    for each in guests:
        await ground.switch.connect_vif(locked(each.interface, rate=1_000_000))
    rates = ground.daemons.vsctl("--columns=other_config", "--no-headings", "list", "QoS")
    assert rates.count('max-rate="8000000"') == 3
    await ground.switch.disconnect_vif(guests[0].interface)
    await ground.switch.connect_vif(locked(guests[1].interface))
    ground.daemons.vsctl("del-port", guests[2].interface)
    await ground.restart()
    assert ground.daemons.vsctl("list", "QoS") == ""


async def test_flows_that_an_agent_left_behind_are_removed(ground: OvsGround) -> None:
    await ground.switch.apply(ONE_BRIDGE)
    ground.daemons.run(
        "ovs-ofctl",
        "-O",
        "OpenFlow14",
        "add-flow",
        f"unix:{ground.daemons.rundir}/xapi0.mgmt",
        "cookie=0x78656e6800001000,in_port=4096,actions=drop",
    )
    await ground.restart()
    assert "0x78656e68" not in ground.daemons.flows("xapi0")


async def test_others_find_what_they_look_for(ground: OvsGround) -> None:
    card, guest = await ground.nic(), await ground.vif()
    await ground.switch.apply(
        Topology(
            (
                Bridge("xenbr0", NET, NicUplink(card.device), disable_in_band=True, igmp_snooping=True),
                Bridge("xapi1", NET_B, VlanUplink("xenbr0", card.device, 7)),
            )
        )
    )
    await ground.switch.connect_vif(VifPort(guest.interface, "xapi1", MAC, vm="vm-1", vif="vif-1", network=NET_B))
    vsctl = ground.daemons.vsctl
    assert vsctl("list-br").split() == ["xapi1", "xenbr0"]
    assert vsctl("br-to-parent", "xapi1").strip() == "xenbr0"
    assert vsctl("br-to-vlan", "xapi1").strip() == "7"
    assert vsctl("br-get-external-id", "xenbr0", "xs-network-uuids").strip() == f"{NET};{NET_B}"
    assert vsctl("br-get-external-id", "xapi1", "xs-network-uuids").strip() == NET_B
    assert vsctl("list-ports", "xapi1").split() == [guest.interface]
    assert vsctl("get", "bridge", "xenbr0", "mcast_snooping_enable").strip() == "true"
    assert vsctl("get", "bridge", "xenbr0", "other_config:disable-in-band").strip() == '"true"'
    assert vsctl("get", "bridge", "xenbr0", "other_config:mac-table-size").strip() == '"10000"'
    ids = vsctl("get", "interface", guest.interface, "external_ids")
    assert ids.strip() == f'{{attached-mac="{MAC}", xs-network-uuid="{NET_B}", xs-vif-uuid=vif-1, xs-vm-uuid=vm-1}}'


async def test_a_bridge_becomes_a_vlan_and_back_under_a_locked_guest(ground: OvsGround) -> None:
    card = await ground.nic()
    parent = Bridge("xenbr0", NET, NicUplink(card.device))
    await ground.switch.apply(Topology((parent, Bridge("xapi0", NET_B))))
    guest, sink = await locked_guest(ground)
    vlan = Bridge("xapi0", NET_B, VlanUplink("xenbr0", card.device, 7))
    assert not await ground.switch.apply(Topology((parent, vlan)))
    await passes_only_good(guest, sink)
    assert f"in_port={guest.interface}" in ground.daemons.run(
        "ovs-ofctl", "-O", "OpenFlow14", "--names", "dump-flows", f"unix:{ground.daemons.rundir}/xenbr0.mgmt"
    ).replace('"', "")
    assert not await ground.switch.apply(Topology((parent, Bridge("xapi0", NET_B))))
    await passes_only_good(guest, sink)
    assert "0x78656e68" not in ground.daemons.flows("xenbr0")
    assert sorted(await ground.switch.vif_ports()) == sorted((guest.interface, sink.interface))


async def test_no_forged_frame_passes_while_a_vif_is_locked_and_moved(ground: OvsGround) -> None:
    """The guest shouts all the time, also before its port is there."""
    await ground.switch.apply(Topology((Bridge("xapi0", NET), Bridge("xapi1", NET_B))))
    sinks = [await ground.vif(), await ground.vif()]
    for number, sink in enumerate(sinks):
        await ground.switch.connect_vif(VifPort(sink.interface, f"xapi{number}", OTHER))
    guest = await ground.vif()
    ground.host.route.link("set", ifname=guest.interface, state="up")
    shouting = asyncio.create_task(_shout(guest))
    try:
        for bridge in ("xapi0", "xapi1", "xapi0", "xapi1"):
            await ground.switch.connect_vif(locked(guest.interface, bridge))
            sink = sinks[int(bridge[-1])]
            await passes_only_good(guest, sink)
        assert all(FORGED not in sink.wire.take() for sink in sinks)
        assert "0x78656e68" not in ground.daemons.flows("xapi0")
    finally:
        shouting.cancel()


async def _shout(guest: Guest) -> None:
    while True:
        with contextlib.suppress(OSError):  # it has no carrier for a moment
            guest.wire.send(FORGED)
        await asyncio.sleep(0.001)


async def test_ports_of_others_stay(ground: OvsGround) -> None:
    await ground.switch.apply(ONE_BRIDGE)
    foreign = await ground.nic()
    ground.daemons.vsctl("add-port", "xapi0", foreign.device)
    await ground.switch.apply(ONE_BRIDGE)
    await ground.restart()
    await ground.switch.apply(ONE_BRIDGE)
    assert ground.daemons.vsctl("list-ports", "xapi0").split() == [foreign.device]


async def test_a_bridge_that_begins_to_snoop_asks_who_listens(ground: OvsGround) -> None:
    await ground.switch.apply(ONE_BRIDGE)
    guest, other = await ground.vif(), await ground.vif()
    await ground.switch.connect_vif(VifPort(guest.interface, "xapi0", MAC))
    await ground.switch.connect_vif(VifPort(other.interface, "xapi0", OTHER))
    await arrives(other.wire, plain(OTHER, BROADCAST, "ready"), guest.wire)
    await ground.switch.apply(Topology((Bridge("xapi0", NET, igmp_snooping=True),)))
    asked: set[bytes] = set()

    def both() -> bool:
        asked.update(each[:6] for each in guest.wire.take())
        return {b"\1\0\x5e\0\0\1", b"\x33\x33\0\0\0\1"} <= asked

    await until(both, "a query of IGMP and one of MLD")
    group = ipv4(OTHER, "01:00:5e:07:07:07", "10.7.0.9", "239.7.7.7", 17, udp(1, 2))
    joined = ipv4(MAC, "01:00:5e:07:07:07", "10.7.0.5", "239.7.7.7", 2, bytes.fromhex("1600f3f0ef070707"))
    stranger = await ground.vif()
    await ground.switch.connect_vif(VifPort(stranger.interface, "xapi0", "00:16:3e:00:00:0c"))
    await arrives(other.wire, plain(OTHER, BROADCAST, "ready"), stranger.wire)
    guest.wire.send(joined)
    await until(
        lambda: "239.7.7.7" in ground.daemons.run("ovs-appctl", "mdb/show", "xapi0"), "the bridge learns of the member"
    )
    stranger.wire.take()
    await arrives(other.wire, group, guest.wire)
    await arrives(other.wire, plain(OTHER, BROADCAST, "end"), stranger.wire)
    assert group not in stranger.wire.take()


async def test_a_change_is_one_transaction_and_no_change_is_none(ground: OvsGround) -> None:
    card, other, guest = await ground.nic(), await ground.nic(), await ground.vif()

    def count() -> int:
        return int(ground.daemons.vsctl("get", "Open_vSwitch", ".", "next_cfg"))

    bridges = (
        Bridge("xenbr0", NET, NicUplink(card.device), igmp_snooping=True, fail_mode=FailMode.STANDALONE),
        Bridge("xapi1", NET_B, VlanUplink("xenbr0", card.device, 7)),
    )
    begin = count()
    await ground.switch.apply(Topology(bridges))
    await ground.switch.connect_vif(locked(guest.interface, "xapi1", rate=1000))
    assert count() == begin + 2
    await ground.switch.apply(Topology(bridges))
    await ground.switch.connect_vif(locked(guest.interface, "xapi1", rate=1000))
    assert count() == begin + 2
    await ground.switch.apply(Topology((Bridge("xenbr0", NET, NicUplink(other.device)), bridges[1])))
    await ground.switch.connect_vif(locked(guest.interface, "xenbr0"))
    assert count() == begin + 4
