"""VBDs and SRs, measured in a tree like /sys."""

import math
from pathlib import Path

import pytest

from kit.meter_tree import Tree, by_name
from xenhost.core.metrics import HOST, Owner, OwnerKind
from xenhost.core.ports.metrics import MeteredDisk, MeteredVm
from xenhost.drivers.metrics.disks import DiskMeter
from xenhost.drivers.metrics.kept_files import KeptFiles

SR = "c0ffee00-1111-4222-8333-444455556666"
XVDA, XVDB = 51712, 51728
VM = Owner(OwnerKind.VM, "vm-1")


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree(tmp_path)
    tree.vbd(3, XVDA, "7:a")
    tree.stat("7:10", 100, 5, 800, 250, 200, 7, 1600, 900, 2, 1000, 1150)
    return tree


@pytest.fixture
def meter(tree: Tree) -> DiskMeter:
    return DiskMeter(KeptFiles(tree.root))


def vm(uuid: str = "vm-1", domid: int = 3, sr: str = SR, **disks: int) -> MeteredVm:
    plugged = disks or {"xvda": XVDA}
    return MeteredVm(uuid, domid, tuple(MeteredDisk(devid, name, sr) for name, devid in plugged.items()), ())


def test_figures_are_what_was_done_between_two_readings(meter: DiskMeter, tree: Tree) -> None:
    first = by_name(meter.read(1000.0, [vm()]))
    assert first[VM, "vbd_xvda_read"] == 0
    assert math.isnan(first[VM, "vbd_xvda_iops_read"])
    tree.stat("7:10", 150, 5, 2848, 350, 260, 7, 5696, 1500, 3, 1500, 1850)
    values = {name: value for (_, name), value in by_name(meter.read(1005.0, [vm()])).items() if name.startswith("vbd")}
    assert values == {
        "vbd_xvda_read": 1 << 20,
        "vbd_xvda_write": 2 << 20,
        "vbd_xvda_read_latency": 2000,
        "vbd_xvda_write_latency": 10000,
        "vbd_xvda_io_throughput_read": 1,
        "vbd_xvda_io_throughput_write": 2,
        "vbd_xvda_io_throughput_total": 3,
        "vbd_xvda_iops_read": 50,
        "vbd_xvda_iops_write": 60,
        "vbd_xvda_iops_total": 110,
        "vbd_xvda_iowait": 0.7,
        "vbd_xvda_inflight": 3,
        "vbd_xvda_latency": pytest.approx(700_000 / 110),
        "vbd_xvda_avgqu_sz": pytest.approx(0.14),
    }


def test_a_disk_that_does_nothing_has_no_latency(meter: DiskMeter) -> None:
    meter.read(1000.0, [vm()])
    values = by_name(meter.read(1005.0, [vm()]))
    assert values[VM, "vbd_xvda_latency"] == values[VM, "vbd_xvda_read_latency"] == 0
    assert values[VM, "vbd_xvda_inflight"] == 2


def test_a_counter_that_is_reset_makes_no_spike(meter: DiskMeter, tree: Tree) -> None:
    meter.read(1000.0, [vm()])
    tree.stat("7:10", 1, 0, 8, 1, 1, 0, 8, 1, 0, 1, 2)
    values = by_name(meter.read(1005.0, [vm()]))
    assert values[VM, "vbd_xvda_read"] == 0
    assert values[VM, "vbd_xvda_iops_total"] == 0
    tree.stat("7:10", 2, 0, 24, 1, 1, 0, 8, 1, 0, 1, 2)
    assert by_name(meter.read(1010.0, [vm()]))[VM, "vbd_xvda_read"] == 16 * 512


def test_another_device_behind_the_same_vbd_does_not_bring_its_history_along(meter: DiskMeter, tree: Tree) -> None:
    meter.read(1000.0, [vm()])
    tree.stat("7:10", 100, 5, 802, 250, 200, 7, 1600, 900, 2, 1000, 1150)
    before = by_name(meter.read(1005.0, [vm()]))[VM, "vbd_xvda_read"]
    assert before == 1024
    tree.stat("253:5", 10**6, 0, 10**9, 10**6, 0, 0, 0, 0, 0, 0, 0)
    tree.vbd(3, XVDA, "fd:5")
    changed = by_name(meter.read(1010.0, [vm()]))
    assert changed[VM, "vbd_xvda_read"] == before
    assert math.isnan(changed[VM, "vbd_xvda_iops_read"])
    tree.stat("253:5", 10**6 + 3, 0, 10**9 + 2, 10**6, 0, 0, 0, 0, 0, 0, 0)
    after = by_name(meter.read(1015.0, [vm()]))
    assert after[VM, "vbd_xvda_read"] == before + 1024
    assert after[VM, "vbd_xvda_iops_read"] == 3


def test_a_disk_without_a_backend_has_no_sources_until_it_gets_one(meter: DiskMeter, tree: Tree) -> None:
    both = vm(xvda=XVDA, xvdb=XVDB)
    meter.read(1000.0, [both])
    assert not [name for _, name in by_name(meter.read(1005.0, [both])) if "xvdb" in name]
    tree.vbd(3, XVDB, "7:b")
    tree.stat("7:11", *[0] * 11)
    assert (VM, "vbd_xvdb_read") in by_name(meter.read(1010.0, [both]))


def test_a_backend_that_goes_leaves_unknown_values_and_no_open_file(tree: Tree) -> None:
    files = KeptFiles(tree.root)
    meter = DiskMeter(files)
    meter.read(1000.0, [vm()])
    meter.read(1005.0, [])
    tree.remove("sys/bus/xen-backend/devices/vbd-3-51712/physical_device")
    assert meter.read(1010.0, [vm()]) == []
    tree.vbd(3, XVDA, "7:a")
    assert (VM, "vbd_xvda_read") in by_name(meter.read(1015.0, [vm()]))


def test_vms_that_share_a_device_have_what_blkback_counts_for_each_and_their_part_of_the_time(
    meter: DiskMeter, tree: Tree
) -> None:
    vms = [vm("vm-1", 3), vm("vm-2", 4)]
    tree.vbd(3, XVDA, "7:a", rd_req=10, rd_sect=80, wr_req=0, wr_sect=0)
    tree.vbd(4, XVDA, "7:a", rd_req=90, rd_sect=720, wr_req=0, wr_sect=0)
    meter.read(1000.0, vms)
    tree.vbd(3, XVDA, "7:a", rd_req=40, rd_sect=320, wr_req=0, wr_sect=0)
    tree.vbd(4, XVDA, "7:a", rd_req=100, rd_sect=800, wr_req=0, wr_sect=0)
    tree.stat("7:10", 140, 5, 1120, 650, 200, 7, 1600, 900, 0, 1000, 1550)
    values = by_name(meter.read(1005.0, vms))
    other = Owner(OwnerKind.VM, "vm-2")
    assert (values[VM, "vbd_xvda_iops_read"], values[other, "vbd_xvda_iops_read"]) == (30, 10)
    assert (values[VM, "vbd_xvda_read"], values[other, "vbd_xvda_read"]) == (240 * 512, 80 * 512)
    assert values[VM, "vbd_xvda_read_latency"] == values[other, "vbd_xvda_read_latency"] == 10_000
    assert values[HOST, "read_c0ffee00"] == 320 * 512, "the SR has it once"
    assert values[HOST, "iops_read_c0ffee00"] == 40


def test_an_sr_adds_its_devices_up_and_weighs_their_latencies(meter: DiskMeter, tree: Tree) -> None:
    both = vm(xvda=XVDA, xvdb=XVDB)
    tree.vbd(3, XVDB, "7:b")
    tree.stat("7:11", *[0] * 11)
    meter.read(1000.0, [both])
    tree.stat("7:10", 101, 5, 808, 350, 200, 7, 1600, 900, 2, 1000, 1250)
    tree.stat("7:11", 99, 0, 792, 99, 0, 0, 0, 0, 1, 0, 99)
    values = by_name(meter.read(1005.0, [both]))
    assert values[HOST, "read_c0ffee00"] == 800 * 512
    assert values[HOST, "read_latency_c0ffee00"] == 1990
    assert values[HOST, "inflight_c0ffee00"] == 3
    assert values[HOST, "avgqu_sz_c0ffee00"] == pytest.approx(0.199 / 5)
    alone = by_name(meter.read(1010.0, [vm()]))
    assert alone[HOST, "read_c0ffee00"] == 800 * 512, "a disk that goes takes nothing away from what was counted"


def test_the_sr_of_a_disk_may_be_learnt_later_and_change(meter: DiskMeter, tree: Tree) -> None:
    meter.read(1000.0, [vm(sr="")])
    assert not [name for owner, name in by_name(meter.read(1005.0, [vm(sr="")])) if owner == HOST]
    tree.stat("7:10", 101, 5, 802, 250, 200, 7, 1600, 900, 2, 1000, 1150)
    assert by_name(meter.read(1010.0, [vm()]))[HOST, "read_c0ffee00"] == 1024
    other = by_name(meter.read(1015.0, [vm(sr="beef0000-1111-4222-8333-444455556666")]))
    assert other[HOST, "read_beef0000"] == 0
    assert (HOST, "read_c0ffee00") not in other


def test_sources_are_the_same_object_until_a_disk_comes(meter: DiskMeter, tree: Tree) -> None:
    meter.read(1000.0, [vm()])
    first, second = meter.read(1005.0, [vm()]), meter.read(1010.0, [vm()])
    assert [id(each.sources) for each in first] == [id(each.sources) for each in second]
    tree.vbd(3, XVDB, "7:b")
    tree.stat("7:11", *[0] * 11)
    assert meter.read(1015.0, [vm(xvda=XVDA, xvdb=XVDB)])[-1].sources is not second[-1].sources


@pytest.mark.parametrize("number", ["", "7", "7:zz", "../../etc:1", "7:0:0", "-1:4"])
def test_a_device_number_that_is_none_is_no_path(tmp_path: Path, number: str) -> None:
    tree = Tree(tmp_path)
    tree.vbd(3, XVDA, number)
    meter = DiskMeter(KeptFiles(tmp_path))
    meter.read(1000.0, [vm()])
    assert all(math.isnan(value) or value == 0 for value in by_name(meter.read(1005.0, [vm()])).values())


@pytest.mark.parametrize("text", ["", "1 2 3", "a b c d e f g h i j k", "1 2 3 4 5 6 7 8 9 10"])
def test_a_stat_that_is_something_else_is_unknown(meter: DiskMeter, tree: Tree, text: str) -> None:
    meter.read(1000.0, [vm()])
    tree.write("sys/dev/block/7:10/stat", text)
    values = by_name(meter.read(1005.0, [vm()]))
    assert math.isnan(values[VM, "vbd_xvda_inflight"])
    assert values[VM, "vbd_xvda_read"] == 0
