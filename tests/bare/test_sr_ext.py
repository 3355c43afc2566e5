"""SRs of type `ext` in a real dom0: the contract, and what only a disk of its own can get wrong."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bare.sr_ground import LoopDisks, grounded, run
from contract.storage import Promise, in_dom0, keep, name_of
from contract.storage_ground import BLOCK, StorageGround, block, fresh
from xenhost.core.errors import XenhostError
from xenhost.core.storage import Health, NewVdi, SrSpec
from xenhost.core.storage_errors import SrBackendFailure, SrDeviceInUse, SrFull
from xenhost.core.units import MIB
from xenhost.sm.drivers.ext import PREFIX, ExtDriver

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[LoopDisks]:
    disks = LoopDisks(tmp_path)
    yield disks
    for line in run("dmsetup", "ls", check=False).splitlines():
        if line.startswith(PREFIX.replace("-", "--")):
            run("dmsetup", "remove", "--force", line.split()[0], check=False)
    disks.close()


@pytest.fixture
async def ground(tmp_path: Path, disks: LoopDisks) -> AsyncIterator[StorageGround]:
    async with grounded(tmp_path, ExtDriver, lambda: {"device": disks.new(256 * MIB)}) as ground:
        yield ground


@pytest.mark.parametrize(
    "promise",
    in_dom0("making_an_sr_twice_changes_nothing", "a_destroyed_sr_is_gone_and_its_place_is_free"),
    ids=name_of,
)
async def test_an_ext_sr_promises_that(promise: Promise, ground: StorageGround) -> None:
    await keep(promise, ground)


async def test_a_disk_that_holds_anything_is_never_overwritten(ground: StorageGround) -> None:
    for make in (["mkfs.ext4", "-q"], ["pvcreate", "-q"], ["mkswap"]):
        spec = ground.spec()
        device = spec.device_config["device"]
        run(*make, device)
        before = run("wipefs", "--noheadings", "--output", "TYPE,UUID", device)
        with pytest.raises(SrDeviceInUse):
            await ground.driver.create(spec)
        assert run("wipefs", "--noheadings", "--output", "TYPE,UUID", device) == before != ""


async def test_a_probe_names_the_sr_on_a_disk(ground: StorageGround) -> None:
    report = await ground.driver.probe({}, {})
    assert (report.code, report.missing) == (90, "device")
    spec, _ = await ground.made()
    report = await ground.driver.probe(spec.device_config, {})
    assert [entry.sr for entry in report.entries] == [spec.id]
    assert f"<UUID>{spec.id}</UUID>" in report.document


async def test_a_full_disk_is_a_clear_error_and_deleting_makes_room(ground: StorageGround) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("kept")})
    snapshot = await ground.snapshot(sr, vdi)
    await ground.write(sr, vdi, {BLOCK: block("more")})
    root = Path(_root(spec.id))
    run("dd", "if=/dev/zero", f"of={root}/filler", "bs=1M", check=False)
    with pytest.raises(SrFull) as refused:
        await sr.create_vdi(NewVdi(fresh(), 8 * MIB))
    assert int(refused.value.values["requested"]) > int(refused.value.values["maximum"])
    with pytest.raises(SrFull):
        await ground.snapshot(sr, vdi)
    await ground.holds(sr, vdi, {0: block("kept"), BLOCK: block("more")})
    await sr.destroy_vdi(snapshot)
    await ground.tidy(sr)
    assert (await sr.stat_vdi(vdi)).depth == 0
    await ground.holds(sr, vdi, {0: block("kept"), BLOCK: block("more")})
    (root / "filler").unlink()
    await ground.vdi(sr, {0: block("room again")})


async def test_an_sr_unmounted_behind_our_back_forgets_nothing_and_writes_nowhere(ground: StorageGround) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("kept")})
    root = _root(spec.id)
    run("umount", root)
    with pytest.raises(SrBackendFailure) as refused:
        await sr.scan()
    assert refused.value.number in (40, 47)
    with pytest.raises(XenhostError):
        await sr.create_vdi(NewVdi(fresh(), 8 * MIB))
    assert list(Path(root).iterdir()) == []
    assert (await sr.stat()).health is Health.UNREACHABLE
    run("mount", f"/dev/{PREFIX}{spec.id}/{spec.id}", root)
    assert set(await ground.found(sr)) == {vdi}


async def test_several_disks_are_striped_into_one_sr(ground: StorageGround, disks: LoopDisks) -> None:
    spec = ground.spec()
    second = disks.new(256 * MIB)
    config = {"device": f"{spec.device_config['device']},{second}"}
    spec = SrSpec(spec.id, "ext", config)
    await ground.driver.create(spec)
    sr = await ground.attached(spec)
    assert (await sr.stat()).physical_size > 400 * MIB
    assert run("lvs", "--noheadings", "-o", "stripes", f"{PREFIX}{spec.id}/{spec.id}").strip() == "2"


def _root(sr: str) -> str:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return next(line.split()[4] for line in lines if line.split()[4].endswith(sr))
