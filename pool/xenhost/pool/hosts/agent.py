"""Calls of the agents: one channel for each host that has registered."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final
from uuid import uuid4

import grpc
import structlog
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration

from xenhost.api.host.v1 import (
    bond_service_pb2_grpc,
    console_service_pb2,
    console_service_pb2_grpc,
    host_service_pb2_grpc,
    metrics_service_pb2_grpc,
    network_service_pb2_grpc,
    pif_service_pb2_grpc,
    pvs_service_pb2_grpc,
    sdn_service_pb2_grpc,
    sr_service_pb2_grpc,
    sriov_service_pb2_grpc,
    tunnel_service_pb2_grpc,
    vbd_service_pb2_grpc,
    vdi_service_pb2_grpc,
    vif_service_pb2_grpc,
    vlan_service_pb2_grpc,
    vm_service_pb2_grpc,
)
from xenhost.api.status import error_of, error_of_call
from xenhost.core.config_error import ConfigError
from xenhost.core.errors import XenhostError
from xenhost.pool.call import ApiError, Ref
from xenhost.pool.hosts.attached import Attached
from xenhost.pool.hosts.dial import DIAL_HERE, Dial
from xenhost.pool.hosts.hosts import Hosts

CALL_SECONDS: Final = 60.0
"""Deadline of a call that does not wait for anything."""
STREAM_SECONDS: Final = 300.0
"""Deadline of a call that answers piece by piece."""
LOOK_SECONDS: Final = 0.5
"""Between two looks at an operation's progress; its end is seen at once."""
CANCEL_SECONDS: Final = 30.0
"""How long an operation that was cancelled may take to undo itself before it is left alone."""
Progress = Callable[[float], None]


class Agent:
    """One host's agent."""

    def __init__(self, host: Ref, channel: grpc.aio.Channel, alive: Callable[[], bool] = lambda: False) -> None:
        """`alive`: has the host been heard of within its lease?"""
        self.host: Final = host
        self._alive: Final = alive
        self._channel: Final = channel
        self.vms: Final[Any] = vm_service_pb2_grpc.VmServiceStub(channel)  # type: ignore[no-untyped-call] # generated
        self.vbds: Final[Any] = vbd_service_pb2_grpc.VbdServiceStub(channel)  # type: ignore[no-untyped-call]
        self.vifs: Final[Any] = vif_service_pb2_grpc.VifServiceStub(channel)  # type: ignore[no-untyped-call]
        self.srs: Final[Any] = sr_service_pb2_grpc.SrServiceStub(channel)  # type: ignore[no-untyped-call]
        self.vdis: Final[Any] = vdi_service_pb2_grpc.VdiServiceStub(channel)  # type: ignore[no-untyped-call]
        self.networks: Final[Any] = network_service_pb2_grpc.NetworkServiceStub(channel)  # type: ignore[no-untyped-call]
        self.pifs: Final[Any] = pif_service_pb2_grpc.PifServiceStub(channel)  # type: ignore[no-untyped-call]
        self.bonds: Final[Any] = bond_service_pb2_grpc.BondServiceStub(channel)  # type: ignore[no-untyped-call]
        self.vlans: Final[Any] = vlan_service_pb2_grpc.VlanServiceStub(channel)  # type: ignore[no-untyped-call]
        self.tunnels: Final[Any] = tunnel_service_pb2_grpc.TunnelServiceStub(channel)  # type: ignore[no-untyped-call]
        self.sriovs: Final[Any] = sriov_service_pb2_grpc.NetworkSriovServiceStub(channel)  # type: ignore[no-untyped-call]
        self.controllers: Final[Any] = sdn_service_pb2_grpc.SdnControllerServiceStub(channel)  # type: ignore[no-untyped-call]
        self.pvs: Final[Any] = pvs_service_pb2_grpc.PvsServiceStub(channel)  # type: ignore[no-untyped-call]
        self.metrics: Final[Any] = metrics_service_pb2_grpc.MetricsServiceStub(channel)  # type: ignore[no-untyped-call]
        self._consoles: Final[Any] = console_service_pb2_grpc.ConsoleServiceStub(channel)  # type: ignore[no-untyped-call]
        self.hosts: Final[Any] = host_service_pb2_grpc.HostServiceStub(channel)  # type: ignore[no-untyped-call]
        self._operations: Final[Any] = operations_pb2_grpc.OperationsStub(channel)
        self._log: Final = structlog.get_logger("xenpoold.agent")

    async def call(self, method: Any, request: Any, seconds: float = CALL_SECONDS) -> Any:
        """One call. Raises XenhostError as the agent said, ApiError HOST_OFFLINE if it cannot be reached."""
        try:
            return await method(request, timeout=seconds)
        except (grpc.aio.AioRpcError, grpc.aio.UsageError) as error:
            raise self._failed(error) from error

    async def stream(
        self, method: Any, request: Any, seconds: float | None = STREAM_SECONDS
    ) -> AsyncGenerator[Any, None]:
        """What a call answers piece by piece. Raises as `call` does. Without `seconds`: as long as pieces come."""
        call = method(request, timeout=seconds)
        try:
            pieces = aiter(call)
            while True:
                async with asyncio.timeout(max(STREAM_SECONDS, seconds or 0.0)):
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                yield piece
        except (grpc.aio.AioRpcError, grpc.aio.UsageError) as error:
            raise self._failed(error) from error
        except TimeoutError as error:
            raise ApiError("HOST_OFFLINE", self.host) from error
        finally:
            call.cancel()

    async def send(self, method: Any, requests: AsyncGenerator[Any, None]) -> Any:
        """What a call answers that is asked piece by piece. Raises as `call` does, and what `requests` raises.

        Cancelled, or if `requests` raises, the agent undoes it.
        """
        call = method()
        try:
            async with aclosing(requests):
                async for request in requests:
                    async with asyncio.timeout(STREAM_SECONDS):
                        await call.write(request)
            await call.done_writing()
            return await call
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise self._failed(await _ended(call, error)) from error
        except TimeoutError as error:
            raise ApiError("HOST_OFFLINE", self.host) from error
        finally:
            call.cancel()

    async def carry_out(self, method: Any, request: Any, progress: Progress = lambda fraction: None) -> AnyMessage:
        """Begin an operation and see it through; what it answers with. Raises XenhostError, ApiError HOST_OFFLINE.

        Cancelled, it asks the agent to undo the operation, and waits until that is done, at most `CANCEL_SECONDS`.
        """
        request.request_id = str(uuid4())
        starting = asyncio.ensure_future(self.call(method, request))
        try:
            operation = await asyncio.shield(starting)
            while not operation.done:
                progress(progress_of(operation))
                operation = await self._looked_at(operation)
        except asyncio.CancelledError:
            await asyncio.shield(self._undo(starting))
            raise
        if operation.HasField("error"):
            raise error_of(operation.error)
        answer: AnyMessage = operation.response
        return answer

    async def attach(self, vm: str, protocol: console_service_pb2.ConsoleProtocol) -> Attached:
        """Speak with the console of the VM with that UUID. Raises as `call` does."""
        attached = Attached(self._consoles.AttachConsole(), self._failed)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await attached.begin(console_service_pb2.AttachConsoleRequest(vm_id=vm, protocol=protocol))
        except TimeoutError as error:
            raise ApiError("HOST_OFFLINE", self.host) from error
        return attached

    async def close(self, grace: float | None = None) -> None:
        """Drop the channel; calls under way get `grace` seconds."""
        await self._channel.close(grace)

    def _failed(self, error: Exception) -> XenhostError | ApiError:
        if not isinstance(error, grpc.aio.AioRpcError):  # we are being stopped
            return ApiError("HOST_OFFLINE", self.host)
        told = error_of_call(error)
        if told is None:
            self._log.warning("an agent does not answer", host=self.host, code=error.code().name)
            return ApiError("HOST_OFFLINE", self.host)
        return told

    async def _wait(self, name: str, seconds: float) -> Any:
        timeout = Duration()
        timeout.FromNanoseconds(int(seconds * 1e9))
        request = operations_pb2.WaitOperationRequest(name=name, timeout=timeout)
        return await self.call(self._operations.WaitOperation, request, seconds + CALL_SECONDS)

    async def _looked_at(self, operation: Any) -> Any:
        """As it is now, or was: a restarted agent goes on with it, so it is asked again while it may be alive."""
        try:
            return await self._wait(operation.name, LOOK_SECONDS)
        except ApiError:
            if not self._alive():
                raise
            await asyncio.sleep(LOOK_SECONDS)
            return operation

    async def _undo(self, starting: "asyncio.Future[Any]") -> None:
        try:
            name = (await starting).name
            await self.call(self._operations.CancelOperation, operations_pb2.CancelOperationRequest(name=name))
            await self._wait(name, CANCEL_SECONDS)
        except (XenhostError, ApiError) as error:
            self._log.warning("an operation could not be cancelled", host=self.host, error=str(error))


class Agents:
    """The agents of the hosts that are alive."""

    def __init__(self, hosts: Hosts, dial: Dial = DIAL_HERE) -> None:
        self._hosts: Final = hosts
        self._dial: Final = dial
        self._agents: Final[dict[str, tuple[str, Agent]]] = {}
        """By the UUID of the host, with the session that it was made for."""

    def agent(self, host: Ref) -> Agent:
        """That of a host. Raises ApiError HOST_OFFLINE if it is lost, or named no way to reach it."""
        member = self._hosts.member(host)
        if member is None or not member.endpoints:
            raise ApiError("HOST_OFFLINE", host)
        session, agent = self._agents.get(member.uuid, ("", None))
        if agent is None or session != member.session:
            # a new connection, at once and with certificates of today; who still works with the old one keeps it
            try:
                channel = self._dial(member.endpoints[0])
            except ConfigError as error:
                structlog.get_logger("xenpoold.agent").error("an agent cannot be called", host=host, reason=str(error))
                raise ApiError("HOST_OFFLINE", host) from error
            agent = Agent(host, channel, lambda: self.alive(host))
            self._agents[member.uuid] = member.session, agent
        return agent

    def endpoints(self, host: Ref) -> Sequence[str]:
        """Where a host's agent says that it listens. Raises ApiError HOST_OFFLINE."""
        member = self._hosts.member(host)
        if member is None:
            raise ApiError("HOST_OFFLINE", host)
        return member.endpoints

    def forget(self, host: Ref) -> None:
        """The host is no member any more."""
        self._hosts.forget(host)

    def on_returned(self, listener: Callable[[Ref], None]) -> None:
        """Tell it of each host that has come back, or is new, when all it has is known."""
        self._hosts.on_returned.append(listener)

    def on_new_drivers(self, listener: Callable[[Ref], None]) -> None:
        """Tell it of each host whose types of SRs have changed."""
        self._hosts.on_new_drivers.append(listener)

    def alive(self, host: Ref) -> bool:
        """Has it been heard of within its lease?"""
        return self._hosts.member(host) is not None

    async def close(self) -> None:
        """Drop all channels."""
        for _, agent in self._agents.values():
            await agent.close()
        self._agents.clear()


async def _ended(call: Any, error: Exception) -> grpc.aio.AioRpcError:
    """How a call has ended; a write to one that has says no more than that."""
    if isinstance(error, grpc.aio.AioRpcError):
        return error
    try:
        await call
    except grpc.aio.AioRpcError as real:
        return real
    raise error


def progress_of(operation: Any) -> float:
    """How far it is, 0 to 1."""
    from xenhost.api.host.v1.operation_pb2 import OperationMetadata

    metadata = OperationMetadata()
    operation.metadata.Unpack(metadata)
    return metadata.progress
