"""SRs of type `nfs` in a real dom0, on its own kernel's server: the contract, servers that go away, and two hosts."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bare.sr_ground import grounded
from bare.sr_servers import NfsServer, file_system, nfs_server
from contract.storage import Promise, in_dom0, keep, name_of
from contract.storage_ground import BLOCK, StorageGround, block, fresh
from contract.storage_host import StorageHost, new_sr
from xenhost.core.storage import AttachMode, Health, IoLimits, NewVdi, SrSpec
from xenhost.core.storage_errors import SrBackendFailure, VdiInUse
from xenhost.core.units import MIB
from xenhost.sm.drivers.file import FileDriver
from xenhost.sm.drivers.nfs import NfsDriver

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NfsServer]:
    with file_system(tmp_path) as path, nfs_server(path) as server:
        yield server


@pytest.fixture
async def ground(tmp_path: Path, server: NfsServer) -> AsyncIterator[StorageGround]:
    config = {"server": "127.0.0.1", "serverpath": str(server.path), "nfsversion": "4.2"}
    async with grounded(tmp_path, NfsDriver, lambda: config) as ground:
        yield ground


@pytest.mark.parametrize(
    "promise",
    in_dom0(
        "a_destroyed_sr_is_gone_and_its_place_is_free",
        "a_new_agent_finds_what_the_last_one_left_active",
        "upkeep_while_a_guest_writes_loses_nothing",
        under_xen="a_snapshot_of_an_active_vdi_is_of_that_instant",
    ),
    ids=name_of,
)
async def test_an_nfs_sr_promises_that(promise: Promise, ground: StorageGround) -> None:
    await keep(promise, ground)


async def test_a_probe_leads_from_the_server_to_its_exports_to_their_srs(ground: StorageGround) -> None:
    spec, _ = await ground.made()
    path = spec.device_config["serverpath"]
    assert (await ground.driver.probe({}, {})).code == 102
    report = await ground.driver.probe({"server": "127.0.0.1"}, {})
    assert (report.code, report.missing) == (101, "serverpath")
    assert path in [entry.configuration["serverpath"] for entry in report.entries]
    assert f"<Path>{path}</Path>" in report.document
    report = await ground.driver.probe(spec.device_config, {})
    assert [entry.sr for entry in report.entries] == [spec.id]
    assert f"<UUID>{spec.id}</UUID>" in report.document


async def test_a_server_that_is_not_there_is_an_error_and_leaves_no_mount(ground: StorageGround) -> None:
    spec = ground.spec()
    config = {**spec.device_config, "serverpath": "/nowhere"}
    with pytest.raises(SrBackendFailure) as refused:
        await ground.driver.create(SrSpec(spec.id, "nfs", config))
    assert refused.value.number == 73
    assert spec.id not in Path("/proc/self/mountinfo").read_text()


async def test_a_server_that_stops_hangs_nobody_and_all_goes_on_when_it_is_back(
    ground: StorageGround, server: NfsServer, tmp_path: Path
) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("kept")})
    (tmp_path / "local").mkdir()
    local = FileDriver(await StorageHost(tmp_path / "local").context())
    local_spec = SrSpec(new_sr(), "file", {"location": str(tmp_path / "local" / "sr")})
    await local.create(local_spec)
    other = await local.attach(local_spec)
    server.stop()
    begun = time.monotonic()
    with pytest.raises(SrBackendFailure) as refused:
        await sr.scan()
    assert refused.value.number == 47
    assert time.monotonic() - begun < 45
    begun = time.monotonic()
    with pytest.raises(SrBackendFailure):
        await sr.create_vdi(NewVdi(fresh(), 8 * MIB))
    stat = await sr.stat()
    assert (stat.health, bool(stat.problem)) == (Health.UNREACHABLE, True)
    await other.create_vdi(NewVdi(fresh(), 8 * MIB))
    assert time.monotonic() - begun < 5, "what hangs keeps others waiting"
    server.start()
    for _ in range(60):
        try:
            found = await ground.found(sr)
            break
        except SrBackendFailure:
            await asyncio.sleep(1)
    assert set(found) == {vdi}
    await ground.holds(sr, vdi, {0: block("kept")})
    await other.detach()


async def test_what_one_host_writes_to_no_other_does_until_the_first_has_died(
    ground: StorageGround, tmp_path: Path
) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr)
    backends = await ground.begin(sr, vdi)
    (tmp_path / "second").mkdir()
    host = StorageHost(tmp_path / "second")
    context = await host.context()
    second = await NfsDriver(context).attach(spec)
    holder = int((context.run_dir / "hosts" / spec.id / "pid").read_text())  # of the lock that says the host lives
    for mode in AttachMode:
        with pytest.raises(VdiInUse):
            await second.attach_vdi(vdi, mode)
    with pytest.raises(VdiInUse):
        await second.destroy_vdi(vdi)
    await ground.put(backends, {0: block("first")})
    made = NewVdi(fresh(), 8 * MIB)
    await second.create_vdi(made)
    assert made.id in await ground.found(sr)
    assert (await sr.stat_vdi(made.id)).id == made.id
    await sr.deactivate_vdi(vdi)
    await second.activate_vdi(vdi, AttachMode.RW, IoLimits())
    with pytest.raises(VdiInUse):
        await sr.activate_vdi(vdi, AttachMode.RW, IoLimits())
    # the second host dies: its processes are gone, and the server takes its locks back
    await host.close()
    os.kill(holder, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while True:
        try:
            await ground.write(sr, vdi, {BLOCK: block("again")})
            break
        except VdiInUse:
            assert time.monotonic() < deadline, "the lock of a host that died is still held"
            await asyncio.sleep(0.2)
    await ground.holds(sr, vdi, {0: block("first"), BLOCK: block("again")})
