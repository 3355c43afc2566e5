"""The handshake over control/shutdown, with a guest played by the test on a stock xenstored."""

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from unit.drivers.xen.machine import FakeDomain, Machine
from xenhost.core.errors import ShutdownNotAcknowledged
from xenhost.core.ids import DomId, VmId
from xenhost.core.ports.hypervisor import DomainEvent, DomainEventKind
from xenhost.core.vm import ShutdownReason
from xenhost.drivers.xen import paths
from xenhost.drivers.xen.fanout import Fanout
from xenhost.drivers.xen.hypercalls import Hypercalls
from xenhost.drivers.xen.shutdown import Shutdowns
from xenhost.native.xenctrl import Xenctrl
from xenhost.native.xenstore import Access, Perm, Xenstore

FIVE = DomId(5)
VM = VmId("aaaaaaaa-0000-0000-0000-000000000001")
NODE = paths.control_shutdown(FIVE)
Ask = Callable[..., Coroutine[None, None, None]]


@pytest.fixture
def fanout() -> Fanout:
    return Fanout()


@pytest.fixture
async def ask(xs: Xenstore, xen: Hypercalls, machine: Machine, fanout: Fanout) -> Ask:
    machine.domains[FIVE] = FakeDomain(b"x" * 16, pauses=0)
    await xs.introduce(FIVE, 1, 1)
    shutdowns = Shutdowns(xs, xen, fanout)

    async def request(reason: ShutdownReason = ShutdownReason.POWEROFF, within: float = 5.0) -> None:
        info = await xen.run(Xenctrl.domain, FIVE)
        assert info is not None
        await shutdowns.request(info, VM, reason, within)

    return request


async def asked(xs: Xenstore) -> str:
    """What the guest reads, once it is told."""
    async with xs.watch(NODE) as watch:
        async for _ in watch:
            word = await xs.get_str(NODE)
            if word:
                return word
    raise AssertionError


@pytest.mark.parametrize("reason", [ShutdownReason.POWEROFF, ShutdownReason.REBOOT])
async def test_a_guest_that_empties_the_node_has_acknowledged(xs: Xenstore, ask: Ask, reason: ShutdownReason) -> None:
    request = asyncio.create_task(ask(reason))
    assert await asked(xs) == reason
    await xs.write(NODE, "")
    await request


async def test_a_guest_that_removes_the_node_has_acknowledged_and_can_be_asked_again(xs: Xenstore, ask: Ask) -> None:
    for _ in range(2):
        request = asyncio.create_task(ask())
        await asked(xs)
        # the guest owns the node, or it could not answer
        assert await xs.get_perms(NODE) == (Perm(FIVE, Access.NONE),)
        await xs.rm(NODE)
        await request


async def test_a_guest_that_does_not_answer_is_not_asked_any_more(xs: Xenstore, ask: Ask) -> None:
    with pytest.raises(ShutdownNotAcknowledged) as caught:
        await ask(within=0.05)
    assert caught.value.values == {"vm": VM}
    assert await xs.read(NODE) == b""
    assert await xs.get_perms(NODE) == (Perm(FIVE, Access.NONE),)


@pytest.mark.parametrize("answer", ["yes", "poweroff ", "\udcff".encode(errors="surrogateescape"), b"x" * 2000])
async def test_whatever_else_a_guest_writes_is_no_acknowledgement(xs: Xenstore, ask: Ask, answer: str | bytes) -> None:
    request = asyncio.create_task(ask(within=0.2))
    await asked(xs)
    await xs.write(NODE, answer)
    with pytest.raises(ShutdownNotAcknowledged):
        await request
    assert await xs.read(NODE) == b""


async def test_a_request_that_is_cancelled_is_withdrawn(xs: Xenstore, ask: Ask) -> None:
    request = asyncio.create_task(ask(within=3600))
    await asked(xs)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert await xs.read(NODE) == b""


@pytest.mark.parametrize("end", ["stops", "goes"])
async def test_a_guest_that_is_gone_need_not_answer(
    xs: Xenstore, ask: Ask, machine: Machine, fanout: Fanout, end: str
) -> None:
    request = asyncio.create_task(ask(within=3600))
    await asked(xs)
    if end == "stops":
        machine.domains[FIVE].shutdown = 0
        fanout.publish(DomainEvent(DomainEventKind.STOPPED, FIVE, VM, ShutdownReason.POWEROFF))
    else:
        del machine.domains[FIVE]
        fanout.publish(DomainEvent(DomainEventKind.GONE, FIVE, VM))
    await request


async def test_a_guest_that_has_stopped_is_not_asked(xs: Xenstore, ask: Ask, machine: Machine) -> None:
    machine.domains[FIVE].shutdown = 1
    await ask(within=3600)
    assert not await xs.exists(NODE)


async def test_an_hvm_guest_without_pv_drivers_is_shut_down_by_xen(xs: Xenstore, ask: Ask, machine: Machine) -> None:
    machine.domains[FIVE].hvm = True
    await ask(ShutdownReason.REBOOT)
    assert machine.domains[FIVE].shutdown == 1
    assert not await xs.exists(NODE)


async def test_an_hvm_guest_with_pv_drivers_is_asked(xs: Xenstore, ask: Ask, machine: Machine) -> None:
    machine.domains[FIVE].hvm = True
    machine.domains[FIVE].params[0] = 1 << 56
    with pytest.raises(ShutdownNotAcknowledged):
        await ask(within=0.05)
