"""SRs on LUNs that several ways lead to, with Debian's multipathd: a way that is lost, and found again."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from bare.iscsi_targets import SMALL, Targets
from bare.sr_ground import grounded, run
from contract.storage_ground import BLOCK, StorageGround, block
from contract.storage_host import new_sr
from xenhost.core.ports.storage import Sr
from xenhost.core.storage import LunPaths, SrSpec
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.core.units import MIB
from xenhost.sm.drivers.iscsi import RawIscsiDriver
from xenhost.sm.drivers.lvmohba import LvmOverHbaDriver
from xenhost.sm.drivers.lvmoiscsi import LvmOverIscsiDriver
from xenhost.sm.scsi import sysfs
from xenhost.sm.scsi.multipath import maps

pytestmark = pytest.mark.timeout(900)

CONF = Path(__file__).parents[2] / "packaging/multipath/xenhost.conf"
WWIDS = Path("/etc/multipath/wwids")
PORTALS = ("127.0.0.1", "127.0.0.2")
CUT = "add table ip cut; add chain ip cut in {{ type filter hook input priority 0; }}; add rule ip cut in ip {} drop"


@pytest.fixture
def multipathd(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    folder = Path("/etc/multipath/conf.d")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "xenhost.conf").write_text(CONF.read_text())
    (folder / "quick.conf").write_text("defaults {\n\tpolling_interval 1\n\tmax_polling_interval 2\n}\n")
    run("modprobe", "dm-multipath")
    log = tmp_path / "multipathd.log"
    with log.open("wb") as out:
        daemon = subprocess.Popen(["multipathd", "-d", "-s", "-v3"], stdout=out, stderr=out)
    deadline = time.monotonic() + 30
    while "ok" not in run("multipathd", "reconfigure", check=False):
        assert time.monotonic() < deadline, "multipathd does not start"
        time.sleep(0.2)
    yield daemon
    run("multipathd", "shutdown", check=False)
    daemon.wait(60)
    print(log.read_text()[-20000:])


@pytest.fixture
def targets(tmp_path: Path, multipathd: subprocess.Popen[bytes]) -> Iterator[Targets]:
    targets = Targets(tmp_path, PORTALS)
    yield targets
    run("nft", "delete", "table", "ip", "cut", check=False)
    targets.close()


def config_of(iqn: str, **more: str) -> dict[str, str]:
    return {"target": ",".join(PORTALS), "targetIQN": iqn, "multipathing": "true", "replacement_timeout": "5", **more}


@pytest.fixture
async def ground(tmp_path: Path, targets: Targets) -> AsyncIterator[StorageGround]:
    iqn = targets.new(256 * MIB)
    run("iscsiadm", "-m", "discovery", "-t", "sendtargets", "-p", "127.0.0.1")
    run("iscsiadm", "-m", "node", "-T", iqn, "-p", "127.0.0.1", "--login")
    deadline = time.monotonic() + 20
    while not (found := [disk for disk in sysfs.disks() if disk.target == iqn]):
        assert time.monotonic() < deadline, "no LUN"
        await asyncio.sleep(0.1)
    run("iscsiadm", "-m", "node", "-T", iqn, "--logout")
    run("iscsiadm", "-m", "node", "-T", iqn, "-o", "delete")
    async with grounded(tmp_path, LvmOverIscsiDriver, lambda: config_of(iqn, SCSIid=found[0].scsi_id)) as ground:
        yield ground


async def paths_are(sr: Sr, wanted: Callable[[LunPaths], bool], seconds: float = 60.0) -> LunPaths:
    """Wait until the ways to the only LUN are so."""
    deadline = time.monotonic() + seconds
    while True:
        paths = (await sr.stat()).paths
        if paths and wanted(paths[0]):
            return paths[0]
        assert time.monotonic() < deadline, f"{paths}, {run('multipathd', 'show', 'topology', check=False)}"
        await asyncio.sleep(0.5)


def whole(paths: LunPaths) -> bool:
    return (paths.current, paths.maximum) == (2, 2)


def nothing_is_left(iqn: str, scsi_id: str) -> None:
    assert maps() == {}
    assert iqn not in run("iscsiadm", "-m", "session", check=False)
    assert f"/{scsi_id}/" not in WWIDS.read_text()


async def test_an_sr_goes_on_when_one_way_is_cut_and_counts_what_is_left(ground: StorageGround) -> None:
    spec, sr = await ground.made()
    iqn, scsi_id = spec.device_config["targetIQN"], spec.device_config["SCSIid"]
    vdi = await ground.vdi(sr, {0: block("before")})
    backends = await ground.begin(sr, vdi)
    assert await paths_are(sr, whole) == LunPaths(scsi_id, 2, 2)
    stat = await sr.stat()
    assert (stat.iscsi_sessions, stat.problem) == (2, "")
    assert list(maps()) == [scsi_id]
    for cut in PORTALS:
        run("nft", CUT.format(f"saddr {cut} tcp sport 3260"))
        begun = time.monotonic()
        await asyncio.wait_for(ground.put(backends, {BLOCK: block(f"without {cut}")}), 60)
        assert await ground.get(backends, 0, BLOCK) == block("before")
        assert await ground.get(backends, BLOCK, BLOCK) == block(f"without {cut}")
        print(f"reads and writes went on after {time.monotonic() - begun:.1f} s")
        assert (await paths_are(sr, lambda paths: paths.current == 1)).maximum == 2
        assert (await sr.stat()).problem == f"1 of 2 ways to LUN {scsi_id} work"
        run("nft", "delete", "table", "ip", "cut")
        await paths_are(sr, whole, 120)
        assert (await sr.stat()).problem == ""
    await ground.end(sr, vdi)
    await ground.detached(sr)
    nothing_is_left(iqn, scsi_id)
    sr = await ground.attached(spec)
    await ground.holds(sr, vdi, {0: block("before")})


async def test_a_portal_that_is_silent_at_the_start_is_used_from_when_it_answers(ground: StorageGround) -> None:
    run("nft", CUT.format("daddr 127.0.0.2 tcp dport 3260"))
    spec, sr = await ground.made()
    assert await paths_are(sr, lambda paths: paths.maximum == 1) == LunPaths(spec.device_config["SCSIid"], 1, 1)
    assert (await sr.stat()).iscsi_sessions == 1
    run("nft", "delete", "table", "ip", "cut")
    await paths_are(sr, whole, 120)
    stat = await sr.stat()
    assert (stat.iscsi_sessions, stat.problem) == (2, "")
    vdi = await ground.vdi(sr)
    backends = await ground.begin(sr, vdi)
    run("nft", CUT.format(f"saddr {PORTALS[0]} tcp sport 3260"))
    await asyncio.wait_for(ground.put(backends, {0: block("by the other")}), 60)
    run("nft", "delete", "table", "ip", "cut")
    await paths_are(sr, whole, 120)
    await ground.end(sr, vdi)
    await ground.detached(sr)
    nothing_is_left(spec.device_config["targetIQN"], spec.device_config["SCSIid"])


async def test_only_the_portals_that_the_configuration_means_are_used(targets: Targets, tmp_path: Path) -> None:
    one, two, _ = (targets.new(SMALL) for _ in range(3))
    text = f"{PORTALS[0]},3260,{one}|{PORTALS[1]},3260,{two}|"
    async with grounded(tmp_path, RawIscsiDriver, lambda: config_of("*", multiSession=text)) as ground:

        def used() -> set[tuple[str, ...]]:
            rows = (line.split() for line in run("iscsiadm", "-m", "session", check=False).splitlines())
            return {(row[2].split(":")[0], row[3]) for row in rows if row[:1] == ["tcp:"]}

        _, sr = await ground.made()
        assert used() == {(PORTALS[0], one), (PORTALS[1], two)}
        assert ((await sr.stat()).iscsi_sessions, len((await sr.scan()).ignored)) == (2, 2)
        await ground.detached(sr)
        both = {(portal, one) for portal in PORTALS}
        for more, allowed, count in (
            ({"target": PORTALS[1], "multihomed": "false"}, {(PORTALS[1], one)}, 1),
            ({"multihomed": "true", "multipathing": "false"}, both, 1),
            ({"multipathhandle": "null"}, both, 1),
            ({"multihomed": "false"}, both, 2),
        ):
            sr = await ground.attached(SrSpec(new_sr(), "iscsi", config_of(one, **more)))
            assert (used() <= allowed, len(used())) == (True, count), more
            await ground.detached(sr)
            assert used() == set()


async def test_a_lun_that_is_a_vdi_has_a_map_and_the_others_have_none(targets: Targets, tmp_path: Path) -> None:
    iqn = targets.new(SMALL, SMALL)
    async with grounded(tmp_path, RawIscsiDriver, lambda: config_of(iqn)) as ground:
        _, sr = await ground.made()
        assert (len((await sr.scan()).ignored), maps()) == (2, {})
        vdi = await ground.vdi(sr, {0: block("one")})
        location = (await ground.found(sr))[vdi].location
        await paths_are(sr, whole)
        backends = await ground.begin(sr, vdi)
        assert [Path(each.path).name for each in backends] == [maps()[location].kernel_name]
        assert await ground.get(backends, 0, BLOCK) == block("one")
        await ground.end(sr, vdi)
        await ground.detached(sr)
        nothing_is_left(iqn, location)


@pytest.fixture
def two_adapters(tmp_path: Path, multipathd: subprocess.Popen[bytes]) -> Iterator[list[sysfs.Disk]]:
    """Of the kernel's loopback target, with the same LUN behind each: the two disks it is."""
    run("modprobe", "-a", "target_core_mod", "target_core_file", "tcm_loop")
    config = Path("/sys/kernel/config")
    if not (config / "target").exists():
        run("mount", "-t", "configfs", "none", str(config))
    lun = config / "target/core/fileio_0/lun"
    lun.mkdir(parents=True)
    (tmp_path / "lun").touch()
    (lun / "control").write_text(f"fd_dev_name={tmp_path}/lun,fd_dev_size={128 * MIB}\n")
    (lun / "wwn/vpd_unit_serial").write_text("6f1d3c5e-0d6a-4b7e-9d5b-6a4f0c1b2a39\n")
    (lun / "enable").write_text("1\n")
    groups = [config / f"target/loopback/naa.50000000000000a{number}/tpgt_1" for number in (1, 2)]
    for number, group in enumerate(groups, 1):
        group.mkdir(parents=True)
        (group / "nexus").write_text(f"naa.50000000000000b{number}\n")
        (group / "lun/lun_0").mkdir()
        (group / "lun/lun_0/lun").symlink_to(lun)
    run("udevadm", "settle")
    yield [disk for disk in sysfs.disks() if disk.vendor == "LIO-ORG"]
    run("udevadm", "settle")
    for group in groups:
        (group / "lun/lun_0/lun").unlink()
        for folder in (group / "lun/lun_0", group, group.parent):
            folder.rmdir()
    lun.rmdir()


async def test_disks_of_host_adapters_are_used_by_all_their_ways(
    two_adapters: list[sysfs.Disk], tmp_path: Path
) -> None:
    first, second = two_adapters
    scsi_id = first.scsi_id
    assert scsi_id == second.scsi_id
    async with grounded(tmp_path, LvmOverHbaDriver, lambda: {"SCSIid": scsi_id, "multipathing": "true"}) as ground:
        report = await ground.driver.probe({}, {})
        assert [entry.configuration for entry in report.entries] == [{"SCSIid": scsi_id}]
        _, sr = await ground.made()
        vdi = await ground.vdi(sr, {0: block("x")})
        await paths_are(sr, whole)
        state = Path(f"/sys/block/{first.name}/device/state")
        state.write_text("offline\n")
        assert (await paths_are(sr, lambda paths: paths.current == 1)).maximum == 2
        await ground.holds(sr, vdi, {0: block("x")})
        state.write_text("running\n")
        await paths_are(sr, whole)
        await ground.detached(sr)
        assert maps() == {}
        assert f"/{scsi_id}/" not in WWIDS.read_text()


async def test_without_the_daemon_an_sr_is_refused_and_nothing_is_left(
    ground: StorageGround, multipathd: subprocess.Popen[bytes]
) -> None:
    spec = ground.spec()
    run("multipathd", "shutdown")
    await asyncio.to_thread(multipathd.wait, 60)
    with pytest.raises(SrBackendFailure) as caught:
        await ground.driver.attach(SrSpec(new_sr(), "lvmoiscsi", spec.device_config))
    assert caught.value.number == 430
    nothing_is_left(spec.device_config["targetIQN"], spec.device_config["SCSIid"])
