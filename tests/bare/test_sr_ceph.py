"""SRs of types `rbd` and `cephfs` on a Ceph cluster beside the machine, through the kernel's clients.

bed test --ceph [--long]
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bare.ceph_cluster import ADDRESS, MON, OSD, WRONG_SECRET, Cluster, cluster
from bare.sr_ground import grounded
from contract.storage import Promise, in_dom0, keep, name_of
from contract.storage_ground import BLOCK, StorageGround, block
from contract.storage_host import StorageHost, new_sr
from xenhost.core.storage import AttachMode, Health, SrSpec
from xenhost.core.storage_errors import SrBackendFailure, VdiInUse
from xenhost.sm.drivers.cephfs import CephfsDriver
from xenhost.sm.drivers.rbd import RbdDriver

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not ADDRESS, reason="no Ceph cluster beside this machine: `bed test --ceph`"),
]
BOUND = 150.0
"""Seconds in which a cluster that is not there is an error."""


@pytest.fixture(scope="module")
def ceph() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.fixture
async def pool(tmp_path: Path, ceph: Cluster) -> AsyncIterator[StorageGround]:
    async with grounded(tmp_path, RbdDriver, lambda: ceph.rbd_config) as ground:
        yield ground


@pytest.fixture
async def files(tmp_path: Path, ceph: Cluster) -> AsyncIterator[StorageGround]:
    async with grounded(tmp_path, CephfsDriver, lambda: ceph.fs_config) as ground:
        yield ground


@pytest.mark.parametrize(
    "promise",
    in_dom0(
        "a_destroyed_sr_is_gone_and_its_place_is_free",
        "what_was_written_is_read_after_all_was_let_go_of",
        "a_new_agent_finds_what_the_last_one_left_active",
    ),
    ids=name_of,
)
async def test_an_sr_in_a_pool_promises_that(promise: Promise, pool: StorageGround) -> None:
    await keep(promise, pool)


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
async def test_an_sr_on_the_file_system_promises_that(promise: Promise, files: StorageGround) -> None:
    await keep(promise, files)


async def test_a_pool_that_is_not_there_is_an_error(pool: StorageGround) -> None:
    config = {"pool": "none"}
    spec = SrSpec(new_sr(), "rbd", config)
    for work in (pool.driver.probe(config, {}), pool.driver.create(spec), pool.driver.attach(spec)):
        with pytest.raises(SrBackendFailure, match="pool none") as refused:
            await work
        assert refused.value.number == 47


async def test_a_key_that_the_cluster_does_not_know_is_an_error(pool: StorageGround, files: StorageGround) -> None:
    wrong = SrSpec(new_sr(), "rbd", {**pool.spec().device_config, "keyfile": str(WRONG_SECRET)})
    for begin in (lambda sr: pool.driver.probe(sr.device_config, {}), pool.driver.create, pool.driver.attach):
        with pytest.raises(SrBackendFailure, match="refuses user admin") as refused:
            await asyncio.wait_for(begin(wrong), BOUND)
        assert refused.value.number == 47
    config = {**files.spec().device_config, "options": f"name=admin,secretfile={WRONG_SECRET}"}
    wrong = SrSpec(new_sr(), "cephfs", config)
    for begin in (lambda sr: files.driver.probe(sr.device_config, {}), files.driver.create, files.driver.attach):
        # the kernel keeps the reason to its log: mount.ceph guesses
        with pytest.raises(SrBackendFailure, match=r"(?i)permission|denied|no mds server") as refused:
            await asyncio.wait_for(begin(wrong), BOUND)
        assert refused.value.number == 73


async def test_a_monitor_that_is_gone_is_an_error_in_bounded_time(
    pool: StorageGround, files: StorageGround, ceph: Cluster
) -> None:
    in_pool, on_files = pool.spec(), files.spec()
    await pool.driver.create(in_pool)
    await files.driver.create(on_files)
    with ceph.without(MON):
        with pytest.raises(SrBackendFailure, match="cluster did not answer") as refused:
            await asyncio.wait_for(pool.driver.attach(in_pool), BOUND)
        assert refused.value.number == 47
        with pytest.raises(SrBackendFailure) as refused:
            await asyncio.wait_for(files.driver.attach(on_files), BOUND)
        assert refused.value.number == 73
        said = str(refused.value)
        assert "mount" in said, said
    for ground, spec in ((pool, in_pool), (files, on_files)):
        sr = await ground.attached(spec)
        vdi = await ground.vdi(sr, {0: block("back")})
        await ground.holds(sr, vdi, {0: block("back")})


async def test_a_probe_finds_what_is_there(pool: StorageGround, files: StorageGround) -> None:
    for ground in (pool, files):
        spec, sr = await ground.made()
        found = await ground.driver.probe(spec.device_config, {})
        assert spec.id in [entry.sr for entry in found.entries]
        await ground.detached(sr)


async def test_two_hosts_never_write_to_the_same_image(pool: StorageGround, tmp_path: Path) -> None:
    spec, sr = await pool.made()
    vdi = await pool.vdi(sr, {0: block("first")})
    await pool.begin(sr, vdi)
    with pytest.raises(VdiInUse):
        await sr.destroy_vdi(vdi)
    (tmp_path / "other").mkdir()
    other = StorageHost(tmp_path / "other")
    try:
        second = await RbdDriver(await other.context()).attach(spec)
        assert [each.id for each in (await second.scan()).vdis] == [vdi]
        with pytest.raises(VdiInUse):
            await second.destroy_vdi(vdi)
    finally:
        await other.close()
    await pool.end(sr, vdi)
    await pool.holds(sr, vdi, {0: block("first")})


async def test_a_cluster_that_stops_fails_in_bounded_time_and_is_used_again_when_it_is_back(
    pool: StorageGround, ceph: Cluster
) -> None:
    _, sr = await pool.made()
    vdi = await pool.vdi(sr, {0: block("kept")})
    backends = await pool.begin(sr, vdi)
    begun = time.monotonic()
    with ceph.paused(OSD):
        with pytest.raises(SrBackendFailure):
            await asyncio.wait_for(pool.get(backends, 2 * BLOCK, BLOCK), 200)
        assert (await sr.stat()).health is Health.UNREACHABLE
        assert time.monotonic() - begun < 300
    deadline = time.monotonic() + 120
    while (await sr.stat()).health is not Health.HEALTHY:
        assert time.monotonic() < deadline, "it is not used again"
        await asyncio.sleep(1)
    assert await pool.get(backends, 0, BLOCK) == block("kept")
    await pool.end(sr, vdi)
    assert (await sr.active_vdis()) == {}
    await pool.begin(sr, vdi, AttachMode.RO)
    await pool.end(sr, vdi)
