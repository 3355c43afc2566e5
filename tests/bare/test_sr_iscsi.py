"""SRs on iSCSI in a real dom0, with a real target: LVM on a LUN, and whole LUNs."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bare.iscsi_targets import SMALL, Targets
from bare.sr_ground import THE_PATH, grounded, run
from contract.storage import Promise, in_dom0, keep, name_of
from contract.storage_ground import BLOCK, StorageGround, block, fresh
from contract.storage_host import new_sr
from xenhost.core.storage import Health, NewVdi, SrSpec
from xenhost.core.storage_errors import SrBackendFailure, SrFull, VdiMissing
from xenhost.core.units import MIB
from xenhost.sm.drivers.iscsi import RawIscsiDriver
from xenhost.sm.drivers.lvmoiscsi import LvmOverIscsiDriver
from xenhost.sm.scsi import sysfs

pytestmark = pytest.mark.timeout(900)

AGAIN = "LUNs have no place that says of which SR they are"
DEVIATIONS = {
    "an_sr_that_was_never_made_is_not_attached": AGAIN,
    "a_destroyed_sr_is_gone_and_its_place_is_free": AGAIN,
}


@pytest.fixture
def targets(tmp_path: Path) -> Iterator[Targets]:
    targets = Targets(tmp_path)
    yield targets
    targets.close()


@pytest.fixture
async def luns(tmp_path: Path, targets: Targets) -> AsyncIterator[StorageGround]:
    def config() -> dict[str, str]:
        return {"target": "127.0.0.1", "targetIQN": targets.new(*[SMALL] * 7)}

    async with grounded(tmp_path, RawIscsiDriver, config, deviations=DEVIATIONS) as ground:
        yield ground


def config_of(iqn: str, **more: str) -> dict[str, str]:
    """A configuration of the only LUN of a target."""
    return {"target": "127.0.0.1", "targetIQN": iqn, **more}


@pytest.fixture
async def ground(tmp_path: Path, targets: Targets) -> AsyncIterator[StorageGround]:
    def config() -> dict[str, str]:
        iqn = targets.new(512 * MIB)
        run("iscsiadm", "-m", "discovery", "-t", "sendtargets", "-p", "127.0.0.1")
        run("iscsiadm", "-m", "node", "-T", iqn, "--login")
        deadline = time.monotonic() + 20
        while not (found := [disk for disk in sysfs.disks() if disk.target == iqn]):
            assert time.monotonic() < deadline, "no LUN"
            time.sleep(0.1)
        run("iscsiadm", "-m", "node", "-T", iqn, "--logout")
        return config_of(iqn, SCSIid=found[0].scsi_id, replacement_timeout="5")

    async with grounded(tmp_path, LvmOverIscsiDriver, config) as ground:
        yield ground


@pytest.mark.parametrize("promise", in_dom0("what_was_written_is_read_after_all_was_let_go_of"), ids=name_of)
async def test_an_sr_of_luns_promises_that(promise: Promise, luns: StorageGround) -> None:
    await keep(promise, luns)


@pytest.mark.bare_long
@pytest.mark.parametrize("promise", THE_PATH, ids=name_of)
async def test_lvm_over_iscsi_promises_that(promise: Promise, ground: StorageGround) -> None:
    await keep(promise, ground)


async def test_a_probe_goes_from_server_to_target_to_lun_to_sr(ground: StorageGround) -> None:
    spec = ground.spec()
    iqn = spec.device_config["targetIQN"]
    report = await ground.driver.probe({}, {})
    assert (report.code, report.missing) == (95, "target")
    report = await ground.driver.probe({"target": "127.0.0.1"}, {})
    assert (report.code, report.missing) == (96, "targetIQN")
    assert iqn in [entry.configuration["targetIQN"] for entry in report.entries]
    assert [row.findtext("TargetIQN") for row in ElementTree.fromstring(report.document)][-1] == "*"
    report = await ground.driver.probe({"target": "127.0.0.1", "targetIQN": iqn}, {})
    assert (report.code, report.missing) == (107, "SCSIid")
    lun = ElementTree.fromstring(report.document)[0]
    assert (lun.findtext("LUNid"), lun.findtext("size")) == ("1", str(512 * MIB))
    assert lun.findtext("SCSIid") == spec.device_config["SCSIid"]
    disk = [each for each in sysfs.disks() if each.target == iqn]
    assert disk == [], "a probe leaves no session"
    await ground.driver.create(spec)
    report = await ground.driver.probe(spec.device_config, {})
    assert (report.code, [entry.sr for entry in report.entries]) == (0, [spec.id])
    assert ElementTree.fromstring(report.document)[0].findtext("UUID") == spec.id


@pytest.mark.bare_long
async def test_ids_are_those_of_udev(luns: StorageGround) -> None:
    _, sr = await luns.made()
    vdi = await luns.vdi(sr)
    found = (await luns.found(sr))[vdi]
    path = (await luns.begin(sr, vdi))[0].path
    said = run("/lib/udev/scsi_id", "--whitelisted", "--device", path).strip()
    assert found.location == found.sm_config["SCSIid"] == said
    await luns.end(sr, vdi)


@pytest.mark.bare_long
async def test_a_lun_that_holds_anything_is_taken_only_by_name(luns: StorageGround) -> None:
    spec, sr = await luns.made()
    vdis = [await luns.vdi(sr) for _ in range(7)]
    with pytest.raises(SrFull):
        await luns.vdi(sr)
    path = (await luns.begin(sr, vdis[0]))[0].path
    run("mke2fs", "-q", path)
    location = (await luns.found(sr))[vdis[0]].location
    content = await luns.get(await luns.begin(sr, vdis[0]), 0, BLOCK)
    await luns.end(sr, vdis[0])
    await sr.detach()
    luns.forget(sr)
    other = SrSpec(new_sr(), "iscsi", spec.device_config)
    sr = await luns.attached(other)
    assert len((await sr.scan()).ignored) == 7
    with pytest.raises(SrFull, match="no free LUN"):
        await sr.create_vdi(NewVdi(fresh(), 2 * SMALL))
    made = [await luns.vdi(sr) for _ in range(6)]
    assert location not in [vdi.location for vdi in (await sr.scan()).vdis]
    with pytest.raises(SrFull):
        await luns.vdi(sr)
    adopted = fresh()
    await sr.introduce_vdi(adopted, location, {})
    await luns.holds(sr, adopted, {0: content})
    await sr.destroy_vdi(adopted)
    await sr.introduce_vdi(adopted, location, {})
    await luns.holds(sr, adopted, {0: content})
    assert len(made) == 6


async def test_chap_is_asked_for_and_given(targets: Targets, tmp_path: Path) -> None:
    iqn = targets.new(SMALL, chap=("guest", "secret-secret"))
    right = {"chapuser": "guest", "chappassword": "secret-secret"}

    async with grounded(tmp_path, RawIscsiDriver, lambda: config_of(iqn, **right)) as ground:
        for wrong in ({}, {"chapuser": "guest", "chappassword": "wrong-wrong-1"}):
            with pytest.raises(SrBackendFailure) as caught:
                await ground.driver.attach(SrSpec(new_sr(), "iscsi", config_of(iqn, **wrong)))
            assert caught.value.number == 68
            assert "wrong-wrong" not in str(caught.value)
        _, sr = await ground.made()
        assert (await sr.stat()).health is Health.HEALTHY


async def test_a_host_logs_in_by_the_name_that_a_target_knows(targets: Targets, tmp_path: Path) -> None:
    name = "iqn.2001-04.org.xenhost:one-of-us"
    iqn = targets.new(SMALL, only=name)
    async with grounded(tmp_path, RawIscsiDriver, lambda: config_of(iqn, localIQN=name)) as ground:
        with pytest.raises(SrBackendFailure) as caught:
            await ground.driver.attach(SrSpec(new_sr(), "iscsi", config_of(iqn)))
        assert caught.value.number == 68
        report = await ground.driver.probe({"target": "127.0.0.1", "localIQN": name}, {})
        assert iqn in [entry.configuration["targetIQN"] for entry in report.entries]
        _, sr = await ground.made()
        vdi = await ground.vdi(sr, {0: block("mine")})
        await ground.holds(sr, vdi, {0: block("mine")})
        with pytest.raises(SrBackendFailure, match=name):
            await ground.driver.attach(SrSpec(new_sr(), "iscsi", config_of(iqn, localIQN=f"{name}-not")))
        assert (await sr.stat()).health is Health.HEALTHY


@pytest.mark.bare_long
async def test_two_srs_share_a_session_and_the_last_one_ends_it(luns: StorageGround) -> None:
    spec, sr = await luns.made()
    other = await luns.attached(SrSpec(new_sr(), "iscsi", spec.device_config))
    iqn = spec.device_config["targetIQN"]
    assert run("iscsiadm", "-m", "session").count(iqn) == 1
    await luns.detached(sr)
    assert run("iscsiadm", "-m", "session").count(iqn) == 1
    assert len((await other.scan()).ignored) == 7
    await luns.detached(other)
    assert iqn not in run("iscsiadm", "-m", "session", check=False)
    assert iqn not in run("iscsiadm", "-m", "node", check=False)


async def test_a_server_that_is_gone_fails_in_bounded_time_and_is_used_again_when_it_is_back(
    ground: StorageGround, targets: Targets
) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("before")})
    backends = await ground.begin(sr, vdi)
    targets.stop()
    begun = time.monotonic()
    with pytest.raises(SrBackendFailure, match="Input/output error"):
        await asyncio.wait_for(ground.put(backends, {BLOCK: block("lost")}), 120)
    assert (await sr.stat()).health is not Health.HEALTHY
    with pytest.raises(SrBackendFailure):
        await sr.create_vdi(NewVdi(fresh(), MIB))
    with pytest.raises(SrBackendFailure):
        await ground.driver.attach(SrSpec(new_sr(), "lvmoiscsi", config_of("iqn.2001-04.org.xenhost:none", SCSIid="3")))
    assert time.monotonic() - begun < 400
    targets.start()
    deadline = time.monotonic() + 180
    while (await sr.stat()).health is not Health.HEALTHY:
        assert time.monotonic() < deadline, "it is not used again"
        await asyncio.sleep(0.5)
    assert await ground.get(backends, 0, BLOCK) == block("before")
    await ground.end(sr, vdi)
    await ground.vdi(sr, {0: block("after")})


async def test_a_lun_that_is_gone_is_a_vdi_that_is_missing(luns: StorageGround, targets: Targets) -> None:
    _, sr = await luns.made()
    vdi = await luns.vdi(sr)
    lun = (await luns.found(sr))[vdi].sm_config["LUNid"]
    path = (await luns.begin(sr, vdi))[0].path
    await luns.end(sr, vdi)
    run("tgtadm", "--lld", "iscsi", "--mode", "logicalunit", "--op", "delete", "--tid", "1", "--lun", lun)
    Path(f"/sys/block/{Path(path).name}/device/delete").write_text("1")
    assert (await luns.found(sr))[vdi].problem == "its LUN is missing"
    with pytest.raises(VdiMissing):
        await luns.begin(sr, vdi)
    assert (await sr.stat()).problem
    await luns.vdi(sr, {0: block("others work")})
