"""Cards and VIFs, measured in a text like /proc/net/dev."""

import math
from pathlib import Path

import pytest

from kit.meter_tree import by_name, net_dev
from xenhost.core.metrics import HOST, Owner, OwnerKind
from xenhost.core.ports.metrics import MeteredVm
from xenhost.drivers.metrics.cards import Cards
from xenhost.drivers.metrics.links import LinkMeter

VM = Owner(OwnerKind.VM, "vm-1")
GUEST = MeteredVm("vm-1", 7, (), (0, 1))


class Devices:
    """What the kernel says next."""

    def __init__(self, **devices: tuple[int, int, int, int]) -> None:
        self.devices: dict[str, tuple[int, int, int, int]] = dict(devices)

    def __call__(self) -> bytes:
        return net_dev(self.devices)


def card(root: Path, name: str, driver: str = "pci", *, function: bool = False) -> None:
    device = root / "devices" / name
    device.mkdir(parents=True)
    (root / "bus" / driver).mkdir(parents=True, exist_ok=True)
    (device / "subsystem").symlink_to(root / "bus" / driver)
    if function:
        (device / "physfn").mkdir()
    (root / "class/net" / name).mkdir(parents=True)
    (root / "class/net" / name / "device").symlink_to(device)


def bond(root: Path, name: str, *members: str) -> None:
    (root / "class/net" / name / "bonding").mkdir(parents=True)
    (root / "class/net" / name / "bonding/slaves").write_text(" ".join(members) + "\n")


def test_what_the_guest_sends_is_what_dom0_receives(tmp_path: Path) -> None:
    devices = Devices()
    devices.devices = {"vif7.0": (100, 200, 3, 4), "vif77.0": (9, 9, 9, 9)}
    values = by_name(LinkMeter(devices, Cards(tmp_path)).read(1.0, [GUEST]))
    assert values[VM, "vif_0_tx"] == 100
    assert values[VM, "vif_0_rx"] == 200
    assert values[VM, "vif_0_tx_errors"] == 3
    assert values[VM, "vif_0_rx_errors"] == 4
    assert math.isnan(values[VM, "vif_1_rx"])


def test_an_emulated_card_counts_with_the_vif_it_is_one_with(tmp_path: Path) -> None:
    devices = Devices()
    devices.devices = {"vif7.0": (100, 200, 0, 0), "vif7.0-emu": (10, 20, 1, 2), "vif7.1-emu": (5, 6, 0, 0)}
    values = by_name(LinkMeter(devices, Cards(tmp_path)).read(1.0, [GUEST]))
    assert (values[VM, "vif_0_tx"], values[VM, "vif_0_rx"]) == (110, 220)
    assert (values[VM, "vif_1_tx"], values[VM, "vif_1_rx"]) == (5, 6)


def test_cards_are_counted_once_and_bonds_are_their_members(tmp_path: Path) -> None:
    for name in ("eth0", "eth1", "eth2"):
        card(tmp_path, name)
    card(tmp_path, "vif7.0", "xen-backend")
    card(tmp_path, "renamed", "xen-backend")
    card(tmp_path, "eth0v0", function=True)
    bond(tmp_path, "bond0", "eth1", "eth2")
    devices = Devices(
        lo=(1, 1, 0, 0),
        eth0=(1000, 2000, 1, 2),
        eth1=(10, 20, 0, 0),
        eth2=(1, 2, 0, 0),
        bond0=(99, 99, 0, 0),
        xenbr0=(7, 7, 0, 0),
        eth0v0=(5, 5, 0, 0),
        renamed=(5, 5, 0, 0),
    )
    meter = LinkMeter(devices, Cards(tmp_path), lambda: {"bond9": ("eth0", "eth1", "gone")})
    values = by_name(meter.read(1.0, []))
    assert {name.removesuffix("_rx") for _, name in values if name.endswith("_rx")} == {
        *("pif_eth0", "pif_eth1", "pif_eth2", "pif_bond0", "pif_bond9", "pif_aggr")
    }
    assert values[HOST, "pif_bond0_rx"] == 11
    assert values[HOST, "pif_bond9_tx"] == 2020
    assert values[HOST, "pif_eth0_tx_errors"] == 2
    assert values[HOST, "pif_aggr_rx"] == 0
    devices.devices["eth0"] = (1500, 2000, 1, 2)
    devices.devices["eth1"] = (20, 20, 0, 0)
    assert by_name(meter.read(6.0, []))[HOST, "pif_aggr_rx"] == 510


def test_a_card_that_goes_and_comes_back_with_other_counters_makes_no_spike(tmp_path: Path) -> None:
    card(tmp_path, "eth0")
    card(tmp_path, "eth1")
    devices = Devices(eth0=(1000, 0, 0, 0), eth1=(50, 0, 0, 0))
    meter = LinkMeter(devices, Cards(tmp_path))
    meter.read(1.0, [])
    del devices.devices["eth0"]
    devices.devices["eth1"] = (60, 0, 0, 0)
    assert by_name(meter.read(6.0, []))[HOST, "pif_aggr_rx"] == 10
    devices.devices["eth0"] = (10**12, 0, 0, 0)
    assert by_name(meter.read(11.0, []))[HOST, "pif_aggr_rx"] == 10
    devices.devices["eth0"] = (5, 0, 0, 0)
    assert by_name(meter.read(16.0, []))[HOST, "pif_aggr_rx"] == 10


def test_names_that_are_no_names_of_cards_are_left_out(tmp_path: Path) -> None:
    for name in ("eth0", "a\\b", "x'y", "naïve"):
        card(tmp_path, name)
    devices = Devices()
    devices.devices = {name: (1, 1, 0, 0) for name in ("eth0", "a\\b", "x'y", "naïve")}
    values = by_name(LinkMeter(devices, Cards(tmp_path)).read(1.0, []))
    assert {name for _, name in values if name.endswith("_rx")} == {"pif_eth0_rx", "pif_aggr_rx"}


def test_members_of_a_bond_may_change(tmp_path: Path) -> None:
    card(tmp_path, "eth0")
    card(tmp_path, "eth1")
    bond(tmp_path, "bond0", "eth0")
    devices = Devices(eth0=(1, 0, 0, 0), eth1=(10, 0, 0, 0), bond0=(0, 0, 0, 0))
    meter = LinkMeter(devices, Cards(tmp_path))
    assert by_name(meter.read(0.0, []))[HOST, "pif_bond0_rx"] == 1
    (tmp_path / "class/net/bond0/bonding/slaves").write_text("eth0 eth1\n")
    seen = [by_name(meter.read(5.0 * tick, []))[HOST, "pif_bond0_rx"] for tick in range(1, 14)]
    assert seen[-1] == 11


def test_sources_are_the_same_object_while_the_devices_are_the_same(tmp_path: Path) -> None:
    card(tmp_path, "eth0")
    devices = Devices(eth0=(1, 0, 0, 0))
    devices.devices["vif7.0"] = (1, 1, 0, 0)
    meter = LinkMeter(devices, Cards(tmp_path))
    first = meter.read(0.0, [GUEST])
    devices.devices["vif7.1"] = (1, 1, 0, 0)  # it connects: that changes no source
    second = meter.read(5.0, [GUEST])
    assert [id(each.sources) for each in first] == [id(each.sources) for each in second]


def test_a_kernel_that_says_something_else_fails_this_meter_only_for_this_tick(tmp_path: Path) -> None:
    card(tmp_path, "eth0")
    with pytest.raises(OSError, match="not understood"):
        LinkMeter(lambda: b"a\nb\neth0: what is this\n", Cards(tmp_path)).read(0.0, [])
