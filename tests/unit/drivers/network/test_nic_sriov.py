"""Virtual functions, on a stand-in for /sys and /etc/modprobe.d: nothing here makes a function."""

import stat
from pathlib import Path

import pytest

from kit.nic_tree import NicTree
from xenhost.core.network import SriovEnabled, SriovMode, VirtualFunction
from xenhost.core.network_errors import SriovFailed
from xenhost.drivers.network.nics import modprobe_file
from xenhost.drivers.network.nics.modprobe_file import VfParameter
from xenhost.drivers.network.nics.places import Places
from xenhost.drivers.network.nics.sriov import Sriov

CONF = "# VFs-param: max_vfs\n# VFs-maxvfs-by-default: 7\n# VFs-maxvfs-by-user: 4\noptions igb debug=1\n"


class StandIn:
    """A host with one card, `eth0`, of the driver igb, that can have seven functions."""

    def __init__(self, root: Path) -> None:
        self.tree = NicTree(root / "sys")
        self.function = self.tree.pci("eth0", "0000:03:00.0", "igb", model="0x10c9")
        self.tree.can_have_functions(self.function, 7)
        self.conf = root / "modprobe.d/igb.conf"
        self.conf.parent.mkdir()
        self.made = root / "made"
        self.places = Places(
            root / "state",
            self.tree.root,
            self.conf.parent,
            modinfo=(self._program(root / "modinfo", "echo 'max_vfs:Number (array of uint)'"),),
            boot_image=(self._program(root / "initramfs", f"echo made >> {self.made}"),),
        )
        self.sriov = Sriov(self.places)

    @staticmethod
    def _program(file: Path, line: str) -> str:
        file.write_text(f"#!/bin/sh\n{line}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        return str(file)

    @property
    def enabled(self) -> str:
        return (self.function / "sriov_numvfs").read_text().strip()


@pytest.fixture
def host(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


def test_on_a_stand_in_a_card_is_given_all_functions_by_sysfs(host: StandIn) -> None:
    assert host.sriov.enable("eth0") == SriovEnabled(SriovMode.SYSFS)
    assert host.enabled == "7"
    assert host.sriov.enable("eth0") == SriovEnabled(SriovMode.SYSFS)


def test_on_a_stand_in_functions_that_others_made_are_manual_and_stay(host: StandIn) -> None:
    host.tree.can_have_functions(host.function, 7, 2)
    assert host.sriov.enable("eth0") == SriovEnabled(SriovMode.MANUAL)
    host.sriov.disable("eth0", "manual")
    assert host.enabled == "2"


def test_on_a_stand_in_cards_that_cannot_are_refused(host: StandIn) -> None:
    host.tree.pci("eth1", "0000:04:00.0")
    with pytest.raises(SriovFailed, match="eth1 can have no virtual functions"):
        host.sriov.enable("eth1")
    with pytest.raises(SriovFailed, match="there is no network card eth2"):
        host.sriov.enable("eth2")


def test_on_a_stand_in_what_sysfs_refuses_is_an_error(host: StandIn) -> None:
    (host.function / "sriov_numvfs").unlink()
    (host.function / "sriov_numvfs").mkdir()
    with pytest.raises(SriovFailed, match="eth0 refuses 7"):
        host.sriov.enable("eth0")


def test_on_a_stand_in_functions_are_listed_by_number(host: StandIn) -> None:
    host.tree.virtual_function(host.function, 10, "0000:03:11.2", "igbvf")
    host.tree.virtual_function(host.function, 2, "0000:03:10.2", "igbvf")
    assert host.sriov.virtual_functions("eth0") == [
        VirtualFunction("0000:03:10.2", 2),
        VirtualFunction("0000:03:11.2", 10),
    ]


def test_on_a_stand_in_functions_are_let_go_of_by_their_drivers_and_taken_away(host: StandIn) -> None:
    host.tree.can_have_functions(host.function, 7, 7)
    host.tree.virtual_function(host.function, 0, "0000:03:10.0", "igbvf")
    host.sriov.disable("eth0", "sysfs")
    assert (host.tree.root / "bus/pci/drivers/igbvf/unbind").read_text() == "0000:03:10.0"
    assert host.enabled == "0"


def test_on_a_stand_in_functions_without_a_driver_are_taken_away(host: StandIn) -> None:
    host.tree.can_have_functions(host.function, 7, 7)
    without = host.tree.virtual_function(host.function, 0, "0000:03:10.0", "igbvf")
    (without / "driver").unlink()
    host.sriov.disable("eth0", "sysfs")
    assert host.enabled == "0"


@pytest.mark.parametrize("driver", ["pciback", "vfio-pci"])
def test_on_a_stand_in_a_function_that_a_vm_has_is_not_taken_away(host: StandIn, driver: str) -> None:
    host.tree.can_have_functions(host.function, 7, 7)
    host.tree.virtual_function(host.function, 0, "0000:03:10.0", "igbvf")
    host.tree.virtual_function(host.function, 1, "0000:03:10.2", driver)
    with pytest.raises(SriovFailed, match=r"virtual function 1 of eth0, 0000:03:10.2, is in use by a VM"):
        host.sriov.disable("eth0", "sysfs")
    assert host.enabled == "7"
    assert not (host.tree.root / "bus/pci/drivers/igbvf/unbind").exists()


def test_on_a_stand_in_a_driver_with_a_parameter_is_told_by_its_file(host: StandIn) -> None:
    host.conf.write_text(CONF)
    host.tree.pci("eth1", "0000:03:00.1", "igb")
    assert host.sriov.enable("eth0") == SriovEnabled(SriovMode.MODPROBE, requires_reboot=True)
    assert host.conf.read_text().endswith("\noptions igb debug=1 max_vfs=4,4\n")
    assert host.enabled == "0"
    assert host.made.read_text() == "made\n"
    host.sriov.disable("eth0", "modprobe")
    assert host.conf.read_text().endswith("\noptions igb debug=1 max_vfs=0,0\n")


def test_on_a_stand_in_no_reboot_is_needed_if_the_functions_are_there(host: StandIn) -> None:
    host.conf.write_text(CONF)
    host.tree.can_have_functions(host.function, 7, 4)
    assert host.sriov.enable("eth0") == SriovEnabled(SriovMode.MODPROBE)
    assert host.sriov.enable("eth0") == SriovEnabled(SriovMode.MODPROBE)
    assert host.made.read_text() == "made\n"


def test_on_a_stand_in_an_image_that_could_not_be_made_is_tried_again(host: StandIn) -> None:
    host.conf.write_text(CONF)
    program = Path(host.places.boot_image[0])
    works = program.read_text()
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(SriovFailed, match="could not be made anew"):
        host.sriov.enable("eth0")
    program.write_text(works)
    host.sriov.enable("eth0")
    assert host.made.read_text() == "made\n"


def test_a_file_without_a_parameter_says_nothing() -> None:
    assert modprobe_file.parse("") is None
    assert modprobe_file.parse("# VFs-maxvfs-by-user: 4\noptions igb max_vfs=3\n") is None
    assert modprobe_file.parse("# VFs-param: max vfs; rm\n") is None
    assert modprobe_file.parse("#VFs-param:max_vfs\n# VFs-maxvfs-by-user: many") == VfParameter("max_vfs")


def test_the_smaller_number_of_the_file_counts(tmp_path: Path) -> None:
    assert modprobe_file.parse(CONF) == VfParameter("max_vfs", 4)
    (tmp_path / "igb.conf").write_text(CONF)
    assert modprobe_file.vf_total(tmp_path, "igb", 7) == 4
    assert modprobe_file.vf_total(tmp_path, "igb", 3) == 3
    assert modprobe_file.vf_total(tmp_path, "igb", 0) == 0
    assert modprobe_file.vf_total(tmp_path, "../igb", 7) == 7


def test_other_lines_of_the_file_stay_and_several_of_options_become_one() -> None:
    before = "# mine\noptions igb max_vfs=1 a=2\nblacklist x\noptions igb b=3\noptions ixgbe max_vfs=9\n"
    after = modprobe_file.render(before, "igb", "max_vfs", [5])
    assert after == "# mine\nblacklist x\noptions ixgbe max_vfs=9\noptions igb a=2 b=3 max_vfs=5\n"
    assert modprobe_file.render(after, "igb", "max_vfs", [5]) == after
