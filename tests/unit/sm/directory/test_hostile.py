"""What may lie in an SR's directory: none of it is followed, opened for long, or taken for something else."""

import json
import os
import socket
from pathlib import Path

import pytest

from contract.storage_ground import NO_LIMITS, StorageGround, block, fresh
from xenhost.core.errors import XenhostError
from xenhost.core.storage import AttachMode, Health, NewVdi
from xenhost.core.storage_errors import SrBackendFailure, VdiLocationMissing, VdiNotAvailable
from xenhost.sm.image import qcow2

MIB = 1 << 20


async def test_links_pipes_sockets_and_odd_names_are_ignored_with_a_reason(ground: StorageGround, root: Path) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr)
    secret = root.parent / "secret.raw"
    secret.write_bytes(b"secret".ljust(4096))
    (root / f"{fresh()}.raw").symlink_to(secret)
    (root / f"{fresh()}.qcow2").symlink_to("/dev/zero")
    os.mkfifo(root / f"{fresh()}.qcow2")
    (root / f"{fresh()}.vhd").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(root)  # the whole path would be too long
        server.bind(f"{fresh()}.img")
        os.chdir("/")
    (root / "line\nbreak.qcow2").write_bytes(b"x")
    (root / "notes.txt").write_text("x")
    (root / "disk.raw").write_bytes(bytes(4096))
    report = await sr.scan()
    assert {each.id for each in report.vdis} == {vdi}
    assert len(report.ignored) == 8
    assert all(each.isprintable() for each in report.ignored)
    assert "disk.raw: has no UUID for a name; it can be introduced as a VDI" in report.ignored


@pytest.mark.parametrize(
    ("backing", "form"),
    [
        ("../secret.raw", "raw"),
        ("/etc/shadow", "raw"),
        ('json:{"driver":"file","filename":"/etc/shadow"}', "raw"),
        ("nbd://10.0.0.1/x", "raw"),
        ("sub/secret.raw", "raw"),
    ],
)
async def test_a_backing_file_outside_the_sr_is_a_problem_and_never_opened(
    ground: StorageGround, root: Path, backing: str, form: str
) -> None:
    _, sr = await ground.made()
    good = await ground.vdi(sr, {0: block("good")})
    bad = fresh()
    path = root / f"{bad}.qcow2"
    qcow2.create(path, 8 * MIB, "x" * len(backing.encode()), form)
    path.write_bytes(path.read_bytes().replace(b"x" * len(backing), backing.encode(), 1))
    found = await ground.found(sr)
    assert set(found) == {good, bad}
    assert found[bad].problem
    assert not found[good].problem
    for mode in AttachMode:
        with pytest.raises(VdiNotAvailable):
            await sr.activate_vdi(bad, mode, NO_LIMITS)
    await ground.holds(sr, good, {0: block("good")})


async def test_a_backing_file_said_to_be_of_another_format_is_a_problem(ground: StorageGround, root: Path) -> None:
    """Otherwise a guest could write a qcow2 header onto its raw disk, and have any file of the host read."""
    _, sr = await ground.made()
    base = await ground.vdi(sr, {0: b"QFI\xfb".ljust(512, b"\1")}, sm_config={"type": "raw"})
    image = next(root.glob("image-*.raw")).name
    bad = fresh()
    qcow2.create(root / f"{bad}.qcow2", 8 * MIB, image, "qcow2")
    found = await ground.found(sr)
    assert found[bad].problem
    assert (found[base].format, found[base].problem) == ("raw", "")
    assert await ground.read(sr, base, 0, 4) == b"QFI\xfb"


async def test_broken_images_and_sidecars_are_shown_and_hinder_nobody(ground: StorageGround, root: Path) -> None:
    _, sr = await ground.made()
    good = await ground.vdi(sr, {0: block("good")})
    gone, torn, truncated, huge = [await ground.vdi(sr) for _ in range(4)]
    names = {vdi: json.loads((root / f"{vdi}.vdi").read_text())["image"] for vdi in (gone, truncated, huge)}
    (root / names[gone]).unlink()
    (root / f"{torn}.vdi").write_text("{")
    (root / names[truncated]).write_bytes(b"QFI\xfb\0\0")
    with (root / names[huge]).open("r+b") as file:
        file.seek(24)
        file.write((1 << 62).to_bytes(8, "big"))
    found = await ground.found(sr)
    assert {vdi for vdi, each in found.items() if each.problem} == {gone, torn, truncated, huge}
    assert not found[good].problem
    await ground.holds(sr, good, {0: block("good")})
    for bad in (gone, torn, truncated, huge):
        with pytest.raises(XenhostError):
            await sr.activate_vdi(bad, AttachMode.RO, NO_LIMITS)
    assert not list(await sr.chores())
    stat = await sr.stat()
    assert stat.health is Health.HEALTHY
    assert "no space is reclaimed" in stat.problem
    for bad in (gone, torn, truncated, huge):
        await sr.destroy_vdi(bad)
    assert set(await ground.found(sr)) == {good}


async def test_only_plain_files_of_the_sr_are_introduced(ground: StorageGround, root: Path) -> None:
    _, sr = await ground.made()
    (root.parent / "out.raw").write_bytes(bytes(4096))
    (root / "link.raw").symlink_to(root.parent / "out.raw")
    for location in ("../out.raw", str(root.parent / "out.raw"), "link.raw", "none.raw", "", ".", "a/../out.raw"):
        with pytest.raises(VdiLocationMissing):
            await sr.introduce_vdi(fresh(), location, {})
    (root / "my disk.raw").write_bytes(block("mine"))
    vdi = fresh()
    for _ in range(2):
        await sr.introduce_vdi(vdi, "my disk.raw", {})
    await ground.holds(sr, vdi, {0: block("mine")})
    with pytest.raises(SrBackendFailure):
        await sr.introduce_vdi(fresh(), "my disk.raw", {})
    await sr.destroy_vdi(vdi)
    assert not (root / "my disk.raw").exists()


async def test_another_directory_in_the_same_place_is_not_the_sr(ground: StorageGround, root: Path) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr)
    root.rename(root.with_name("away"))
    root.mkdir()
    for _ in range(2):
        with pytest.raises(SrBackendFailure) as refused:
            await sr.scan()
        assert refused.value.number == 47
        with pytest.raises(SrBackendFailure):
            await sr.create_vdi(NewVdi(fresh(), MIB))
        assert (await sr.stat()).health is Health.UNREACHABLE
    assert list(root.iterdir()) == []
    with pytest.raises(SrBackendFailure):
        await ground.driver.attach(spec)
    root.rmdir()
    root.with_name("away").rename(root)
    assert set(await ground.found(sr)) == {vdi}


async def test_a_directory_of_another_sr_is_neither_made_nor_attached(ground: StorageGround) -> None:
    await ground.made()
    other = ground.spec()
    with pytest.raises(SrBackendFailure) as refused:
        await ground.driver.create(other)
    assert refused.value.number == 42
    with pytest.raises(SrBackendFailure):
        await ground.driver.attach(other)


async def test_4096_vdis_are_found_by_a_new_scan_and_a_repeated_one(ground: StorageGround, root: Path) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr)
    sidecar = (root / f"{vdi}.vdi").read_text()
    name = json.loads(sidecar)["image"]
    image = (root / name).read_bytes()

    def fill(count: int) -> None:
        for _ in range(count):
            other = fresh()
            (root / f"image-{other}.qcow2").write_bytes(image)
            (root / f"{other}.vdi").write_text(sidecar.replace(name, f"image-{other}.qcow2"))

    fill(4095)
    assert len((await sr.scan()).vdis) == 4096
    assert len((await sr.scan()).vdis) == 4096
    await ground.detached(sr)
    await ground.attached(spec)
