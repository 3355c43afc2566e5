"""The driver of network cards on this kernel: real links and events; only that they are cards is a stand-in's word.

A veth pair is a card with its cable, a TAP device a card whose link can be set.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from kit import netns
from kit.nic_tree import NicTree
from xenhost.core.network import Nic, NicSettings, SriovEnabled, SriovMode, VfSettings, VirtualFunction
from xenhost.core.network_errors import SriovFailed
from xenhost.drivers.network.nics import links
from xenhost.drivers.network.nics.links import LinkEvent
from xenhost.drivers.network.nics.monitor import LinkMonitor
from xenhost.drivers.network.nics.nics import HostNics
from xenhost.drivers.network.nics.places import Places

pytestmark = pytest.mark.usefixtures("network")
GENEROUS = 30.0


class Host:
    """Cards of a namespace, and what the driver says of them."""

    def __init__(self, root: Path) -> None:
        self.tree = NicTree(root / "sys")
        self.places = Places(root / "state", self.tree.root, root / "modprobe.d", root / "pci.ids")
        self.nics = HostNics(self.places, settle=0.02)
        self.changed: list[str] = []
        self.nics.watch(self.changed.append)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[HostNics]:
        await self.nics.open()
        try:
            yield self.nics
        finally:
            await self.nics.close()

    async def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + GENEROUS
        while not condition():
            assert time.monotonic() < deadline, "it has not come to be"
            await asyncio.sleep(0.02)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def _link(*words: str) -> str:
    return netns.run("ip", "link", *words)


def _pair(card: str, mac: str) -> None:
    _link("add", card, "address", mac, "type", "veth", "peer", "name", f"{card}-far")
    _link("set", f"{card}-far", "up")


def _features(device: str) -> dict[str, str]:
    lines = netns.run("ethtool", "-k", device).splitlines()[1:]
    return {name.strip(): value.split()[0] for name, _, value in (line.partition(": ") for line in lines)}


async def test_cards_are_listed_by_position_without_what_is_none(host: Host) -> None:
    for name, mac in (("ens3", "52:54:00:00:00:01"), ("ens1", "52:54:00:00:00:02"), ("vif1.0", "52:54:00:00:00:03")):
        _pair(name, mac)
    _link("add", "xenbr0", "type", "bridge")
    host.tree.pci("ens3", "0000:03:00.0")
    host.tree.virtio("ens1", "0000:01:00.0")
    host.tree.vif("vif1.0")
    host.tree.plain("xenbr0")
    async with host.open() as nics:
        first, second = await nics.scan()
    assert (first.device, first.position, first.pci_bus_path, first.mac) == (
        "ens1",
        0,
        "0000:01:00.0",
        "52:54:00:00:00:02",
    )
    assert (second.device, second.position, second.driver, second.mtu) == ("ens3", 1, "e1000e", 1500)
    assert host.nics.get("vif1.0") is None
    assert host.nics.get("xenbr0") is None


async def test_a_cable_that_is_pulled_and_put_back_is_seen_without_asking(host: Host) -> None:
    _pair("eth0", "52:54:00:00:00:01")
    host.tree.pci("eth0", "0000:03:00.0")
    _link("set", "eth0", "up")
    async with host.open() as nics:
        nic = nics.get("eth0")
        assert nic is not None
        assert (nic.carrier, nic.speed, nic.full_duplex) == (True, 10_000, True)
        assert host.changed == []
        _link("set", "eth0-far", "down")
        await host.until(lambda: nics.get("eth0") == _without_link(nic))
        assert host.changed == ["eth0"]
        _link("set", "eth0-far", "up")
        await host.until(lambda: nics.get("eth0") == nic)
        assert host.changed == ["eth0", "eth0"]


def _without_link(nic: Nic) -> Nic:
    return replace(nic, carrier=False, speed=0, full_duplex=False)


async def test_many_changes_at_once_are_one(host: Host) -> None:
    _pair("eth0", "52:54:00:00:00:01")
    host.tree.pci("eth0", "0000:03:00.0")
    host.nics = HostNics(host.places, settle=1.0)
    host.nics.watch(host.changed.append)
    async with host.open() as nics:
        with IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname="eth0")
            for mtu in range(1400, 1450):
                netlink.link("set", index=index, mtu=mtu)
        await host.until(lambda: (nic := nics.get("eth0")) is not None and nic.mtu == 1449)
    assert host.changed == ["eth0"]


async def test_cards_that_come_and_go_keep_their_positions(host: Host) -> None:
    _pair("eth0", "52:54:00:00:00:01")
    _pair("eth1", "52:54:00:00:00:02")
    host.tree.pci("eth0", "0000:03:00.0")
    host.tree.pci("eth1", "0000:04:00.0")
    async with host.open() as nics:
        _link("del", "eth0")
        host.tree.remove("eth0")
        await host.until(lambda: nics.get("eth0") is None)
        host.tree.pci("eth5", "0000:05:00.0")
        _pair("eth5", "52:54:00:00:00:05")
        await host.until(lambda: nics.get("eth5") is not None)
        assert [(nic.device, nic.position) for nic in await nics.scan()] == [("eth1", 1), ("eth5", 2)]
        assert set(host.changed) == {"eth0", "eth5"}
    host.nics = HostNics(host.places)
    host.tree.pci("eth7", "0000:03:00.0")  # in the slot of the one that went
    _pair("eth7", "52:54:00:00:00:07")
    async with host.open() as nics:
        assert [(nic.device, nic.position) for nic in await nics.scan()] == [("eth7", 0), ("eth1", 1), ("eth5", 2)]


async def test_a_renamed_card_is_seen_under_its_new_name(host: Host) -> None:
    _pair("eth0", "52:54:00:00:00:01")
    host.tree.pci("eth0", "0000:03:00.0")
    async with host.open() as nics:
        host.tree.remove("eth0")
        host.tree.pci("lan", "0000:03:00.0")
        _link("set", "eth0", "name", "lan")
        await host.until(lambda: nics.get("lan") is not None and nics.get("eth0") is None)
        assert [(nic.device, nic.position) for nic in await nics.scan()] == [("lan", 0)]


async def test_a_card_that_was_not_known_as_one_under_its_first_name_is_seen(host: Host) -> None:
    _pair("tmp0", "52:54:00:00:00:01")
    async with host.open() as nics:
        assert await nics.scan() == []
        host.tree.pci("lan", "0000:03:00.0")
        _link("set", "tmp0", "name", "lan")
        await host.until(lambda: nics.get("lan") is not None)


async def test_cards_with_one_address_are_listed_and_the_order_stays(host: Host) -> None:
    _pair("eth0", "52:54:00:00:00:01")
    host.tree.pci("eth0", "0000:03:00.0")
    async with host.open() as nics:
        await nics.scan()
        host.tree.pci("eth1", "0000:02:00.0")
        _pair("eth1", "52:54:00:00:00:01")
        assert [(nic.device, nic.position) for nic in await nics.scan()] == [("eth0", 0), ("eth1", -1)]


async def test_a_damaged_order_is_kept_aside_and_cards_are_numbered_anew(host: Host) -> None:
    _pair("eth0", "52:54:00:00:00:01")
    host.tree.pci("eth0", "0000:03:00.0")
    host.places.state.mkdir()
    (host.places.state / "nic-order.json").write_text("{")
    async with host.open() as nics:
        assert [nic.position for nic in await nics.scan()] == [0]
    assert (host.places.state / "nic-order.json.unreadable").read_text() == "{"


def _flood() -> None:
    """More events than a small buffer has room for, in one go; the last is of eth0."""
    with IPRoute() as netlink:
        (noisy,) = netlink.link_lookup(ifname="noise")
        for mtu in range(1000, 1100):
            netlink.link("set", index=noisy, mtu=mtu)
        (index,) = netlink.link_lookup(ifname="eth0")
        netlink.link("set", index=index, mtu=1234)


async def test_events_that_the_kernel_dropped_are_made_up_for(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xenhost.drivers.network.nics.monitor._BUFFER", 1)  # the kernel makes it a few kilobytes
    _pair("noise", "52:54:00:00:00:09")
    _pair("eth0", "52:54:00:00:00:01")
    host.tree.pci("eth0", "0000:03:00.0")
    told: list[LinkEvent] = []
    losses: list[None] = []
    monitor = LinkMonitor(told.append, lambda: losses.append(None))
    monitor.open()
    async with host.open() as nics:
        _flood()
        await host.until(lambda: (nic := nics.get("eth0")) is not None and nic.mtu == 1234)
    monitor.close()
    assert losses
    assert not [event for event in told if event.link.name == "eth0" and event.link.mtu == 1234]


async def test_settings_are_made_and_then_left_alone(host: Host) -> None:
    _pair("eth0", "52:54:00:00:00:01")
    host.tree.pci("eth0", "0000:03:00.0")
    wish = {"eth0": NicSettings(mtu=1400, offload={"tso": False, "tx": False, "gro": True, "lro": False})}
    async with host.open() as nics:
        assert _features("eth0")["tx-tcp-segmentation"] == "on"
        assert await nics.configure(wish) == []
        nic = nics.get("eth0")
        assert nic is not None
        assert nic.mtu == 1400
        found = _features("eth0")
        assert (found["tx-tcp-segmentation"], found["tx-checksumming"]) == ("off", "off")
        assert (found["generic-receive-offload"], found["tx-scatter-gather"]) == ("on", "on")
        with _heard_of_links() as heard:
            assert await nics.configure(wish) == []
            assert heard() == 0


@contextlib.contextmanager
def _heard_of_links() -> Iterator[Callable[[], int]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.bind((0, 1))
        netlink.setblocking(False)

        def count() -> int:
            found = 0
            with contextlib.suppress(BlockingIOError):
                while netlink.recv(1 << 16):
                    found += 1
            return found

        yield count


async def test_what_is_refused_is_told_with_the_card_and_the_rest_is_done(host: Host) -> None:
    _pair("eth0", "52:54:00:00:00:01")
    _pair("eth1", "52:54:00:00:00:02")
    wish = {
        "eth0": NicSettings(mtu=66000, speed=100, offload={"lro": True, "gso": False}),
        "eth1": NicSettings(mtu=1400),
        "eth9": NicSettings(),
    }
    async with host.open() as nics:
        problems = await nics.configure(wish)
    assert [(problem.place, problem.message) for problem in problems] == [
        ("eth0", "eth0 refuses an MTU of 66000; it can have 68 to 65535: Invalid argument"),
        ("eth0", "eth0 refuses speed 100 Mbit/s: Operation not supported"),
        ("eth0", "eth0 cannot have lro on"),
        ("eth9", "there is no interface eth9"),
    ]
    assert _features("eth0")["generic-segmentation-offload"] == "off"
    assert "mtu 1400" in _link("show", "eth1")


async def test_a_link_is_forced_to_a_speed(host: Host) -> None:
    netns.run("ip", "tuntap", "add", "eth0", "mode", "tap")
    host.tree.pci("eth0", "0000:03:00.0")
    wish = {"eth0": NicSettings(speed=100, duplex="half", autoneg=False)}
    async with host.open() as nics:
        assert await nics.configure(wish) == []
        shown = netns.run("ethtool", "eth0")
        assert "Speed: 100Mb/s" in shown
        assert "Duplex: Half" in shown
        assert await nics.configure(wish) == []


async def test_bridges_have_settings_too(host: Host) -> None:
    _link("add", "xenbr0", "type", "bridge")
    async with host.open() as nics:
        assert await nics.configure({"xenbr0": NicSettings(mtu=9000, offload={"gro": True, "tso": False})}) == []
    assert "mtu 9000" in _link("show", "xenbr0")
    assert _features("xenbr0")["tx-tcp-segmentation"] == "off"


async def test_a_card_without_virtual_functions_refuses_to_set_one(host: Host) -> None:
    _pair("eth0", "52:54:00:00:00:01")
    async with host.open() as nics:
        with pytest.raises(SriovFailed, match="virtual function 0 of eth0 cannot have the address 02:00:00:00:00:01"):
            await nics.configure_vf("eth0", 0, VfSettings(mac="02:00:00:00:00:01", vlan=5))
        with pytest.raises(SriovFailed, match="there is no network card eth9"):
            await nics.configure_vf("eth9", 0, VfSettings())


async def test_on_a_stand_in_what_became_of_virtual_functions_is_seen_at_once(host: Host) -> None:
    _pair("eth0", "52:54:00:00:00:01")
    _pair("eth1", "52:54:00:00:00:02")
    function = host.tree.pci("eth0", "0000:03:00.0", "igb")
    host.tree.can_have_functions(function, 7)
    host.tree.virtual_function(function, 0, "0000:03:10.0", "igbvf", "eth1")
    async with host.open() as nics:
        assert await nics.enable_sriov("eth0") == SriovEnabled(SriovMode.SYSFS)
        nic = nics.get("eth0")
        assert nic is not None
        assert (nic.sriov_total, nic.sriov_enabled) == (7, 7)
        assert await nics.virtual_functions("eth0") == [VirtualFunction("0000:03:10.0", 0)]
        virtual = nics.get("eth1")
        assert virtual is not None
        assert virtual.virtual_function_of == "eth0"
        assert [each.device for each in await nics.scan()] == ["eth0"]
        await nics.disable_sriov("eth0", "sysfs")
        nic = nics.get("eth0")
        assert nic is not None
        assert nic.sriov_enabled == 0


def test_the_kernel_understands_what_is_asked_for_virtual_functions() -> None:
    """No card here has any: the kernel refuses a request only after it has checked its form, see the last one."""
    _pair("eth0", "52:54:00:00:00:01")
    link = links.find("eth0")
    assert link is not None
    with pytest.raises(OSError, match="Operation not supported"):
        links.set_vf_mac(link, 3, "02:00:00:00:00:01")
    with pytest.raises(OSError, match="Operation not supported"):
        links.set_vf_vlan(link, 3, 5)
    with pytest.raises(OSError, match="Operation not supported"):
        links.set_vf_rate(link, 3, 100)
    with pytest.raises(OSError, match=r"Invalid argument|Numerical result out of range"):
        links._set_vf(link, 1, b"too short")
