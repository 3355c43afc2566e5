"""SRs of types `rbd` and `cephfs` in a real dom0, on a Ceph cluster of its own, through the kernel's clients.

Ceph's servers are not in the test bed's image: they are as big as all the rest. With Debian's packages ceph-mon,
ceph-mgr, ceph-osd, ceph-mds and what they need in a folder:

    bed run --bare --limit 6000 --share FOLDER -- 'for each in /mnt/host/*.deb; do dpkg-deb --fsys-tarfile $each |
        tar -x --keep-directory-symlink -C /; done; ldconfig; cd /opt/xenhost/src &&
        PYTHONPATH=tests /opt/xenhost/venv/bin/python -m pytest -v tests/bare/test_sr_ceph.py'
"""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bare.ceph_cluster import DAEMONS, Cluster, cluster
from bare.sr_ground import grounded
from contract.storage import Promise, in_dom0, keep, name_of
from contract.storage_ground import BLOCK, StorageGround, block
from contract.storage_host import StorageHost, new_sr
from xenhost.core.storage import AttachMode, Health, SrSpec
from xenhost.core.storage_errors import SrBackendFailure, VdiInUse
from xenhost.sm.drivers.cephfs import CephfsDriver
from xenhost.sm.drivers.rbd import RbdDriver

MISSING = [name for name in (*DAEMONS, "rbd") if shutil.which(name) is None]
pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(MISSING), reason=f"no Ceph on this machine ({', '.join(MISSING)}); see the file's head"),
]


@pytest.fixture(scope="module")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("ceph")) as made:
        yield made


@pytest.fixture
async def pool(tmp_path: Path, ceph: Cluster) -> AsyncIterator[StorageGround]:
    async with grounded(tmp_path, RbdDriver, lambda: ceph.rbd_config) as ground:
        yield ground


@pytest.fixture
async def files(tmp_path: Path, ceph: Cluster) -> AsyncIterator[StorageGround]:
    async with grounded(tmp_path, CephfsDriver, lambda: ceph.fs_config) as ground:
        yield ground


@pytest.mark.parametrize("promise", in_dom0(), ids=name_of)
async def test_an_sr_in_a_pool_promises_that(promise: Promise, pool: StorageGround) -> None:
    await keep(promise, pool)


@pytest.mark.parametrize(
    "promise",
    in_dom0(
        "a_destroyed_sr_is_gone_and_its_place_is_free",
        "what_was_written_is_read_after_all_was_let_go_of",
        "a_new_agent_finds_what_the_last_one_left_active",
        "an_active_vdi_grows",
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
    ceph.pause()
    try:
        with pytest.raises(SrBackendFailure):
            await asyncio.wait_for(pool.get(backends, 2 * BLOCK, BLOCK), 200)
        assert (await sr.stat()).health is Health.UNREACHABLE
        assert time.monotonic() - begun < 300
    finally:
        ceph.resume()
    deadline = time.monotonic() + 120
    while (await sr.stat()).health is not Health.HEALTHY:
        assert time.monotonic() < deadline, "it is not used again"
        await asyncio.sleep(1)
    assert await pool.get(backends, 0, BLOCK) == block("kept")
    await pool.end(sr, vdi)
    assert (await sr.active_vdis()) == {}
    await pool.begin(sr, vdi, AttachMode.RO)
    await pool.end(sr, vdi)
