"""EventService over a real connection."""

import asyncio
from pathlib import Path

import grpc
import pytest

from component.harness.agent import Agent, running
from component.harness.client import Client, drained, refused
from xenhost.api.host.v1 import event_service_pb2 as api
from xenhost.api.host.v1 import vm_pb2
from xenhost.api.host.v1.vm_service_pb2 import DeleteVmRequest, StartVmRequest
from xenhost.core.events import ChangeKind, ObjectKind, ObjectRef

CODE = grpc.StatusCode


async def test_a_watcher_sees_a_vm_come_change_and_go(client: Client) -> None:
    watch = client.events.WatchEvents(api.WatchEventsRequest(kinds=[api.OBJECT_KIND_VM]))
    assert (await watch.read()).checkpoint
    vm = await client.create()
    seen = list((await watch.read()).events)
    assert (seen[0].id, seen[0].change) == (vm.id, api.CHANGE_KIND_ADDED)
    await client.vms.DeleteVm(DeleteVmRequest(id=vm.id))
    while seen[-1].change != api.CHANGE_KIND_DELETED:
        seen += (await watch.read()).events
    assert {event.kind for event in seen} == {api.OBJECT_KIND_VM}
    assert [event.revision for event in seen] == sorted({event.revision for event in seen})
    watch.cancel()


async def test_operations_and_domains_are_events_too(client: Client) -> None:
    watch = client.events.WatchEvents(api.WatchEventsRequest())
    await watch.read()
    vm = await client.create()
    await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
    wanted = {api.OBJECT_KIND_VM, api.OBJECT_KIND_OPERATION, api.OBJECT_KIND_DOMAIN}
    kinds: set[int] = set()
    async with asyncio.timeout(5):
        while not wanted <= kinds:
            kinds |= {event.kind for event in (await watch.read()).events}
    watch.cancel()


async def test_a_watcher_resumes_on_another_connection_without_a_gap(agent: Agent) -> None:
    async with agent.client() as first:
        watch = first.events.WatchEvents(api.WatchEventsRequest(kinds=[api.OBJECT_KIND_VM]))
        token = (await watch.read()).resume_token
    async with agent.client() as second:
        missed = await second.create()
        request = api.WatchEventsRequest(kinds=[api.OBJECT_KIND_VM], resume_token=token)
        watch = second.events.WatchEvents(request)
        response = await watch.read()
        while response.checkpoint:
            response = await watch.read()
        assert [event.id for event in response.events] == [missed.id]
        watch.cancel()


async def test_an_idle_stream_sends_checkpoints(tmp_path: Path) -> None:
    async with running(tmp_path, checkpoint=0.05) as agent, agent.client() as client:
        watch = client.events.WatchEvents(api.WatchEventsRequest())
        checkpoints = [await watch.read() for _ in range(3)]
        assert all(response.checkpoint and response.resume_token for response in checkpoints)
        watch.cancel()


@pytest.mark.parametrize("token", ["00000000-0000-0000-0000-000000000000.1", "x" * 5000])
async def test_a_token_of_another_life_has_expired(client: Client, token: str) -> None:
    watch = client.events.WatchEvents(api.WatchEventsRequest(resume_token=token))
    await refused(watch.read(), "EVENTS_LOST", CODE.OUT_OF_RANGE)


async def test_nonsense_is_no_token_and_no_kind(client: Client) -> None:
    for request in (api.WatchEventsRequest(resume_token="nonsense"), api.WatchEventsRequest.FromString(b"\x10\x4d")):
        await refused(client.events.WatchEvents(request).read(), "INVALID_VALUE", CODE.INVALID_ARGUMENT)


async def test_a_reader_that_is_too_slow_is_told_and_holds_nobody_up(client: Client, agent: Agent) -> None:
    watch = client.events.WatchEvents(api.WatchEventsRequest())
    await watch.read()
    for round_ in range(40):  # 40 MB, which no window holds
        for number in range(5000):
            agent.engine.hub.publish(ObjectRef(ObjectKind.DOMAIN, f"{round_}/{number:0200}"), ChangeKind.ADDED)
        await asyncio.sleep(0.01)
    assert (await client.create()).status.power_state == vm_pb2.POWER_STATE_HALTED
    await refused(drained(watch), "EVENTS_LOST", CODE.OUT_OF_RANGE)
