"""What is read of cards, from a stand-in for /sys."""

from pathlib import Path

import pytest

from kit.nic_tree import NicTree
from xenhost.drivers.network.nics.cards import card, devices_of, pci_folder, speed_and_duplex
from xenhost.drivers.network.nics.names import CardNames, look_up

PCI_IDS = """# a comment
1af4  Red Hat, Inc.
\t1000  Virtio network device
\t\t1af4 0001  A subsystem
\t1041  Virtio 1.0 network device
8086  Intel Corporation
\t10d3  82574L Gigabit Network Connection
\t\t103c 1785  NC112i
"""


@pytest.fixture
def tree(tmp_path: Path) -> NicTree:
    return NicTree(tmp_path / "sys")


def test_a_pci_card_of_the_stand_in_tree(tree: NicTree) -> None:
    function = tree.pci("eth0", "0000:03:00.0", port=1, onboard=2)
    tree.can_have_functions(function, 7, 3)
    found = card(tree.root, "eth0")
    assert found is not None
    assert (found.pci, found.vendor_id, found.device_id, found.driver) == ("0000:03:00.0", "8086", "10d3", "e1000e")
    assert (found.port, found.onboard, found.vf_total, found.vf_enabled) == (1, 2, 7, 3)


def test_a_virtio_card_of_the_stand_in_tree_is_in_the_slot_of_its_pci_device(tree: NicTree) -> None:
    function = tree.virtio("eth0", "0000:00:03.0")
    found = card(tree.root, "eth0")
    assert found is not None
    assert (found.pci, found.vendor_id, found.device_id) == ("0000:00:03.0", "1af4", "1000")
    assert found.driver == "virtio_net"
    assert pci_folder(tree.root, "eth0") == function.resolve()


def test_a_usb_card_of_the_stand_in_tree_is_in_no_slot(tree: NicTree) -> None:
    tree.usb("usb0")
    found = card(tree.root, "usb0")
    assert found is not None
    assert (found.pci, found.vendor_id, found.device_id, found.driver) == ("", "0bda", "8153", "r8152")


def test_ends_of_vifs_and_interfaces_without_hardware_are_no_cards(tree: NicTree) -> None:
    tree.vif("vif3.0")
    tree.plain("xenbr0")
    assert card(tree.root, "vif3.0") is None
    assert card(tree.root, "xenbr0") is None
    assert card(tree.root, "missing") is None


def test_a_virtual_function_of_the_stand_in_tree_says_whose_it_is(tree: NicTree) -> None:
    physical = tree.pci("eth0", "0000:03:00.0", "igb")
    tree.virtual_function(physical, 0, "0000:03:10.0", "igbvf", "eth1")
    found = card(tree.root, "eth1")
    assert found is not None
    assert found.physical_function == "eth0"
    assert devices_of(tree.root, "igb") == ["eth0"]
    assert devices_of(tree.root, "igbvf") == []


def test_without_its_interface_a_physical_function_is_named_by_its_slot(tree: NicTree) -> None:
    physical = tree.pci("eth0", "0000:03:00.0", "igb")
    tree.virtual_function(physical, 0, "0000:03:10.0", "igbvf", "eth1")
    (physical / "net/eth0").rename(physical / "eth0")
    found = card(tree.root, "eth1")
    assert found is not None
    assert found.physical_function == "0000:03:00.0"


@pytest.mark.parametrize(("text", "speed"), [("1000\n", 1000), ("-1\n", 0), ("4294967295\n", 4294967295), ("x", 0)])
def test_an_unknown_speed_is_none(tree: NicTree, text: str, speed: int) -> None:
    tree.pci("eth0", "0000:03:00.0")
    (tree.root / "class/net/eth0/speed").write_text(text)
    assert speed_and_duplex(tree.root, "eth0") == (speed, False)


def test_names_are_found_in_the_file_of_pci_ids() -> None:
    lines = PCI_IDS.splitlines(keepends=True)
    assert look_up(lines, "1af4", "1041") == ("Red Hat, Inc.", "Virtio 1.0 network device")
    assert look_up(lines, "8086", "10d3") == ("Intel Corporation", "82574L Gigabit Network Connection")
    assert look_up(lines, "1af4", "10d3") == ("Red Hat, Inc.", "")
    assert look_up(lines, "ffff", "10d3") == ("", "")


def test_names_are_empty_without_a_database_and_found_once_there_is_one(tree: NicTree, tmp_path: Path) -> None:
    tree.pci("eth0", "0000:03:00.0")
    found = card(tree.root, "eth0")
    assert found is not None
    names = CardNames(tmp_path / "pci.ids", udev=False)
    assert names.of(found) == ("", "")
    (tmp_path / "pci.ids").write_text(PCI_IDS)
    assert names.of(found) == ("Intel Corporation", "82574L Gigabit Network Connection")
