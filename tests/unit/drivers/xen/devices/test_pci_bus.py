"""PCI devices of dom0, on a stand-in for /sys: nothing in it binds a driver, so that is put there by hand."""

from pathlib import Path

import pytest

from xenhost.drivers.xen.devices.pci_bus import PciBus, PciResources, number_of, parse_resources

FUNCTION = "0000:03:10.2"
RESOURCE = """\
0x00000000c8000000 0x00000000c8003fff 0x0000000000140204
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x000000000000c020 0x000000000000c03f 0x0000000000040101
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x0000004020000800 0x0000004020001000 0x000000000014220c
0x0000000000000000 0x0000000000000000 0x0000000000000000
0x00000000c7f80000 0x00000000c7ffffff 0x0000000000046200
0x00000000d0000000 0x00000000d003ffff 0x0000000000140204
"""
"""The last line is a bar of functions that it could have itself."""


class StandIn:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.device = root / "bus/pci/devices" / FUNCTION
        for driver in ("pciback", "igbvf"):
            folder = root / "bus/pci/drivers" / driver
            folder.mkdir(parents=True)
            (folder / "bind").touch()
            (folder / "unbind").touch()
        self.device.mkdir(parents=True)
        self.write("driver_override", "")
        self.write("resource", RESOURCE)
        self.write("irq", "0\n")
        self.bus = PciBus(root)

    def write(self, name: str, text: str) -> None:
        (self.device / name).write_text(text)

    def bound_to(self, driver: str) -> None:
        (self.device / "driver").unlink(missing_ok=True)
        (self.device / "driver").symlink_to(self.root / "bus/pci/drivers" / driver)

    def read(self, path: str) -> str:
        return (self.root / "bus/pci" / path).read_text()


@pytest.fixture
def host(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


def test_a_device_is_counted_as_xen_counts() -> None:
    assert number_of("0000:03:10.2") == 0x0382
    assert number_of("0001:ff:1f.7") == 0x1FFFF
    for wrong in ("", "03:10.2", "0000:03:20.0", "0000:03:10.8", "0000:03:10.2\n", "../..", "0000:03:10.2/x"):
        with pytest.raises(ValueError, match="is no PCI address"):
            number_of(wrong)


def test_what_a_guest_must_reach_are_ports_and_whole_pages() -> None:
    assert parse_resources(RESOURCE, 11) == PciResources(
        ((0xC020, 0x20),), ((0xC8000, 4), (0x4020000, 2), (0xC7F80, 0x80)), 11
    )
    assert parse_resources("", 0) == PciResources((), (), 0)
    for wrong in ("0x1 0x2", "one two three"):
        with pytest.raises(ValueError, match=r"expected|invalid"):
            parse_resources(wrong, 0)


def test_on_a_stand_in_a_device_is_marked_before_its_driver_lets_go(host: StandIn) -> None:
    host.bound_to("igbvf")
    host.bus.seize(FUNCTION)
    assert host.read(f"devices/{FUNCTION}/driver_override") == "pciback"
    assert host.read("drivers/igbvf/unbind") == FUNCTION
    assert host.read("drivers/pciback/bind") == FUNCTION
    assert host.bus.resources(FUNCTION).ports == ((0xC020, 0x20),)


def test_on_a_stand_in_what_pciback_has_is_not_seized_again(host: StandIn) -> None:
    host.bound_to("pciback")
    host.bus.seize(FUNCTION)
    assert host.read("drivers/pciback/bind") == ""


def test_on_a_stand_in_a_device_goes_back_to_the_driver_it_would_have(host: StandIn) -> None:
    host.bound_to("pciback")
    host.write("driver_override", "pciback\n")
    host.bus.release(FUNCTION)
    assert host.read("drivers/pciback/unbind") == FUNCTION
    assert host.read(f"devices/{FUNCTION}/driver_override") == "\n"
    assert host.read("drivers_probe") == FUNCTION


def test_on_a_stand_in_a_device_that_is_dom0s_own_is_left_alone(host: StandIn) -> None:
    host.bound_to("igbvf")
    host.bus.release(FUNCTION)
    host.bus.release("0000:03:10.4")
    assert host.read("drivers/igbvf/unbind") == ""
