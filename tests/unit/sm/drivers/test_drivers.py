"""Drivers of directories: their device-config, probes and errors, as far as they need no server."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from contract.storage_host import StorageHost, new_sr, open_bytes
from xenhost.core.storage import AttachMode, Capability, Health, IoLimits, SrSpec
from xenhost.core.storage_errors import SrBackendFailure, SrOperationNotSupported, VdiMissing, VdiReadonly
from xenhost.sm.context import SmContext
from xenhost.sm.drivers.cephfs import CephfsDriver
from xenhost.sm.drivers.declared import read_caching
from xenhost.sm.drivers.ext import ExtDriver, check_empty, devices_of
from xenhost.sm.drivers.file import FileDriver
from xenhost.sm.drivers.iso import IsoDriver, recipe_of
from xenhost.sm.drivers.nfs import NfsDriver, nfs_recipe
from xenhost.sm.drivers.smb import SmbDriver
from xenhost.sm.drivers.zfs import ZfsDriver

NO_LIMITS = IoLimits()


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[SmContext]:
    host = StorageHost(tmp_path)
    yield await host.context()
    await host.close()


async def test_a_probe_without_a_required_key_names_it_as_xenserver_does(context: SmContext) -> None:
    for driver, config, code, missing in (
        (FileDriver(context), {}, 94, "location"),
        (ZfsDriver(context), {}, 94, "location"),
        (ExtDriver(context), {}, 90, "device"),
        (NfsDriver(context), {}, 102, "server"),
        (SmbDriver(context), {}, 102, "server"),
        (CephfsDriver(context), {}, 102, "server"),
        (CephfsDriver(context), {"server": "a"}, 101, "serverpath"),
    ):
        report = await driver.probe(config, {})
        assert (report.code, report.missing) == (code, missing)
    with pytest.raises(SrOperationNotSupported):
        await IsoDriver(context).probe({}, {})


async def test_a_probe_finds_the_sr_of_a_directory(context: SmContext, tmp_path: Path) -> None:
    driver, sr = FileDriver(context), new_sr()
    config = {"location": str(tmp_path / "sr")}
    with pytest.raises(SrBackendFailure):
        await driver.probe({"location": str(tmp_path / "nowhere" / "x")}, {})
    await driver.create(SrSpec(sr, "file", config))
    report = await driver.probe(config, {})
    assert [(entry.sr, entry.complete) for entry in report.entries] == [(sr, True)]
    assert f"<UUID>{sr}</UUID>" in report.document


@pytest.mark.parametrize("location", ["", "relative", "/line\nbreak"])
async def test_a_location_that_is_no_path_is_refused(context: SmContext, location: str) -> None:
    with pytest.raises(SrBackendFailure) as refused:
        await FileDriver(context).create(SrSpec(new_sr(), "file", {"location": location}))
    assert refused.value.number == 94


async def test_a_directory_with_files_is_not_made_an_sr(context: SmContext, tmp_path: Path) -> None:
    (tmp_path / "sr").mkdir()
    (tmp_path / "sr" / "letters").write_text("to keep")
    with pytest.raises(SrBackendFailure) as refused:
        await FileDriver(context).create(SrSpec(new_sr(), "file", {"location": str(tmp_path / "sr")}))
    assert refused.value.number == 42
    assert [path.name for path in (tmp_path / "sr").iterdir()] == ["letters"]


async def test_a_zfs_sr_is_refused_where_there_is_no_zfs(context: SmContext, tmp_path: Path) -> None:
    with pytest.raises(SrBackendFailure, match="not on ZFS"):
        await ZfsDriver(context).create(SrSpec(new_sr(), "zfs", {"location": str(tmp_path / "sr")}))
    assert not (tmp_path / "sr").exists()


def test_an_sr_is_read_through_the_page_cache_unless_told_otherwise() -> None:
    spec = SrSpec(new_sr(), "file", {"location": "/sr"})
    assert read_caching(spec)
    assert not read_caching(replace(spec, other_config={"o_direct": "True"}))


def test_nfs_waits_for_its_server_unless_told_otherwise() -> None:
    config = {"server": "10.0.0.1", "serverpath": "/srs/"}
    recipe = nfs_recipe(config)
    assert (recipe.fstype, recipe.source) == ("nfs", "10.0.0.1:/srs")
    assert "hard" in recipe.options
    recipe = nfs_recipe({**config, "options": "softerr,timeo=50", "nfsversion": "4.1", "server": "fe80::1"})
    assert recipe.source == "[fe80::1]:/srs"
    assert "hard" not in recipe.options
    assert {"softerr", "timeo=50", "vers=4.1"} <= set(recipe.options)
    assert "timeo=100" not in recipe.options
    with pytest.raises(SrBackendFailure) as refused:
        nfs_recipe({**config, "nfsversion": "2"})
    assert refused.value.number == 72


def test_a_share_is_mounted_without_showing_its_password(tmp_path: Path) -> None:
    driver = SmbDriver.__new__(SmbDriver)
    recipe = driver.recipe({"server": "//nas/vms", "username": "LAB\\me", "password": "s3cret"})
    assert {"username=me", "domain=LAB", "vers=3.0"} <= set(recipe.options)
    assert "s3cret" not in repr((recipe.source, recipe.options))
    assert recipe.env == {"PASSWD": "s3cret"}
    for server in ("nas/vms", "//nas", "//nas/a,b", "//nas/../x"):
        with pytest.raises(SrBackendFailure):
            driver.recipe({"server": server})
    with pytest.raises(SrBackendFailure):
        driver.recipe({"server": "//nas/vms", "username": "me,uid=0"})
    assert [key.name for key in SmbDriver.info.configuration if key.secret] == ["password"]


def test_cephfs_names_its_monitors() -> None:
    driver = CephfsDriver.__new__(CephfsDriver)
    config = {"server": "a,b", "serverpath": "/xen", "options": "name=xen,secretfile=/etc/ceph/s"}
    recipe = driver.recipe(config)
    assert (recipe.fstype, recipe.source) == ("ceph", "a:6789,b:6789:/xen")
    with pytest.raises(SrBackendFailure):
        driver.recipe({**config, "serverport": "70000"})


async def test_only_block_devices_below_dev_become_ext(context: SmContext, tmp_path: Path) -> None:
    assert devices_of({"device": "/dev/sdb,/dev/disk/by-id/x,/dev/sdb"}) == ("/dev/sdb", "/dev/disk/by-id/x")
    for device in ("/etc/passwd", "/dev/../etc/x", "sdb", "/dev/a b", "-f"):
        with pytest.raises(SrBackendFailure):
            devices_of({"device": device})
    with pytest.raises(SrBackendFailure) as refused:
        await check_empty(context.commands, "/dev/null")
    assert refused.value.number == 91


def test_an_iso_location_tells_what_it_is() -> None:
    assert recipe_of({"location": "/srv/isos"}) is None
    assert recipe_of({"location": "/srv/isos", "legacy_mode": "true"}) is None
    nfs = recipe_of({"location": "nas:/isos"})
    assert nfs is not None
    assert (nfs.source, nfs.options[0]) == ("nas:/isos", "ro")
    smb = recipe_of({"location": "//nas/isos", "type": "cifs", "username": "me", "cifspassword": "x", "vers": "2.1"})
    assert smb is not None
    assert (smb.fstype, "vers=2.1" in smb.options, smb.env) == ("cifs", True, {"PASSWD": "x"})
    for config, number in (
        ({}, 220),
        ({"location": "isos"}, 225),
        ({"location": "//nas/isos", "type": "cifs", "vers": "9"}, 227),
        ({"location": "nas:/isos", "type": "tape"}, 225),
    ):
        with pytest.raises(SrBackendFailure) as refused:
            recipe_of(config)
        assert refused.value.number == number


async def test_cd_images_of_a_directory_are_read_and_nothing_else(context: SmContext, tmp_path: Path) -> None:
    root = tmp_path / "isos"
    root.mkdir()
    known = str(new_sr())
    (root / "Debian 12.ISO").write_bytes(b"CD001".ljust(2048))
    (root / f"{known}.iso").write_bytes(bytes(2048))
    (root / "empty.iso").write_bytes(b"")
    (root / "readme.txt").write_text("no")
    (root / "link.iso").symlink_to("/etc/passwd")
    (root / "line\nbreak.iso").write_bytes(bytes(512))
    driver, spec = IsoDriver(context), SrSpec(new_sr(), "iso", {"location": str(root), "legacy_mode": "true"})
    await driver.create(spec)
    sr = await driver.attach(spec)
    report = await sr.scan()
    found = {vdi.location: vdi for vdi in report.vdis}
    assert set(found) == {"Debian 12.ISO", f"{known}.iso", "empty.iso"}
    assert len(report.ignored) == 2
    assert found[f"{known}.iso"].id == known
    assert found["empty.iso"].problem
    vdi = found["Debian 12.ISO"]
    assert [each.id for each in (await sr.scan()).vdis if each.location == vdi.location] == [vdi.id]
    with pytest.raises(VdiReadonly):
        await sr.attach_vdi(vdi.id, AttachMode.RW)
    backends = await sr.activate_vdi(vdi.id, AttachMode.RO, NO_LIMITS)
    async with open_bytes(backends, AttachMode.RO) as disk:
        assert await disk.read(0, 5) == b"CD001"
    assert await sr.active_vdis() == {vdi.id: AttachMode.RO}
    await sr.deactivate_vdi(vdi.id)
    (root / "Debian 12.ISO").unlink()
    with pytest.raises(VdiMissing):
        await sr.attach_vdi(vdi.id, AttachMode.RO)
    with pytest.raises(SrOperationNotSupported):
        await sr.destroy_vdi(vdi.id)
    assert not driver.info.can(Capability.VDI_CREATE)
    root.rename(tmp_path / "away")
    root.mkdir()
    with pytest.raises(SrBackendFailure):
        await sr.scan()
    assert (await sr.stat()).health is Health.HEALTHY
    await sr.detach()
