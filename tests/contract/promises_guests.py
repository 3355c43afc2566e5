"""Promises of the hypervisor port: running guests. Each function is one, and its name says it."""

import asyncio

import pytest

from contract.ground import Ground, Heard
from xenhost.core.errors import ShutdownNotAcknowledged
from xenhost.core.guest_metrics import GuestData
from xenhost.core.ids import DomId
from xenhost.core.ports.hypervisor import DomainEventKind
from xenhost.core.units import MIB
from xenhost.core.vm import ShutdownReason


async def pausing_and_unpausing_may_be_repeated(g: Ground) -> None:
    domid = await g.booted(g.simple_spec())
    for paused in (True, True, False, False):
        await (g.hypervisor.pause_domain(domid) if paused else g.hypervisor.unpause_domain(domid))
        domain = await g.hypervisor.domain(domid)
        assert domain is not None
        assert domain.paused is paused


async def a_running_guest_is_destroyed_without_being_asked(g: Ground) -> None:
    domid = await g.booted(g.guest_spec(), vbds=(g.disk(),))
    await g.hand.fall_silent(domid)
    await g.hypervisor.destroy_domain(domid)
    assert await g.hypervisor.domain(domid) is None
    assert await g.leaks() == []


async def a_guest_that_is_asked_powers_off(g: Ground) -> None:
    domid = await g.booted(g.simple_spec())
    await _asked_until_stopped(g, domid, ShutdownReason.POWEROFF)
    domain = await g.hypervisor.domain(domid)
    assert domain is not None, "a stopped domain waits to be destroyed"
    assert domain.shutdown is ShutdownReason.POWEROFF


async def a_guest_that_is_asked_reboots(g: Ground) -> None:
    domid = await g.booted(g.simple_spec())
    await _asked_until_stopped(g, domid, ShutdownReason.REBOOT)


async def asking_a_stopped_guest_to_shut_down_returns_at_once(g: Ground) -> None:
    domid = await g.booted(g.simple_spec())
    await _asked_until_stopped(g, domid, ShutdownReason.POWEROFF)
    async with asyncio.timeout(g.patience):
        await g.hypervisor.request_shutdown(domid, ShutdownReason.POWEROFF, 3600)


async def a_paused_guest_does_not_acknowledge_and_forgets_the_request(g: Ground) -> None:
    vm = g.simple_spec()
    domid = await g.booted(vm)
    await g.hypervisor.pause_domain(domid)
    with pytest.raises(ShutdownNotAcknowledged) as caught:
        await g.hypervisor.request_shutdown(domid, ShutdownReason.POWEROFF, g.short)
    assert caught.value.values == {"vm": vm.id}
    await g.hypervisor.unpause_domain(domid)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(g.short):
            await g.hypervisor.wait_stopped(domid)


async def a_cancelled_request_to_shut_down_is_withdrawn(g: Ground) -> None:
    domid = await g.booted(g.simple_spec())
    await g.hypervisor.pause_domain(domid)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(g.short):
            await g.hypervisor.request_shutdown(domid, ShutdownReason.POWEROFF, 3600)
    await g.hypervisor.unpause_domain(domid)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(g.short):
            await g.hypervisor.wait_stopped(domid)


async def a_guest_that_powers_itself_off_is_noticed_with_the_reason(g: Ground) -> None:
    domid = await g.booted(g.simple_spec())
    waiting = asyncio.create_task(g.hypervisor.wait_stopped(domid))
    await g.hand.poweroff(domid)
    assert await asyncio.wait_for(waiting, g.patience) is ShutdownReason.POWEROFF


async def a_guest_that_crashes_is_noticed_with_the_reason(g: Ground) -> None:
    domid = await g.booted(g.simple_spec())
    waiting = asyncio.create_task(g.hypervisor.wait_stopped(domid))
    await g.hand.crash(domid)
    assert await asyncio.wait_for(waiting, g.patience) is ShutdownReason.CRASH


async def waiting_for_a_domain_that_is_destroyed_ends_with_none(g: Ground) -> None:
    domid = await g.made(g.idle_spec())
    waiting = asyncio.create_task(g.hypervisor.wait_stopped(domid))
    await asyncio.sleep(0)
    await g.hypervisor.destroy_domain(domid)
    assert await asyncio.wait_for(waiting, g.patience) is None
    assert await asyncio.wait_for(g.hypervisor.wait_stopped(domid), g.patience) is None


async def vcpus_of_a_running_guest_follow(g: Ground) -> None:
    domid = await g.booted(g.guest_spec())
    for online in (1, 2):
        await g.hypervisor.set_vcpus(domid, online)
        await g.hand.use_vcpus(domid, online)

        async def followed(wanted: int = online) -> bool:
            domain = await g.hypervisor.domain(domid)
            return domain is not None and domain.vcpus_online == wanted

        await g.eventually(followed, f"{online} vCPUs are online")


async def memory_of_a_running_guest_follows_its_target(g: Ground) -> None:
    vm = g.guest_spec()
    domid = await g.booted(vm)
    target = vm.memory.dynamic_max - 16 * MIB
    await g.hypervisor.set_memory_target(domid, target)

    async def followed() -> bool:
        domain = await g.hypervisor.domain(domid)
        return domain is not None and domain.memory <= target + 2 * MIB

    await g.eventually(followed, "the guest has given 16 MiB back")


async def a_running_guest_has_a_serial_console(g: Ground) -> None:
    domid = await g.booted(g.simple_spec())

    async def there() -> bool:
        return (await g.hypervisor.console(domid)).serial_tty.startswith("/dev/pts/")

    await g.eventually(there, "it has a terminal")


async def what_a_guest_tells_of_itself_is_heard_until_it_is_gone(g: Ground) -> None:
    domid = await g.booted(g.guest_spec())
    heard: list[GuestData] = []

    async def listen() -> None:
        async for data in g.hypervisor.guest_data(domid):
            heard[:] = [data]

    async def told() -> bool:
        return bool(heard) and heard[-1].nodes.get("data/os_name") == "a name with blanks"

    listening = asyncio.create_task(listen())
    await g.hand.tell(domid, "data/os_name", "a name with blanks")
    await g.eventually(told, "it was heard")
    await g.hypervisor.destroy_domain(domid)
    async with asyncio.timeout(g.patience):
        await listening


async def a_domain_that_is_not_there_tells_nothing(g: Ground) -> None:
    async with asyncio.timeout(g.patience):
        assert [data async for data in g.hypervisor.guest_data(DomId(31999))] == []


async def events_tell_of_appearing_stopping_and_going(g: Ground) -> None:
    heard, other = Heard(), Heard()
    listening = [asyncio.create_task(each.listen(g.hypervisor)) for each in (heard, other)]
    await asyncio.sleep(0.05)
    vm = g.simple_spec()
    domid = await g.booted(vm)
    await g.hand.poweroff(domid)
    await asyncio.wait_for(g.hypervisor.wait_stopped(domid), g.patience)
    await g.hypervisor.destroy_domain(domid)

    async def both_heard_all() -> bool:
        kinds = (DomainEventKind.APPEARED, DomainEventKind.STOPPED, DomainEventKind.GONE)
        return all(each.has(kind, domid) for each in (heard, other) for kind in kinds)

    await g.eventually(both_heard_all, "both listeners heard all three")
    stopped = next(event for event in heard.events if event.kind is DomainEventKind.STOPPED and event.domid == domid)
    assert (stopped.vm, stopped.reason) == (vm.id, ShutdownReason.POWEROFF)
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)


async def _asked_until_stopped(g: Ground, domid: DomId, reason: ShutdownReason) -> None:
    """Ask, then wait for it to stop with that reason."""
    async with asyncio.timeout(g.patience):
        await g.hypervisor.request_shutdown(domid, reason, g.patience)
        assert await g.hypervisor.wait_stopped(domid) is reason


PROMISES = (
    a_guest_that_is_asked_powers_off,
    a_guest_that_is_asked_reboots,
    asking_a_stopped_guest_to_shut_down_returns_at_once,
    a_paused_guest_does_not_acknowledge_and_forgets_the_request,
    a_cancelled_request_to_shut_down_is_withdrawn,
    a_guest_that_powers_itself_off_is_noticed_with_the_reason,
    a_guest_that_crashes_is_noticed_with_the_reason,
    waiting_for_a_domain_that_is_destroyed_ends_with_none,
    vcpus_of_a_running_guest_follow,
    memory_of_a_running_guest_follows_its_target,
    pausing_and_unpausing_may_be_repeated,
    a_running_guest_is_destroyed_without_being_asked,
    a_running_guest_has_a_serial_console,
    what_a_guest_tells_of_itself_is_heard_until_it_is_gone,
    a_domain_that_is_not_there_tells_nothing,
    events_tell_of_appearing_stopping_and_going,
)
