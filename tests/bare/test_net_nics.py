"""Network cards on Debian's kernel: two of virtio and one e1000e, all on one wire."""

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from xenhost.core.network import Nic, NicSettings
from xenhost.core.network_errors import SriovFailed
from xenhost.drivers.network.nics.nics import HostNics
from xenhost.drivers.network.nics.places import Places

GENEROUS = 60.0


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=60).stdout


def _index(netlink: IPRoute, device: str) -> int:
    (index,) = netlink.link_lookup(ifname=device)
    return int(index)


@pytest.fixture(autouse=True)
def cards() -> Iterator[None]:
    """eth0, eth1 and eth2, up and as the machine has them; afterwards down."""
    if not Path("/sys/class/net/eth1").exists():
        pytest.skip("needs network cards: bed test --bare")
    _run("modprobe", "e1000e")
    with IPRoute() as netlink:
        deadline = time.monotonic() + GENEROUS
        while not netlink.link_lookup(ifname="eth2"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for device in ("eth0", "eth1", "eth2"):
            netlink.link("set", index=_index(netlink, device), state="up", mtu=1500)
    _run("udevadm", "settle")
    yield
    with IPRoute() as netlink:
        for device in ("eth0", "eth1", "eth2"):
            netlink.link("set", index=_index(netlink, device), state="down", mtu=1500, master=0)


@pytest.fixture
async def nics(tmp_path: Path) -> AsyncIterator[HostNics]:
    nics = HostNics(Places(tmp_path))
    await nics.open()
    yield nics
    await nics.close()


async def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + GENEROUS
    while not condition():
        assert time.monotonic() < deadline, "it has not come to be"
        await asyncio.sleep(0.05)


def _nic(nics: HostNics, device: str) -> Nic:
    found = nics.get(device)
    assert found is not None
    return found


async def test_cards_are_found_with_slot_maker_and_model_in_order(nics: HostNics) -> None:
    first, second, third = await nics.scan()
    assert [(nic.device, nic.position) for nic in (first, second, third)] == [("eth0", 0), ("eth1", 1), ("eth2", 2)]
    assert [nic.mac for nic in (first, second, third)] == [f"52:54:00:00:00:0{number}" for number in range(3)]
    assert first.pci_bus_path < second.pci_bus_path < third.pci_bus_path
    assert (first.driver, first.vendor_id, first.device_id) == ("virtio_net", "1af4", "1000")
    assert (first.vendor_name, first.device_name) == ("Red Hat, Inc.", "Virtio network device")
    assert (third.driver, third.vendor_id, third.device_id) == ("e1000e", "8086", "10d3")
    assert (third.vendor_name, third.device_name) == ("Intel Corporation", "82574L Gigabit Network Connection")
    assert not any(nic.sriov_total for nic in (first, second, third))


async def test_names_are_found_without_udev_as_well(tmp_path: Path) -> None:
    (tmp_path / "sys").symlink_to("/sys")
    nics = HostNics(Places(tmp_path / "state", tmp_path / "sys"))
    await nics.open()
    try:
        assert _nic(nics, "eth2").device_name == "82574L Gigabit Network Connection"
    finally:
        await nics.close()


async def test_speed_and_link_of_a_card_are_followed(nics: HostNics) -> None:
    await _until(lambda: _nic(nics, "eth2").carrier)
    assert (_nic(nics, "eth2").speed, _nic(nics, "eth2").full_duplex) == (1000, True)
    assert await nics.configure({"eth2": NicSettings(speed=100, duplex="full", autoneg=False)}) == []
    await _until(lambda: _nic(nics, "eth2").speed == 100)
    assert "Auto-negotiation: off" in _run("ethtool", "eth2")
    with IPRoute() as netlink:
        netlink.link("set", index=_index(netlink, "eth2"), state="down")
    await _until(lambda: not _nic(nics, "eth2").carrier and _nic(nics, "eth2").speed == 0)
    with IPRoute() as netlink:
        netlink.link("set", index=_index(netlink, "eth2"), state="up")
    await _until(lambda: _nic(nics, "eth2").speed == 100)
    assert await nics.configure({"eth2": NicSettings(autoneg=True, advertise=0x20)}) == []
    assert "Advertised link modes:  1000baseT/Full" in _run("ethtool", "eth2")
    assert await nics.configure({"eth2": NicSettings(autoneg=True, advertise=0x2F)}) == []
    await _until(lambda: _nic(nics, "eth2").speed == 1000)


async def test_a_link_that_is_as_wanted_is_not_negotiated_again(nics: HostNics) -> None:
    wish = {"eth2": NicSettings(speed=100, duplex="full", autoneg=False)}
    assert await nics.configure(wish) == []
    await _until(lambda: _nic(nics, "eth2").speed == 100)
    heard: list[str] = []
    nics.watch(heard.append)
    assert await nics.configure(wish) == []
    await asyncio.sleep(3)  # a card that negotiates anew loses its link for a while
    assert heard == []
    assert await nics.configure({"eth2": NicSettings(autoneg=True, advertise=0x2F)}) == []
    await _until(lambda: _nic(nics, "eth2").speed == 1000)


async def test_offloads_of_cards_are_switched_and_what_a_card_cannot_is_told(nics: HostNics) -> None:
    off = {"tx": False, "sg": False, "tso": False, "gso": False, "gro": False}
    assert await nics.configure({"eth2": NicSettings(offload=off)}) == []
    shown = _run("ethtool", "-k", "eth2")
    for feature in ("tx-checksumming", "scatter-gather", "tcp-segmentation-offload", "generic-receive-offload"):
        assert f"{feature}: off" in shown
    on = dict.fromkeys(off, True) | {"rx": True, "lro": False}
    assert await nics.configure({"eth2": NicSettings(offload=on)}) == []
    shown = _run("ethtool", "-k", "eth2")
    for feature in ("tx-checksumming", "scatter-gather", "tcp-segmentation-offload", "generic-receive-offload"):
        assert f"{feature}: on" in shown
    # the machine's virtio cards have no offloads, as what is behind them has none
    problems = await nics.configure(
        {"eth0": NicSettings(mtu=67, offload={"gro": True, "tso": True}), "eth2": NicSettings(offload={"lro": True})}
    )
    assert {(problem.place, problem.message) for problem in problems} == {
        ("eth2", "eth2 cannot have lro on"),
        ("eth0", "eth0 refuses an MTU of 67; it can have 68 to 65535: Invalid argument"),
        ("eth0", "eth0 cannot have tso on"),
    }


async def test_a_card_and_its_vlan_get_a_greater_mtu_in_any_order(nics: HostNics) -> None:
    with IPRoute() as netlink:
        netlink.link("add", ifname="eth1.7", kind="vlan", link=_index(netlink, "eth1"), vlan_id=7)
    try:
        assert await nics.configure({"eth1.7": NicSettings(mtu=9000), "eth1": NicSettings(mtu=9000)}) == []
        assert "mtu 9000" in _run("ip", "link", "show", "eth1.7")
        assert _nic(nics, "eth1").mtu == 9000
    finally:
        with IPRoute() as netlink:
            netlink.link("del", index=_index(netlink, "eth1.7"))


async def test_a_bond_of_cards_has_the_speed_of_its_members_and_they_keep_their_addresses(nics: HostNics) -> None:
    with _bond(nics, "eth1", "eth2"):
        await _until(lambda: (bond := nics.get("bond7")) is not None and bond.carrier and bond.speed == 1000)
        with IPRoute() as netlink:
            addresses = {link.get_attr("IFLA_ADDRESS") for link in netlink.get_links(master=_index(netlink, "bond7"))}
        assert len(addresses) == 1
        assert [(nic.device, nic.mac, nic.position) for nic in await nics.scan()] == [
            (f"eth{number}", f"52:54:00:00:00:0{number}", number) for number in range(3)
        ]
        await nics.configure({"eth2": NicSettings(speed=100, duplex="full", autoneg=False)})
        await _until(lambda: _nic(nics, "bond7").speed == 100)
        await nics.configure({"eth2": NicSettings(autoneg=True, advertise=0x2F)})
        await _until(lambda: _nic(nics, "bond7").speed == 1000)
    await _until(lambda: nics.get("bond7") is None)


@contextlib.contextmanager
def _bond(nics: HostNics, *members: str) -> Iterator[None]:
    with IPRoute() as netlink:
        netlink.link("add", ifname="bond7", kind="bond", bond_mode=2, bond_miimon=100)
        bond = _index(netlink, "bond7")
        for member in members:
            netlink.link("set", index=_index(netlink, member), state="down")
            netlink.link("set", index=_index(netlink, member), master=bond)
        netlink.link("set", index=bond, state="up")
    try:
        yield
    finally:
        with IPRoute() as netlink:
            netlink.link("del", index=_index(netlink, "bond7"))


async def test_a_card_whose_driver_goes_and_comes_back_keeps_its_position(nics: HostNics) -> None:
    heard: list[str] = []
    nics.watch(heard.append)
    await nics.scan()
    _run("modprobe", "-r", "e1000e")
    await _until(lambda: nics.get("eth2") is None)
    assert [nic.device for nic in await nics.scan()] == ["eth0", "eth1"]
    _run("modprobe", "e1000e")
    await _until(lambda: (nic := nics.get("eth2")) is not None and nic.position == 2)
    assert "eth2" in heard


async def test_cards_that_cannot_have_virtual_functions_say_so(nics: HostNics) -> None:
    with pytest.raises(SriovFailed, match="eth2 can have no virtual functions"):
        await nics.enable_sriov("eth2")
    assert await nics.virtual_functions("eth2") == []
