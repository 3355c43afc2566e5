"""A guest that is suspended into a file, and goes on in another domain with its disk and its card."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from xen.xen_host import made, opened_alone, read_until, tty_of
from xenhost.core.devices import Source, SourceKind, Vbd, VbdMode, Vif
from xenhost.core.ids import DevId, DomId, VmId, parse_device
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, ShutdownReason, VmSpec, VmType

COUNT = "i=0; while sleep 1; do i=$((i+1)); echo COUNT-$i; done"


@pytest.fixture
async def hv(tmp_path: Path) -> AsyncIterator[Hypervisor]:
    async with opened_alone(tmp_path) as hypervisor:
        yield hypervisor


def type_in(tty: str, line: str) -> None:
    console = os.open(tty, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(console, f"{line}\n".encode())
    finally:
        os.close(console)


async def plugged(hv: Hypervisor, domid: DomId, disk: Path) -> None:
    await hv.plug_vbd(domid, Vbd(parse_device("xvda")[0], Source(SourceKind.FILE, str(disk)), VbdMode.RW))
    await hv.plug_vif(domid, Vif(DevId(0), "00:16:3e:5e:00:01", "xenbr0"))


@pytest.mark.parametrize("kind", [VmType.PV])
async def test_a_counting_guest_goes_on_where_it_was_with_its_disk_and_card(
    hv: Hypervisor, guests: Path, tmp_path: Path, kind: VmType
) -> None:
    disk, image = tmp_path / "disk.raw", tmp_path / "image"
    with disk.open("wb") as file:
        file.truncate(16 * MIB)
    words = "console=hvc0 quiet ip4=10.0.0.7 wait=eth0,xvda"
    boot = DirectBoot(str(guests / "vmlinux"), str(guests / "initrd.gz"), words)
    memory = Memory(128 * MIB, 128 * MIB, 128 * MIB)
    vm = VmSpec(id=VmId(str(uuid4())), name="counter", type=kind, boot=boot, memory=memory)
    domid = await made(hv, vm)
    await plugged(hv, domid, disk)
    await hv.unpause_domain(domid)
    tty = await tty_of(hv, domid)
    await read_until(tty, b"GUESTUP")
    type_in(tty, COUNT)
    await read_until(tty, b"COUNT-3")
    await hv.request_shutdown(domid, ShutdownReason.SUSPEND, 30)
    assert await asyncio.wait_for(hv.wait_stopped(domid), 60) is ShutdownReason.SUSPEND
    print("SUSPENDED")
    percents: list[int] = []
    with image.open("wb") as out:
        await hv.save_domain(domid, out.fileno(), percents.append)
    print("SAVED", image.stat().st_size, percents)
    await hv.destroy_domain(domid)
    new = await hv.create_domain(vm)
    with image.open("rb") as file:
        await hv.restore_domain(new, vm, file.fileno(), percents.append)
    print("RESTORED", percents)
    await plugged(hv, new, disk)
    await hv.unpause_domain(new)
    tty = await tty_of(hv, new)
    heard = await read_until(tty, b"COUNT-8")
    print(heard)
