"""Promises of the hypervisor port: domains. Each function is one, and its name says it."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace

import pytest

from contract.ground import Ground
from xenhost.core.errors import (
    DomainBuildFailed,
    DomainExists,
    DomainGone,
    HostNotEnoughFreeMemory,
    XenhostError,
)
from xenhost.core.ids import DomId
from xenhost.core.units import GIB, MIB
from xenhost.core.vm import DirectBoot, Memory, ShutdownReason

NOBODY = DomId(32000)


async def the_host_says_what_it_has(g: Ground) -> None:
    host = await g.hypervisor.host()
    assert host.hypervisor
    assert host.version
    assert host.kernel
    assert host.cpus >= 1
    assert 0 < host.memory_free <= host.memory_total


async def dom0_is_not_listed(g: Ground) -> None:
    assert all(domain.domid != 0 for domain in await g.hypervisor.domains())


async def a_new_domain_is_paused_managed_and_not_built(g: Ground) -> None:
    vm = g.idle_spec()
    domid = await g.hypervisor.create_domain(vm)
    domain = await g.hypervisor.domain(domid)
    assert domain is not None
    assert (domain.vm, domain.managed, domain.built, domain.paused, domain.dying) == (vm.id, True, False, True, False)
    assert domain in await g.hypervisor.domains()


async def creating_twice_returns_the_same_unbuilt_domain(g: Ground) -> None:
    vm = g.idle_spec()
    assert await g.hypervisor.create_domain(vm) == await g.hypervisor.create_domain(vm)
    assert len([domain for domain in await g.hypervisor.domains() if domain.vm == vm.id]) == 1


async def creating_is_refused_while_a_built_domain_of_the_vm_exists(g: Ground) -> None:
    vm = g.idle_spec()
    domid = await g.made(vm)
    with pytest.raises(DomainExists) as caught:
        await g.hypervisor.create_domain(vm)
    assert caught.value.values == {"vm": vm.id, "domid": str(domid)}


async def creating_is_refused_while_a_foreign_domain_has_the_handle(g: Ground) -> None:
    async with g.foreign() as foreign:
        other = await g.hypervisor.domain(foreign)
        assert other is not None
        with pytest.raises(DomainExists):
            await g.hypervisor.create_domain(replace(g.idle_spec(), id=other.vm))


async def a_vm_larger_than_the_host_is_refused_with_both_sizes(g: Ground) -> None:
    huge = 4096 * GIB
    vm = replace(g.idle_spec(), memory=Memory(huge, huge, huge))
    with pytest.raises(HostNotEnoughFreeMemory) as caught:
        await g.made(vm)
    assert int(caught.value.values["needed"]) >= huge > int(caught.value.values["available"])
    await _destroy_all_of(g, vm.id)


async def a_built_domain_has_its_memory_and_vcpus_and_is_still_paused(g: Ground) -> None:
    vm = g.idle_spec()
    domid = await g.made(vm)
    domain = await g.hypervisor.domain(domid)
    assert domain is not None
    assert (domain.built, domain.paused, domain.type, domain.vcpus_max) == (True, True, vm.type, vm.vcpus.maximum)
    assert abs(domain.memory - vm.memory.dynamic_max) <= 8 * MIB
    assert domain.name == vm.name


async def building_twice_does_nothing_the_second_time(g: Ground) -> None:
    vm = g.idle_spec()
    domid = await g.made(vm)
    before = await g.hypervisor.domain(domid)
    await g.hypervisor.build_domain(domid, vm)
    after = await g.hypervisor.domain(domid)
    assert before is not None
    assert after is not None
    assert (after.built, after.memory) == (True, before.memory)


async def building_nothing_is_refused(g: Ground) -> None:
    with pytest.raises(DomainGone):
        await g.hypervisor.build_domain(NOBODY, g.idle_spec())


async def a_kernel_that_does_not_exist_fails_the_build_and_the_domain_can_be_destroyed(g: Ground) -> None:
    vm = replace(g.idle_spec(), boot=DirectBoot("/nonexistent/vmlinuz"))
    domid = await g.hypervisor.create_domain(vm)
    with pytest.raises(DomainBuildFailed) as caught:
        await g.hypervisor.build_domain(domid, vm)
    assert caught.value.values["vm"] == vm.id
    domain = await g.hypervisor.domain(domid)
    assert domain is None or not domain.built
    await g.hypervisor.destroy_domain(domid)
    assert await g.hypervisor.domain(domid) is None
    assert await g.leaks() == []


async def a_build_that_is_cancelled_anywhere_leaves_a_domain_fit_to_be_destroyed(g: Ground) -> None:
    for steps in (0, 1, 2, 5, 20):
        vm = g.idle_spec()
        domid = await g.hypervisor.create_domain(vm)
        await _cancelled_after(steps, g.hypervisor.build_domain(domid, vm))
        await g.hypervisor.destroy_domain(domid)
        assert await g.hypervisor.domain(domid) is None
    assert await g.leaks() == []


async def a_creation_that_is_cancelled_anywhere_leaves_nothing_or_an_unbuilt_domain(g: Ground) -> None:
    for steps in (0, 1, 2, 5, 20):
        vm = g.idle_spec()
        await _cancelled_after(steps, g.hypervisor.create_domain(vm))
        found = [domain for domain in await g.hypervisor.domains() if domain.vm == vm.id]
        assert all(domain.managed and not domain.built for domain in found)
        domid = await g.hypervisor.create_domain(vm)
        assert [domid] == [domain.domid for domain in await g.hypervisor.domains() if domain.vm == vm.id]
        await g.hypervisor.destroy_domain(domid)
    assert await g.leaks() == []


async def a_half_made_domain_is_destroyed_after_a_restart(g: Ground) -> None:
    domid = await g.hypervisor.create_domain(g.idle_spec())
    fresh = await g.restart()
    domain = await fresh.domain(domid)
    assert domain is not None
    assert (domain.managed, domain.built) == (True, False)
    await fresh.destroy_domain(domid)
    assert await fresh.domain(domid) is None
    assert await g.leaks() == []


async def a_restarted_driver_finds_the_built_domain_with_its_devices(g: Ground) -> None:
    vm = g.idle_spec()
    domid = await g.made(vm)
    await g.hypervisor.plug_vbd(domid, g.disk())
    await g.hypervisor.plug_vif(domid, g.nic())
    before = await g.hypervisor.devices(domid)
    fresh = await g.restart()
    domain = await fresh.domain(domid)
    assert domain is not None
    assert (domain.vm, domain.managed, domain.built) == (vm.id, True, True)
    assert sorted(await fresh.devices(domid), key=repr) == sorted(before, key=repr)
    await fresh.destroy_domain(domid)
    assert await g.leaks() == []


async def verbs_on_a_domain_that_is_gone_say_so(g: Ground) -> None:
    vm = g.idle_spec()
    hv = g.hypervisor
    for refused in (
        hv.pause_domain(NOBODY),
        hv.unpause_domain(NOBODY),
        hv.request_shutdown(NOBODY, ShutdownReason.POWEROFF, g.short),
        hv.set_vcpus(NOBODY, 1),
        hv.set_scheduling(NOBODY, vm),
        hv.set_memory_target(NOBODY, 64 * MIB),
        hv.set_vm_data(NOBODY, {"vm-data/a": "b"}),
        hv.plug_vbd(NOBODY, g.disk()),
        hv.plug_vif(NOBODY, g.nic()),
    ):
        with pytest.raises(DomainGone):
            await refused
    assert await hv.domain(NOBODY) is None
    assert list(await hv.devices(NOBODY)) == []


async def destroying_a_domain_ends_it_with_its_devices_and_may_be_repeated(g: Ground) -> None:
    before = (await g.hypervisor.host()).memory_free
    domid = await g.made(g.idle_spec())
    await g.hypervisor.plug_vbd(domid, g.disk())
    await g.hypervisor.plug_vif(domid, g.nic())
    await g.hypervisor.destroy_domain(domid)
    await g.hypervisor.destroy_domain(domid)
    assert await g.hypervisor.domain(domid) is None
    assert list(await g.hypervisor.devices(domid)) == []
    assert await g.leaks() == []

    async def memory_is_back() -> bool:
        return (await g.hypervisor.host()).memory_free >= before - 4 * MIB

    await g.eventually(memory_is_back, "the memory of the domain is free again")


async def a_teardown_that_is_cancelled_anywhere_is_completed_by_the_next_one(g: Ground) -> None:
    for steps in (0, 1, 2, 4, 8, 16, 40):
        domid = await g.made(g.idle_spec())
        await g.hypervisor.plug_vbd(domid, g.disk())
        await _cancelled_after(steps, g.hypervisor.destroy_domain(domid))
        await g.hypervisor.destroy_domain(domid)
        assert await g.hypervisor.domain(domid) is None
    assert await g.leaks() == []


async def a_foreign_domain_is_listed_and_never_destroyed(g: Ground) -> None:
    async with g.foreign() as foreign:
        listed = [domain for domain in await g.hypervisor.domains() if domain.domid == foreign]
        assert [domain.managed for domain in listed] == [False]
        with pytest.raises(DomainExists):
            await g.hypervisor.destroy_domain(foreign)
        assert await g.hypervisor.domain(foreign) is not None


async def dom0_is_never_destroyed(g: Ground) -> None:
    with pytest.raises(XenhostError):
        await g.hypervisor.destroy_domain(DomId(0))


async def more_vcpus_than_the_maximum_are_refused(g: Ground) -> None:
    vm = g.idle_spec()
    domid = await g.made(vm)
    for online in (0, vm.vcpus.maximum + 1):
        with pytest.raises(XenhostError):
            await g.hypervisor.set_vcpus(domid, online)


async def scheduling_can_be_set_and_set_again(g: Ground) -> None:
    vm = g.idle_spec()
    domid = await g.made(vm)
    for weight in (512, 512, 128):
        wanted = replace(vm, vcpus=replace(vm.vcpus, weight=weight, cap=50, affinity=((0,),)))
        await g.hypervisor.set_scheduling(domid, wanted)
    await g.hypervisor.set_scheduling(domid, vm)


async def what_a_guest_is_told_can_be_replaced_and_taken_away(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    for data in ({"vm-data/a": "1", "vm-data/b/c": "2"}, {"vm-data/a": "3"}, {"vm-data/a": "3"}, {}):
        await g.hypervisor.set_vm_data(domid, data)


async def a_device_model_is_only_for_hvm(g: Ground) -> None:
    vm = g.idle_spec()
    domid = await g.made(vm)
    await g.hypervisor.start_device_model(domid, vm)
    await g.hypervisor.start_device_model(domid, vm)
    assert (await g.hypervisor.console(domid)).vnc_socket == ""


async def a_listener_that_never_reads_does_not_hold_the_others_up(g: Ground) -> None:
    deaf = g.hypervisor.events()
    domid = await g.made(g.idle_spec())
    await g.hypervisor.destroy_domain(domid)
    del deaf


async def closing_twice_and_opening_again_is_possible(g: Ground) -> None:
    fresh = await g.restart()
    await fresh.close()
    await fresh.close()
    assert (await g.hypervisor.host()).cpus


async def _cancelled_after(steps: int, work: Coroutine[None, None, object]) -> None:
    """Start it, let the loop turn so many times, then cancel it. It may have ended by then."""
    task = asyncio.create_task(work)
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    (result,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
        raise result


async def _destroy_all_of(g: Ground, vm: str) -> None:
    for domain in await g.hypervisor.domains():
        if domain.vm == vm:
            await g.hypervisor.destroy_domain(domain.domid)


PROMISES = (
    the_host_says_what_it_has,
    dom0_is_not_listed,
    a_new_domain_is_paused_managed_and_not_built,
    creating_twice_returns_the_same_unbuilt_domain,
    creating_is_refused_while_a_built_domain_of_the_vm_exists,
    creating_is_refused_while_a_foreign_domain_has_the_handle,
    a_vm_larger_than_the_host_is_refused_with_both_sizes,
    a_built_domain_has_its_memory_and_vcpus_and_is_still_paused,
    building_twice_does_nothing_the_second_time,
    building_nothing_is_refused,
    a_kernel_that_does_not_exist_fails_the_build_and_the_domain_can_be_destroyed,
    a_build_that_is_cancelled_anywhere_leaves_a_domain_fit_to_be_destroyed,
    a_creation_that_is_cancelled_anywhere_leaves_nothing_or_an_unbuilt_domain,
    a_half_made_domain_is_destroyed_after_a_restart,
    a_restarted_driver_finds_the_built_domain_with_its_devices,
    verbs_on_a_domain_that_is_gone_say_so,
    destroying_a_domain_ends_it_with_its_devices_and_may_be_repeated,
    a_teardown_that_is_cancelled_anywhere_is_completed_by_the_next_one,
    a_foreign_domain_is_listed_and_never_destroyed,
    dom0_is_never_destroyed,
    more_vcpus_than_the_maximum_are_refused,
    scheduling_can_be_set_and_set_again,
    what_a_guest_is_told_can_be_replaced_and_taken_away,
    a_device_model_is_only_for_hvm,
    a_listener_that_never_reads_does_not_hold_the_others_up,
    closing_twice_and_opening_again_is_possible,
)
