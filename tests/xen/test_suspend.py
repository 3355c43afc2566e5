"""A guest that is suspended into a file, and goes on in another domain with its disk and its card."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from xen.xen_host import NotHeard, emulators, made, opened_alone, read_until, run, tty_of
from xenhost.core.devices import Source, SourceKind, Vbd, VbdMode, Vif
from xenhost.core.errors import InternalError
from xenhost.core.ids import DevId, DomId, VmId, parse_device
from xenhost.core.ports.hypervisor import DomainEventKind, Hypervisor
from xenhost.core.suspend import image_size
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, ShutdownReason, VmSpec, VmType

COUNT = "i=0; while sleep 1; do i=$((i+1)); echo COUNT''-$i; done"
PATIENCE = 400.0
"""Seconds for an emulated guest on a machine with other things to do."""


@pytest.fixture
async def hv(tmp_path: Path) -> AsyncIterator[Hypervisor]:
    async with opened_alone(tmp_path) as hypervisor:
        yield hypervisor


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.truncate(16 * MIB)
    return path


def counter(guests: Path, kind: VmType, disk: Path) -> VmSpec:
    """Linux; an HVM guest has its disk and card twice: until its PV drivers are there, those that are emulated."""
    words = "quiet ip4=10.0.0.7 wait=eth0,xvda"
    words += " console=hvc0" if kind is not VmType.HVM else " console=ttyS0"
    words += "" if kind is VmType.PV else " tsc_early_khz=2596000"
    kernel = guests / ("vmlinuz" if kind is VmType.HVM else "vmlinux")
    size = (128 if kind is VmType.PV else 192) * MIB
    boot = DirectBoot(str(kernel), str(guests / "initrd.gz"), words)
    vbd = Vbd(parse_device("xvda")[0], Source(SourceKind.FILE, str(disk)), VbdMode.RW)
    vif = Vif(DevId(0), "00:16:3e:5e:00:01", "xenbr0")
    memory = Memory(size, size, size)
    return VmSpec(VmId(str(uuid4())), "counter", kind, boot, memory, vbds=(vbd,), vifs=(vif,))


KINDS = pytest.mark.parametrize(
    "kind",
    [
        VmType.PV,
        pytest.param(VmType.PVH, marks=[pytest.mark.xen_pvh, pytest.mark.timeout(900)]),
        pytest.param(VmType.HVM, marks=[pytest.mark.xen_hvm, pytest.mark.timeout(1500)]),
    ],
)


@pytest.fixture
def vm(guests: Path, kind: VmType, disk: Path) -> VmSpec:
    return counter(guests, kind, disk)


def type_in(tty: str, line: str) -> None:
    console = os.open(tty, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(console, f"{line}\n".encode())
    finally:
        os.close(console)


async def run_on(hv: Hypervisor, domid: DomId, vm: VmSpec) -> None:
    """Plug its devices and let it run."""
    await hv.plug_vbd(domid, vm.vbds[0])
    await hv.plug_vif(domid, vm.vifs[0])
    await hv.start_device_model(domid, vm)
    await hv.unpause_domain(domid)


async def counting(hv: Hypervisor, vm: VmSpec) -> tuple[DomId, int]:
    """A guest that counts at its console, and how far it is."""
    domid = await made(hv, vm)
    await run_on(hv, domid, vm)
    tty = await tty_of(hv, domid)
    await read_until(tty, b"GUESTUP", PATIENCE)
    await asyncio.sleep(1)  # its shell opens the terminal, and discards what was typed before
    type_in(tty, COUNT)
    return domid, numbers(await read_until(tty, b"COUNT-3", PATIENCE))[-1]


def numbers(heard: bytes) -> list[int]:
    return [int(number) for number in re.findall(rb"COUNT-(\d+)\r?\n", heard + b"\n")]


async def suspend(hv: Hypervisor, domid: DomId) -> None:
    await hv.request_shutdown(domid, ShutdownReason.SUSPEND, PATIENCE)
    assert await asyncio.wait_for(hv.wait_stopped(domid), PATIENCE) is ShutdownReason.SUSPEND


async def check_devices(tty: str, disk: Path, words: str) -> None:
    """Its disk takes what it writes, and its card answers."""
    line = f"\3\necho {words} | dd of=/dev/xvda bs=512 seek=8 conv=sync; sync; echo WRIT''TEN"
    for patience in (60, 60, PATIENCE):  # an emulated serial port may lose what is typed between two readers
        type_in(tty, line)
        with contextlib.suppress(NotHeard):
            await read_until(tty, b"WRITTEN", patience)
            break
    else:
        pytest.fail("the guest does not write to its disk")
    assert disk.read_bytes()[4096 : 4096 + len(words)] == words.encode()
    await run("ping", "-c", "3", "-i", "0.3", "-W", "20", "10.0.0.7")


@KINDS
async def test_a_counting_guest_goes_on_where_it_was_with_its_disk_and_card(
    hv: Hypervisor, vm: VmSpec, disk: Path, tmp_path: Path
) -> None:
    domid, counted = await counting(hv, vm)
    await suspend(hv, domid)
    told: list[int] = []
    with (tmp_path / "image").open("w+b") as image:
        await hv.save_domain(domid, image.fileno(), told.append)
        assert told
        assert told == sorted(told)
        assert 64 * MIB < os.fstat(image.fileno()).st_size <= image_size(vm.memory.static_max)
        await hv.destroy_domain(domid)
        other = await hv.create_domain(vm)
        image.seek(0)
        await hv.restore_domain(other, vm, image.fileno(), told.append)
    assert other != domid
    await run_on(hv, other, vm)
    tty = await tty_of(hv, other)
    goes_on = await read_until(tty, f"COUNT-{counted + 6}\r".encode(), PATIENCE)
    found = numbers(goes_on)
    assert found == list(range(found[0], found[0] + len(found)))
    assert found[0] > counted
    assert b"GUESTUP" not in goes_on
    await check_devices(tty, disk, "after the sleep")
    await hv.request_shutdown(other, ShutdownReason.POWEROFF, PATIENCE)
    assert await asyncio.wait_for(hv.wait_stopped(other), PATIENCE) is ShutdownReason.POWEROFF


@KINDS
async def test_a_guest_that_could_not_be_saved_goes_on_in_its_domain_as_often_as_it_takes(
    hv: Hypervisor, vm: VmSpec, disk: Path
) -> None:
    domid, counted = await counting(hv, vm)
    tty = await tty_of(hv, domid)
    full = os.open("/dev/full", os.O_WRONLY)
    for _ in range(2):
        await suspend(hv, domid)
        with pytest.raises(InternalError, match="could not be saved"):
            await hv.save_domain(domid, full, lambda percent: None)
        await hv.resume_domain(domid)
        counted += 4
        await read_until(tty, f"COUNT-{counted}\r".encode(), PATIENCE)
    os.close(full)
    await check_devices(tty, disk, "never slept")
    await hv.request_shutdown(domid, ShutdownReason.POWEROFF, PATIENCE)
    assert await asyncio.wait_for(hv.wait_stopped(domid), PATIENCE) is ShutdownReason.POWEROFF


@pytest.mark.xen_hvm
@pytest.mark.timeout(1500)
async def test_a_guest_whose_emulator_died_while_it_slept_is_let_go_on_and_its_death_is_told(
    hv: Hypervisor, guests: Path, disk: Path
) -> None:
    domid, _ = await counting(hv, counter(guests, VmType.HVM, disk))
    await suspend(hv, domid)
    (pid,) = await emulators(domid)
    os.kill(pid, signal.SIGKILL)
    while await emulators(domid):
        await asyncio.sleep(0.2)
    events = hv.events()
    await hv.resume_domain(domid)
    async with asyncio.timeout(60):
        async for event in events:
            if event.kind is DomainEventKind.EMULATOR_LOST:
                break
    (domain,) = [each for each in await hv.domains() if each.domid == domid]
    assert domain.shutdown is None
    await hv.destroy_domain(domid)
