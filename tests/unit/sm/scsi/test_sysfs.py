"""Disks are found in a sysfs tree, with what they are and what is on top of them."""

from pathlib import Path

import pytest

from xenhost.sm.scsi import inuse, sysfs

NAA = bytes.fromhex("0083001401030010") + bytes.fromhex("6001405aabbccddeeff0011223344556")


@pytest.fixture
def sys(tmp_path: Path) -> Path:
    """sda: local with a partition; sdb: a LUN of an iSCSI session; vda: no SCSI; sr0 and loop0 are no disks."""
    add(tmp_path, "sda", "devices/pci0/host0/target0:0:0/0:0:0:0", 2048, serial=b"\0\x80\0\x03abc")
    part = tmp_path / "block" / "sda" / "sda1"
    part.mkdir()
    (part / "partition").write_text("1\n")
    add(tmp_path, "sdb", "devices/platform/host2/session5/target2:0:0/2:0:0:3", 4096, page=NAA)
    session = tmp_path / "class" / "iscsi_session" / "session5"
    session.mkdir(parents=True)
    (session / "targetname").write_text("iqn.2001-04.com.example:disks\n")
    for host, driver in (("host0", "scsi_debug"), ("host2", "iscsi_tcp")):
        (tmp_path / "class" / "scsi_host" / host).mkdir(parents=True)
        (tmp_path / "class" / "scsi_host" / host / "proc_name").write_text(driver + "\n")
    add(tmp_path, "vda", "devices/virtio0", 8)
    add(tmp_path, "sr0", "devices/ata1/host1/target1:0:0/1:0:0:0", 8)
    add(tmp_path, "loop0", "devices/virtual/block/loop0", 8)
    add(tmp_path, "sdc", "devices/pci0/host0/target0:0:1/0:0:1:0", 0)
    return tmp_path


def add(sys: Path, name: str, device: str, sectors: int, page: bytes = b"", serial: bytes = b"") -> None:
    block, real = sys / "block" / name, sys / device
    block.mkdir(parents=True)
    real.mkdir(parents=True)
    (block / "device").symlink_to(real)
    (block / "holders").mkdir()
    (block / "size").write_text(f"{sectors}\n")
    (block / "removable").write_text("0\n")
    (block / "ro").write_text("0\n")
    (real / "vendor").write_text("LIO-ORG \n")
    (real / "model").write_text("disk\x1b[31m \n")
    (real / "vpd_pg83").write_bytes(page)
    (real / "vpd_pg80").write_bytes(serial)


def test_whole_disks_with_a_medium_are_found(sys: Path) -> None:
    found = {disk.name: disk for disk in sysfs.disks(sys)}
    assert set(found) == {"sda", "sdb", "vda"}
    sda, sdb, vda = found["sda"], found["sdb"], found["vda"]
    assert (sda.size, sda.serial, sda.scsi_id, sda.adapter, sda.target) == (1 << 20, "abc", "", "scsi_debug", "")
    assert (sdb.scsi_id, sdb.lun, sdb.adapter) == ("36001405aabbccddeeff0011223344556", 3, "iscsi_tcp")
    assert (sdb.target, sdb.path) == ("iqn.2001-04.com.example:disks", "/dev/sdb")
    assert (vda.address, vda.lun) == (None, 0)
    assert "\x1b" not in sdb.model


def test_a_disk_is_found_by_its_id_only(sys: Path) -> None:
    assert [disk.name for disk in sysfs.by_scsi_id("36001405aabbccddeeff0011223344556", sys)] == ["sdb"]
    assert sysfs.by_scsi_id("", sys) == ()


def test_a_disk_is_in_use_when_it_or_a_part_of_it_is(sys: Path) -> None:
    assert sysfs.partitions("sda", sys) == ("sda1",)
    assert inuse.used_by_system("sda", sys, "", "") == ""
    assert "mounted on /boot" in inuse.used_by_system("sda", sys, "/dev/sda1 /boot ext4 rw 0 0\n", "")
    assert "swap" in inuse.used_by_system("sda", sys, "", "Filename Type\n/dev/sda1 partition 1 0 -2\n")
    (sys / "block" / "sdb" / "holders" / "dm-0").mkdir()
    assert inuse.used_by_system("sdb", sys, "", "") == "dm-0 is on top of it"
    (sys / "block" / "sda" / "sda1" / "holders").mkdir()
    (sys / "block" / "sda" / "sda1" / "holders" / "md0").mkdir()
    assert inuse.used_by_system("sda", sys, "", "") == "md0 is on top of it"


def test_no_sysfs_is_no_disks(tmp_path: Path) -> None:
    assert sysfs.disks(tmp_path / "none") == ()
