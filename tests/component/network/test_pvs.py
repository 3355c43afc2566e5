"""PVS proxies on Open vSwitch, with real frames. The daemon is a stand-in: a socket that answers, and the test."""

import os
import socket
import tempfile
from collections.abc import AsyncIterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path
from typing import Final

import pytest

from contract.switch_frames import BROADCAST, ipv4, ipv6, plain, udp
from contract.switch_ground import Cable, Guest, arrives, arrives_as, is_dropped, until
from contract.switch_kernel import PacketWire
from contract.switch_ovs import OvsGround, standing
from kit.openvswitch import OvsDaemons
from xenhost.core.network import Bridge, LockingMode, NicUplink, Topology, VifPort, VlanUplink
from xenhost.core.pvs import PVS, PvsPort, PvsRange
from xenhost.drivers.network.ovs.switch import OvsSwitch

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces: needs root"),
    pytest.mark.timeout(120),
]
NET, NET_B = "6c1e4b1e-0000-4000-8000-00000000000a", "6c1e4b1e-0000-4000-8000-00000000000b"
GUEST, SERVER, PROXY = "00:16:3e:00:00:0a", "00:16:3e:00:00:0b", "00:16:3e:00:00:0c"
HERE, THERE = "10.7.0.5", "10.7.0.9"
HERE6, THERE6 = "fd00::5", "fd00::9"
FIRST, LAST = 6905, 6930
SERVERS: Final = (PvsRange(IPv4Address(THERE), FIRST, LAST), PvsRange(IPv6Address(THERE6), FIRST, LAST))


class Stage:
    """A guest, a server behind the card, and the daemon's socket."""

    def __init__(self, ground: OvsGround, card: Cable, guest: Guest, tag: int | None) -> None:
        self.ground, self.card, self.guest, self.tag = ground, card, guest, tag
        self.socket: Final = ground.daemons.rundir / "pvs.sock"
        self._listener: socket.socket | None = None
        self.bridge: Final = "xapi1" if tag else "xenbr0"
        self.port: Final = PvsPort(self.bridge, GUEST, SERVERS)
        bridges = [Bridge("xenbr0", NET, NicUplink(card.device))]
        if tag:
            bridges.append(Bridge("xapi1", NET_B, VlanUplink("xenbr0", card.device, tag)))
        self.bridges: Final = tuple(bridges)

    def switch(self) -> OvsSwitch:
        """Of an agent that looks for the daemon here."""
        return OvsSwitch(self.ground.daemons.rundir, self.ground.daemons.datapath_type, pvs_socket=self.socket)

    async def restart(self) -> None:
        """Another agent."""
        await self.ground.switch.close()
        self.ground.switch = self.switch()
        await self.ground.switch.open()

    def start_daemon(self) -> None:
        """The stand-in."""
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.socket))
        self._listener.listen()

    def stop_daemon(self) -> None:
        """It is gone."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            self.socket.unlink()

    def wire(self) -> PacketWire:
        """The daemon's side of its port: a packet socket in the host's network."""
        made = PacketWire(self.ground.host, self.port.name)
        self.ground._wires.append(made)
        return made

    def on_wire(self, frame: bytes) -> bytes:
        """As it is on the cable."""
        return frame if self.tag is None else frame[:12] + b"\x81\0" + self.tag.to_bytes(2, "big") + frame[12:]


@pytest.fixture(params=[None, 7], ids=["untagged", "vlan"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="ovs") as folder:
        async with standing(OvsDaemons(Path(folder)), {}) as ground:
            made = Stage(ground, await ground.nic(), await ground.vif(), request.param)
            await made.restart()
            assert not await ground.switch.apply(Topology(made.bridges))
            await ground.switch.connect_vif(VifPort(made.guest.interface, made.bridge, GUEST))
            await arrives_as(made.guest.wire, ping(), made.card.wire, made.on_wire(ping()))
            yield made
            made.stop_daemon()


def ping() -> bytes:
    return plain(GUEST, BROADCAST, "here")


def asked(port: int = FIRST, target: str = THERE) -> bytes:
    return ipv4(GUEST, SERVER, HERE, target, 17, udp(2000, port, b"read"))


def answer(port: int = LAST, sender: str = THERE, src: str = SERVER) -> bytes:
    return ipv4(src, GUEST, sender, HERE, 17, udp(6910, port, b"block"))


async def test_traffic_with_the_servers_goes_to_the_proxy_and_nothing_else_does(stage: Stage) -> None:
    stage.start_daemon()
    switch, guest, card = stage.ground.switch, stage.guest.wire, stage.card.wire
    assert not await switch.apply(Topology(stage.bridges, proxies=(stage.port,)))
    assert await switch.proxies() == {stage.port.name}
    daemon = stage.wire()
    await arrives(guest, asked(), daemon)
    await arrives(guest, asked(LAST), daemon)
    await arrives(guest, ipv6(GUEST, SERVER, HERE6, THERE6, 17, udp(2000, FIRST, b"read")), daemon)
    for frame in (asked(), asked(LAST)):
        assert stage.on_wire(frame) not in card.take()
    hello = plain(SERVER, GUEST, "the bridge learns where the server is")
    await arrives_as(card, stage.on_wire(hello), guest, hello)
    daemon.take()
    for other in (asked(FIRST - 1), asked(LAST + 1), asked(FIRST, "10.7.0.10")):
        await arrives_as(guest, other, card, stage.on_wire(other))
        assert other not in daemon.take()
    await arrives_as(card, stage.on_wire(answer()), daemon, answer())
    await arrives_as(card, stage.on_wire(answer(FIRST - 1)), guest, answer(FIRST - 1))
    assert answer() not in guest.take()
    cached = answer(FIRST, src=PROXY)
    await arrives(daemon, cached, guest)
    miss = ipv4(PROXY, SERVER, HERE, THERE, 17, udp(2000, FIRST, b"miss"))
    await arrives_as(daemon, miss, card, stage.on_wire(miss))


async def test_a_guest_cannot_say_that_it_is_a_server(stage: Stage) -> None:
    stage.start_daemon()
    assert not await stage.ground.switch.apply(Topology(stage.bridges, proxies=(stage.port,)))
    forged = ipv4(GUEST, BROADCAST, THERE, "10.7.0.77", 17, udp(6910, 2000, b"forged"))
    wire = stage.card.wire
    if stage.tag is None:
        assert await is_dropped(stage.guest.wire, forged, ping(), wire)
    else:
        stage.guest.wire.send(forged)
        seen = await arrives_as(stage.guest.wire, ping(), wire, stage.on_wire(ping()))
        assert stage.on_wire(forged) not in seen


async def test_a_locked_guest_reaches_the_proxy_from_its_own_addresses(stage: Stage) -> None:
    stage.start_daemon()
    switch, guest, card = stage.ground.switch, stage.guest.wire, stage.card.wire
    assert not await switch.apply(Topology(stage.bridges, proxies=(stage.port,)))
    daemon = stage.wire()
    allowed = frozenset({IPv4Network(HERE)})
    port = VifPort(stage.guest.interface, stage.bridge, GUEST, locking=LockingMode.LOCKED, ipv4_allowed=allowed)
    await arrives(guest, asked(), daemon)
    await switch.connect_vif(port)
    await arrives(guest, asked(), daemon)
    daemon.take()
    card.take()
    forged = ipv4(GUEST, SERVER, "10.7.0.66", THERE, 17, udp(2000, FIRST, b"read"))
    as_server = ipv4(GUEST, SERVER, THERE, "10.7.0.77", 17, udp(2000, FIRST, b"read"))
    for each in (forged, as_server):
        guest.send(each)
    seen = await arrives(guest, asked(), daemon)
    assert not {forged, as_server} & {*seen, *daemon.take(), *card.take()}
    await switch.connect_vif(VifPort(stage.guest.interface, stage.bridge, GUEST))
    await arrives(guest, forged, daemon)


async def test_without_its_daemon_guests_reach_their_servers(stage: Stage) -> None:
    switch, guest, card = stage.ground.switch, stage.guest.wire, stage.card.wire
    (problem,) = await switch.apply(Topology(stage.bridges, proxies=(stage.port,)))
    assert (problem.place, "without a cache" in problem.message) == (PVS, True)
    assert await switch.proxies() == frozenset()
    await arrives_as(guest, asked(), card, stage.on_wire(asked()))
    stage.start_daemon()
    assert not await switch.apply(Topology(stage.bridges, proxies=(stage.port,)))
    await arrives(guest, asked(), stage.wire())
    stage.stop_daemon()
    (problem,) = await switch.apply(Topology(stage.bridges, proxies=(stage.port,)))
    await arrives_as(guest, asked(), card, stage.on_wire(asked()))
    assert stage.port.name not in stage.ground.daemons.vsctl("list-ports", "xenbr0")


async def test_the_flows_outlive_the_agent_and_a_new_vswitchd(stage: Stage) -> None:
    stage.start_daemon()
    wish = Topology(stage.bridges, proxies=(stage.port,))
    assert not await stage.ground.switch.apply(wish)
    before = stage.ground.daemons.flows("xenbr0")
    await stage.restart()
    assert not await stage.ground.switch.apply(wish)
    assert stage.ground.daemons.flows("xenbr0") == before
    stage.ground.daemons.kill("ovs-vswitchd")
    stage.ground.daemons.start_switch()
    ovs = stage.ground.daemons
    await until(lambda: ovs.has_flows("xenbr0") and "udp" in ovs.flows("xenbr0"), "the flows are back")
    assert not await stage.ground.switch.apply(Topology(stage.bridges))
    await until(lambda: "udp" not in ovs.flows("xenbr0"), "no flows of a proxy are left")
