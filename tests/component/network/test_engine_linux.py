"""The network engine on a real kernel: Linux bridges, addresses and cards in a network namespace, and packets."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from component.network.engine_host import ALIVE, DHCP, EngineHost, static
from component.network.host_under_test import addresses_of, eventually
from kit import dhcp, netns
from kit.netns import Peer, pings, run
from kit.nic_tree import NicTree
from xenhost.agent.network.wishes.wish import wish
from xenhost.core.network_records import Ipv4Config, NetworkId
from xenhost.core.network_requests import (
    CreateNetwork,
    PlugPif,
    ReconfigureIp,
    ReconfigureManagement,
    UnplugPif,
)
from xenhost.core.views import OperationState

PATIENCE = 30.0
LIVES = 6
PEER = "192.0.2.1"
pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def folder(peer: Peer, tmp_path: Path) -> Iterator[Path]:
    """A host with two cards, eth0 and eth1, each wired to the peer."""
    tree = NicTree(tmp_path / "sys")
    for number in range(2):
        peer.wire(f"eth{number}", f"far{number}", here_mac=f"52:54:00:00:00:0{number}", up=False)
        with peer.inside():
            run("ip", "link", "set", f"far{number}", "up")
        tree.pci(f"eth{number}", f"0000:0{number + 1}:00.0")
    peer.address("far0", f"{PEER}/24")
    peer.address("far1", "198.51.100.1/24")
    yield tmp_path
    for pid in tmp_path.glob("run/dhcp/*/pid"):
        os.kill(int(pid.read_text()), signal.SIGKILL)


@asynccontextmanager
async def living(folder: Path, dhcp_patience: float = 30.0) -> AsyncIterator[EngineHost]:
    host = EngineHost(folder, dhcp_patience)
    await host.engine.start()
    try:
        yield host
    finally:
        await host.engine.close()


async def answers(address: str = PEER, wait: float = PATIENCE) -> bool:
    return await asyncio.to_thread(pings, address, wait=wait)


async def managed(host: EngineHost, config: Ipv4Config) -> str:
    pif = host.engine.find_pif("eth0")
    await host.succeed(ReconfigureManagement(pif, ipv4=config, confirm_seconds=0))
    return host.engine.pif(pif).bridge


def index(device: str) -> str:
    return run("ip", "-o", "link", "show", device).split(":")[0]


async def test_a_plugged_card_carries_the_addresses_of_its_network(folder: Path) -> None:
    async with living(folder) as host:
        assert [view.pif.device for view in host.engine.pifs()] == ["eth0", "eth1"]
        run("ip", "addr", "add", "192.0.2.77/24", "dev", "eth0")  # from before xenhost was there
        bridge = await managed(host, static("192.0.2.10/24"))
        assert addresses_of(bridge) == {"192.0.2.10/24"}
        assert addresses_of("eth0") == set()
        assert await answers()
        view = host.engine.pif(host.engine.find_pif("eth0"))
        assert view.attached
        assert [str(each) for each in view.ip.ipv4] == ["192.0.2.10/24"]
        assert not view.problem

        def has_carrier() -> bool:
            nic = host.engine.pif(view.pif.id).nic
            return nic is not None and nic.carrier

        await eventually(has_carrier)


async def test_an_address_by_dhcp_is_waited_for(folder: Path, peer: Peer) -> None:
    with dhcp.dnsmasq(peer, folder / "server", "far0", *dhcp.words()):
        async with living(folder) as host:
            bridge = await managed(host, DHCP)
            assert len(addresses_of(bridge)) == 1
            assert await answers()


async def test_management_on_a_network_without_dhcp_goes_back(folder: Path) -> None:
    async with living(folder, dhcp_patience=2.0) as host:
        bridge = await managed(host, static("192.0.2.10/24"))
        operation = await host.do(ReconfigureManagement(host.engine.find_pif("eth1"), ipv4=DHCP, confirm_seconds=60))
        assert operation.state is OperationState.FAILED
        assert addresses_of(bridge) == {"192.0.2.10/24"}
        assert await answers()
        assert host.engine.management().pif == host.engine.find_pif("eth0")


async def test_an_operator_cannot_lock_himself_out(folder: Path) -> None:
    async with living(folder) as host:
        bridge = await managed(host, static("192.0.2.10/24"))
        assert await answers()
        wrong = ReconfigureManagement(host.engine.find_pif("eth0"), ipv4=static("203.0.113.5/24"), confirm_seconds=3)
        operation = await host.engine.submit(wrong)
        await eventually(lambda: addresses_of(bridge) == {"203.0.113.5/24"})
        assert not await answers(wait=0.5)
        await asyncio.wait_for(host.table.get(operation.id).done.wait(), PATIENCE)
        assert host.table.get(operation.id).state is OperationState.FAILED
        assert addresses_of(bridge) == {"192.0.2.10/24"}
        assert await answers()


async def test_a_change_that_was_confirmed_stays(folder: Path) -> None:
    async with living(folder) as host:
        await managed(host, static("192.0.2.10/24"))
        other = ReconfigureManagement(host.engine.find_pif("eth1"), ipv4=static("198.51.100.9/24"), confirm_seconds=60)
        operation = await host.engine.submit(other)
        await eventually(lambda: host.engine.management().unconfirmed_until is not None)
        assert await answers("198.51.100.1")
        await host.engine.confirm_management()
        await asyncio.wait_for(host.table.get(operation.id).done.wait(), PATIENCE)
        assert host.table.get(operation.id).state is OperationState.SUCCEEDED


async def test_a_restart_of_the_agent_touches_nothing(folder: Path) -> None:
    async with living(folder) as host:
        bridge = await managed(host, static("192.0.2.10/24"))
        await host.succeed(PlugPif(host.engine.find_pif("eth1")))
        other = host.engine.pif(host.engine.find_pif("eth1")).bridge
    before = [index(each) for each in (bridge, other)]
    watched = await asyncio.create_subprocess_exec(
        "ip", "monitor", "link", "address", "route", stdout=asyncio.subprocess.PIPE
    )
    async with living(folder) as host:
        assert [index(each) for each in (bridge, other)] == before
        assert await answers()
    watched.terminate()
    said, _ = await watched.communicate()
    assert not [line for line in said.decode().splitlines() if line.startswith("Deleted")]


async def test_what_others_made_is_left_alone(folder: Path) -> None:
    run("ip", "link", "add", "virbr0", "type", "bridge")
    run("ip", "addr", "add", "203.0.113.1/24", "dev", "virbr0")
    before = index("virbr0")
    async with living(folder) as host:
        assert host.engine.host_network().foreign_bridges == ("virbr0",)
        await managed(host, static("192.0.2.10/24"))
        await host.succeed(CreateNetwork(name="internal"))
        assert (await host.engine.ready("virbr0")).network == ""
    assert index("virbr0") == before
    assert addresses_of("virbr0") == {"203.0.113.1/24"}


async def test_an_internal_network_comes_up_when_it_is_needed(folder: Path) -> None:
    async with living(folder) as host:
        network = NetworkId("5a000000-0000-4000-8000-000000000001")
        await host.succeed(CreateNetwork(network, name="internal"))
        bridge = host.engine.find("internal")
        assert not host.engine.network(network).up
        ready = await host.engine.ready(bridge)
        assert ready.network == network
        assert index(bridge)
        assert host.engine.network(network).up


async def test_a_cable_that_is_pulled_is_seen(folder: Path, peer: Peer) -> None:
    async with living(folder) as host:
        await managed(host, static("192.0.2.10/24"))
        pif = host.engine.find_pif("eth0")
        with peer.inside():
            run("ip", "link", "set", "far0", "down")

        def carrier() -> bool:
            nic = host.engine.pif(pif).nic
            return nic is not None and nic.carrier

        await eventually(lambda: not carrier())
        with peer.inside():
            run("ip", "link", "set", "far0", "up")
        await eventually(carrier)


async def test_a_card_that_is_unplugged_is_free_again(folder: Path) -> None:
    async with living(folder) as host:
        pif = host.engine.find_pif("eth1")
        await host.succeed(ReconfigureIp(pif, static("198.51.100.9/24")))
        await host.succeed(PlugPif(pif))
        bridge = host.engine.pif(pif).bridge
        assert await answers("198.51.100.1")
        await host.succeed(UnplugPif(pif))
        assert bridge not in run("ip", "-o", "link")
        assert "master" not in run("ip", "-o", "link", "show", "eth1")


async def life(folder: Path, seed: int, seconds: float) -> None:
    """One life of an agent that is busy, ended by SIGKILL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "component.network.engine_host",
        *(str(folder), str(seed)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    said = b""
    assert process.stdout is not None
    try:
        while ALIVE.encode() not in (line := await process.stdout.readline()):
            said += line
            assert line, said.decode()
        reading = asyncio.ensure_future(process.stdout.read())
        await asyncio.sleep(seconds)
        assert process.returncode is None, (await reading).decode()[-3000:]
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()
    said += await reading
    assert b"internal error" not in said, said.decode()[-3000:]


async def test_the_network_is_whole_after_many_deaths(folder: Path, peer: Peer) -> None:
    luck = random.Random(1)
    async with living(folder) as host:
        bridge = await managed(host, static("192.0.2.10/24"))
    for number in range(LIVES):
        await life(folder, number, luck.uniform(0.1, 1.5))
    async with living(folder) as host:
        known = host.engine._known
        assert len(list(host.table)) > LIVES
        assert all(tracked.state.ended for tracked in host.table)
        wanted = wish(known.intent, known.facts())
        assert not known.problems
        found = {each.name for each in await host.switch.bridges() if each.network}
        assert found == {each.name for each in wanted.topology.bridges}
        for interface, config in wanted.addresses.interfaces.items():
            assert addresses_of(interface) == {str(each) for each in config.ipv4.addresses}
        assert bridge in found
        assert await answers()
        links = {line.split(":")[1].strip().split("@")[0] for line in run("ip", "-o", "link").splitlines()}
        assert links == {"lo", "eth0", "eth1", *found}


def test_the_namespace_is_empty(network: None) -> None:
    """What the tests above count on."""
    assert "eth0" not in netns.run("ip", "-o", "link")
