"""What guests tell, as the engine shows it."""

import asyncio
from dataclasses import replace

import pytest

from kit.agent import Agent, SimHost
from kit.specs import nic, spec, vm_id
from xenhost.agent.engine import guests
from xenhost.agent.events.hub import Subscription
from xenhost.core.errors import HandleInvalid
from xenhost.core.events import ChangeKind, ObjectKind
from xenhost.core.requests import ShutdownVm, StartVm

VM = vm_id()
KINDS = frozenset({ObjectKind.VM_GUEST_METRICS})


async def running(agent: Agent) -> None:
    await agent.engine.create_vm(spec(vifs=(nic(),)))
    await agent.succeed(StartVm(VM))
    await agent.settled(VM)


async def next_kind(reader: Subscription) -> ChangeKind:
    async with asyncio.timeout(5):
        ((change,), _) = await anext(reader)
    assert change.ref.id == VM
    return change.kind


async def test_a_running_guest_tells_its_system_and_addresses(agent: Agent) -> None:
    reader = agent.engine.hub.subscribe(None, KINDS)
    await running(agent)
    assert await next_kind(reader) is ChangeKind.ADDED
    metrics = agent.engine.guests.view(VM).metrics
    assert metrics.live
    assert metrics.os_version["name"] == "SimOS 1.0"
    assert metrics.pv_drivers_detected


async def test_only_what_is_different_is_an_event(host: SimHost, agent: Agent) -> None:
    await running(agent)
    reader = agent.engine.hub.subscribe(None, KINDS)
    domid = agent.engine.vm(VM).status.domid
    assert domid is not None
    guest = host.world.guest(domid)
    guest.tell({"data/nobody/asks": "x"})
    await agent.settled(VM)
    guest.tell({"data/host_name": "web"})
    assert await next_kind(reader) is ChangeKind.MODIFIED
    assert agent.engine.guests.view(VM).metrics.netbios_name == {"host_name": "web"}
    assert reader.token() == agent.engine.hub.token(), "one event, not two"


async def test_the_last_words_of_a_guest_that_is_gone_are_not_live(agent: Agent) -> None:
    await running(agent)
    alive = agent.engine.guests.view(VM).metrics
    await agent.succeed(ShutdownVm(VM, True, 10))
    await agent.settled(VM)
    assert agent.engine.guests.view(VM).metrics == replace(alive, live=False)
    reader = agent.engine.hub.subscribe(None, KINDS)
    await agent.engine.delete_vm(VM)
    assert await next_kind(reader) is ChangeKind.DELETED
    with pytest.raises(HandleInvalid, match="no VM"):
        agent.engine.guests.view(VM)


async def test_the_next_agent_hears_it_again(host: SimHost, agent: Agent) -> None:
    await running(agent)
    await agent.close()
    second = await host.start()
    await second.settled(VM)
    assert second.engine.guests.view(VM).metrics.os_version["distro"] == "simos"
    await second.close()


async def test_a_guest_that_never_ran_has_told_nothing(agent: Agent) -> None:
    await agent.engine.create_vm(spec())
    with pytest.raises(HandleInvalid, match="told nothing"):
        agent.engine.guests.view(VM)


async def test_a_fault_that_a_guest_leads_to_does_not_end_the_engine(
    host: SimHost, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = 0

    def fault(data: object) -> None:
        nonlocal heard
        heard += 1
        raise LookupError("a fault of ours")

    monkeypatch.setattr(guests, "guest_metrics", fault)
    await running(agent)
    assert heard
    await agent.succeed(ShutdownVm(VM, True, 10))
    monkeypatch.undo()
    await agent.succeed(StartVm(VM))
    await agent.settled(VM)
    assert agent.engine.guests.view(VM).metrics.live, "the next domain is followed"
