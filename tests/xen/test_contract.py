"""The Xen driver keeps every promise of the hypervisor port, with real Linux guests (PV)."""

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from contract.ground import Ground
from contract.hypervisor import PROMISES, Promise, keep, name_of
from xenhost.agent.clock import SystemClock
from xenhost.core.ids import DevId, DomId, VmId
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, Vcpus, VmSpec, VmType
from xenhost.drivers.registry import DriverSettings, make_hypervisor
from xenhost.native.xenstore import Xenstore
from xenhost.native.xenstore_errors import NoEntry

GUEST_UP: Final = b"GUESTUP"
PATIENCE: Final = 90.0
_NO_REFUSAL: Final = "Linux' blkfront never refuses since 5.15, not even for a disk that is open"
DEVIATIONS: Final = {
    "a_guest_that_refuses_is_quoted_and_the_disk_stays": _NO_REFUSAL,
    "a_refused_disk_can_still_be_forced_out": _NO_REFUSAL,
}


async def command(*words: str) -> str:
    """Run a tool of the dom0."""
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    if process.returncode:
        raise AssertionError(f"{words} failed: {output.decode()}")
    return output.decode()


class LinuxHand:
    """The hand inside a Linux guest: its shell at the serial console."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        self._hypervisor = hypervisor

    async def is_up(self, domid: DomId) -> None:
        deadline = time.monotonic() + PATIENCE
        while not (tty := (await self._hypervisor.console(domid)).serial_tty):
            assert time.monotonic() < deadline, "the guest never got a console"
            await asyncio.sleep(0.05)
        console = os.open(tty, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            heard = b""
            while GUEST_UP not in heard:
                assert time.monotonic() < deadline, f"the guest did not come up; it said: {heard[-500:]!r}"
                try:
                    heard += os.read(console, 4096)
                except BlockingIOError:
                    await asyncio.sleep(0.05)
        finally:
            os.close(console)

    async def poweroff(self, domid: DomId) -> None:
        await self._type(domid, b"poweroff -f\n")

    async def crash(self, domid: DomId) -> None:
        await self._type(domid, b"echo c > /proc/sysrq-trigger\n")

    async def hold_disk(self, domid: DomId, devid: DevId) -> None:
        raise NotImplementedError(_NO_REFUSAL)

    async def fall_silent(self, domid: DomId) -> None:
        await command("xl", "pause", str(domid))

    async def _type(self, domid: DomId, line: bytes) -> None:
        await asyncio.sleep(0.5)  # its shell opens the terminal when it is up, and discards what was typed before
        console = os.open((await self._hypervisor.console(domid)).serial_tty, os.O_WRONLY | os.O_NOCTTY)
        try:
            os.write(console, line)
        finally:
            os.close(console)


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A block device of dom0."""
    backing = tmp_path_factory.mktemp("block") / "backing"
    with backing.open("wb") as content:
        content.truncate(16 * MIB)
    tool = ("losetup", "-f", "--show", str(backing))
    device = subprocess.run(tool, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    yield device
    subprocess.run(("losetup", "-d", device), timeout=60, check=True)


@pytest.fixture
async def ground(tmp_path: Path, guests: Path, block: str) -> AsyncIterator[Ground]:
    paths = [tmp_path / name for name in ("disk", "other", "cd.iso")]
    for path in paths:
        with path.open("wb") as content:
            content.truncate(16 * MIB)
    file, other, image = map(str, paths)
    settings = DriverSettings(tmp_path / "run", tmp_path / "log", SystemClock(), {})
    for directory in (settings.run_dir, settings.log_dir):
        directory.mkdir()
    drivers = [make_hypervisor("xen", settings)]
    await drivers[0].open()
    made: list[VmId] = []
    before = await leftovers()

    async def restart() -> Hypervisor:
        drivers.append(make_hypervisor("xen", settings))
        await drivers[-1].open()
        return drivers[-1]

    def spec() -> VmSpec:
        made.append(VmId(str(uuid4())))
        boot = DirectBoot(str(guests / "vmlinux"), str(guests / "initrd.gz"), "console=hvc0 quiet")
        memory = Memory(128 * MIB, 128 * MIB, 64 * MIB)
        return VmSpec(made[-1], f"vm-{made[-1][:8]}", VmType.PV, boot, memory, Vcpus(2, 2))

    @asynccontextmanager
    async def foreign() -> AsyncIterator[DomId]:
        config = tmp_path / "foreign.cfg"
        config.write_text(f'name = "foreign"\nkernel = "{guests / "vmlinux"}"\nmemory = 96\ntype = "pv"\n')
        await command("xl", "create", "-p", str(config))
        domid = DomId(int(await command("xl", "domid", "foreign")))
        try:
            yield domid
        finally:
            await command("xl", "destroy", str(domid))

    async def leaks() -> list[str]:
        deadline = time.monotonic() + 10  # the kernel lets go of a loop device or interface a moment later
        while True:
            living = {str(domain.domid) for domain in await drivers[0].domains()}
            left = sorted(each for each in await leftovers() - before if each.rpartition("/")[2] not in living)
            if not left or time.monotonic() > deadline:
                return left
            await asyncio.sleep(0.2)

    try:
        yield Ground(
            hypervisor=drivers[0],
            restart=restart,
            idle_spec=spec,
            guest_spec=spec,
            hand=LinuxHand(drivers[0]),
            foreign=foreign,
            leaks=leaks,
            file=file,
            other_file=other,
            block=block,
            image=image,
            bridge="xenbr0",
            patience=PATIENCE,
            short=2.0,
            deviations=DEVIATIONS,
        )
    finally:
        for domain in await drivers[0].domains():
            if domain.vm in made and domain.managed:
                await drivers[0].destroy_domain(domain.domid)
        for driver in drivers:
            await driver.close()


@pytest.mark.parametrize("promise", PROMISES, ids=name_of)
async def test_the_xen_driver_promises_that(promise: Promise, ground: Ground) -> None:
    await keep(promise, ground)


async def leftovers() -> set[str]:
    """What exists for domains: loop devices, interfaces, backends and private records. Paths end with the domid."""
    found = {f"loop {path.parent.parent.name}" for path in Path("/sys/block").glob("loop*/loop/backing_file")}
    found |= {f"interface {name}" for name in os.listdir("/sys/class/net") if name.startswith(("vif", "tap"))}
    async with Xenstore() as store:
        for base in ("/local/domain/0/backend/vbd", "/local/domain/0/backend/vif", "/xenhost/domain"):
            with contextlib.suppress(NoEntry):
                found |= {f"{base}/{name}" for name in await store.ls(base)}
    return found
