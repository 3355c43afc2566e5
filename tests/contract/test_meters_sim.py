"""The meters of the simulated host keep every promise, and their numbers move."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from contract.meters import PROMISES, MeterGround, Promise
from kit.clock import FakeClock
from kit.specs import disk, nic, spec
from xenhost.core.metrics import HOST
from xenhost.core.ports.metrics import MeteredDisk, MeteredMemory, MeteredVm, SrSpace
from xenhost.core.units import MIB
from xenhost.core.vm import Vcpus
from xenhost.drivers.metrics.registry import MeterSettings, make_meters
from xenhost.drivers.sim.config import SimConfig
from xenhost.drivers.sim.driver import SimHypervisor
from xenhost.drivers.sim.world import World

SR = "5a5a5a5a-0000-4000-8000-000000000002"
CPUS = 8


@pytest.fixture
async def ground() -> AsyncIterator[MeterGround]:
    clock = FakeClock()
    hypervisor = SimHypervisor(World(clock, SimConfig(cpus=CPUS)))
    await hypervisor.open()
    vbd, vm = disk(), replace(spec(), vcpus=Vcpus(2, 2))
    domid = await hypervisor.create_domain(vm)
    await hypervisor.build_domain(domid, vm)
    await hypervisor.plug_vbd(domid, vbd)
    await hypervisor.plug_vif(domid, nic())
    await hypervisor.unpause_domain(domid)
    meters = make_meters("sim", MeterSettings(clock, hypervisor, spaces=lambda: {SR: SrSpace(100 * MIB, 40 * MIB)}))
    memory = MeteredMemory(64 * MIB, 32 * MIB, 128 * MIB, 7 * MIB)

    def now() -> float:
        clock.advance(5)
        return clock.now()

    yield MeterGround(
        meters=meters,
        vm=MeteredVm(vm.id, domid, (MeteredDisk(vbd.devid, "xvda", SR),), (0,), memory),
        now=now,
        cpus=CPUS,
        pause=lambda: hypervisor.pause_domain(domid),
        unplug_disk=lambda: hypervisor.unplug_vbd(domid, vbd.devid, False, 5),
        destroy=lambda: hypervisor.destroy_domain(domid),
        step=0,
    )
    await hypervisor.close()


@pytest.mark.parametrize("promise", PROMISES, ids=lambda each: each.__name__)
async def test_the_simulated_meters_promise_that(promise: Promise, ground: MeterGround) -> None:
    await promise(ground)


async def test_simulated_figures_move_as_those_of_a_busy_guest_do(ground: MeterGround) -> None:
    await ground.read()
    first, second, third = await ground.values(), await ground.values(), await ground.values()
    for name in ("cpu0", "cpu1", "cpu_usage", "vif_0_rx", "vif_0_tx", "vbd_xvda_read", "vbd_xvda_write"):
        rates = [b[ground.owner, name] - a[ground.owner, name] for a, b in ((first, second), (second, third))]
        assert all(rate > 0 for rate in rates), name
        assert rates[0] != rates[1], name
    assert 0 < (second[ground.owner, "cpu0"] - first[ground.owner, "cpu0"]) / 5 < 1
    busy = 1 - (second[HOST, "cpu_avg"] - first[HOST, "cpu_avg"]) / 5
    assert 0 < busy < 0.5
    assert second[HOST, "memory_reclaimed"] == 64 * MIB
    assert second[HOST, "memory_reclaimed_max"] == 32 * MIB
    assert second[ground.owner, "memory_internal_free"] == 7 * 1024
