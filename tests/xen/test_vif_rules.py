"""A guest's card on dom0's own switch: locked to its address, let go, and moved to another network while it runs."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from xen.xen_host import made, read_until, tty_of
from xenhost.core.devices import DeviceClass, DeviceState, Vif, VifLocking
from xenhost.core.errors import DeviceAttachFailed
from xenhost.core.ids import DevId, DomId, VmId
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, VmSpec, VmType
from xenhost.drivers.network.linux.switch import LinuxSwitch
from xenhost.drivers.registry import DriverSettings, make_hypervisor
from xenhost.system.clock import SystemClock

NIC = Vif(DevId(0), "00:16:3e:5e:00:01", "xenbr0", locking=VifLocking.LOCKED, ipv4_allowed=("10.0.0.7",))


@pytest.fixture
async def switch() -> AsyncIterator[LinuxSwitch]:
    switch = LinuxSwitch()
    await switch.open()
    yield switch
    assert await switch.vif_ports() == [], "rules of VIFs are left"
    await switch.close()


@pytest.fixture
async def hv(tmp_path: Path, switch: LinuxSwitch) -> AsyncIterator[Hypervisor]:
    settings = DriverSettings(tmp_path / "run", tmp_path / "log", SystemClock(), switch=switch)
    hypervisor = make_hypervisor("xen", settings)
    await hypervisor.open()
    yield hypervisor
    for domain in await hypervisor.domains():
        if domain.managed:
            await hypervisor.destroy_domain(domain.domid)
    await hypervisor.close()


@pytest.fixture
async def domid(hv: Hypervisor, guests: Path) -> DomId:
    """A Linux guest at 10.0.0.7, its card plugged and locked."""
    boot = DirectBoot(str(guests / "vmlinux"), str(guests / "initrd.gz"), "console=hvc0 quiet ip4=10.0.0.7 wait=eth0")
    memory = Memory(128 * MIB, 128 * MIB, 128 * MIB)
    domid = await made(hv, VmSpec(id=VmId(str(uuid4())), name="locked", type=VmType.PV, boot=boot, memory=memory))
    await hv.plug_vif(domid, NIC)
    await hv.unpause_domain(domid)
    await read_until(await tty_of(hv, domid), b"GUESTUP", 300)
    async with asyncio.timeout(150):
        while [each.state for each in await hv.devices(domid) if each.cls is DeviceClass.VIF] != [DeviceState.ATTACHED]:
            await asyncio.sleep(0.1)
    return domid


@pytest.fixture
def other_bridge() -> Iterator[str]:
    for words in ("link add movebr type bridge", "link set movebr up", "addr add 10.0.0.3/24 dev movebr"):
        subprocess.run(["ip", *words.split()], check=True)
    yield "movebr"
    subprocess.run(["ip", "link", "del", "movebr"], check=True)


def answers(bridge: str, seconds: int) -> bool:
    """Does the guest answer within so many seconds, asked through that bridge? What dom0 knew of it is forgotten."""
    subprocess.run(["ip", "neigh", "flush", "to", "10.0.0.7"], check=False, capture_output=True)
    words = ["ping", "-I", bridge, "-c", "1", "-W", "1", "10.0.0.7"]
    return any(subprocess.run(words, check=False, capture_output=True).returncode == 0 for _ in range(seconds))


async def test_a_guest_speaks_from_its_own_address_only_and_is_moved_while_it_runs(
    hv: Hypervisor, domid: DomId, switch: LinuxSwitch, other_bridge: str
) -> None:
    assert await asyncio.to_thread(answers, "xenbr0", 120)
    await hv.update_vif(domid, replace(NIC, ipv4_allowed=("10.0.0.8",)))
    assert not await asyncio.to_thread(answers, "xenbr0", 3), "a locked guest answered from an address not its own"
    await hv.update_vif(domid, replace(NIC, locking=VifLocking.UNLOCKED))
    assert await asyncio.to_thread(answers, "xenbr0", 120)
    await hv.update_vif(domid, replace(NIC, locking=VifLocking.DISABLED))
    assert not await asyncio.to_thread(answers, "xenbr0", 3), "a disabled card was heard"
    with pytest.raises(DeviceAttachFailed):
        await hv.update_vif(domid, replace(NIC, bridge="nobridge"))
    await hv.update_vif(domid, replace(NIC, bridge=other_bridge, rate_kbps=1000))
    assert await asyncio.to_thread(answers, other_bridge, 120)
    assert not await asyncio.to_thread(answers, "xenbr0", 2)
    assert list(await switch.vif_ports()) == [f"vif{domid}.0"]
    await hv.unplug_vif(domid, DevId(0), False, 120)
    assert list(await switch.vif_ports()) == []
