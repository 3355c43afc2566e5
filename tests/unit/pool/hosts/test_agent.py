"""Operations of an agent seen through, also when it is away for a moment, or nobody wants them any more."""

import asyncio
from typing import Any

import grpc
import pytest
from google.longrunning.operations_pb2 import Operation
from google.protobuf.any_pb2 import Any as AnyMessage

from xenhost.api.host.v1.vm_pb2 import Vm
from xenhost.api.host.v1.vm_service_pb2 import StartVmRequest
from xenhost.pool.call import ApiError, Ref
from xenhost.pool.hosts import agent as module
from xenhost.pool.hosts.agent import Agent


class Operations:
    """The agent's side: what WaitOperation answers, one after the other."""

    def __init__(self, *answers: Operation | Exception) -> None:
        self.answers = list(answers)
        self.cancelled: list[str] = []

    async def WaitOperation(self, request: Any, timeout: float) -> Operation:
        await asyncio.sleep(0.005)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def CancelOperation(self, request: Any, timeout: float) -> None:
        self.cancelled.append(request.name)


def away() -> Exception:
    metadata: Any = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, metadata, metadata, "away", "")


def done() -> Operation:
    response = AnyMessage()
    response.Pack(Vm(id="made"))
    return Operation(name="one", done=True, response=response)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)


async def seen_through(operations: Operations, alive: bool) -> str:
    agent = Agent(Ref("OpaqueRef:host"), grpc.aio.insecure_channel("unix:/nowhere"), lambda: alive)
    agent._operations = operations  # type: ignore[misc] # in place of the stub

    async def start(request: StartVmRequest, timeout: float) -> Operation:
        assert request.request_id
        return Operation(name="one")

    try:
        answer, vm = await agent.carry_out(start, StartVmRequest(id="vm")), Vm()
        answer.Unpack(vm)
        return vm.id
    finally:
        await agent.close()


async def test_an_agent_that_is_restarted_is_asked_again() -> None:
    assert await seen_through(Operations(away(), away(), done()), alive=True) == "made"


async def test_a_lost_host_is_not_waited_for() -> None:
    with pytest.raises(ApiError) as caught:
        await seen_through(Operations(away(), done()), alive=False)
    assert caught.value.as_xenapi() == ["HOST_OFFLINE", "OpaqueRef:host"]


async def test_what_is_cancelled_is_undone() -> None:
    operations = Operations(*[Operation(name="one")] * 1000)
    work = asyncio.create_task(seen_through(operations, alive=True))
    await asyncio.sleep(0.05)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert operations.cancelled == ["one"]
