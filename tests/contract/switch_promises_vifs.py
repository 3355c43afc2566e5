"""What the switch port promises of VIFs, but for their locking."""

import asyncio
import time

import pytest

from contract.switch_frames import BROADCAST, plain
from contract.switch_ground import DEADLINE, Guest, SwitchGround, Wire, arrives, is_dropped
from contract.switch_promises_bridges import MAC_A, MAC_B, MAC_X, NET_A, NET_B
from xenhost.core.errors import DeviceAttachFailed
from xenhost.core.network import BACKEND_MAC, Bridge, LockingMode, SwitchFeature, Topology, VifPort
from xenhost.core.network_errors import SwitchCannot

TWO = Topology((Bridge("xapi0", NET_A), Bridge("xapi1", NET_B)))


async def neighbour(ground: SwitchGround, bridge: str, mac: str = MAC_B) -> Guest:
    """A guest on that bridge which is like any other."""
    guest = await ground.vif()
    await ground.switch.connect_vif(VifPort(guest.interface, bridge, mac))
    return guest


async def vif_is_set_up_as_dom0s_end(ground: SwitchGround) -> None:
    """MAC address that no bridge takes for its own, MTU, up; what differs later is changed in place."""
    await ground.switch.apply(TWO)
    guest = await ground.vif()
    await ground.switch.connect_vif(VifPort(guest.interface, "xapi0", MAC_A, mtu=1400))
    assert await ground.mac(guest.interface) == BACKEND_MAC
    assert await ground.mtu(guest.interface) == 1400
    assert await ground.is_up(guest.interface)
    await ground.switch.connect_vif(VifPort(guest.interface, "xapi0", MAC_A, mtu=1300))
    assert await ground.mtu(guest.interface) == 1300


async def vif_without_a_bridge_is_refused(ground: SwitchGround) -> None:
    """Neither a missing bridge nor a missing interface leaves anything behind."""
    await ground.switch.apply(TWO)
    guest = await ground.vif()
    with pytest.raises(DeviceAttachFailed):
        await ground.switch.connect_vif(VifPort(guest.interface, "nosuch0", MAC_A))
    with pytest.raises(DeviceAttachFailed):
        await ground.switch.connect_vif(VifPort("vif999.0", "xapi0", MAC_A))
    assert list(await ground.switch.vif_ports()) == []


async def vif_is_connected_and_disconnected(ground: SwitchGround) -> None:
    """It is in the list in between; both may be said again."""
    await ground.switch.apply(TWO)
    sink = await neighbour(ground, "xapi0")
    guest = await ground.vif()
    port = VifPort(guest.interface, "xapi0", MAC_A)
    await ground.switch.connect_vif(port)
    await ground.switch.connect_vif(port)
    assert sorted(await ground.switch.vif_ports()) == sorted((guest.interface, sink.interface))
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "here"), sink.wire)
    await ground.switch.disconnect_vif(guest.interface)
    await ground.switch.disconnect_vif(guest.interface)
    assert list(await ground.switch.vif_ports()) == [sink.interface]
    assert not await ground.is_up(guest.interface)
    assert all(guest.interface not in each.ports for each in await ground.switch.bridges())
    await ground.switch.disconnect_vif("vif998.0")


async def vif_that_vanished_is_found_and_forgotten(ground: SwitchGround) -> None:
    """Also by the next agent: nothing of it stays."""
    await ground.switch.apply(TWO)
    guest = await ground.vif()
    await ground.switch.connect_vif(VifPort(guest.interface, "xapi0", MAC_A, locking=LockingMode.LOCKED))
    await ground.remove(guest.interface)
    await ground.restart()
    assert list(await ground.switch.vif_ports()) == [guest.interface]
    await ground.switch.disconnect_vif(guest.interface)
    assert list(await ground.switch.vif_ports()) == []


async def vif_moves_to_another_bridge(ground: SwitchGround) -> None:
    """Live: it hears the new network, and the old one no more."""
    await ground.switch.apply(TWO)
    old, new = await neighbour(ground, "xapi0"), await neighbour(ground, "xapi1", MAC_X)
    guest = await ground.vif()
    await ground.switch.connect_vif(VifPort(guest.interface, "xapi0", MAC_A))
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "old"), old.wire)
    await ground.switch.connect_vif(VifPort(guest.interface, "xapi1", MAC_A))
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "new"), new.wire)
    await arrives(new.wire, plain(MAC_X, MAC_A, "welcome"), guest.wire)
    assert plain(MAC_A, BROADCAST, "new") not in old.wire.take()


async def disabled_vif_is_cut_off(ground: SwitchGround) -> None:
    """In neither direction does a frame pass; it is still known, and can be enabled."""
    await ground.switch.apply(TWO)
    sink = await neighbour(ground, "xapi0")
    guest = await ground.vif()
    open_port = VifPort(guest.interface, "xapi0", MAC_A)
    await ground.switch.connect_vif(open_port)
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "before"), sink.wire)
    await ground.switch.connect_vif(VifPort(guest.interface, "xapi0", MAC_A, locking=LockingMode.DISABLED))
    sink.wire.take()
    guest.wire.take()
    _send(guest.wire, plain(MAC_A, BROADCAST, "out"))
    _send(sink.wire, plain(MAC_B, BROADCAST, "in"))
    assert not await ground.is_up(guest.interface)
    assert all(guest.interface not in each.ports for each in await ground.switch.bridges())
    assert guest.interface in await ground.switch.vif_ports()
    assert plain(MAC_A, BROADCAST, "out") not in sink.wire.take()
    assert plain(MAC_B, BROADCAST, "in") not in guest.wire.take()
    await ground.switch.connect_vif(open_port)
    await arrives(guest.wire, plain(MAC_A, BROADCAST, "after"), sink.wire)


async def vif_without_carrier_is_silent_until_it_has_one(ground: SwitchGround) -> None:
    """The guest sees no link; it stays connected."""
    await ground.switch.apply(TWO)
    sink = await neighbour(ground, "xapi0")
    guest = await ground.vif()
    await ground.switch.connect_vif(VifPort(guest.interface, "xapi0", MAC_A, carrier=False))
    _send(guest.wire, plain(MAC_A, BROADCAST, "dark"))
    assert guest.interface in await ground.switch.vif_ports()
    await ground.switch.connect_vif(VifPort(guest.interface, "xapi0", MAC_A))
    seen = await arrives(guest.wire, plain(MAC_A, BROADCAST, "light"), sink.wire)
    assert plain(MAC_A, BROADCAST, "dark") not in seen


async def promiscuous_vif_sees_all(ground: SwitchGround) -> None:
    """Frames for a MAC address which the switch knows elsewhere; others do not see them."""
    await ground.switch.apply(TWO)
    one, two = await neighbour(ground, "xapi0", MAC_A), await neighbour(ground, "xapi0", MAC_B)
    spy, third = await ground.vif(), await neighbour(ground, "xapi0", MAC_X)
    await ground.switch.connect_vif(VifPort(spy.interface, "xapi0", "00:16:3e:00:00:55", promiscuous=True))
    await arrives(two.wire, plain(MAC_B, BROADCAST, "i am here"), spy.wire)
    await arrives(two.wire, plain(MAC_B, BROADCAST, "i am here"), third.wire)
    frame = plain(MAC_A, MAC_B, "psst")
    await arrives(one.wire, frame, two.wire)
    await arrives(one.wire, frame, spy.wire)
    await arrives(two.wire, plain(MAC_B, BROADCAST, "end"), third.wire)
    assert frame not in third.wire.take()


async def receive_rate_is_a_limit(ground: SwitchGround) -> None:
    """A guest is sent no more bytes a second than that; without the limit, all."""
    await ground.switch.apply(TWO)
    source, guest = await neighbour(ground, "xapi0"), await ground.vif()
    rate = 100_000
    await ground.switch.connect_vif(VifPort(guest.interface, "xapi0", MAC_A, receive_bytes_per_second=rate))
    await arrives(guest.wire, plain(MAC_A, MAC_B, "ready"), source.wire)
    await arrives(source.wire, plain(MAC_B, MAC_A, "ready"), guest.wire)
    frame = plain(MAC_B, MAC_A, "x" * 1400)
    began = time.monotonic()
    got = 0
    while time.monotonic() - began < 3:
        for _ in range(20):
            source.wire.send(frame)
        await asyncio.sleep(0.02)
        got += sum(map(len, guest.wire.take()))
    took = time.monotonic() - began
    assert got <= rate * took + 200_000, "what tokens the bucket may have held is 200 kB at most"
    assert got >= rate * took / 4
    await ground.switch.connect_vif(VifPort(guest.interface, "xapi0", MAC_A))
    guest.wire.take()
    got = 0
    async with asyncio.timeout(DEADLINE):
        while got < rate * 10:
            for _ in range(50):
                source.wire.send(frame)
            await asyncio.sleep(0.005)
            got += sum(map(len, guest.wire.take()))


async def guest_without_trunks_speaks_untagged_only(ground: SwitchGround) -> None:
    """A frame with a VLAN tag neither leaves nor reaches it."""
    await ground.switch.apply(TWO)
    sink, guest = await neighbour(ground, "xapi0"), await neighbour(ground, "xapi0", MAC_A)
    sentinel = plain(MAC_A, BROADCAST, "plain")
    assert await is_dropped(guest.wire, plain(MAC_A, BROADCAST, "tagged", tag=7), sentinel, sink.wire)


async def guest_with_trunks_uses_those_vlans(ground: SwitchGround) -> None:
    """Tags of its own: those it was given pass, to guests that have them too; others do not."""
    if SwitchFeature.VIF_TRUNKS not in ground.switch.features:
        await ground.switch.apply(TWO)
        guest = await ground.vif()
        with pytest.raises(SwitchCannot):
            await ground.switch.connect_vif(VifPort(guest.interface, "xapi0", MAC_A, trunks=frozenset({5})))
        return
    await ground.switch.apply(TWO)
    one, two = await ground.vif(), await ground.vif()
    outsider = await neighbour(ground, "xapi0", MAC_X)
    await ground.switch.connect_vif(VifPort(one.interface, "xapi0", MAC_A, trunks=frozenset({5, 6})))
    await ground.switch.connect_vif(VifPort(two.interface, "xapi0", MAC_B, trunks=frozenset({5, 7})))
    good = plain(MAC_A, BROADCAST, "five", tag=5)
    await arrives(one.wire, good, two.wire)
    assert await is_dropped(one.wire, plain(MAC_A, BROADCAST, "seven", tag=7), good, two.wire)
    assert await is_dropped(one.wire, plain(MAC_A, BROADCAST, "six", tag=6), good, two.wire)
    assert good not in outsider.wire.take()


def _send(wire: Wire, frame: bytes) -> None:
    try:
        wire.send(frame)
    except OSError:  # the guest's end has no carrier: as good as silence
        return


PROMISES = (
    vif_is_set_up_as_dom0s_end,
    vif_without_a_bridge_is_refused,
    vif_is_connected_and_disconnected,
    vif_that_vanished_is_found_and_forgotten,
    vif_moves_to_another_bridge,
    disabled_vif_is_cut_off,
    vif_without_carrier_is_silent_until_it_has_one,
    promiscuous_vif_sees_all,
    receive_rate_is_a_limit,
    guest_without_trunks_speaks_untagged_only,
    guest_with_trunks_uses_those_vlans,
)
