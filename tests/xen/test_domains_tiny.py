"""What guests do by themselves, with guests that are up in milliseconds: each stop is told with its reason."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from xen.xen_host import made, opened_alone, read_until, tty_of
from xenhost.core.errors import ShutdownNotAcknowledged
from xenhost.core.ids import DomId, VmId
from xenhost.core.ports.hypervisor import DomainEventKind, Hypervisor
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, ShutdownReason, VmSpec, VmType
from xenhost.drivers.xen import paths
from xenhost.native.xenstore import Xenstore


@pytest.fixture
async def hv(tmp_path: Path) -> AsyncIterator[Hypervisor]:
    async with opened_alone(tmp_path) as hypervisor:
        yield hypervisor


def tiny(guests: Path, cmdline: str = "", name: str = "tiny") -> VmSpec:
    memory = Memory(16 * MIB, 16 * MIB, 16 * MIB)
    return VmSpec(VmId(str(uuid4())), name, VmType.PV, DirectBoot(str(guests / "tiny-pv"), "", cmdline), memory)


async def up(hv: Hypervisor, vm: VmSpec) -> DomId:
    domid = await made(hv, vm)
    await hv.unpause_domain(domid)
    await read_until(await tty_of(hv, domid), b"TINYUP", within=60)
    return domid


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        ("poweroff", ShutdownReason.POWEROFF),
        ("reboot", ShutdownReason.REBOOT),
        ("crash", ShutdownReason.CRASH),
    ],
)
async def test_what_a_guest_does_by_itself_is_told_with_its_reason(
    hv: Hypervisor, guests: Path, deed: str, reason: ShutdownReason
) -> None:
    domid = await up(hv, tiny(guests))
    events = hv.events()
    waiting = asyncio.create_task(hv.wait_stopped(domid))
    async with Xenstore() as xs:
        await xs.write(f"{paths.home(domid)}/data/do", deed)
    async with asyncio.timeout(150):
        assert await waiting is reason
        async for event in events:
            if event.kind is DomainEventKind.STOPPED:
                assert (event.domid, event.reason) == (domid, reason)
                break
    domain = await hv.domain(domid)
    assert domain is not None
    assert domain.shutdown is reason


@pytest.mark.parametrize("reason", [ShutdownReason.POWEROFF, ShutdownReason.REBOOT])
async def test_a_guest_that_is_asked_acknowledges_and_stops(
    hv: Hypervisor, guests: Path, reason: ShutdownReason
) -> None:
    domid = await up(hv, tiny(guests))
    await hv.request_shutdown(domid, reason, 120)
    assert await asyncio.wait_for(hv.wait_stopped(domid), 150) is reason


async def test_a_deaf_guest_runs_on_and_is_asked_no_more(hv: Hypervisor, guests: Path) -> None:
    domid = await up(hv, tiny(guests, "deaf"))
    with pytest.raises(ShutdownNotAcknowledged):
        await hv.request_shutdown(domid, ShutdownReason.POWEROFF, 1)
    async with Xenstore() as xs:
        assert await xs.read(paths.control_shutdown(domid)) == b""
    domain = await hv.domain(domid)
    assert domain is not None
    assert domain.shutdown is None
    await hv.destroy_domain(domid)
    assert await hv.domain(domid) is None


async def test_guests_that_run_the_moment_they_are_built_do_not_crash(hv: Hypervisor, guests: Path) -> None:
    """The builder must have let go of their pages: Xen makes none a page table that somebody else can write to."""
    kernel = DirectBoot(str(guests / "vmlinux"), str(guests / "initrd.gz"), "console=hvc0 quiet")
    memory = Memory(96 * MIB, 96 * MIB, 96 * MIB)
    for _ in range(5):
        domid = await made(hv, VmSpec(VmId(str(uuid4())), "linux", VmType.PV, kernel, memory))
        await hv.unpause_domain(domid)
        await asyncio.sleep(1)
        domain = await hv.domain(domid)
        assert domain is not None
        assert domain.shutdown is None
        await hv.destroy_domain(domid)


async def test_a_dozen_guests_live_and_die_together(hv: Hypervisor, guests: Path) -> None:
    specs = [tiny(guests, name=f"tiny-{number}") for number in range(12)]
    domids = await asyncio.gather(*(up(hv, vm) for vm in specs))
    await asyncio.gather(*(hv.request_shutdown(domid, ShutdownReason.POWEROFF, 30) for domid in domids))
    reasons = await asyncio.wait_for(asyncio.gather(*(hv.wait_stopped(domid) for domid in domids)), 150)
    assert reasons == [ShutdownReason.POWEROFF] * 12
    await asyncio.gather(*(hv.destroy_domain(domid) for domid in domids))
    assert [domain for domain in await hv.domains() if domain.managed] == []
