"""SRs on a file system of their own that fills up, or is unmounted behind our back."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from contract.storage_ground import BLOCK, StorageGround, block, fresh
from contract.storage_host import StorageHost, new_sr, open_bytes
from xenhost.core.errors import XenhostError
from xenhost.core.ports.storage import SrDriver
from xenhost.core.storage import Health, NewVdi, SrSpec
from xenhost.core.storage_errors import SrBackendFailure, SrFull
from xenhost.sm.drivers.file import FileDriver

MIB = 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An ext4 file system of 128 MiB."""
    image, target = tmp_path / "disk.img", tmp_path / "disk"
    with image.open("wb") as out:
        out.truncate(128 * MIB)
    target.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
    if subprocess.run(["mount", "-o", "loop", image, target], capture_output=True, check=False).returncode:
        pytest.skip("this machine mounts no loop device for us")
    yield target
    subprocess.run(["umount", "-l", target], check=False)


@pytest.fixture
async def ground(tmp_path: Path, disk: Path) -> AsyncIterator[StorageGround]:
    host = StorageHost(tmp_path)

    async def restart() -> SrDriver:
        await host.kill_agent()
        return FileDriver(await host.context())

    driver = FileDriver(await host.context())
    ground = StorageGround(driver, lambda: SrSpec(new_sr(), "file", {"location": str(disk)}), restart, open_bytes)
    yield ground
    await ground.close()
    await host.close()


def fill(disk: Path) -> None:
    """To the last byte."""
    subprocess.run(["dd", "if=/dev/zero", f"of={disk}/filler", "bs=64k"], capture_output=True, check=False)


async def test_on_a_full_disk_errors_are_clear_and_deleting_and_merging_go_on(
    ground: StorageGround, disk: Path
) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("kept")})
    snapshot = await ground.snapshot(sr, vdi)
    await ground.write(sr, vdi, {BLOCK: block("more")})
    fill(disk)
    for verb in (sr.create_vdi(NewVdi(fresh(), 8 * MIB)), ground.snapshot(sr, vdi), ground.clone(sr, vdi)):
        with pytest.raises(SrFull) as refused:
            await verb
        assert int(refused.value.values["requested"]) > int(refused.value.values["maximum"])
    await ground.holds(sr, vdi, {0: block("kept"), BLOCK: block("more")})
    await sr.destroy_vdi(snapshot)
    await ground.tidy(sr)
    assert (await sr.stat_vdi(vdi)).depth == 0
    await ground.holds(sr, vdi, {0: block("kept"), BLOCK: block("more")})
    (disk / "filler").unlink()
    await ground.vdi(sr, {0: block("room again")})


async def test_a_file_system_unmounted_behind_our_back_is_no_empty_sr(
    ground: StorageGround, disk: Path, tmp_path: Path
) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("kept")})
    subprocess.run(["umount", disk], check=True)
    for _ in range(2):
        with pytest.raises(SrBackendFailure) as refused:
            await sr.scan()
        assert refused.value.number == 47
        with pytest.raises(XenhostError):
            await sr.create_vdi(NewVdi(fresh(), 8 * MIB))
    with pytest.raises(SrBackendFailure):
        await ground.driver.attach(spec)
    assert list(disk.iterdir()) == []
    assert (await sr.stat()).health is Health.UNREACHABLE
    subprocess.run(["mount", "-o", "loop", tmp_path / "disk.img", disk], check=True)
    await ground.detached(sr)
    sr = await ground.attached(spec)
    assert set(await ground.found(sr)) == {vdi}
    await ground.holds(sr, vdi, {0: block("kept")})
