"""What the tests of the Xen driver share: a stock xenstored, and a make-believe Xen."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from native_stub.daemon import find_program, running
from unit.drivers.xen.machine import Machine
from xenhost.core.ids import VmId
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, Vcpus, VmSpec, VmType
from xenhost.drivers.xen.hypercalls import Hypercalls
from xenhost.native.errors import NativeUnavailable
from xenhost.native.xenstore import Xenstore


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A stock xenstored of our own."""
    if find_program("xenstored") is None:
        pytest.skip("xenstored is not installed (Debian: xen-utils-4.17, xenstore-utils)")
    with running("xenstored", tmp_path) as daemon:
        yield daemon.address


@pytest.fixture
async def xs(address: str) -> AsyncIterator[Xenstore]:
    """A client of it."""
    async with Xenstore(address) as client:
        yield client


@pytest.fixture
def machine() -> Machine:
    """A Xen with dom0 alone."""
    machine = Machine()
    try:
        machine.connect()
    except NativeUnavailable as error:
        pytest.skip(str(error))
    return machine


@pytest.fixture
async def xen(machine: Machine) -> AsyncIterator[Hypercalls]:
    """Hypercalls to it."""
    calls = Hypercalls(machine.connect)
    await calls.open()
    yield calls
    await calls.close()


class RealClock:
    """Time as it is; a wait of seconds for something that does not come takes no time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.001))


def spec(vm_type: VmType = VmType.PV, *, vcpus: Vcpus | None = None, name: str = "guest") -> VmSpec:
    """A VM with a new UUID."""
    memory = Memory(128 * MIB, 128 * MIB, 96 * MIB)
    return VmSpec(VmId(str(uuid.uuid4())), name, vm_type, DirectBoot("/boot/vmlinux"), memory, vcpus or Vcpus())
