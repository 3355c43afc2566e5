"""What a real guest's agent writes, and what a hostile one can do by writing."""

import asyncio
import os
import resource
from pathlib import Path
from uuid import uuid4

from xen.xen_host import made, opened_alone, read_until, tty_of
from xenhost.core.devices import Vif
from xenhost.core.guest_metrics import GuestData, GuestMetrics, guest_metrics
from xenhost.core.ids import DevId, DomId, VmId
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, VmSpec, VmType
from xenhost.drivers.xen.guest_data import MAX_NODES, MAX_TEXT

FLOOD_SECONDS = 20.0


class Listener:
    """Hears one guest."""

    def __init__(self, hv: Hypervisor, domid: DomId) -> None:
        self.heard: list[GuestData] = []
        self._task = asyncio.create_task(self._listen(hv, domid))

    @property
    def metrics(self) -> GuestMetrics:
        return guest_metrics(self.heard[-1]) if self.heard else GuestMetrics()

    async def until(self, what: str) -> None:
        """Until its operating system is named so."""
        async with asyncio.timeout(150):
            while what not in self.metrics.os_version.get("name", ""):
                await asyncio.sleep(0.1)

    async def ended(self) -> None:
        await asyncio.wait_for(self._task, 150)

    async def _listen(self, hv: Hypervisor, domid: DomId) -> None:
        async for data in hv.guest_data(domid):
            self.heard.append(data)


async def guest(hv: Hypervisor, guests: Path, does: str) -> DomId:
    """A Linux guest that does so once it is up."""
    words = f"console=hvc0 quiet ip4=10.0.0.7 wait=eth0 run={does.replace(' ', '%20')}"
    boot = DirectBoot(str(guests / "vmlinux"), str(guests / "initrd.gz"), words)
    memory = Memory(128 * MIB, 128 * MIB, 128 * MIB)
    domid = await made(hv, VmSpec(id=VmId(str(uuid4())), name="teller", type=VmType.PV, boot=boot, memory=memory))
    await hv.plug_vif(domid, Vif(DevId(0), "00:16:3e:5e:00:01", "xenbr0"))
    await hv.unpause_domain(domid)
    await read_until(await tty_of(hv, domid), b"GUESTUP", 300)
    return domid


async def test_the_system_and_the_addresses_of_a_linux_guest(tmp_path: Path, guests: Path) -> None:
    async with opened_alone(tmp_path) as hv:
        domid = await guest(hv, guests, "guest-agent")
        listener = Listener(hv, domid)
        await listener.until("Linux")
        metrics = listener.metrics
        assert metrics.os_version["uname"] == os.uname().release, "the guest has the kernel of this dom0"
        assert metrics.os_version["distro"] == "busybox"
        assert metrics.networks == {"0/ip": "10.0.0.7", "0/ipv4/0": "10.0.0.7"}
        assert 64 * 1024 < int(metrics.memory["total"]) <= 128 * 1024
        assert 0 < int(metrics.memory["free"]) < int(metrics.memory["total"])
        assert metrics.pv_drivers_version == {"major": "9", "minor": "8", "micro": "7"}
        assert metrics.pv_drivers_detected
        await hv.destroy_domain(domid)
        await listener.ended()


async def test_a_guest_that_floods_costs_little_and_hides_no_other(tmp_path: Path, guests: Path) -> None:
    flood = "i=0; while :; do i=$((i+1)); tell data/x/$i $(printf %01000d $i); tell attr/vif/0/ipv4/0 x$i; done &"
    async with opened_alone(tmp_path) as hv:
        hostile = await guest(hv, guests, flood)
        flooded = Listener(hv, hostile)
        honest = Listener(hv, await guest(hv, guests, "guest-agent"))
        await honest.until("Linux")
        looks, used = len(flooded.heard), resource.getrusage(resource.RUSAGE_SELF)
        await asyncio.sleep(FLOOD_SECONDS)
        now = resource.getrusage(resource.RUSAGE_SELF)
        busy = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
        assert flooded.heard, "it does write"
        assert len(flooded.heard) - looks <= FLOOD_SECONDS / 2, "no more than one look in two seconds"
        assert busy < FLOOD_SECONDS / 4, f"{busy:.1f} s of CPU in {FLOOD_SECONDS:g} s"
        for data in flooded.heard:
            assert len(data.nodes) <= MAX_NODES
            assert sum(len(name) + len(value) for name, value in data.nodes.items()) <= MAX_TEXT
        assert flooded.metrics.networks == {}, "what is no address is none"
        assert honest.metrics.networks == {"0/ip": "10.0.0.7", "0/ipv4/0": "10.0.0.7"}
