"""A VM in a TOML file, and options over it."""

from pathlib import Path

import click
import pytest

from xenhost.agent.cli.parse import DiskArg, NicArg
from xenhost.agent.cli.vm_args import VmArgs, vm_message
from xenhost.agent.cli.vm_file import EXAMPLE, read_vm_file
from xenhost.api.host.v1 import vm_pb2

GIB = 1 << 30


def read(tmp_path: Path, text: str) -> VmArgs:
    file = tmp_path / "vm.toml"
    file.write_text(text)
    return read_vm_file(str(file))


def test_the_example_is_a_whole_vm(tmp_path: Path) -> None:
    vm = vm_message(read(tmp_path, EXAMPLE))
    assert (vm.name, vm.type, vm.memory.static_max_bytes, vm.vcpus.maximum) == ("web1", vm_pb2.VM_TYPE_PVH, GIB, 2)
    assert (vm.direct.kernel, vm.direct.cmdline) == ("/boot/vmlinuz", "root=/dev/xvda ro")
    assert [(vbd.device, vbd.type) for vbd in vm.vbds] == [
        ("xvda", vm_pb2.VBD_TYPE_DISK),
        ("xvdb", vm_pb2.VBD_TYPE_DISK),
        ("xvdc", vm_pb2.VBD_TYPE_CD),
    ]
    assert (vm.vbds[1].source.vdi_id, vm.vbds[1].limits.iops) == ("web1-data", 500)
    assert [(vif.index, vif.bridge) for vif in vm.vifs] == [(0, "xenbr0")]


def test_every_key_is_understood(tmp_path: Path) -> None:
    text = """
        name = "a"
        id = "6a1f4d0e-0000-4000-8000-000000000001"
        type = "hvm"
        after_shutdown = "restart"
        after_crash = "preserve"
        memory = { static_max = "2G", dynamic_max = "1G", dynamic_min = 536870912 }
        vcpus = { maximum = 4, at_startup = 2, affinity = ["0-1", "any"], weight = 512, cap = 50 }
        disks = [{ path = "/a,b", device = "hda", read_only = true, kind = "file" }]
        boot = { order = "d" }
        platform = { acpi = "1" }
        xenstore_data = { "vm-data/k" = "v" }
    """
    vm = vm_message(read(tmp_path, text))
    assert vm.id.startswith("6a1f")
    assert (vm.memory.dynamic_min_bytes, vm.memory.dynamic_max_bytes) == (GIB // 2, GIB)
    assert (vm.vcpus.at_startup, vm.vcpus.weight, vm.vcpus.cap) == (2, 512, 50)
    assert [list(cpus.cpus) for cpus in vm.vcpus.affinity] == [[0, 1], []]
    assert (vm.vbds[0].source.path, vm.vbds[0].mode) == ("/a,b", vm_pb2.VBD_MODE_RO)
    assert (vm.firmware.order, vm.platform["acpi"], vm.xenstore_data["vm-data/k"]) == ("d", "1", "v")
    assert (vm.after_shutdown, vm.after_crash) == (vm_pb2.AFTER_STOP_RESTART, vm_pb2.AFTER_STOP_PRESERVE)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("nam = 'a'", "nam"),
        ("memory = '1X'", "memory"),
        ("memory = { max = '1G' }", r"memory\.max"),
        ("vcpus = 'two'", "vcpus"),
        ("boot = { kernal = '/k' }", r"boot\.kernal"),
        ("disks = '/a'", "disks"),
        ("disks = [{ path = '/a', size = 1 }]", r"disks\.size"),
        ("nics = ['speed=1']", "nics"),
        ("platform = { acpi = 1 }", r"platform\.acpi"),
        ("= broken", "vm.toml"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(click.UsageError, match=named):
        read(tmp_path, text)


def test_options_go_before_the_file_and_devices_are_added() -> None:
    file = VmArgs(
        name="file", memory=GIB, platform={"acpi": "1"}, disks=[DiskArg("/a")], nics=[NicArg("b0")], affinity=[[1]]
    )
    both = VmArgs(name="option", platform={"nx": "1"}, disks=[DiskArg("/b")]).over(file)
    assert (both.name, both.memory, both.platform) == ("option", GIB, {"acpi": "1", "nx": "1"})
    assert [disk.path for disk in both.disks] == ["/a", "/b"]
    assert (both.nics, both.affinity) == ([NicArg("b0")], [[1]])


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (VmArgs(memory=GIB, kernel="/k"), "name"),
        (VmArgs(name="a", kernel="/k"), "memory"),
        (VmArgs(name="a", memory=GIB), "how it boots"),
        (VmArgs(name="a", memory=GIB, kernel="/k", bootloader=True), "exclude"),
        (VmArgs(name="a", memory=GIB, type="xen", kernel="/k"), "pv, pvh or hvm"),
        (VmArgs(name="a", memory=GIB, bootloader=True, ramdisk="/r"), "--ramdisk"),
    ],
)
def test_what_the_agent_could_not_know_is_asked_for(args: VmArgs, said: str) -> None:
    with pytest.raises(click.UsageError, match=said):
        vm_message(args)


def test_devices_without_a_place_take_free_ones() -> None:
    disks = [DiskArg("/a"), DiskArg("/b", "xvda"), DiskArg("/c")]
    args = VmArgs(name="a", memory=GIB, kernel="/k", disks=disks, nics=[NicArg("b", index=0), NicArg("c")])
    vm = vm_message(args)
    assert [vbd.device for vbd in vm.vbds] == ["xvdb", "xvda", "xvdc"]
    assert [vif.index for vif in vm.vifs] == [0, 1]
