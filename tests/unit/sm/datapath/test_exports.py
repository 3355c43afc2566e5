"""A backup tool reads a VDI and its changed blocks over TLS."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from kit.images import MIB, io, make_image
from unit.sm.datapath.conftest import Life
from xenhost.core.storage import AttachMode, Bitmap, IoLimits, NbdExport, VdiId
from xenhost.core.storage_errors import SrBackendFailure, VdiInUse
from xenhost.sm.datapath.bitmaps import set_bits
from xenhost.sm.datapath.port import Layer

VDI = VdiId("6f1c1d0e-6c5c-4b53-8a59-0d6b2d0f1c55")
OTHER = VdiId("7f1c1d0e-6c5c-4b53-8a59-0d6b2d0f1c55")
FREE = IoLimits()
NAME = f"/{VDI}"

pytestmark = pytest.mark.skipif(not shutil.which("nbdinfo"), reason="needs nbdinfo and nbdcopy (libnbd-bin)")


async def tool(*words: str, ok: bool = True) -> str:
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert (process.returncode == 0) is ok, output.decode()
    return output.decode()


def uri(life: Life, export: NbdExport, certificates: str = "client") -> str:
    folder = life.folder / certificates
    if not folder.exists():
        folder.mkdir()
        made = life.folder / "run/nbd-tls"
        names = ["ca-cert.pem", *(["client-cert.pem", "client-key.pem"] if certificates == "client" else [])]
        for name in names:
            shutil.copy(made / name, folder / name)
    return f"nbds://localhost:{export.port}/{export.exportname}?tls-certificates={folder}"


async def filled(life: Life, folder: Path) -> Layer:
    leaf = make_image(folder / "leaf.qcow2")
    (backend,) = await life.images.open(VDI, [leaf], AttachMode.RW, FREE)
    await io(backend, "write -P 1 0 1M", "write -P 2 1M 1M")
    await life.images.close(VDI)
    return leaf


async def test_a_client_with_a_certificate_copies_the_disk(life: Life, tmp_path: Path) -> None:
    leaf = await filled(life, tmp_path)
    export = await life.images.export(VDI, [leaf], None, NAME)
    assert export.cert.startswith("-----BEGIN CERTIFICATE")
    assert export.bitmap == ""
    await tool("nbdcopy", uri(life, export), str(tmp_path / "copy"))
    data = (tmp_path / "copy").read_bytes()
    assert len(data) == 64 * MIB
    assert (data[: 1 * MIB], data[1 * MIB : 2 * MIB]) == (b"\1" * MIB, b"\2" * MIB)
    about = json.loads(await tool("nbdinfo", "--json", uri(life, export)))
    assert about["TLS"]
    assert about["exports"][0]["is_read_only"]
    await life.images.unexport(VDI)
    await life.images.unexport(VDI)
    await tool("nbdinfo", uri(life, export), ok=False)


async def test_a_client_without_a_certificate_or_without_tls_gets_nothing(life: Life, tmp_path: Path) -> None:
    export = await life.images.export(VDI, [await filled(life, tmp_path)], None, NAME)
    await tool("nbdinfo", uri(life, export, "stranger"), ok=False)
    await tool("nbdinfo", f"nbd://localhost:{export.port}/{NAME}", ok=False)
    await life.images.unexport(VDI)


async def test_the_changed_blocks_are_exactly_those_given(life: Life, tmp_path: Path) -> None:
    leaf = await filled(life, tmp_path)
    bits = bytearray(128)
    for first, count in ((1, 1), (16, 3), (1023, 1)):
        set_bits(bits, first, count)
    export = await life.images.export(VDI, [leaf], Bitmap(bytes(bits), 64 * MIB), NAME)
    listed = json.loads(await tool("nbdinfo", "--json", f"--map={export.bitmap}", uri(life, export)))
    dirty = [(piece["offset"] // 65536, piece["length"] // 65536) for piece in listed if piece["type"] & 1]
    assert dirty == [(1, 1), (16, 3), (1023, 1)]
    await life.images.unexport(VDI)


async def test_exports_outlive_the_agent(life: Life, tmp_path: Path) -> None:
    leaf = await filled(life, tmp_path)
    export = await life.images.export(VDI, [leaf], None, NAME)
    images = await life.restart()
    await images.find()
    assert await images.export(VDI, [leaf], None, NAME) == export
    await tool("nbdinfo", uri(life, export))
    await images.unexport(VDI)
    assert not (life.folder / "run/export" / VDI).exists()


async def test_two_vdis_are_served_on_two_ports(life: Life, tmp_path: Path) -> None:
    leaf = await filled(life, tmp_path)
    one = await life.images.export(VDI, [leaf], None, NAME)
    two = await life.images.export(OTHER, [leaf], None, f"/{OTHER}")
    assert one.port != two.port
    await tool("nbdinfo", uri(life, two))
    await life.images.unexport(VDI)
    await life.images.unexport(OTHER)


async def test_a_disk_that_is_written_to_is_not_served(life: Life, tmp_path: Path) -> None:
    leaf = await filled(life, tmp_path)
    await life.images.open(OTHER, [leaf], AttachMode.RW, FREE)
    with pytest.raises(VdiInUse):
        await life.images.export(VDI, [leaf], None, NAME)
    assert not (life.folder / "run/export" / VDI).exists()


async def test_a_directory_for_certificates_that_lacks_some_is_an_error(life: Life, tmp_path: Path) -> None:
    folder = life.folder / "run/nbd-tls"
    folder.mkdir(parents=True)
    (folder / "server-cert.pem").write_text("")
    with pytest.raises(SrBackendFailure, match="certificates"):
        await life.images.export(VDI, [await filled(life, tmp_path)], None, NAME)
