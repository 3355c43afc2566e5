"""HVM domains: SeaBIOS and QEMU, up to a kernel's first words."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from xen.xen_host import made, opened_alone, read_until, run, tty_of
from xenhost.core.ids import VmId
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, ShutdownReason, VmSpec, VmType
from xenhost.native.xenstore import Xenstore

pytestmark = [pytest.mark.xen_hvm, pytest.mark.timeout(400)]


@pytest.fixture
async def hv(tmp_path: Path) -> AsyncIterator[Hypervisor]:
    async with opened_alone(tmp_path) as hypervisor:
        yield hypervisor


@pytest.fixture
def vm(guests: Path) -> VmSpec:
    return VmSpec(
        id=VmId(str(uuid4())),
        name="hvm-1",
        type=VmType.HVM,
        boot=DirectBoot(str(guests / "vmlinuz"), str(guests / "initrd.gz"), "console=hvc0 quiet tsc_early_khz=2596000"),
        memory=Memory(192 * MIB, 192 * MIB, 192 * MIB),
        platform={"vga": "none"},
    )


async def test_an_hvm_guest_boots_and_shuts_down_and_its_emulator_is_gone(hv: Hypervisor, vm: VmSpec) -> None:
    domid = await made(hv, vm)
    await hv.start_device_model(domid, vm)
    await hv.start_device_model(domid, vm)
    assert str(domid) in await run("pgrep", "-a", "-f", f"xen-domid {domid}")
    console = await hv.console(domid)
    assert console.vnc_socket
    domain = await hv.domain(domid)
    assert domain is not None
    assert (domain.type, domain.paused) == (VmType.HVM, True)
    await hv.unpause_domain(domid)
    async with Xenstore() as xs:
        hvc = await xs.read_str(f"/local/domain/{domid}/console/tty")
    await read_until(hvc, b"GUESTUP", within=300)
    assert (await tty_of(hv, domid)) == console.serial_tty
    await hv.request_shutdown(domid, ShutdownReason.POWEROFF, 60)
    assert await hv.wait_stopped(domid) is ShutdownReason.POWEROFF
    await hv.destroy_domain(domid)
    assert await hv.domain(domid) is None
    with pytest.raises(AssertionError):
        await run("pgrep", "-f", f"xen-domid {domid}")
