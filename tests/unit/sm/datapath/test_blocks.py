"""What a backend is to a hypervisor. Kernel devices are tested where there is a kernel of our own: in tests/xen."""

import asyncio
import os
from pathlib import Path

import pytest
import structlog

from kit.images import make_image
from unit.sm.datapath.conftest import Life
from xenhost.core.devices import Source, SourceKind
from xenhost.core.storage import AttachMode, Backend, BackendKind, IoLimits, VdiId
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.command import Commands
from xenhost.sm.datapath import nbd_kernel
from xenhost.sm.datapath.blocks import KernelBlocks, PlainBlocks

VDI = VdiId("6f1c1d0e-6c5c-4b53-8a59-0d6b2d0f1c55")
NBD = Backend(BackendKind.NBD, "/run/x/nbd", VDI)
FILE = Backend(BackendKind.FILE, "/sr/x.raw")
BLOCK = Backend(BackendKind.BLOCK, "/dev/vg/lv")


@pytest.mark.parametrize("blocks", [PlainBlocks(), KernelBlocks(Commands(), structlog.get_logger())])
async def test_files_and_block_devices_are_taken_as_they_are(blocks: PlainBlocks | KernelBlocks) -> None:
    assert await blocks.connect(VDI, [FILE, NBD]) == Source(SourceKind.FILE, "/sr/x.raw")
    assert await blocks.connect(VDI, [BLOCK]) == Source(SourceKind.BLOCK, "/dev/vg/lv")
    with pytest.raises(SrBackendFailure):
        await blocks.connect(VDI, [])


async def test_an_nbd_export_stays_one_for_a_simulated_hypervisor() -> None:
    blocks = PlainBlocks()
    uri = f"nbd+unix:///{VDI}?socket=/run/x/nbd"
    assert await blocks.connect(VDI, [NBD]) == Source(SourceKind.NBD, uri)


def device(sysfs: Path, name: str, backend: str) -> None:
    folder = sysfs / "block" / name
    folder.mkdir(parents=True)
    (folder / "backend").write_text(backend + "\n")


def test_devices_are_known_by_what_the_kernel_keeps_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xenhost.sm.datapath.nbd_kernel._bound", lambda device: True)
    device(tmp_path, "nbd0", "other tool")
    device(tmp_path, "nbd3", f"xenhost/{VDI}/12-345")
    device(tmp_path, "nbd4", f"xenhost/{VDI}/12-345; rm")
    device(tmp_path, "nbd5p1", f"xenhost/{VDI}/12-345")
    device(tmp_path, "nbd6", "xenhost/other/1-2")
    (tmp_path / "block/nbd7").mkdir()
    found = nbd_kernel.devices(VDI, tmp_path)
    assert found == [nbd_kernel.Device(3, VDI, "12-345")]
    assert (found[0].path, found[0].identifier) == ("/dev/nbd3", f"xenhost/{VDI}/12-345")


async def test_the_process_behind_an_export_is_told_from_every_other(life: Life, tmp_path: Path) -> None:
    images = [make_image(tmp_path / "leaf.qcow2")]
    (backend,) = await life.images.open(VDI, images, AttachMode.RW, IoLimits())
    server = await asyncio.to_thread(nbd_kernel.serves, backend)
    assert server.startswith((life.folder / "run/image" / VDI / "pid").read_text().strip() + "-")
    assert nbd_kernel.server_lives(nbd_kernel.Device(0, VDI, server))
    await life.images.close(VDI)
    assert not nbd_kernel.server_lives(nbd_kernel.Device(0, VDI, server))
    assert not nbd_kernel.server_lives(nbd_kernel.Device(0, VDI, f"{os.getpid()}-1"))
