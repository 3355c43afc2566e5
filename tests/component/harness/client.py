"""The services as a client sees them."""

from collections.abc import Awaitable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import grpc
import pytest
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.duration_pb2 import Duration
from grpc_health.v1 import health_pb2, health_pb2_grpc

from xenhost.api.host.v1 import (
    bond_service_pb2_grpc,
    console_service_pb2_grpc,
    event_service_pb2_grpc,
    host_service_pb2_grpc,
    metrics_service_pb2_grpc,
    network_pb2,
    network_service_pb2,
    network_service_pb2_grpc,
    pif_service_pb2_grpc,
    sr_service_pb2,
    sr_service_pb2_grpc,
    sriov_service_pb2_grpc,
    storage_pb2,
    tunnel_service_pb2_grpc,
    vbd_service_pb2_grpc,
    vdi_service_pb2,
    vdi_service_pb2_grpc,
    vif_service_pb2_grpc,
    vlan_service_pb2_grpc,
    vm_pb2,
    vm_service_pb2,
    vm_service_pb2_grpc,
)
from xenhost.api.status import error_of, error_of_call
from xenhost.api.tls_files import TlsFiles
from xenhost.core.errors import XenhostError
from xenhost.core.units import MIB

LOCAL = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))


class Client:
    """One connection with a stub of every service."""

    def __init__(self, target: str, tls: TlsFiles | None = None) -> None:
        if tls is None:
            self.channel = grpc.aio.insecure_channel(target, options=LOCAL)
        else:
            credentials = grpc.ssl_channel_credentials(
                tls.ca.read_bytes(), private_key=tls.key.read_bytes(), certificate_chain=tls.cert.read_bytes()
            )
            self.channel = grpc.aio.secure_channel(target, credentials, options=LOCAL)
        self.vms = _stub(vm_service_pb2_grpc.VmServiceStub, self.channel)
        self.vbds = _stub(vbd_service_pb2_grpc.VbdServiceStub, self.channel)
        self.vifs = _stub(vif_service_pb2_grpc.VifServiceStub, self.channel)
        self.srs = _stub(sr_service_pb2_grpc.SrServiceStub, self.channel)
        self.vdis = _stub(vdi_service_pb2_grpc.VdiServiceStub, self.channel)
        self.networks = _stub(network_service_pb2_grpc.NetworkServiceStub, self.channel)
        self.pifs = _stub(pif_service_pb2_grpc.PifServiceStub, self.channel)
        self.bonds = _stub(bond_service_pb2_grpc.BondServiceStub, self.channel)
        self.vlans = _stub(vlan_service_pb2_grpc.VlanServiceStub, self.channel)
        self.tunnels = _stub(tunnel_service_pb2_grpc.TunnelServiceStub, self.channel)
        self.sriovs = _stub(sriov_service_pb2_grpc.NetworkSriovServiceStub, self.channel)
        self.hosts = _stub(host_service_pb2_grpc.HostServiceStub, self.channel)
        self.events = _stub(event_service_pb2_grpc.EventServiceStub, self.channel)
        self.metrics = _stub(metrics_service_pb2_grpc.MetricsServiceStub, self.channel)
        self.consoles = _stub(console_service_pb2_grpc.ConsoleServiceStub, self.channel)
        self.operations = _stub(operations_pb2_grpc.OperationsStub, self.channel)
        self._health = _stub(health_pb2_grpc.HealthStub, self.channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.channel.close(None)

    async def serving(self, service: str = "") -> bool:
        """What health says."""
        reply = await self._health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
        return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)

    async def create(self, **fields: Any) -> vm_pb2.Vm:
        """A VM with all that is required, and what the test adds."""
        message = vm_pb2.Vm(
            name=fields.pop("name", f"vm-{uuid4().hex[:6]}"),
            type=fields.pop("type", vm_pb2.VM_TYPE_PVH),
            memory=vm_pb2.Memory(static_max_bytes=64 * MIB),
        )
        if not {"bootloader", "firmware"} & set(fields):
            message.direct.kernel = "/boot/kernel"
        message.MergeFrom(vm_pb2.Vm(**fields))
        vm: vm_pb2.Vm = await self.vms.CreateVm(vm_service_pb2.CreateVmRequest(vm=message))
        return vm

    async def create_sr(self, name: str, location: Path, sr_type: str = "file") -> storage_pb2.Sr:
        """An SR in a folder, attached."""
        sr = storage_pb2.Sr(name=name, type=sr_type, device_config={"location": str(location)})
        made: storage_pb2.Sr = await self.sr_done(self.srs.CreateSr(sr_service_pb2.CreateSrRequest(sr=sr)))
        return made

    async def create_vdi(self, sr: str, name: str, size: int = MIB, **fields: Any) -> storage_pb2.Vdi:
        """A VDI of zeros."""
        vdi = storage_pb2.Vdi(sr_id=sr, name=name, virtual_size_bytes=size, **fields)
        made: storage_pb2.Vdi = await self.vdi_done(self.vdis.CreateVdi(vdi_service_pb2.CreateVdiRequest(vdi=vdi)))
        return made

    async def create_network(self, name: str, **fields: Any) -> network_pb2.Network:
        """A network without uplink."""
        request = network_service_pb2.CreateNetworkRequest(network=network_pb2.Network(name=name, **fields))
        made: network_pb2.Network = await self.answer(self.networks.CreateNetwork(request), network_pb2.Network())
        return made

    async def host_network(self) -> network_pb2.HostNetwork:
        """All networks of the host."""
        whole = network_pb2.HostNetwork()
        async for part in self.networks.GetHostNetwork(network_service_pb2.GetHostNetworkRequest()):
            whole.MergeFrom(part)
        return whole

    async def ended(
        self, operation: operations_pb2.Operation | Awaitable[operations_pb2.Operation]
    ) -> operations_pb2.Operation:
        """The operation once it has ended."""
        current = operation if isinstance(operation, operations_pb2.Operation) else await operation
        while not current.done:
            request = operations_pb2.WaitOperationRequest(name=current.name, timeout=Duration(seconds=5))
            current = await self.operations.WaitOperation(request)
        return current

    async def done(self, operation: operations_pb2.Operation | Awaitable[operations_pb2.Operation]) -> vm_pb2.Vm:
        """The VM that a successful operation answers with. Raises the operation's error."""
        vm: vm_pb2.Vm = await self.answer(operation, vm_pb2.Vm())
        return vm

    async def sr_done(self, operation: operations_pb2.Operation | Awaitable[operations_pb2.Operation]) -> Any:
        """The SR that a successful operation answers with. Raises the operation's error."""
        return await self.answer(operation, storage_pb2.Sr())

    async def vdi_done(self, operation: operations_pb2.Operation | Awaitable[operations_pb2.Operation]) -> Any:
        """The VDI that a successful operation answers with. Raises the operation's error."""
        return await self.answer(operation, storage_pb2.Vdi())

    async def answer(
        self, operation: operations_pb2.Operation | Awaitable[operations_pb2.Operation], message: Any
    ) -> Any:
        """What a successful operation answers with, in that message. Raises the operation's error."""
        current = await self.ended(operation)
        if current.HasField("error"):
            raise error_of(current.error)
        assert current.response.Unpack(message), current
        return message


EOF: Any = vars(grpc.aio)["EOF"]
"""What `read` gives at the end of a stream; the stubs forgot it."""


async def drained(stream: Any) -> None:
    """Read a stream to its end."""
    while await stream.read() is not EOF:
        pass


def _stub(make: Any, channel: grpc.aio.Channel) -> Any:
    return make(channel)


async def refused(call: Awaitable[object], reason: str, code: grpc.StatusCode) -> XenhostError:
    """The error that a call ends with, proven to be that one."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    error = error_of_call(caught.value)
    assert error is not None, caught.value
    assert (error.reason, caught.value.code()) == (reason, code), str(error)
    assert str(error)
    return error
