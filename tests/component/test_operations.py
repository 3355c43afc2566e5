"""google.longrunning.Operations over a real connection."""

import asyncio

import grpc
import pytest
from google.longrunning import operations_pb2 as lro
from google.protobuf.duration_pb2 import Duration

from component.harness.agent import Agent
from component.harness.client import Client, refused
from xenhost.api.host.v1 import operation_pb2, vm_pb2
from xenhost.api.host.v1.vm_service_pb2 import GetVmRequest, StartVmRequest

CODE = grpc.StatusCode


def metadata(operation: lro.Operation) -> operation_pb2.OperationMetadata:
    message = operation_pb2.OperationMetadata()
    assert operation.metadata.Unpack(message)
    return message


async def hanging(client: Client, agent: Agent) -> tuple[vm_pb2.Vm, lro.Operation]:
    """A start that does not end by itself."""
    vm = await client.create(name="slow")
    agent.world.faults.hang("build_domain")
    return vm, await client.vms.StartVm(StartVmRequest(id=vm.id))


async def test_an_operation_says_what_it_is(client: Client) -> None:
    vm = await client.create(name="one")
    operation = await client.ended(client.vms.StartVm(StartVmRequest(id=vm.id)))
    about = metadata(operation)
    assert (about.kind, about.target, about.vm_name, about.progress) == ("vm.start", vm.id, "one", 1.0)
    assert about.started.ToNanoseconds() <= about.ended.ToNanoseconds()
    assert operation.name.startswith("operations/")
    assert await client.operations.GetOperation(lro.GetOperationRequest(name=operation.name)) == operation


async def test_waiting_ends_when_the_time_is_up(client: Client, agent: Agent) -> None:
    _, operation = await hanging(client, agent)
    request = lro.WaitOperationRequest(name=operation.name, timeout=Duration(nanos=50_000_000))
    current = await client.operations.WaitOperation(request)
    assert not current.done
    assert metadata(current).step
    await client.operations.CancelOperation(lro.CancelOperationRequest(name=operation.name))


async def test_a_cancelled_start_is_undone(client: Client, agent: Agent) -> None:
    vm, operation = await hanging(client, agent)
    async with asyncio.timeout(5):
        while not agent.world.domains:
            await asyncio.sleep(0.01)
    await client.operations.CancelOperation(lro.CancelOperationRequest(name=operation.name))
    ended = await client.ended(operation)
    assert ended.error.code == CODE.CANCELLED.value[0]
    assert not agent.world.domains
    vm = await client.vms.GetVm(GetVmRequest(id=vm.id))
    assert (vm.status.power_state, vm.status.current_operation) == (vm_pb2.POWER_STATE_HALTED, "")


async def test_a_vm_names_the_operation_that_holds_it(client: Client, agent: Agent) -> None:
    vm, operation = await hanging(client, agent)
    assert operation.name.endswith((await client.vms.GetVm(GetVmRequest(id=vm.id))).status.current_operation)
    await client.operations.CancelOperation(lro.CancelOperationRequest(name=operation.name))


async def test_operations_are_listed_by_pages(client: Client) -> None:
    for _ in range(5):
        vm = await client.create()
        await client.done(client.vms.StartVm(StartVmRequest(id=vm.id)))
    seen: list[str] = []
    request = lro.ListOperationsRequest(page_size=2)
    while True:
        page = await client.operations.ListOperations(request)
        seen += [operation.name for operation in page.operations]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert len(seen) == len(set(seen)) == 5


async def test_an_ended_operation_can_be_forgotten(client: Client) -> None:
    vm = await client.create()
    operation = await client.ended(client.vms.StartVm(StartVmRequest(id=vm.id)))
    await client.operations.DeleteOperation(lro.DeleteOperationRequest(name=operation.name))
    call = client.operations.GetOperation(lro.GetOperationRequest(name=operation.name))
    await refused(call, "HANDLE_INVALID", CODE.NOT_FOUND)


@pytest.mark.parametrize("name", ["operations/none", "", "x" * 5000, "operations/\N{SNOWMAN}"])
async def test_an_unknown_operation_is_not_found(client: Client, name: str) -> None:
    for call in (
        client.operations.GetOperation(lro.GetOperationRequest(name=name)),
        client.operations.CancelOperation(lro.CancelOperationRequest(name=name)),
        client.operations.DeleteOperation(lro.DeleteOperationRequest(name=name)),
        client.operations.WaitOperation(lro.WaitOperationRequest(name=name)),
    ):
        await refused(call, "HANDLE_INVALID", CODE.NOT_FOUND)


async def test_a_list_refuses_what_it_does_not_know(client: Client) -> None:
    call = client.operations.ListOperations(lro.ListOperationsRequest(filter="done=true"))
    await refused(call, "VALUE_NOT_SUPPORTED", CODE.INVALID_ARGUMENT)
    call = client.operations.ListOperations(lro.ListOperationsRequest(page_token="seven"))
    await refused(call, "INVALID_VALUE", CODE.INVALID_ARGUMENT)
