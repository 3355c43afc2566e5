"""PVH domains: built with ACPI tables and a memory map of our own, booted to userspace, shut down cleanly."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from xen.xen_host import made, opened_alone, read_until, tty_of
from xenhost.core.ids import VmId
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, ShutdownReason, Vcpus, VmSpec, VmType

pytestmark = pytest.mark.xen_pvh


@pytest.fixture
async def hv(tmp_path: Path) -> AsyncIterator[Hypervisor]:
    async with opened_alone(tmp_path) as hypervisor:
        yield hypervisor


@pytest.fixture
def vm(guests: Path) -> VmSpec:
    return VmSpec(
        id=VmId(str(uuid4())),
        name="pvh-1",
        type=VmType.PVH,
        boot=DirectBoot(str(guests / "vmlinux"), str(guests / "initrd.gz"), "console=hvc0 quiet tsc_early_khz=2596000"),
        memory=Memory(128 * MIB, 128 * MIB, 128 * MIB),
        vcpus=Vcpus(maximum=2, at_startup=2),
    )


async def test_a_pvh_guest_boots_and_shuts_down_cleanly(hv: Hypervisor, vm: VmSpec) -> None:
    domid = await made(hv, vm)
    domain = await hv.domain(domid)
    assert domain is not None
    assert (domain.type, domain.built, domain.paused) == (VmType.PVH, True, True)
    await hv.unpause_domain(domid)
    await read_until(await tty_of(hv, domid), b"GUESTUP")
    await hv.request_shutdown(domid, ShutdownReason.POWEROFF, 120)
    assert await hv.wait_stopped(domid) is ShutdownReason.POWEROFF
    await hv.destroy_domain(domid)
    assert await hv.domain(domid) is None


async def test_a_pvh_domain_that_starts_ballooned_has_no_more_than_its_target(hv: Hypervisor, vm: VmSpec) -> None:
    domid = await made(hv, replace(vm, memory=Memory(192 * MIB, 128 * MIB, 96 * MIB)))
    domain = await hv.domain(domid)
    assert domain is not None
    assert domain.memory <= 130 * MIB
    assert domain.memory_max == 130 * MIB
