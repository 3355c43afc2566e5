"""dom0 does not look at what a guest has on its disk."""

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bare.datapath_host import Host, new_host
from bare.sr_ground import LoopDisks
from kit.images import make_image

RULES = Path(__file__).parents[2] / "packaging/udev"
RUN = Path("/run/udev/rules.d")


def udevadm(*words: str) -> str:
    return subprocess.run(["udevadm", *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    async with new_host() as host:
        yield host


@pytest.fixture
def rules() -> Iterator[None]:
    RUN.mkdir(exist_ok=True)
    for rule in RULES.glob("*.rules"):
        shutil.copy(rule, RUN)
    udevadm("control", "--reload")
    yield
    for rule in RULES.glob("*.rules"):
        (RUN / rule.name).unlink()
    udevadm("control", "--reload")


async def test_a_file_system_on_a_guests_disk_is_not_probed(host: Host, rules: None) -> None:
    told = probed(await host.attach(make_image(host.folder / "leaf.qcow2")))
    assert "UDEV_DISABLE_PERSISTENT_STORAGE_RULES_FLAG=1" in told
    assert "ID_FS_TYPE" not in told


def test_a_file_system_on_a_volume_of_a_guest_is_not_probed(tmp_path: Path, rules: None) -> None:
    disks = LoopDisks(tmp_path)
    try:
        for name, looked_at in (("VG_XenStorage--x-VDI--y", False), ("VG_of_dom0-root", True)):
            subprocess.run(["dmsetup", "create", name, "--table", f"0 32768 linear {disks.new()} 0"], check=True)
            try:
                assert ("ID_FS_TYPE=ext4" in probed(Path("/dev/mapper") / name)) is looked_at
            finally:
                subprocess.run(["dmsetup", "remove", name], check=True)
    finally:
        disks.close()


def probed(device: Path) -> str:
    """What udev tells of a device with a file system."""
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", str(device)], check=True)
    udevadm("trigger", "--settle", "--action=change", str(device.resolve()))
    return udevadm("info", "--query=property", str(device.resolve()))
