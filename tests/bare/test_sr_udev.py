"""SRs of removable drives in a real dom0."""

from pathlib import Path

import pytest

from bare.sr_ground import LoopDisks, run
from contract.storage_ground import BLOCK, block, fresh
from contract.storage_host import StorageHost, new_sr, open_bytes
from xenhost.core.storage import AttachMode, IoLimits, SrSpec, VdiChange
from xenhost.core.storage_errors import SrBackendFailure, VdiInUse, VdiMissing, VdiReadonly
from xenhost.core.units import MIB
from xenhost.sm.drivers.udev import UdevDriver


async def test_drives_come_and_go(tmp_path: Path) -> None:
    disks, host = LoopDisks(tmp_path), StorageHost(tmp_path)
    try:
        drives = tmp_path / "drives"
        drives.mkdir()
        first, second = disks.new(8 * MIB), disks.new(8 * MIB)
        (drives / "usb-stick").symlink_to(first)
        (drives / "passwords").symlink_to("/etc/shadow")
        (drives / "file").write_bytes(bytes(4096))
        spec = SrSpec(new_sr(), "udev", {"location": str(drives)})
        driver = UdevDriver(await host.context())
        await driver.create(spec)
        sr = await driver.attach(spec)
        report = await sr.scan()
        (stick,) = report.vdis
        assert (stick.location, stick.virtual_size, stick.read_only) == ("usb-stick", 8 * MIB, False)
        assert {each.split(":")[0] for each in report.ignored} == {"passwords", "file"}

        await sr.attach_vdi(stick.id, AttachMode.RW)
        backends = await sr.activate_vdi(stick.id, AttachMode.RW, IoLimits())
        async with open_bytes(backends, AttachMode.RW) as disk:
            await disk.write(0, block("on the stick"))
            await disk.flush()
        await sr.deactivate_vdi(stick.id)
        assert Path(first).read_bytes()[:BLOCK] == block("on the stick")

        await sr.update_vdi(stick.id, VdiChange(name="Anna's", read_only=True))
        sr = await UdevDriver(await host.context()).attach(spec)
        (stick,) = (await sr.scan()).vdis
        assert (stick.name, stick.read_only) == ("Anna's", True)
        with pytest.raises(VdiReadonly):
            await sr.attach_vdi(stick.id, AttachMode.RW)

        (drives / "usb-stick").unlink()
        (drives / "other").symlink_to(second)
        chosen = fresh()
        await sr.introduce_vdi(chosen, "other", {})
        assert [vdi.id for vdi in (await sr.scan()).vdis] == [chosen]
        with pytest.raises(VdiMissing):
            await sr.stat_vdi(stick.id)
        run("mke2fs", "-q", second)
        run("mount", second, "/mnt")
        try:
            with pytest.raises(VdiInUse, match="mounted"):
                await sr.attach_vdi(chosen, AttachMode.RO)
        finally:
            run("umount", "/mnt")

        drives.rename(tmp_path / "gone")
        with pytest.raises(SrBackendFailure):
            await sr.scan()
    finally:
        await host.close()
        disks.close()


async def test_a_cd_is_never_written_to(tmp_path: Path) -> None:
    disks, host = LoopDisks(tmp_path), StorageHost(tmp_path)
    try:
        drives = tmp_path / "drives"
        drives.mkdir()
        (drives / "sr0").symlink_to(disks.new(8 * MIB))
        spec = SrSpec(new_sr(), "udev", {"location": str(drives)}, sm_config={"type": "cd"})
        sr = await UdevDriver(await host.context()).attach(spec)
        (drive,) = (await sr.scan()).vdis
        assert drive.read_only
        with pytest.raises(VdiReadonly):
            await sr.attach_vdi(drive.id, AttachMode.RW)
    finally:
        await host.close()
        disks.close()
