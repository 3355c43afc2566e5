"""The serial console of a simulated guest is a real terminal."""

import asyncio
import os
import time

import pytest

from xenhost.core.ids import DomId, VmId
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, ShutdownReason, VmSpec, VmType
from xenhost.drivers.sim.driver import SimHypervisor
from xenhost.drivers.sim.world import World

SPEC = VmSpec(
    VmId("6a1f4d0e-0000-4000-8000-000000000001"),
    "web1",
    VmType.PV,
    DirectBoot("/vmlinuz"),
    Memory(64 * MIB, 64 * MIB, 64 * MIB),
)


class WallClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Typist:
    """Someone at the far end."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    async def reads(self, text: str) -> str:
        heard = b""
        async with asyncio.timeout(5):
            while text.encode() not in heard:
                try:
                    heard += os.read(self.fd, 4096)
                except BlockingIOError:
                    await asyncio.sleep(0.01)
        return heard.decode()


async def booted() -> tuple[SimHypervisor, DomId]:
    hv = SimHypervisor(World(WallClock()))
    await hv.open()
    domid = await hv.create_domain(SPEC)
    await hv.build_domain(domid, SPEC)
    await hv.unpause_domain(domid)
    return hv, domid


async def test_it_greets_echoes_and_answers() -> None:
    hv, domid = await booted()
    typist = Typist((await hv.console(domid)).serial_tty)
    assert "simulated guest" in await typist.reads("web1:~# ")
    os.write(typist.fd, b"ecko\x7f\x7fho hi\r")
    assert "\r\nhi\r\n" in await typist.reads("hi\r\nweb1:~# ")
    os.write(typist.fd, b"nonsense\r")
    await typist.reads("not found")
    os.close(typist.fd)
    await hv.close()


@pytest.mark.parametrize("word", ["poweroff", "reboot", "crash"])
async def test_a_guest_is_stopped_from_its_console(word: str) -> None:
    hv, domid = await booted()
    typist = Typist((await hv.console(domid)).serial_tty)
    os.write(typist.fd, word.encode() + b"\r")
    assert await asyncio.wait_for(hv.wait_stopped(domid), 5) is ShutdownReason(word)
    os.close(typist.fd)
    await hv.close()


async def test_it_survives_a_reader_that_does_not_read() -> None:
    hv, domid = await booted()
    typist = Typist((await hv.console(domid)).serial_tty)
    for _ in range(50):
        os.write(typist.fd, b"help\r" * 20)
        await asyncio.sleep(0)
    assert (await hv.domain(domid)) is not None
    os.close(typist.fd)
    await hv.close()
