"""The simulated hypervisor keeps every promise of the port: in memory, and with its world on disk and slow guests."""

import asyncio
import os
import stat
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from contract.ground import Ground
from contract.hypervisor import PROMISES, Promise, keep, name_of
from xenhost.core.ids import DevId, DomId, VmId
from xenhost.core.ports.hypervisor import Hypervisor
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, Vcpus, VmSpec, VmType
from xenhost.drivers.sim.config import Delays, SimConfig
from xenhost.drivers.sim.driver import SimHypervisor
from xenhost.drivers.sim.store import WorldStore
from xenhost.drivers.sim.world import World


class WallClock:
    """The real time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SimHand:
    """The hand inside simulated guests."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def is_up(self, domid: DomId) -> None:
        assert self._world.domains[domid].runs

    async def use_vcpus(self, domid: DomId, online: int) -> None:
        pass  # it follows by itself

    async def poweroff(self, domid: DomId) -> None:
        self._world.guest(domid).poweroff()

    async def crash(self, domid: DomId) -> None:
        self._world.guest(domid).crash()

    async def hold_disk(self, domid: DomId, devid: DevId) -> None:
        self._world.guest(domid).refuse_unplug()

    async def tell(self, domid: DomId, path: str, value: str) -> None:
        self._world.guest(domid).tell({path: value})

    async def fall_silent(self, domid: DomId) -> None:
        self._world.guest(domid).silent()


@pytest.fixture(params=["in memory", "on disk and slow"])
async def ground(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ground]:
    on_disk = request.param != "in memory"
    kernel, file, other, image = (tmp_path / name for name in ("vmlinuz", "disk", "other", "cd.iso"))
    for path in (kernel, file, other, image):
        path.write_bytes(bytes(4096))
    config = SimConfig(check_paths=True, delays=Delays(*[0.01] * 10) if on_disk else Delays())
    world = World(WallClock(), config, WorldStore(tmp_path / "sim") if on_disk else None)
    worlds, drivers = [world], [SimHypervisor(world)]
    await drivers[0].open()

    async def restart() -> Hypervisor:
        if on_disk:
            await worlds[-1].sync()
            worlds.append(World(WallClock(), config, WorldStore(tmp_path / "sim")))
        drivers.append(SimHypervisor(worlds[-1]))
        await drivers[-1].open()
        return drivers[-1]

    def spec() -> VmSpec:
        vm = VmId(str(uuid4()))
        memory = Memory(64 * MIB, 64 * MIB, 32 * MIB)
        return VmSpec(vm, f"vm-{vm[:8]}", VmType.PV, DirectBoot(str(kernel)), memory, Vcpus(2, 2))

    @asynccontextmanager
    async def foreign() -> AsyncIterator[DomId]:
        yield world.add_foreign_domain()

    async def leaks() -> list[str]:
        used = {device.loop for domain in worlds[-1].domains.values() for device in domain.devices.values()}
        stray = [f"loop {number} on {path}" for number, path in worlds[-1].loops.items() if number not in used]
        return worlds[-1].leaks() + stray

    block = _block_device()
    yield Ground(
        hypervisor=drivers[0],
        restart=restart,
        idle_spec=spec,
        guest_spec=spec,
        simple_spec=spec,
        hand=SimHand(world),
        foreign=foreign,
        leaks=leaks,
        file=str(file),
        other_file=str(other),
        block=block,
        image=str(image),
        bridge="xenbr0",
        patience=5.0,
        short=0.1,
        deviations={} if block else {"a_block_device_is_plugged_without_a_loop": "this machine shows no block device"},
    )
    for driver in drivers:
        await driver.close()
    for each in worlds:
        await each.close()


@pytest.mark.parametrize("promise", PROMISES, ids=name_of)
async def test_the_simulated_hypervisor_promises_that(promise: Promise, ground: Ground) -> None:
    await keep(promise, ground)


def _block_device() -> str:
    for directory in ("/dev", "/dev/block"):
        for entry in sorted(os.listdir(directory)):
            path = f"{directory}/{entry}"
            if os.path.exists(path) and stat.S_ISBLK(os.stat(path).st_mode):
                return path
    return ""
