"""Unmodified drivers of XenServer's `sm` repository. Only where they are, with what they expect around them: see
docs/howto/write-an-smapiv1-plugin.md."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from kit.plugins import PluginPlace, new_snapshot, new_vdi
from xenhost.core.errors import XenhostError
from xenhost.core.storage import AttachMode, BackendKind, Capability, IoLimits, SrSpec
from xenhost.core.storage_errors import SrOperationNotSupported
from xenhost.sm.smapiv1.driver import PluginHost, V1Driver
from xenhost.sm.smapiv1.service import ERROR_TABLE, INVENTORY
from xenhost.sm.smapiv1.sr import V1Sr

FOLDER = Path(os.environ.get("XENHOST_UPSTREAM_SM", "/nonexistent"))
SOCKET = Path("/var/lib/xcp/xapi")
HOST_PLUGINS = Path("/etc/xapi.d/plugins")
MIB = 1 << 20
NO_LIMITS = IoLimits()

pytestmark = [
    pytest.mark.skipif(
        "XENHOST_UPSTREAM_SM" not in os.environ, reason="XENHOST_UPSTREAM_SM names no folder of drivers"
    ),
    pytest.mark.skipif(not (ERROR_TABLE.exists() and INVENTORY.exists()), reason="what sm needs around it is missing"),
    pytest.mark.timeout(180),
]


def host_uuid() -> str:
    """This host's UUID as upstream's drivers read it."""
    lines = dict(line.split("=", 1) for line in INVENTORY.read_text().splitlines() if "=" in line)
    return lines["INSTALLATION_UUID"].strip("'")


class Upstream:
    """A plugin host with upstream's drivers."""

    def __init__(self, place: PluginPlace) -> None:
        self.place = place
        self.host: PluginHost | None = None

    async def driver(self, type_: str) -> V1Driver:
        """One of them; a host that ran is closed first, as when the agent is started anew."""
        await self.close()
        self.host = self.place.host(FOLDER, SOCKET)
        return (await self.host.drivers())[type_]

    async def close(self) -> None:
        """Stop serving."""
        if self.host is not None:
            await self.host.close()
            self.host = None

    @asynccontextmanager
    async def sr(self, spec: SrSpec) -> AsyncIterator[V1Sr]:
        """A new SR, deleted in the end."""
        driver = await self.driver(spec.type)
        await driver.create(spec)
        sr = await driver.attach(spec)
        yield sr
        await sr.destroy()


@pytest.fixture
async def upstream(tmp_path: Path) -> AsyncIterator[Upstream]:
    place = PluginPlace(tmp_path, host_uuid())
    place.host_plugins = HOST_PLUGINS
    found = Upstream(place)
    yield found
    await found.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory for an SR."""
    made = tmp_path / "data"
    made.mkdir()
    return made


async def test_file_sr_tells_what_it_can_do(upstream: Upstream) -> None:
    info = (await upstream.driver("file")).info
    assert info.filename == str(FOLDER.absolute() / "FileSR")
    assert info.can(Capability.VDI_SNAPSHOT)
    assert info.can(Capability.VDI_ACTIVATE)
    assert [key.name for key in info.configuration] == ["location"]


async def test_file_sr_makes_finds_and_deletes_vdis(upstream: Upstream, folder: Path) -> None:
    async with upstream.sr(upstream.place.sr("file", location=str(folder))) as sr:
        assert (await sr.scan()).vdis == ()
        vdi = await sr.create_vdi(new_vdi(10 * MIB))
        assert (vdi.virtual_size, vdi.name, vdi.format) == (10 * MIB, "a disk", "vhd")
        assert (folder / f"{vdi.id}.vhd").exists()
        assert [each.id for each in (await sr.scan()).vdis] == [vdi.id]
        assert (await sr.stat()).physical_size > 0
        assert (await sr.resize_vdi(vdi.id, 20 * MIB)).virtual_size == 20 * MIB
        await sr.destroy_vdi(vdi.id)
        assert not (folder / f"{vdi.id}.vhd").exists()
        assert (await sr.scan()).vdis == ()


async def test_file_sr_activates_and_deactivates(upstream: Upstream, folder: Path) -> None:
    async with upstream.sr(upstream.place.sr("file", location=str(folder))) as sr:
        vdi = await sr.create_vdi(new_vdi(10 * MIB))
        await sr.attach_vdi(vdi.id, AttachMode.RW)
        (backend,) = await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS)
        assert (backend.kind, backend.export) == (BackendKind.NBD, vdi.id)
        assert await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS) == [backend]
        assert any(key.startswith("host_") for key in (await sr.stat_vdi(vdi.id)).sm_config)
        assert await sr.active_vdis() == {vdi.id: AttachMode.RW}
        await sr.deactivate_vdi(vdi.id)
        await sr.detach_vdi(vdi.id)
        assert not any(key.startswith("host_") for key in (await sr.stat_vdi(vdi.id)).sm_config)
        await sr.destroy_vdi(vdi.id)


async def test_file_sr_takes_snapshots_and_clones(upstream: Upstream, folder: Path) -> None:
    async with upstream.sr(upstream.place.sr("file", location=str(folder))) as sr:
        vdi = await sr.create_vdi(new_vdi(10 * MIB))
        snapshot = await sr.snapshot_vdi(vdi.id, new_snapshot("before"))
        assert (snapshot.is_a_snapshot, snapshot.snapshot_of, snapshot.name) == (True, vdi.id, "before")
        assert snapshot.snapshot_time == 1_700_000_000.0
        base = {each.id for each in (await sr.scan()).vdis if not each.managed}
        assert len(base) == 1
        assert snapshot.parent in base
        assert (await sr.stat_vdi(vdi.id)).parent in base
        clone = await sr.clone_vdi(snapshot.id, new_snapshot("from it"))
        assert not clone.is_a_snapshot
        for each in (clone, snapshot, vdi):
            await sr.destroy_vdi(each.id)
        # its collector of garbage does not run here, so the base copies stay
        for path in folder.glob("*.vhd"):
            path.unlink()
        assert (await sr.scan()).vdis == ()


@pytest.mark.skipif(not (HOST_PLUGINS / "tapdisk-pause").exists(), reason="tapdisk-pause is not installed")
async def test_file_sr_pauses_an_active_vdi_for_its_snapshot(upstream: Upstream, folder: Path) -> None:
    async with upstream.sr(upstream.place.sr("file", location=str(folder))) as sr:
        vdi = await sr.create_vdi(new_vdi(10 * MIB))
        await sr.attach_vdi(vdi.id, AttachMode.RW)
        before = await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS)
        snapshot = await sr.snapshot_vdi(vdi.id, new_snapshot("before"))
        assert snapshot.snapshot_of == vdi.id
        assert "paused" not in (await sr.stat_vdi(vdi.id)).sm_config
        assert not any(key.startswith("host_") for key in snapshot.sm_config)
        assert await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS) == before
        await sr.deactivate_vdi(vdi.id)
        await sr.detach_vdi(vdi.id)
        for each in (snapshot, vdi):
            await sr.destroy_vdi(each.id)
        for path in folder.glob("*.vhd"):
            path.unlink()
        await sr.scan()


async def test_an_active_vdi_of_file_sr_is_taken_over_by_the_next_agent(upstream: Upstream, folder: Path) -> None:
    spec = upstream.place.sr("file", location=str(folder))
    driver = await upstream.driver("file")
    await driver.create(spec)
    sr = await driver.attach(spec)
    vdi = await sr.create_vdi(new_vdi(10 * MIB))
    await sr.attach_vdi(vdi.id, AttachMode.RW)
    before = await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS)
    sr = await (await upstream.driver("file")).attach(spec)
    assert await sr.active_vdis() == {vdi.id: AttachMode.RW}
    assert await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS) == before
    await sr.deactivate_vdi(vdi.id)
    await sr.detach_vdi(vdi.id)
    await sr.destroy_vdi(vdi.id)
    await sr.destroy()


async def test_faults_of_file_sr_are_errors_with_xenservers_numbers(upstream: Upstream, folder: Path) -> None:
    driver = await upstream.driver("file")
    with pytest.raises(SrOperationNotSupported):
        await driver.probe({"location": str(folder)}, {})
    with pytest.raises(XenhostError) as caught:
        await driver.create(upstream.place.sr("file", nothing="of use"))
    assert caught.value.reason == "SR_BACKEND_FAILURE_94"
    (folder / "something").touch()
    with pytest.raises(XenhostError) as caught:
        await driver.create(upstream.place.sr("file", location=str(folder)))
    assert caught.value.reason == "SR_BACKEND_FAILURE_61"


async def test_dummy_sr_runs_through_everything(upstream: Upstream) -> None:
    driver = await upstream.driver("dummy")
    with pytest.raises(XenhostError) as caught:  # it asks for the record of an SR that a probe does not have
        await driver.probe({}, {})
    assert caught.value.reason == "SR_BACKEND_FAILURE_202"
    spec = upstream.place.sr("dummy", anything="goes")
    await driver.create(spec)
    sr = await driver.attach(spec)
    vdi = await sr.create_vdi(new_vdi(10 * MIB))
    assert vdi.sm_config["samplekey"] == "This is a dummy SR VDI"
    assert [each.id for each in (await sr.scan()).vdis] == [vdi.id]
    await sr.attach_vdi(vdi.id, AttachMode.RW)
    assert await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS) == []  # it keeps no bytes
    await sr.deactivate_vdi(vdi.id)
    await sr.detach_vdi(vdi.id)
    snapshot = await sr.snapshot_vdi(vdi.id, new_snapshot())
    clone = await sr.clone_vdi(vdi.id, new_snapshot())
    for each in (clone, snapshot, vdi):
        await sr.destroy_vdi(each.id)
    await sr.destroy()


async def test_iso_sr_finds_images(upstream: Upstream, folder: Path) -> None:
    for name in ("debian.iso", "floppy.img", "notes.txt"):
        (folder / name).write_bytes(b"\0" * MIB)
    driver = await upstream.driver("iso")
    spec = upstream.place.sr("iso", location=str(folder), legacy_mode="true")
    sr = await driver.attach(spec)
    found = {each.location: each for each in (await sr.scan()).vdis}
    assert set(found) == {"debian.iso", "floppy.img"}
    iso = found["debian.iso"]
    assert (iso.virtual_size, iso.read_only) == (MIB, True)
    await sr.attach_vdi(iso.id, AttachMode.RO)
    (backend,) = await sr.activate_vdi(iso.id, AttachMode.RO, NO_LIMITS)
    assert backend.kind is BackendKind.NBD
    await sr.deactivate_vdi(iso.id)
    await sr.detach_vdi(iso.id)
    (folder / "debian.iso").unlink()
    assert [each.location for each in (await sr.scan()).vdis] == ["floppy.img"]
    await sr.detach()
