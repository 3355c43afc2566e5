"""SRs of host adapters' disks in a real dom0, with the kernel's SCSI debug driver as the adapter."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bare.sr_ground import THE_PATH, grounded, run
from contract.storage import Promise, in_dom0, keep, name_of
from contract.storage_ground import BLOCK, StorageGround, block
from xenhost.core.storage_errors import SrBackendFailure, VdiInUse
from xenhost.sm.drivers.lvmohba import LvmOverHbaDriver
from xenhost.sm.drivers.rawhba import RawHbaDriver
from xenhost.sm.scsi.local import every_adapter_disk

pytestmark = pytest.mark.timeout(900)

AGAIN = "disks have no place that says of which SR they are"
DEVIATIONS = {
    "an_sr_that_was_never_made_is_not_attached": AGAIN,
    "a_destroyed_sr_is_gone_and_its_place_is_free": AGAIN,
}


def adapter(disks: int, size_mb: int) -> Iterator[None]:
    """So many host adapters with a disk each."""
    run("modprobe", "scsi_debug", f"add_host={disks}", "per_host_store=1", f"dev_size_mb={size_mb}", "num_tgts=1")
    run("udevadm", "settle")
    yield
    run("udevadm", "settle")
    subprocess.run(["rmmod", "scsi_debug"], check=True, timeout=60)


@pytest.fixture
def seven_disks() -> Iterator[None]:
    yield from adapter(7, 8)


@pytest.fixture
def one_disk() -> Iterator[None]:
    yield from adapter(1, 512)


@pytest.fixture
async def volumes(tmp_path: Path, one_disk: None) -> AsyncIterator[StorageGround]:
    (disk,) = await every_adapter_disk()
    async with grounded(tmp_path, LvmOverHbaDriver, lambda: {"SCSIid": disk.scsi_id}) as ground:
        yield ground


@pytest.fixture
async def luns(tmp_path: Path, seven_disks: None) -> AsyncIterator[StorageGround]:
    async with grounded(tmp_path, RawHbaDriver, dict, deviations=DEVIATIONS) as ground:
        yield ground


@pytest.mark.parametrize("promise", in_dom0("what_was_written_is_read_after_all_was_let_go_of"), ids=name_of)
async def test_an_sr_of_disks_promises_that(promise: Promise, luns: StorageGround) -> None:
    await keep(promise, luns)


@pytest.mark.bare_long
@pytest.mark.parametrize("promise", THE_PATH, ids=name_of)
async def test_lvm_over_hba_promises_that(promise: Promise, volumes: StorageGround) -> None:
    await keep(promise, volumes)


async def test_a_disk_that_dom0_uses_is_not_offered(luns: StorageGround) -> None:
    disks = await every_adapter_disk()
    assert len({disk.scsi_id for disk in disks}) == 7
    for disk in disks:
        said = run("/lib/udev/scsi_id", "--whitelisted", "--device", disk.path).strip()
        assert disk.scsi_id == said
    mounted = disks[0]
    run("mke2fs", "-q", mounted.path)
    run("mount", mounted.path, "/mnt")
    try:
        report = await luns.driver.probe({}, {})
        ids = [row.findtext("SCSIid") for row in ElementTree.fromstring(report.document)]
        assert sorted(map(str, ids)) == sorted(disk.scsi_id for disk in disks[1:])
        _, sr = await luns.made()
        vdis = [await luns.vdi(sr) for _ in range(2)]
        assert mounted.scsi_id not in [vdi.location for vdi in (await luns.found(sr)).values()]
        path = (await luns.begin(sr, vdis[0]))[0].path
        await luns.end(sr, vdis[0])
        run("mke2fs", "-q", path)
        run("mount", path, "/media")
        with pytest.raises(VdiInUse, match="mounted on /media"):
            await luns.begin(sr, vdis[0])
        run("umount", "/media")
    finally:
        run("umount", "/mnt", "/media", check=False)


async def test_lvm_over_hba_is_found_by_scsi_id(volumes: StorageGround) -> None:
    (disk,) = await every_adapter_disk()
    report = await volumes.driver.probe({}, {})
    assert (report.code, report.missing) == (107, "SCSIid")
    assert [entry.configuration for entry in report.entries] == [{"SCSIid": disk.scsi_id}]
    spec, sr = await volumes.made()
    vdi = await volumes.vdi(sr, {0: block("x")})
    await volumes.holds(sr, await volumes.snapshot(sr, vdi), {0: block("x"), BLOCK: bytes(BLOCK)})
    report = await volumes.driver.probe({"SCSIid": disk.scsi_id}, {})
    assert [entry.sr for entry in report.entries] == [spec.id]
    with pytest.raises(SrBackendFailure, match="no disk"):
        await volumes.driver.probe({"SCSIid": "3600"}, {})
