"""The network engine on Debian's kernel: bonds, VLANs and management on them, through restarts, with packets."""

import asyncio
import os
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from component.network import switch_change
from component.network.engine_host import EngineHost, static
from component.network.host_under_test import addresses_of
from contract.switch_ovs import kernel_modules
from kit import netns
from kit.netns import Peer, pings
from kit.nic_tree import NicTree
from kit.openvswitch import KernelOvsDaemons
from xenhost.agent.network.changes.change import changed
from xenhost.agent.network.engine import STORE
from xenhost.agent.network.journal import INTENT, PutDocument, write_intent
from xenhost.agent.network.store import NetworkStore
from xenhost.core.network import BondMode
from xenhost.core.network_records import NetworkId, PifId
from xenhost.core.network_requests import (
    CreateBond,
    CreateNetwork,
    CreateVlan,
    DestroyBond,
    PlugPif,
    ReconfigureManagement,
    UnplugPif,
)
from xenhost.core.views import OperationState

PATIENCE = 180.0
MANY = 200
TAG = 42
pytestmark = pytest.mark.timeout(400)


def network_id(number: int) -> NetworkId:
    return NetworkId(f"5a000000-0000-4000-8000-{number:012d}")


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A machine at the other end of two wires, which it bridges: a switch with a host of each VLAN behind it."""
    with netns.fresh(), netns.peer() as peer:
        for number in range(2):
            peer.wire(f"eth{number}", f"far{number}", here_mac=f"52:54:00:00:00:0{number}", up=False)
        with peer.inside(), IPRoute() as netlink:
            netlink.link("add", ifname="lan", kind="bridge")
            (lan,) = netlink.link_lookup(ifname="lan")
            for number in range(2):
                (port,) = netlink.link_lookup(ifname=f"far{number}")
                netlink.link("set", index=port, state="up", master=lan)
            netlink.link("set", index=lan, state="up")
            netlink.link("add", ifname=f"lan.{TAG}", kind="vlan", link=lan, vlan_id=TAG)
            (tagged,) = netlink.link_lookup(ifname=f"lan.{TAG}")
            netlink.link("set", index=tagged, state="up")
        peer.address("lan", "192.0.2.1/24")
        peer.address(f"lan.{TAG}", "198.51.100.1/24")
        yield peer


@pytest.fixture
def folder(peer: Peer, tmp_path: Path) -> Path:
    tree = NicTree(tmp_path / "sys")
    for number in range(2):
        tree.pci(f"eth{number}", f"0000:0{number + 1}:00.0")
    return tmp_path


@asynccontextmanager
async def living(folder: Path) -> AsyncIterator[EngineHost]:
    host = EngineHost(folder)
    await host.engine.start()
    try:
        yield host
    finally:
        await host.engine.close()


async def answers(address: str = "192.0.2.1", wait: float = PATIENCE) -> bool:
    return await asyncio.to_thread(pings, address, wait=wait)


def indexes() -> dict[str, int]:
    return {name: socket.if_nametoindex(name) for name in os.listdir("/sys/class/net") if name != "bonding_masters"}


async def managed_on_a_vlan_of_a_bond(host: EngineHost) -> PifId:
    """Step by step, as an operator would do it; the host is managed all the time."""
    eth0, eth1 = host.engine.find_pif("eth0"), host.engine.find_pif("eth1")
    await host.succeed(ReconfigureManagement(eth0, ipv4=static("192.0.2.10/24"), confirm_seconds=0))
    await host.succeed(CreateNetwork(network_id(1), name="bond"))
    await host.succeed(CreateBond(network_id(1), (eth0, eth1), mode=BondMode.ACTIVE_BACKUP))
    bond = host.engine.find_pif("bond0")
    assert host.engine.management().pif == bond
    assert host.engine.pif(bond).attached
    assert await answers()
    await host.succeed(CreateNetwork(network_id(2), name="vlan"))
    await host.succeed(CreateVlan(bond, TAG, network_id(2)))
    vlan = host.engine.find_pif(f"bond0.{TAG}")
    operation = await host.engine.submit(
        ReconfigureManagement(vlan, ipv4=static("198.51.100.10/24"), confirm_seconds=60)
    )
    async with asyncio.timeout(PATIENCE):
        while host.engine.management().unconfirmed_until is None:
            assert not host.table.get(operation.id).state.ended, host.table.get(operation.id).view()
            await asyncio.sleep(0.05)
    assert await answers("198.51.100.1")
    await host.engine.confirm_management()
    await asyncio.wait_for(host.table.get(operation.id).done.wait(), PATIENCE)
    assert host.table.get(operation.id).state is OperationState.SUCCEEDED
    return vlan


async def test_management_on_a_vlan_of_a_bond_outlives_restarts_and_a_pulled_cable(folder: Path, peer: Peer) -> None:
    async with living(folder) as host:
        vlan = await managed_on_a_vlan_of_a_bond(host)
        bridge = host.engine.pif(vlan).bridge
    before = indexes()
    async with living(folder) as host:
        assert indexes() == before
        assert addresses_of(bridge) == {"198.51.100.10/24"}
        assert await answers("198.51.100.1")
        async with asyncio.timeout(PATIENCE):
            while host.engine.bonds()[0].links_up != 2:  # updelay is 31 s
                await asyncio.sleep(0.05)
        with peer.inside(), IPRoute() as netlink:
            (far,) = netlink.link_lookup(ifname="far0")
            netlink.link("set", index=far, state="down")
        async with asyncio.timeout(PATIENCE):
            while host.engine.bonds()[0].links_up != 1:
                await asyncio.sleep(0.05)
        assert await answers("198.51.100.1")


async def test_a_bond_that_goes_leaves_management_on_its_first_card(folder: Path) -> None:
    async with living(folder) as host:
        eth0, eth1 = host.engine.find_pif("eth0"), host.engine.find_pif("eth1")
        await host.succeed(ReconfigureManagement(eth0, ipv4=static("192.0.2.10/24"), confirm_seconds=0))
        await host.succeed(CreateNetwork(network_id(1), name="bond"))
        await host.succeed(CreateBond(network_id(1), (eth0, eth1), mode=BondMode.ACTIVE_BACKUP))
        assert await answers()
        await host.succeed(DestroyBond(host.engine.bonds()[0].bond.id))
        assert host.engine.management().pif == eth0
        assert addresses_of(host.engine.pif(eth0).bridge) == {"192.0.2.10/24"}
        assert await answers()
        assert "bond0" not in indexes()


async def test_a_management_vlan_that_leads_nowhere_goes_back(folder: Path) -> None:
    async with living(folder) as host:
        eth0 = host.engine.find_pif("eth0")
        await host.succeed(ReconfigureManagement(eth0, ipv4=static("192.0.2.10/24"), confirm_seconds=0))
        await host.succeed(CreateNetwork(network_id(2), name="vlan"))
        await host.succeed(CreateVlan(eth0, 99, network_id(2)))
        vlan = host.engine.find_pif("eth0.99")
        operation = await host.do(ReconfigureManagement(vlan, ipv4=static("192.0.2.11/24"), confirm_seconds=3))
        assert operation.state is OperationState.FAILED
        assert host.engine.management().pif == eth0
        assert await answers()


async def test_many_vlans_are_there_after_a_boot(folder: Path) -> None:
    async with living(folder) as host:
        eth0 = host.engine.find_pif("eth0")
        await host.succeed(ReconfigureManagement(eth0, ipv4=static("192.0.2.10/24"), confirm_seconds=0))
        intent, facts = host.engine._known.intent, host.engine._known.facts()
    for number in range(MANY):
        network, untagged = network_id(100 + number), PifId(network_id(1000 + number))
        for request in (CreateNetwork(network, f"n{number}"), CreateVlan(eth0, number + 100, network, untagged)):
            intent = changed(intent, request, facts)
    store = NetworkStore(folder / "state" / STORE)
    await store.open()
    await store.write(PutDocument(INTENT, write_intent(intent)))
    await store.close()
    began = time.monotonic()
    async with living(folder) as host:  # a slow machine goes on with it when the start has waited long enough
        async with asyncio.timeout(PATIENCE):
            while sum(view.attached for view in host.engine.pifs()) != MANY + 1:
                await asyncio.sleep(0.1)
        took = time.monotonic() - began
        assert {f"n{number}" for number in range(MANY)} <= indexes().keys()
        assert not any(view.problem for view in host.engine.pifs())
        assert await answers()
        print(f"{MANY} VLANs in {took:.2f} s")  # for docs/benchmarks.md
        last = host.engine.find_pif(f"eth0.{MANY + 99}")
        await host.succeed(UnplugPif(last))
        assert f"n{MANY - 1}" not in indexes()
        await host.succeed(PlugPif(last))
        assert host.engine.pif(last).attached


@pytest.fixture
def daemons(peer: Peer) -> Iterator[KernelOvsDaemons]:
    with kernel_modules(), tempfile.TemporaryDirectory(prefix="ovs") as place:
        made = KernelOvsDaemons(Path(place))
        made.start()
        yield made
        made.stop()


async def test_the_switch_changes_with_management_on_a_card(folder: Path, daemons: KernelOvsDaemons) -> None:
    await switch_change.there_and_back(folder, daemons, "192.0.2.1")


async def test_the_switch_changes_with_management_on_a_vlan_of_a_bond(folder: Path, daemons: KernelOvsDaemons) -> None:
    async with switch_change.living(folder, daemons) as host:
        eth0, eth1 = host.engine.find_pif("eth0"), host.engine.find_pif("eth1")
        await host.succeed(CreateNetwork(network_id(1), name="bonded"))
        await host.succeed(CreateBond(network_id(1), (eth0, eth1), mode=BondMode.ACTIVE_BACKUP))
        await host.succeed(CreateNetwork(network_id(2), name="tagged"))
        await host.succeed(CreateVlan(host.engine.find_pif("bond0"), TAG, network_id(2)))
    await switch_change.there_and_back(folder, daemons, "198.51.100.1", f"bond0.{TAG}")


async def test_a_switch_that_is_not_there_is_not_taken(folder: Path, daemons: KernelOvsDaemons) -> None:
    await switch_change.a_switch_that_is_not_there_is_not_taken(folder, daemons, "192.0.2.1")
