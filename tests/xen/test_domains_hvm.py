"""HVM domains: SeaBIOS and QEMU, a guest booted from its disk and from its CD, the emulator found again and lost."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from xen.xen_host import emulators, opened, opened_alone, read_until, run
from xenhost.core.devices import Source, SourceKind, Vbd, VbdMode, VbdType
from xenhost.core.ids import DomId, VmId, parse_device
from xenhost.core.ports.hypervisor import DomainEventKind, Hypervisor
from xenhost.core.units import MIB
from xenhost.core.vm import FirmwareBoot, Memory, ShutdownReason, VmSpec, VmType

pytestmark = pytest.mark.xen_hvm


@pytest.fixture
async def hv(tmp_path: Path) -> AsyncIterator[Hypervisor]:
    async with opened_alone(tmp_path) as hypervisor:
        yield hypervisor


def hvm(*vbds: Vbd, order: str) -> VmSpec:
    memory = Memory(64 * MIB, 64 * MIB, 64 * MIB)
    return VmSpec(VmId(str(uuid4())), "hvm-1", VmType.HVM, FirmwareBoot(order), memory, vbds=vbds)


@pytest.fixture
def disk(guests: Path, tmp_path: Path) -> Vbd:
    path = tmp_path / "disk.img"
    shutil.copy(guests / "tiny-hvm.img", path)
    return Vbd(parse_device("xvda")[0], Source(SourceKind.FILE, str(path)))


async def started(hv: Hypervisor, vm: VmSpec) -> DomId:
    domid = await hv.create_domain(vm)
    await asyncio.gather(hv.build_domain(domid, vm), *(hv.plug_vbd(domid, vbd) for vbd in vm.vbds))
    await hv.start_device_model(domid, vm)
    await hv.unpause_domain(domid)
    return domid


async def test_an_hvm_guest_boots_from_its_disk_and_leaves_no_emulator(hv: Hypervisor, disk: Vbd) -> None:
    vm = hvm(disk, order="c")
    domid = await started(hv, vm)
    domain = await hv.domain(domid)
    assert domain is not None
    assert (domain.type, domain.built, domain.paused) == (VmType.HVM, True, False)
    console = await hv.console(domid)
    assert os.path.exists(console.vnc_socket)
    await read_until(console.serial_tty, b"TINYUP")
    await hv.start_device_model(domid, vm)
    assert len(await emulators(domid)) == 1
    # it has no PV drivers that Xen knows of: Xen shuts it down
    await hv.request_shutdown(domid, ShutdownReason.POWEROFF, 120)
    assert await asyncio.wait_for(hv.wait_stopped(domid), 150) is ShutdownReason.POWEROFF
    await hv.destroy_domain(domid)
    assert await hv.domain(domid) is None
    assert await emulators(domid) == []
    assert str(disk.source.path) not in await run("losetup", "-a")


async def test_an_hvm_guest_boots_from_its_cd(hv: Hypervisor, guests: Path) -> None:
    source = Source(SourceKind.FILE, str(guests / "tiny-hvm.iso"))
    cd = Vbd(parse_device("hdc")[0], source, VbdMode.RO, VbdType.CD)
    domid = await started(hv, hvm(cd, order="dc"))
    await read_until((await hv.console(domid)).serial_tty, b"TINYUP")


async def test_an_emulator_is_found_again_by_the_next_agent_and_its_death_is_told(disk: Vbd, tmp_path: Path) -> None:
    async with opened(tmp_path) as first:
        domid = await started(first, hvm(disk, order="c"))
    async with opened(tmp_path) as fresh:
        assert (await fresh.console(domid)).vnc_socket
        events = fresh.events()
        (pid,) = await emulators(domid)
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(150):
            async for event in events:
                if event.kind is DomainEventKind.EMULATOR_LOST:
                    assert event.domid == domid
                    break
    # one that comes later is told too
    async with opened(tmp_path) as late:
        async with asyncio.timeout(150):
            event = await anext(late.events())
        assert (event.kind, event.domid) == (DomainEventKind.EMULATOR_LOST, domid)
        await late.destroy_domain(domid)
