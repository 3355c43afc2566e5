"""SRs of CD images on servers in a real dom0."""

from pathlib import Path

import pytest

from bare.sr_ground import run
from bare.sr_servers import file_system, nfs_server, smb_server
from contract.storage_host import StorageHost, new_sr, open_bytes
from xenhost.core.ports.storage import Sr
from xenhost.core.storage import AttachMode, IoLimits, SrSpec
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.drivers.iso import IsoDriver

pytestmark = pytest.mark.timeout(300)


async def _is_read(sr: Sr) -> None:
    report = await sr.scan()
    assert [vdi.location for vdi in report.vdis] == ["debian.iso"]
    vdi = report.vdis[0]
    assert (vdi.read_only, vdi.sharable, vdi.virtual_size) == (True, True, 4096)
    await sr.attach_vdi(vdi.id, AttachMode.RO)
    backends = await sr.activate_vdi(vdi.id, AttachMode.RO, IoLimits())
    async with open_bytes(backends, AttachMode.RO) as disk:
        assert await disk.read(0, 6) == b"CD001!"


async def test_cd_images_on_an_nfs_server_are_read(tmp_path: Path) -> None:
    host = StorageHost(tmp_path)
    with file_system(tmp_path) as path, nfs_server(path) as server:
        (path / "debian.iso").write_bytes(b"CD001!".ljust(4096))
        spec = SrSpec(new_sr(), "iso", {"location": f"127.0.0.1:{path}", "type": "nfs_iso"})
        driver = IsoDriver(await host.context())
        await driver.create(spec)
        sr = await driver.attach(spec)
        await _is_read(sr)
        await sr.detach()
        server.stop()
        assert spec.id not in Path("/proc/self/mountinfo").read_text()
    await host.close()


async def test_cd_images_on_a_share_are_read(tmp_path: Path) -> None:
    run("modprobe", "cifs")
    host = StorageHost(tmp_path)
    with file_system(tmp_path) as path, smb_server(tmp_path / "samba", path):
        (path / "debian.iso").write_bytes(b"CD001!".ljust(4096))
        config = {"location": "//127.0.0.1/srs", "type": "cifs", "username": "root", "cifspassword": "s3cret,=word"}
        driver = IsoDriver(await host.context())
        sr = await driver.attach(SrSpec(new_sr(), "iso", config))
        await _is_read(sr)
        await sr.detach()
        with pytest.raises(SrBackendFailure) as refused:
            await driver.attach(SrSpec(new_sr(), "iso", {**config, "cifspassword": "no"}))
        assert refused.value.number == 222
    await host.close()
