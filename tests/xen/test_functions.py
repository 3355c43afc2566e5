"""VIFs that are PCI devices. Cards with virtual functions are not to be had here: a whole emulated PCI card, which is
joined to another one that dom0 keeps, stands in for the function. What a function has beyond that (its settings on the
card, its reset) is not seen here. The IOMMU is the emulator's, an Intel one.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from xen.xen_host import made, read_until, tty_of
from xenhost.core.devices import DeviceClass, DeviceState, DeviceStatus, Vif
from xenhost.core.errors import DeviceAttachFailed
from xenhost.core.ids import DevId, DomId, VmId
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, VmSpec, VmType
from xenhost.drivers.registry import DriverSettings, make_hypervisor
from xenhost.drivers.xen.devices.pci_bus import PciBus
from xenhost.system.clock import SystemClock

DEVICES = Path("/sys/bus/pci/devices")
DRIVER = "e1000e"
OURS, THEIRS = "52:54:00:00:01:00", "52:54:00:00:01:01"
LINE = "console=hvc0 quiet iommu=soft swiotlb=2048 ip4=10.9.0.7 wait=eth0,eth0,eth0"
HVM_LINE = "console=ttyS0 quiet tsc_early_khz=2596000 ip4=10.9.0.7 wait=eth0,eth0,eth0"
BOTH = "console=hvc0 quiet iommu=soft swiotlb=2048 wait=eth1,eth1,eth1 run=ip%20link"


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def cards() -> dict[str, str]:
    """PCI addresses of the cards that dom0 drives, by MAC."""
    found = (DEVICES.parent / "drivers" / DRIVER).glob("0000:*/net/*/address")
    return {file.read_text().strip(): file.parents[2].name for file in found}


def driver_of(address: str) -> str:
    return (DEVICES / address / "driver").readlink().name


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, str]]:
    """Both cards, by MAC; the one that dom0 keeps is at 10.9.0.1."""
    subprocess.run(["modprobe", DRIVER], check=True)
    found = cards()
    (ours,) = (DEVICES / found[OURS] / "net").iterdir()
    ip("addr", "add", "10.9.0.1/24", "dev", ours.name)
    ip("link", "set", ours.name, "up")
    yield found
    subprocess.run(["modprobe", "-r", DRIVER], check=True)


@pytest.fixture
def function(found: dict[str, str]) -> Iterator[str]:
    """Address of the card that stands in for a function."""
    yield found[THEIRS]
    assert cards() == found, "dom0 has not got its card back"


class Agents:
    """One after another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def next(self) -> Hypervisor:
        self.hv = make_hypervisor("xen", DriverSettings(self._folder / "run", self._folder / "log", SystemClock()))
        await self.hv.open()
        return self.hv


@pytest.fixture
async def agents(tmp_path: Path, function: str) -> AsyncIterator[Agents]:
    """The first one is there."""
    agents = Agents(tmp_path)
    await agents.next()
    yield agents
    for domain in await agents.hv.domains():
        if domain.managed:
            await agents.hv.destroy_domain(domain.domid)
    assert list(await agents.hv.functions()) == []
    await agents.hv.close()


@pytest.fixture
def hv(agents: Agents) -> Hypervisor:
    return agents.hv


def spec(guests: Path, kind: VmType = VmType.PV, line: str = LINE) -> VmSpec:
    kernel = "vmlinuz" if kind is VmType.HVM else "vmlinux"
    boot = DirectBoot(str(guests / kernel), str(guests / "initrd-pci.gz"), line)
    memory = Memory(192 * MIB, 192 * MIB, 192 * MIB)
    return VmSpec(id=VmId(str(uuid4())), name="fast", type=kind, boot=boot, memory=memory)


def vif(function: str, devid: int = 0) -> Vif:
    return Vif(DevId(devid), THEIRS, "fast", function=function)


def answers() -> bool:
    """Does the guest answer from its card?"""
    ping = subprocess.run(["ping", "-c", "1", "-W", "2", "10.9.0.7"], check=False, capture_output=True)
    return ping.returncode == 0 and THEIRS in ip("neigh", "show", "10.9.0.7")


async def start(hv: Hypervisor, vm: VmSpec, function: str) -> DomId:
    domid = await hv.create_domain(vm, functions=True)
    await asyncio.gather(hv.build_domain(domid, vm), hv.plug_vif(domid, vif(function)))
    await hv.plug_vif(domid, vif(function))
    await hv.start_device_model(domid, vm)
    await hv.unpause_domain(domid)
    return domid


@pytest.mark.timeout(1200)
async def test_a_pv_guest_drives_a_card_of_dom0_and_dom0_has_it_back_when_the_guest_is_gone(
    agents: Agents, hv: Hypervisor, guests: Path, function: str
) -> None:
    told = {device.address: device for device in await hv.pci_devices()}
    assert (told[function].class_id, told[function].driver) == ("0200", DRIVER)
    domid = await start(hv, spec(guests), function)
    assert driver_of(function) == "pciback"
    assert await hv.devices(domid) == [DeviceStatus(DeviceClass.VIF, DevId(0), DeviceState.ATTACHED, function=function)]
    assert list(await hv.functions()) == [function]
    await read_until(await tty_of(hv, domid), b"GUESTUP", 300)
    assert any([await asyncio.to_thread(answers) for _ in range(20)]), "nothing came from the guest's card"
    await hv.close()  # the agent is gone; the guest and its card stay
    assert await asyncio.to_thread(answers)
    hv = await agents.next()
    assert list(await hv.functions()) == [function]
    await hv.destroy_domain(domid)
    assert driver_of(function) == DRIVER
    assert list(await hv.functions()) == []


@pytest.mark.xen_hvm
@pytest.mark.timeout(1200)
async def test_an_hvm_guest_drives_a_card_through_its_emulator_and_dom0_has_it_back(
    agents: Agents, hv: Hypervisor, guests: Path, function: str
) -> None:
    domid = await start(hv, spec(guests, VmType.HVM, HVM_LINE), function)
    assert driver_of(function) == "pciback"
    assert list(await hv.functions()) == [function]
    await read_until(await tty_of(hv, domid), b"GUESTUP", 600)
    assert any([await asyncio.to_thread(answers) for _ in range(20)]), "nothing came from the guest's card"
    await hv.close()
    assert await asyncio.to_thread(answers)
    hv = await agents.next()
    await hv.destroy_domain(domid)
    assert driver_of(function) == DRIVER
    assert list(await hv.functions()) == []


async def test_a_card_is_back_after_a_plug_that_was_cut_short_anywhere(
    hv: Hypervisor, guests: Path, function: str
) -> None:
    """Cancelled after more and more time, as by the death of the agent but that it clears up itself."""
    for milliseconds in (0, 20, 60, 150, 400):
        vm = spec(guests)
        domid = await hv.create_domain(vm, functions=True)
        plug = asyncio.create_task(hv.plug_vif(domid, vif(function)))
        await asyncio.sleep(milliseconds / 1000)
        plug.cancel()
        await asyncio.wait({plug})
        if plug.cancelled():
            assert driver_of(function) == DRIVER
            assert list(await hv.functions()) == []
        await hv.destroy_domain(domid)
        assert driver_of(function) == DRIVER


async def test_what_a_killed_agent_left_of_a_dead_domain_is_given_back_by_the_next(
    agents: Agents, hv: Hypervisor, guests: Path, function: str
) -> None:
    vm = spec(guests)
    domid = await hv.create_domain(vm, functions=True)
    await hv.plug_vif(domid, vif(function))
    subprocess.run(["xl", "destroy", str(domid)], check=False, capture_output=True)
    await hv.close()
    hv = await agents.next()
    assert driver_of(function) == DRIVER
    assert list(await hv.functions()) == []


async def test_a_card_that_somebody_else_gives_away_is_left_to_him(hv: Hypervisor, guests: Path, function: str) -> None:
    PciBus().seize(function)
    domid = await hv.create_domain(spec(guests), functions=True)
    with pytest.raises(DeviceAttachFailed, match="somebody else has given"):
        await hv.plug_vif(domid, vif(function))
    await hv.destroy_domain(domid)
    assert driver_of(function) == "pciback"
    PciBus().release(function)
    assert driver_of(function) == DRIVER


async def test_what_is_no_function_and_a_guest_that_can_have_none_are_refused(
    hv: Hypervisor, guests: Path, function: str
) -> None:
    domid = await hv.create_domain(spec(guests, VmType.PVH), functions=True)
    with pytest.raises(DeviceAttachFailed, match="no PCI device to a PVH guest"):
        await hv.plug_vif(domid, vif(function))
    await hv.destroy_domain(domid)
    domid = await hv.create_domain(spec(guests), functions=True)
    for wrong, why in (("0000:ff:1f.7", "cannot be taken from dom0"), ("../../x", "is no PCI address")):
        with pytest.raises(DeviceAttachFailed, match=why):
            await hv.plug_vif(domid, vif(wrong))
    await hv.destroy_domain(domid)
    domid = await made(hv, spec(guests))  # without functions, so Xen keeps no IOMMU tables for it
    with pytest.raises(DeviceAttachFailed, match=r"Xen does not give .* domctl:assign_device"):
        await hv.plug_vif(domid, vif(function))
    await hv.destroy_domain(domid)
    assert driver_of(function) == DRIVER


@pytest.mark.timeout(1200)
async def test_a_guest_has_several_cards_on_one_bus(hv: Hypervisor, guests: Path, function: str) -> None:
    vm, both = spec(guests, line=BOTH), cards()
    domid = await hv.create_domain(vm, functions=True)
    plugs = (hv.plug_vif(domid, vif(address, devid)) for devid, address in enumerate(both.values()))
    await asyncio.gather(hv.build_domain(domid, vm), *plugs)
    assert set(await hv.functions()) == set(both.values())
    await hv.unpause_domain(domid)
    heard = await read_until(await tty_of(hv, domid), OURS.encode(), 300)
    if THEIRS.encode() not in heard:
        await read_until(await tty_of(hv, domid), THEIRS.encode(), 60)
    await hv.destroy_domain(domid)
    assert {driver_of(address) for address in both.values()} == {DRIVER}
