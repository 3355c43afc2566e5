"""The Xen driver keeps every promise of the hypervisor port, with real PV guests."""

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
from xenhost.core.ids import DevId, DomId, VmId
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, Vcpus, VmSpec, VmType
from xenhost.drivers.registry import DriverSettings, make_hypervisor
from xenhost.native.xenstore import Xenstore
from xenhost.native.xenstore_errors import NoEntry
from xenhost.system.clock import SystemClock

GUEST_UP: Final = b"GUESTUP"
PATIENCE: Final = 150.0


async def command(*words: str) -> str:
    """Run a tool of the dom0."""
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = await asyncio.wait_for(process.communicate(), 150)
    if process.returncode:
        raise AssertionError(f"{words} failed: {output.decode()}")
    return output.decode()


class Hand:
    """The hand inside guests: the shell of Linux at its serial console, and what the tiny guest reads in xenstore."""

    def __init__(self, hypervisor: Hypervisor, store: Xenstore) -> None:
        self._hypervisor = hypervisor
        self._store = store
        self._tasks: set[asyncio.Task[None]] = set()

    async def is_up(self, domid: DomId) -> None:
        heard = b""
        async with asyncio.timeout(PATIENCE):
            while GUEST_UP not in heard and not await self._is_tiny(domid):
                heard += await self._said(domid)
                await asyncio.sleep(0.05)

    async def use_vcpus(self, domid: DomId, online: int) -> None:
        # Linux only registers a vCPU that becomes available; a rule of udev brings it online, which this guest lacks
        if online > 1:
            switch = "/sys/devices/system/cpu/cpu1/online"
            await self._type(domid, f"until echo 1 > {switch}; do sleep 1; done 2> /dev/null\n".encode())

    async def poweroff(self, domid: DomId) -> None:
        await self._do(domid, "poweroff", b"poweroff -f\n")

    async def crash(self, domid: DomId) -> None:
        await self._do(domid, "crash", b"echo c > /proc/sysrq-trigger\n")

    async def tell(self, domid: DomId, path: str, value: str) -> None:
        await self._type(domid, f"tell {path} '{value}'\n".encode())

    async def fall_silent(self, domid: DomId) -> None:
        await command("xl", "pause", str(domid))

    async def hold_disk(self, domid: DomId, devid: DevId) -> None:
        # Linux gives up every disk since 5.15, open or not: words are put into the mouth of one that stands still
        await self.fall_silent(domid)

        async def refuse() -> None:
            while await self._store.get(f"/local/domain/0/backend/vbd/{domid}/{devid}/state") == b"4":
                await asyncio.sleep(0.05)
            error = f"/local/domain/{domid}/error/device/vbd/{devid}/error"
            await self._store.write(error, "16 Device in use; refusing to close")

        self._tasks.add(asyncio.create_task(refuse()))

    async def close(self) -> None:
        """Let go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _is_tiny(self, domid: DomId) -> bool:
        return await self._store.get(f"/local/domain/{domid}/data/tiny") == b"up"

    async def _said(self, domid: DomId) -> bytes:
        tty = (await self._hypervisor.console(domid)).serial_tty
        if not tty:
            return b""
        console = os.open(tty, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            return os.read(console, 4096)
        except BlockingIOError:
            return b""
        finally:
            os.close(console)

    async def _do(self, domid: DomId, word: str, line: bytes) -> None:
        if await self._is_tiny(domid):
            await self._store.write(f"/local/domain/{domid}/data/do", word)
        else:
            await self._type(domid, line)

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
    device = subprocess.run(tool, capture_output=True, text=True, timeout=150, check=True).stdout.strip()
    yield device
    subprocess.run(("losetup", "-d", device), timeout=150, check=True)


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
    store = Xenstore()
    await store.connect()
    hand = Hand(drivers[0], store)
    before = await leftovers(store)

    async def restart() -> Hypervisor:
        drivers.append(make_hypervisor("xen", settings))
        await drivers[-1].open()
        return drivers[-1]

    def linux() -> VmSpec:
        boot = DirectBoot(str(guests / "vmlinux"), str(guests / "initrd.gz"), "console=hvc0 quiet")
        return spec(boot, Memory(128 * MIB, 128 * MIB, 64 * MIB))

    def tiny() -> VmSpec:
        return spec(DirectBoot(str(guests / "tiny-pv")), Memory(32 * MIB, 32 * MIB, 32 * MIB))

    def spec(boot: DirectBoot, memory: Memory) -> VmSpec:
        made.append(VmId(str(uuid4())))
        return VmSpec(made[-1], f"vm-{made[-1][:8]}", VmType.PV, boot, memory, Vcpus(2, 2))

    @asynccontextmanager
    async def foreign() -> AsyncIterator[DomId]:
        config = tmp_path / "foreign.cfg"
        config.write_text(f'name = "foreign"\nkernel = "{guests / "tiny-pv"}"\nmemory = 32\ntype = "pv"\n')
        await command("xl", "create", "-p", str(config))
        domid = DomId(int(await command("xl", "domid", "foreign")))
        try:
            yield domid
        finally:
            await command("xl", "destroy", str(domid))

    async def leaks() -> list[str]:
        deadline = time.monotonic() + 150  # the kernel lets go of a loop device or interface a moment later
        while True:
            living = {str(domain.domid) for domain in await drivers[0].domains()}
            left = sorted(each for each in await leftovers(store) - before if each.rpartition("/")[2] not in living)
            if not left or time.monotonic() > deadline:
                return left
            await asyncio.sleep(0.2)

    try:
        yield Ground(
            hypervisor=drivers[0],
            restart=restart,
            idle_spec=tiny,
            guest_spec=linux,
            simple_spec=tiny,
            hand=hand,
            foreign=foreign,
            leaks=leaks,
            file=file,
            other_file=other,
            block=block,
            image=image,
            bridge="xenbr0",
            patience=PATIENCE,
            short=2.0,
        )
    finally:
        await hand.close()
        for domain in await drivers[0].domains():
            if domain.vm in made and domain.managed:
                await drivers[0].destroy_domain(domain.domid)
        for driver in drivers:
            await driver.close()
        await store.close()


@pytest.mark.parametrize("promise", PROMISES, ids=name_of)
async def test_the_xen_driver_promises_that(promise: Promise, ground: Ground) -> None:
    await keep(promise, ground)


async def leftovers(store: Xenstore) -> set[str]:
    """What exists for domains: loop devices, interfaces, backends and private records. Paths end with the domid."""
    found = {f"loop {path.parent.parent.name}" for path in Path("/sys/block").glob("loop*/loop/backing_file")}
    found |= {f"interface {name}" for name in os.listdir("/sys/class/net") if name.startswith(("vif", "tap"))}
    for base in ("/local/domain/0/backend/vbd", "/local/domain/0/backend/vif", "/xenhost/domain"):
        with contextlib.suppress(NoEntry):
            found |= {f"{base}/{name}" for name in await store.ls(base)}
    return found
