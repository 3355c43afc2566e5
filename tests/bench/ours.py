"""xenhost itself: a running xenhostd, asked over gRPC as a pool master asks it."""

import asyncio
import uuid
from typing import Any

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc

from bench.our_storage import OurStorage
from bench.toolstack import BRIDGE, GUESTS, MEMORY_MIB, CommandFailed, Guest
from xenhost.api.host.v1 import (
    vbd_service_pb2,
    vbd_service_pb2_grpc,
    vif_service_pb2,
    vif_service_pb2_grpc,
    vm_pb2,
    vm_service_pb2,
    vm_service_pb2_grpc,
)


class Xenhost:
    """One connection, kept open."""

    name = "xenhost"

    def __init__(self, target: str) -> None:
        self._channel = grpc.aio.insecure_channel(target)
        self._vms: Any = vm_service_pb2_grpc.VmServiceStub(self._channel)  # type: ignore[no-untyped-call]  # generated code
        self._vbds: Any = vbd_service_pb2_grpc.VbdServiceStub(self._channel)  # type: ignore[no-untyped-call]  # generated code
        self._vifs: Any = vif_service_pb2_grpc.VifServiceStub(self._channel)  # type: ignore[no-untyped-call]  # generated code
        self._operations: Any = operations_pb2_grpc.OperationsStub(self._channel)
        self._ids: dict[str, str] = {}
        self.storage = OurStorage(self._channel, self._done)

    async def ready(self, timeout: float = 300) -> None:
        """Until the daemon answers."""
        async with asyncio.timeout(timeout):
            while True:
                try:
                    await self._vms.ListVms(vm_service_pb2.ListVmsRequest())
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.2)
                else:
                    return

    async def close(self) -> None:
        await self._channel.close(None)

    async def define(self, guest: Guest) -> None:
        """Record the VM: a pool master has done that long before a start."""
        vm = vm_pb2.Vm(
            id=str(uuid.uuid4()),
            name=guest.name,
            type={"pv": vm_pb2.VM_TYPE_PV, "pvh": vm_pb2.VM_TYPE_PVH}[guest.type],
            direct=vm_pb2.DirectBoot(kernel=f"{GUESTS}/vmlinux", ramdisk=f"{GUESTS}/initrd.gz", cmdline=guest.cmdline),
            memory=vm_pb2.Memory(static_max_bytes=MEMORY_MIB << 20),
            vbds=[vm_pb2.Vbd(device="xvda", source=vm_pb2.Source(path=guest.disk))],
            vifs=[vm_pb2.Vif(index=0, mac=guest.mac, bridge=BRIDGE)],
        )
        answer = await self._vms.CreateVm(vm_service_pb2.CreateVmRequest(vm=vm))
        self._ids[guest.name] = answer.id

    async def start(self, guest: Guest) -> None:
        await self._done(await self._vms.StartVm(vm_service_pb2.StartVmRequest(id=self._ids[guest.name])))

    async def destroy(self, guest: Guest) -> None:
        request = vm_service_pb2.ShutdownVmRequest(id=self._ids[guest.name], hard=True)
        await self._done(await self._vms.ShutdownVm(request))

    async def plug_disk(self, guest: Guest, device: str, path: str) -> None:
        vbd = vm_pb2.Vbd(device=device, source=vm_pb2.Source(path=path))
        request = vbd_service_pb2.PlugVbdRequest(vm_id=self._ids[guest.name], vbd=vbd)
        await self._done(await self._vbds.PlugVbd(request))

    async def plug_vdi(self, guest: Guest, device: str, vdi: str) -> None:
        """As plug_disk, of a VDI."""
        vbd = vm_pb2.Vbd(device=device, source=vm_pb2.Source(vdi_id=vdi))
        request = vbd_service_pb2.PlugVbdRequest(vm_id=self._ids[guest.name], vbd=vbd)
        await self._done(await self._vbds.PlugVbd(request))

    async def unplug_disk(self, guest: Guest, device: str) -> None:
        request = vbd_service_pb2.UnplugVbdRequest(vm_id=self._ids[guest.name], device=device)
        await self._done(await self._vbds.UnplugVbd(request))

    async def plug_nic(self, guest: Guest, index: int, mac: str) -> None:
        vif = vm_pb2.Vif(index=index, mac=mac, bridge=BRIDGE)
        request = vif_service_pb2.PlugVifRequest(vm_id=self._ids[guest.name], vif=vif)
        await self._done(await self._vifs.PlugVif(request))

    async def unplug_nic(self, guest: Guest, index: int) -> None:
        request = vif_service_pb2.UnplugVifRequest(vm_id=self._ids[guest.name], index=index)
        await self._done(await self._vifs.UnplugVif(request))

    async def _done(self, operation: operations_pb2.Operation) -> None:
        while not operation.done:
            request = operations_pb2.WaitOperationRequest(name=operation.name)
            request.timeout.FromSeconds(60)
            operation = await self._operations.WaitOperation(request)
        if operation.HasField("error"):
            raise CommandFailed(f"{operation.name}: {operation.error.message}")
