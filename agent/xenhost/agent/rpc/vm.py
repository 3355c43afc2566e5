"""VmService: life of VMs."""

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from xenhost.agent.engine.engine import Engine
from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert import bounds
from xenhost.agent.rpc.convert.guest import guest_metrics_to_proto
from xenhost.agent.rpc.convert.update import fields_of, merged
from xenhost.agent.rpc.convert.vm import spec_from_proto, vm_to_proto
from xenhost.agent.rpc.resolve import name_vdis, source_kinds, vdi_named, vm_named
from xenhost.agent.rpc.submit import seconds_or, submit
from xenhost.agent.rpc.vif import name_bridge
from xenhost.agent.storage.engine import StorageEngine
from xenhost.api.host.v1 import vm_pb2, vm_service_pb2, vm_service_pb2_grpc
from xenhost.core.devices import Source, SourceKind
from xenhost.core.errors import InvalidValue
from xenhost.core.ids import MAX_DISKS
from xenhost.core.requests import (
    CheckpointVm,
    DiskSnapshot,
    PauseVm,
    RebootVm,
    ResumeVm,
    ShutdownVm,
    StartVm,
    SuspendVm,
    UnpauseVm,
)

SHUTDOWN_SECONDS = 1200.0


class VmServicer(vm_service_pb2_grpc.VmServiceServicer):
    """Answers by the engine."""

    def __init__(self, engine: Engine, storage: StorageEngine) -> None:
        self._engine = engine
        self._storage = storage

    async def CreateVm(self, request: vm_service_pb2.CreateVmRequest, context: Context) -> vm_pb2.Vm:
        """Record a VM."""
        if not request.HasField("vm"):
            raise InvalidValue("vm is required", field="vm", value="")
        name_vdis(self._storage, (vbd.source for vbd in request.vm.vbds))
        kinds = await source_kinds(vbd.source for vbd in request.vm.vbds)
        name_vdis(self._storage, [request.vm.suspended])
        for vif in request.vm.vifs:
            name_bridge(self._engine.networks, vif)
        spec = spec_from_proto(request.vm, request.request_id, kinds)
        return vm_to_proto(await self._engine.create_vm(spec, request.request_id))

    async def GetVm(self, request: vm_service_pb2.GetVmRequest, context: Context) -> vm_pb2.Vm:
        """One VM."""
        return vm_to_proto(self._engine.vm(vm_named(self._engine, request.id, "id")))

    async def ListVms(self, request: vm_service_pb2.ListVmsRequest, context: Context) -> vm_service_pb2.ListVmsResponse:
        """Every VM, by name, then id."""
        views = sorted(self._engine.vms(), key=lambda view: (view.spec.name, view.spec.id))
        return vm_service_pb2.ListVmsResponse(vms=[vm_to_proto(view) for view in views])

    async def GetVmGuestMetrics(
        self, request: vm_service_pb2.GetVmGuestMetricsRequest, context: Context
    ) -> vm_pb2.VmGuestMetrics:
        """What its guest tells."""
        vm = vm_named(self._engine, request.vm, "vm")
        return guest_metrics_to_proto(vm, self._engine.guests.view(vm))

    async def UpdateVm(self, request: vm_service_pb2.UpdateVmRequest, context: Context) -> vm_pb2.Vm:
        """Change fields of a VM."""
        fields = fields_of(request.update_mask)
        current = self._engine.vm(vm_named(self._engine, request.vm.id, "vm.id"))
        spec = merged(current.spec, request.vm, request.update_mask)
        return vm_to_proto(await self._engine.update_vm(spec, fields, request.request_id))

    async def DeleteVm(self, request: vm_service_pb2.DeleteVmRequest, context: Context) -> empty_pb2.Empty:
        """Forget a VM."""
        await self._engine.delete_vm(vm_named(self._engine, request.id, "id"), request.request_id)
        return empty_pb2.Empty()

    async def StartVm(self, request: vm_service_pb2.StartVmRequest, context: Context) -> operations_pb2.Operation:
        """Start a VM."""
        start = StartVm(vm_named(self._engine, request.id, "id"), request.paused)
        return await submit(self._engine, start, request.request_id)

    async def ShutdownVm(self, request: vm_service_pb2.ShutdownVmRequest, context: Context) -> operations_pb2.Operation:
        """Shut a VM down."""
        timeout = seconds_or(request.timeout_seconds, SHUTDOWN_SECONDS)
        shutdown = ShutdownVm(vm_named(self._engine, request.id, "id"), request.hard, timeout)
        return await submit(self._engine, shutdown, request.request_id)

    async def RebootVm(self, request: vm_service_pb2.RebootVmRequest, context: Context) -> operations_pb2.Operation:
        """Reboot a VM."""
        timeout = seconds_or(request.timeout_seconds, SHUTDOWN_SECONDS)
        reboot = RebootVm(vm_named(self._engine, request.id, "id"), request.hard, timeout)
        return await submit(self._engine, reboot, request.request_id)

    async def SuspendVm(self, request: vm_service_pb2.SuspendVmRequest, context: Context) -> operations_pb2.Operation:
        """Bring the memory of a VM's guest into an image."""
        vm = vm_named(self._engine, request.id, "id")
        vdi = vdi_named(self._storage, request.image_vdi_id, "image_vdi_id") if request.image_vdi_id else None
        image = Source(SourceKind.VDI, vdi) if vdi else None
        suspend = SuspendVm(vm, image, seconds_or(request.timeout_seconds, SHUTDOWN_SECONDS))
        return await submit(self._engine, suspend, request.request_id)

    async def CheckpointVm(
        self, request: vm_service_pb2.CheckpointVmRequest, context: Context
    ) -> operations_pb2.Operation:
        """Keep the memory and the disks of a VM as they are now."""
        vm = vm_named(self._engine, request.id, "id")
        if len(request.disks) > MAX_DISKS:
            raise InvalidValue(
                f"{len(request.disks)} disks; {MAX_DISKS} are possible", field="disks", value=str(len(request.disks))
            )
        image = Source(SourceKind.VDI, vdi_named(self._storage, request.image_vdi_id, "image_vdi_id"))
        disks = tuple(
            DiskSnapshot(vdi_named(self._storage, disk.vdi_id, "disks.vdi_id"), bounds.vdi_id(disk.new_id))
            for disk in request.disks
        )
        checkpoint = CheckpointVm(vm, image, disks, seconds_or(request.timeout_seconds, SHUTDOWN_SECONDS))
        return await submit(self._engine, checkpoint, request.request_id)

    async def ResumeVm(self, request: vm_service_pb2.ResumeVmRequest, context: Context) -> operations_pb2.Operation:
        """Let the guest of a suspended VM go on."""
        resume = ResumeVm(vm_named(self._engine, request.id, "id"), request.paused)
        return await submit(self._engine, resume, request.request_id)

    async def PauseVm(self, request: vm_service_pb2.PauseVmRequest, context: Context) -> operations_pb2.Operation:
        """Stop the vCPUs of a VM."""
        pause = PauseVm(vm_named(self._engine, request.id, "id"))
        return await submit(self._engine, pause, request.request_id)

    async def UnpauseVm(self, request: vm_service_pb2.UnpauseVmRequest, context: Context) -> operations_pb2.Operation:
        """Let the vCPUs of a VM run."""
        unpause = UnpauseVm(vm_named(self._engine, request.id, "id"))
        return await submit(self._engine, unpause, request.request_id)
