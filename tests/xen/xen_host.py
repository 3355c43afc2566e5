"""What tests of the Xen driver share: a driver, and a look at a guest's console."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from xenhost.core.ids import DomId
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.vm import VmSpec
from xenhost.drivers.registry import DriverSettings, make_hypervisor
from xenhost.system.clock import SystemClock


async def run(*words: str) -> str:
    """Run a tool of the dom0."""
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = await asyncio.wait_for(process.communicate(), 150)
    assert process.returncode == 0, f"{words}: {output.decode()}"
    return output.decode()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Hypervisor]:
    """A driver, open."""
    hypervisor = make_hypervisor("xen", DriverSettings(folder / "run", folder / "log", SystemClock()))
    await hypervisor.open()
    try:
        yield hypervisor
    finally:
        await hypervisor.close()


@asynccontextmanager
async def opened_alone(folder: Path) -> AsyncIterator[Hypervisor]:
    """A driver on a host that has none of our domains afterwards."""
    async with opened(folder) as hypervisor:
        try:
            yield hypervisor
        finally:
            for domain in await hypervisor.domains():
                if domain.managed:
                    await hypervisor.destroy_domain(domain.domid)


async def made(hv: Hypervisor, vm: VmSpec) -> DomId:
    """A built, paused domain without devices."""
    domid = await hv.create_domain(vm)
    await hv.build_domain(domid, vm)
    return domid


async def tty_of(hv: Hypervisor, domid: DomId) -> str:
    """The domain's serial console, once it has one."""
    async with asyncio.timeout(150):
        while not (tty := (await hv.console(domid)).serial_tty):
            await asyncio.sleep(0.05)
    return tty


class NotHeard(AssertionError):
    """A guest did not say in time what was waited for."""


async def read_until(tty: str, wanted: bytes, within: float = 90) -> bytes:
    """What the guest says, up to the wanted words."""
    heard, console = b"", os.open(tty, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        async with asyncio.timeout(within):
            while wanted not in heard:
                try:
                    heard += os.read(console, 4096)
                except BlockingIOError:
                    await asyncio.sleep(0.05)
    except TimeoutError:
        raise NotHeard(f"{wanted!r} did not come; the guest said {heard[-1000:]!r}") from None
    finally:
        os.close(console)
    return heard


async def emulators(domid: DomId) -> list[int]:
    """Process ids of what emulates for the domain."""
    needle = f"-xen-domid\0{domid}\0".encode()
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and needle in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found
