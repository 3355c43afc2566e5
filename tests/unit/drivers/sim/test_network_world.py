"""The simulated network outlives the processes that work on it."""

import asyncio
from ipaddress import IPv4Address, IPv4Interface, IPv6Address
from pathlib import Path

import pytest

from xenhost.core.network import (
    BondMode,
    BondUplink,
    Bridge,
    DnsWish,
    IpConfig,
    IpPlan,
    Ipv4Mode,
    Ipv4Wish,
    NicUplink,
    Topology,
    TunnelProtocol,
    TunnelUplink,
    VifPort,
    VlanUplink,
)
from xenhost.core.network_errors import SwitchUnavailable
from xenhost.drivers.sim.network.addresses import SimAddresses
from xenhost.drivers.sim.network.store import NetworkStore
from xenhost.drivers.sim.network.switch import SimSwitch
from xenhost.drivers.sim.network.world import NetworkLife, NetworkWorld

TOPOLOGY = Topology(
    (
        Bridge("xenbr0", "net-0", NicUplink("eth0"), mtu=9000),
        Bridge("xapi1", "net-1", BondUplink("bond0", ("eth1", "eth2"), BondMode.LACP, "", {"lacp-time": "fast"})),
        Bridge("xapi2", "net-2", VlanUplink("xenbr0", "eth0", 5)),
        Bridge("xapi3", "net-3", TunnelUplink(TunnelProtocol.VXLAN, (IPv6Address("2001:db8::2"),), 7)),
        Bridge("xapi4", "net-4"),
    )
)
PLAN = IpPlan(
    {"xenbr0": IpConfig(Ipv4Wish(Ipv4Mode.STATIC, (IPv4Interface("192.0.2.5/24"),), IPv4Address("192.0.2.1")))},
    "xenbr0",
    "xenbr0",
    DnsWish((IPv4Address("192.0.2.1"),)),
)


async def test_many_changes_at_once_are_all_kept(tmp_path: Path) -> None:
    store = NetworkStore(tmp_path / "network" / "sim.json")
    switch = SimSwitch(NetworkLife(NetworkWorld(store=store)))
    await switch.open()
    await switch.apply(TOPOLOGY)
    ports = [VifPort(f"vif{number}.0", "xapi4", "52:54:00:00:00:01") for number in range(40)]
    await asyncio.gather(*(switch.connect_vif(port) for port in ports))
    kept = store.load()
    assert kept is not None
    assert set(kept.vifs) == {port.interface for port in ports}


async def test_a_new_process_finds_bridges_addresses_and_vifs(tmp_path: Path) -> None:
    life = NetworkLife(NetworkWorld(store=NetworkStore(tmp_path / "network" / "sim.json")))
    switch, addresses = SimSwitch(life), SimAddresses(life)
    await switch.open()
    assert not await switch.apply(TOPOLOGY)
    assert not await addresses.apply(PLAN)
    await switch.connect_vif(VifPort("vif1.0", "xapi4", "52:54:00:00:00:01"))
    there = await switch.bridges()

    again = NetworkLife(NetworkWorld(store=NetworkStore(tmp_path / "network" / "sim.json")))
    switch, addresses = SimSwitch(again), SimAddresses(again)
    await switch.open()
    await addresses.open()
    assert await switch.bridges() == there
    assert await switch.vif_ports() == ["vif1.0"]
    assert (await addresses.state("xenbr0")).ipv4 == (IPv4Interface("192.0.2.5/24"),)


@pytest.mark.parametrize("text", ["", "{", '{"topology":1}', '{"later":{}}'])
async def test_a_damaged_world_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sim.json"
    path.write_text(text)
    with pytest.raises(SwitchUnavailable, match=r"sim\.json"):
        await SimSwitch(NetworkLife(NetworkWorld(store=NetworkStore(path)))).open()
    assert path.read_text() == text
