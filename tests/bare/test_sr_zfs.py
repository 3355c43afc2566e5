"""SRs of type `zfs` on a pool of loop devices: the contract, and what a file system can do that is none of ours.

bed test --zfs [--long]
"""

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bare.sr_ground import LoopDisks, grounded, run
from contract.storage import Promise, in_dom0, keep, name_of
from contract.storage_ground import BLOCK, StorageGround, block, fresh
from contract.storage_host import new_sr
from xenhost.core.errors import XenhostError
from xenhost.core.storage import Health, NewVdi, SrSpec
from xenhost.core.storage_errors import SrBackendFailure, SrFull
from xenhost.core.units import MIB
from xenhost.sm.drivers.zfs import ZfsDriver

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif("XENHOST_BED_ZFS" not in os.environ, reason="no ZFS in this machine: `bed test --zfs`"),
]
POOL = "bedpool"


@pytest.fixture(scope="module")
def module() -> None:
    run("depmod", "-a")
    run("modprobe", "zfs")


@pytest.fixture
def pool(tmp_path: Path, module: None) -> Iterator[Path]:
    """A pool of one disk; its file systems are mounted below the folder."""
    disks = LoopDisks(tmp_path)
    mounted = tmp_path / "pool"
    run("zpool", "create", "-f", "-m", str(mounted), POOL, disks.new(512 * MIB))
    yield mounted
    run("zpool", "destroy", "-f", POOL, check=False)
    disks.close()


@pytest.fixture
async def ground(tmp_path: Path, pool: Path) -> AsyncIterator[StorageGround]:
    def config() -> dict[str, str]:
        name = str(uuid.uuid4())
        run("zfs", "create", f"{POOL}/{name}")
        return {"location": str(pool / name)}

    async with grounded(tmp_path, ZfsDriver, config) as ground:
        yield ground


def file_system(spec: SrSpec) -> str:
    """What ZFS calls the one an SR lies on."""
    return f"{POOL}/{Path(spec.device_config['location']).name}"


@pytest.mark.parametrize(
    "promise",
    in_dom0(
        "a_destroyed_sr_is_gone_and_its_place_is_free",
        "what_was_written_is_read_after_all_was_let_go_of",
        "a_new_agent_finds_what_the_last_one_left_active",
        "an_active_vdi_grows",
        "a_snapshot_of_an_active_vdi_is_of_that_instant",
        "upkeep_while_a_guest_writes_loses_nothing",
    ),
    ids=name_of,
)
async def test_an_sr_on_zfs_promises_that(promise: Promise, ground: StorageGround) -> None:
    await keep(promise, ground)


async def test_a_directory_on_anything_else_is_refused_and_stays_as_it_is(
    ground: StorageGround, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    spec = SrSpec(new_sr(), "zfs", {"location": str(other)})
    for begin in (lambda: ground.driver.probe(spec.device_config, {}), lambda: ground.driver.create(spec)):
        with pytest.raises(SrBackendFailure, match="not on ZFS") as refused:
            await begin()
        assert refused.value.number == 47
    assert list(other.iterdir()) == []


async def test_a_probe_names_the_sr(ground: StorageGround) -> None:
    spec, _ = await ground.made()
    report = await ground.driver.probe(spec.device_config, {})
    assert [entry.sr for entry in report.entries] == [spec.id]


async def test_a_file_system_unmounted_behind_our_back_forgets_nothing_and_writes_nowhere(
    ground: StorageGround,
) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("kept")})
    location = Path(spec.device_config["location"])
    run("zfs", "unmount", file_system(spec))
    with pytest.raises(SrBackendFailure) as refused:
        await sr.scan()
    assert refused.value.number in (40, 47)
    with pytest.raises(XenhostError):
        await sr.create_vdi(NewVdi(fresh(), 8 * MIB))
    assert not location.exists() or list(location.iterdir()) == []
    assert (await sr.stat()).health is Health.UNREACHABLE
    with pytest.raises(SrBackendFailure, match="mounted"):
        await ground.driver.attach(spec)
    run("zfs", "mount", file_system(spec))
    assert set(await ground.found(sr)) == {vdi}
    await ground.holds(sr, vdi, {0: block("kept")})


async def test_a_pool_exported_and_imported_again_brings_all_back(ground: StorageGround) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("kept")})
    await ground.snapshot(sr, vdi)
    before = set(await ground.found(sr))
    await ground.detached(sr)
    run("zpool", "export", POOL)
    with pytest.raises(SrBackendFailure):
        await ground.driver.attach(spec)
    run("zpool", "import", "-d", "/dev", POOL)
    sr = await ground.attached(spec)
    assert set(await ground.found(sr)) == before
    await ground.holds(sr, vdi, {0: block("kept")})


async def test_a_full_quota_is_a_clear_error_and_room_is_used_again(ground: StorageGround) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("kept")})
    run("zfs", "set", "quota=32M", file_system(spec))
    filler = Path(spec.device_config["location"]) / "filler"
    run("dd", "if=/dev/urandom", f"of={filler}", "bs=1M", check=False)
    run("sync")
    with pytest.raises(SrFull) as refused:
        await sr.create_vdi(NewVdi(fresh(), 8 * MIB))
    assert int(refused.value.values["requested"]) > int(refused.value.values["maximum"])
    with pytest.raises(SrFull):
        await ground.snapshot(sr, vdi)
    await ground.holds(sr, vdi, {0: block("kept")})
    run("zfs", "set", "quota=none", file_system(spec))
    await ground.write(sr, vdi, {BLOCK: block("more")})
    await ground.holds(sr, vdi, {0: block("kept"), BLOCK: block("more")})
