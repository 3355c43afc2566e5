"""Failures on demand, and what a killed agent leaves in the simulated host."""

import asyncio
import time

import pytest

from xenhost.core.devices import DeviceClass, DeviceState, Source, SourceKind, Vbd, Vif
from xenhost.core.errors import DeviceDetachRejected, DomainBuildFailed, InternalError, TooBusy
from xenhost.core.ids import DevId, DomId, VmId
from xenhost.core.ports.hypervisor import DomainEventKind
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, Memory, ShutdownReason, VmSpec, VmType
from xenhost.drivers.sim.config import Delays, SimConfig
from xenhost.drivers.sim.driver import SimHypervisor
from xenhost.drivers.sim.faults import Killed, When
from xenhost.drivers.sim.world import World

DISK = Vbd(DevId(51712), Source(SourceKind.FILE, "/disk"))
NIC = Vif(DevId(0), "00:16:3e:00:00:01", "xenbr0")


class WallClock:
    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def spec(number: int = 1) -> VmSpec:
    vm = VmId(f"00000000-0000-0000-0000-{number:012d}")
    return VmSpec(vm, f"vm{number}", VmType.PV, DirectBoot("/vmlinuz"), Memory(64 * MIB, 64 * MIB, 64 * MIB))


@pytest.fixture
def world() -> World:
    return World(WallClock())


async def running(hv: SimHypervisor, number: int = 1) -> DomId:
    domid = await hv.create_domain(spec(number))
    await hv.build_domain(domid, spec(number))
    await hv.plug_vbd(domid, DISK)
    await hv.plug_vif(domid, NIC)
    await hv.unpause_domain(domid)
    return domid


async def test_the_nth_call_of_a_verb_fails_and_the_others_do_not(world: World) -> None:
    hv = SimHypervisor(world)
    world.faults.fail("host", nth=2, error=TooBusy("try later"))
    await hv.host()
    with pytest.raises(TooBusy):
        await hv.host()
    await hv.host()


async def test_a_failure_before_the_effect_has_none(world: World) -> None:
    hv = SimHypervisor(world)
    world.faults.fail("create_domain")
    with pytest.raises(InternalError):
        await hv.create_domain(spec())
    assert await hv.domains() == []


async def test_a_plug_that_fails_after_its_effect_undoes_it(world: World) -> None:
    hv = SimHypervisor(world)
    domid = await hv.create_domain(spec())
    world.faults.fail("plug_vbd", when=When.AFTER)
    with pytest.raises(InternalError):
        await hv.plug_vbd(domid, DISK)
    assert (await hv.devices(domid), world.loops) == ([], {})


async def test_a_hanging_verb_can_be_cancelled_and_repeated(world: World) -> None:
    hv = SimHypervisor(world)
    domid = await hv.create_domain(spec())
    world.faults.hang("plug_vbd", when=When.DURING)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await hv.plug_vbd(domid, DISK)
    assert await hv.devices(domid) == []
    await hv.plug_vbd(domid, DISK)
    assert len(await hv.devices(domid)) == 1


async def test_a_killed_agent_touches_the_world_no_more(world: World) -> None:
    hv = SimHypervisor(world)
    domid = await running(hv)
    world.faults.die("unplug_vbd")
    with pytest.raises(Killed):
        await hv.unplug_vbd(domid, DISK.devid, True, 1)
    with pytest.raises(Killed):
        await hv.destroy_domain(domid)
    fresh = SimHypervisor(world)
    await fresh.open()
    assert len(await fresh.devices(domid)) == 2


async def test_a_call_that_was_under_way_when_the_agent_died_has_no_further_effect() -> None:
    world = World(WallClock(), SimConfig(delays=Delays(plug=0.05)))
    hv = SimHypervisor(world)
    domid = await hv.create_domain(spec())
    plugging = asyncio.create_task(hv.plug_vbd(domid, DISK))
    await asyncio.sleep(0.01)
    hv.kill()
    with pytest.raises(Killed):
        await plugging
    assert await SimHypervisor(world).devices(domid) == []


async def test_a_device_half_plugged_by_a_killed_agent_is_plugged_by_the_next(world: World) -> None:
    hv = SimHypervisor(world)
    domid = await hv.create_domain(spec())
    world.faults.die("plug_vbd", when=When.DURING)
    with pytest.raises(Killed):
        await hv.plug_vbd(domid, DISK)
    fresh = SimHypervisor(world)
    assert await fresh.devices(domid) == []
    await fresh.plug_vbd(domid, DISK)
    assert len(await fresh.devices(domid)) == 1
    assert len(world.loops) == 1


async def test_a_domain_half_built_by_a_killed_agent_can_only_be_destroyed(world: World) -> None:
    hv = SimHypervisor(world)
    domid = await hv.create_domain(spec())
    world.faults.die("build_domain", when=When.DURING)
    with pytest.raises(Killed):
        await hv.build_domain(domid, spec())
    fresh = SimHypervisor(world)
    assert await fresh.create_domain(spec()) == domid
    with pytest.raises(DomainBuildFailed):
        await fresh.build_domain(domid, spec())
    await fresh.destroy_domain(domid)
    assert await fresh.domains() == []


async def test_a_teardown_cut_short_leaves_leaks_that_the_next_one_removes(world: World) -> None:
    hv = SimHypervisor(world)
    free = world.memory_free
    domid = await running(hv)
    world.faults.die("destroy_domain", when=When.DURING)
    with pytest.raises(Killed):
        await hv.destroy_domain(domid)
    fresh = SimHypervisor(world)
    assert await fresh.domain(domid) is None
    assert world.leaks()
    await fresh.destroy_domain(domid)
    assert world.leaks() == []
    assert (world.memory_free, world.loops) == (free, {})


async def test_calls_are_recorded_in_order_when_asked_for(world: World) -> None:
    hv = SimHypervisor(world)
    world.faults.record_calls = True
    await running(hv)
    assert world.faults.calls == ["create_domain", "build_domain", "plug_vbd", "plug_vif", "unpause_domain"]


async def test_a_slow_listener_is_told_that_it_lost_events(world: World) -> None:
    hv = SimHypervisor(world)
    await hv.open()
    slow = hv.events()
    domid = await hv.create_domain(spec())
    for _ in range(2000):
        await hv.set_scheduling(domid, spec())
    await hv.close()
    heard = [event async for event in slow]
    assert DomainEventKind.RESYNC in {event.kind for event in heard}
    assert len(heard) <= 1024


async def test_memory_that_one_start_has_claimed_is_not_free_for_another() -> None:
    world = World(WallClock(), SimConfig(memory_total=512 * MIB, memory_dom0=256 * MIB))
    hv = SimHypervisor(world)
    before = world.memory_free
    domid = await hv.create_domain(spec(1))
    assert world.memory_free < before - 64 * MIB
    await hv.destroy_domain(domid)
    assert world.memory_free == before


async def test_guest_that_refuses_only_while_busy_lets_go_later(world: World) -> None:
    hv = SimHypervisor(world)
    domid = await running(hv)
    world.guest(domid).refuse_unplug("sorry")
    with pytest.raises(DeviceDetachRejected, match="sorry"):
        await hv.unplug_vbd(domid, DISK.devid, False, 5)
    assert {each.state for each in await hv.devices(domid)} == {DeviceState.ATTACHED}
    world.guest(domid).refuse_unplug("")
    await hv.unplug_vbd(domid, DISK.devid, False, 5)
    assert [each.cls for each in await hv.devices(domid)] == [DeviceClass.VIF]


async def test_a_silent_guest_that_wakes_up_answers_the_request_that_still_waits(world: World) -> None:
    hv = SimHypervisor(world)
    domid = await running(hv)
    world.guest(domid).silent()
    asking = asyncio.create_task(hv.request_shutdown(domid, ShutdownReason.REBOOT, 30))
    await asyncio.sleep(0.01)
    assert not asking.done()
    world.guest(domid).talkative()
    await asyncio.wait_for(asking, 5)
    assert await hv.wait_stopped(domid) is ShutdownReason.REBOOT


async def test_an_hvm_guest_without_pv_drivers_is_shut_down_by_the_hypervisor(world: World) -> None:
    hv = SimHypervisor(world)
    vm = VmSpec(spec().id, "hvm", VmType.HVM, DirectBoot("/vmlinuz"), Memory(64 * MIB, 64 * MIB, 64 * MIB))
    domid = await hv.create_domain(vm)
    await hv.build_domain(domid, vm)
    await hv.start_device_model(domid, vm)
    world.guest(domid).without_pv_drivers()
    await hv.unpause_domain(domid)
    await hv.request_shutdown(domid, ShutdownReason.POWEROFF, 0)
    assert await hv.wait_stopped(domid) is ShutdownReason.POWEROFF
