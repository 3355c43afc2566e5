"""What holds of every call: phases, messages, deadlines, faults of our own, health, reflection, the audit line."""

import asyncio
import os
import stat
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from component.harness.agent import Agent, running
from component.harness.client import Client, drained, refused
from xenhost.agent.rpc.server import SERVICES
from xenhost.api.host.v1 import event_service_pb2, host_service_pb2, vm_pb2
from xenhost.api.host.v1.vm_service_pb2 import DeleteVmRequest, GetVmRequest, ListVmsRequest, StartVmRequest
from xenhost.core.errors import HypervisorUnavailable

CODE = grpc.StatusCode
HOST = host_service_pb2.GetHostRequest()


async def test_the_host_is_described(client: Client, agent: Agent) -> None:
    host = await client.hosts.GetHost(HOST)
    assert (host.hypervisor, host.id, host.instance_id) == ("sim", agent.engine.host_id, agent.engine.instance_id)
    assert host.memory_total_bytes >= host.memory_free_bytes > 0
    assert "vm.start" in host.capabilities


async def test_domains_of_others_are_listed(client: Client, agent: Agent) -> None:
    agent.world.add_foreign_domain(name="dom\x1bU")
    domains = (await client.hosts.ListDomains(host_service_pb2.ListDomainsRequest())).domains
    assert [(domain.managed, domain.type) for domain in domains] == [(False, vm_pb2.VM_TYPE_PV)]


async def test_until_recovery_is_done_every_call_says_so_and_health_too(tmp_path: Path) -> None:
    async with running(tmp_path, serve=False) as agent, agent.client() as client:
        assert not await client.serving()
        await refused(client.hosts.GetHost(HOST), "HOST_STILL_BOOTING", CODE.UNAVAILABLE)
        watch = client.events.WatchEvents(event_service_pb2.WatchEventsRequest())
        await refused(watch.read(), "HOST_STILL_BOOTING", CODE.UNAVAILABLE)
        await agent.engine.start()
        agent.server.serve()
        assert await client.serving()
        await client.hosts.GetHost(HOST)


async def test_a_stopping_agent_ends_streams_and_takes_no_calls(agent: Agent, client: Client) -> None:
    watch = client.events.WatchEvents(event_service_pb2.WatchEventsRequest())
    await watch.read()
    agent.world.faults.hang("build_domain")
    operation = await client.vms.StartVm(StartVmRequest(id=(await client.create()).id))
    waiting = asyncio.ensure_future(client.ended(operation))
    await asyncio.sleep(0.1)
    await agent.edge.stop(5.0)
    await refused(waiting, "AGENT_STOPPING", CODE.UNAVAILABLE)
    await refused(drained(watch), "AGENT_STOPPING", CODE.UNAVAILABLE)
    await refused(client.hosts.GetHost(HOST), "AGENT_STOPPING", CODE.UNAVAILABLE)


async def test_health_is_watched(agent: Agent, client: Client) -> None:
    stub = health_pb2_grpc.HealthStub(client.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    agent.health.set("", False)
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
    watch.cancel()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.serving("no.such.Service")
    assert caught.value.code() == CODE.NOT_FOUND


async def test_reflection_lists_the_services(client: Client) -> None:
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    call = stub.ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    names = {service.name for service in (await call.read()).list_services_response.service}
    assert names >= set(SERVICES)
    await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol="xenhost.api.host.v1.VmService"))
    assert (await call.read()).file_descriptor_response.file_descriptor_proto
    call.cancel()


async def test_reflection_can_be_switched_off(tmp_path: Path) -> None:
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    async with running(tmp_path, "[api]\nreflection = false\n") as agent, agent.client() as client:
        stub = reflection_pb2_grpc.ServerReflectionStub(client.channel)
        call = stub.ServerReflectionInfo()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _asked(call, reflection_pb2.ServerReflectionRequest(list_services=""))
        assert caught.value.code() == CODE.UNIMPLEMENTED


async def _asked(call: Any, request: Any) -> Any:
    await call.write(request)
    return await call.read()


async def test_bytes_that_are_no_message_are_refused(client: Client) -> None:
    channel: Any = client.channel  # the stubs do not know that messages may be bytes
    call = channel.unary_unary("/xenhost.api.host.v1.VmService/GetVm")
    await refused(call(b"\xff\xff\xff"), "INVALID_VALUE", CODE.INVALID_ARGUMENT)
    stream = channel.unary_stream("/xenhost.api.host.v1.EventService/WatchEvents")
    await refused(stream(b"\xff\xff\xff").read(), "INVALID_VALUE", CODE.INVALID_ARGUMENT)


async def test_a_message_beyond_a_mebibyte_is_refused(client: Client) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.vms.GetVm(GetVmRequest(id="x" * 2**20))
    assert caught.value.code() == CODE.RESOURCE_EXHAUSTED


async def test_a_fault_of_ours_is_an_incident_in_answer_and_log(
    client: Client, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(agent.engine, "vms", broken)
    with capture_logs() as lines:
        agent.edge._log = structlog.get_logger()
        error = await refused(client.vms.ListVms(ListVmsRequest()), "INTERNAL_ERROR", CODE.INTERNAL)
    assert "secret detail" not in str(error)
    failed = [line for line in lines if line["event"] == "call failed"]
    assert failed[0]["incident"] in str(error)


async def test_an_unreachable_hypervisor_is_said_so(client: Client, agent: Agent) -> None:
    agent.world.faults.fail("host", error=HypervisorUnavailable("xenstored is away", msg="away"))
    await refused(client.hosts.GetHost(HOST), "HYPERVISOR_UNAVAILABLE", CODE.UNAVAILABLE)


async def test_a_call_ends_at_its_deadline(client: Client, agent: Agent) -> None:
    agent.world.faults.hang("host")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.hosts.GetHost(HOST, timeout=0.2)
    assert caught.value.code() == CODE.DEADLINE_EXCEEDED


async def test_a_change_leaves_one_audit_line_and_a_look_none(client: Client, agent: Agent) -> None:
    with capture_logs() as lines:
        agent.edge._log = structlog.get_logger()
        name = str(uuid4())
        vm = await client.create()
        operation = await client.vms.StartVm(StartVmRequest(id=vm.id, request_id=name))
        await client.ended(operation)
        await client.vms.GetVm(GetVmRequest(id=vm.id))
        await refused(client.vms.DeleteVm(DeleteVmRequest(id=vm.id)), "VM_BAD_POWER_STATE", CODE.FAILED_PRECONDITION)
    calls = [line for line in lines if line["event"] == "call"]
    assert [line["method"].rpartition("/")[2] for line in calls] == ["CreateVm", "StartVm", "DeleteVm"]
    assert [line["outcome"] for line in calls] == ["OK", "OK", "VM_BAD_POWER_STATE"]
    assert calls[1]["request_id"] == name
    assert operation.name.endswith(calls[1]["operation"])
    assert all(line["peer"] for line in calls)


async def test_a_client_that_hangs_up_does_not_cut_a_change_short(client: Client, agent: Agent) -> None:
    vm = await client.create()
    call = client.vms.StartVm(StartVmRequest(id=vm.id))
    task = asyncio.ensure_future(_await(call))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    name = str(uuid4())
    request = StartVmRequest(id=(await client.create()).id, request_id=name)
    with pytest.raises(grpc.aio.AioRpcError):
        await client.vms.StartVm(request, timeout=0.0001)
    assert (await client.done(client.vms.StartVm(request))).status.domid


async def _await(call: object) -> object:
    return await call  # type: ignore[misc] # a gRPC call


async def test_the_socket_is_for_root_and_the_group_alone(agent: Agent) -> None:
    state = os.stat(agent.config.api.socket)
    assert stat.S_IMODE(state.st_mode) in {0o600, 0o660}
