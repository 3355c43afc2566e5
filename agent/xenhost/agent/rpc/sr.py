"""SrService: storage repositories."""

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert import bounds
from xenhost.agent.rpc.convert.sr import (
    chore_to_proto,
    datapath_to_proto,
    driver_to_proto,
    probe_to_proto,
    spec_from_proto,
    sr_to_proto,
    sr_type,
)
from xenhost.agent.rpc.convert.storage_update import sr_change
from xenhost.agent.rpc.resolve import sr_named
from xenhost.agent.rpc.submit import submit_storage
from xenhost.agent.storage.engine import StorageEngine
from xenhost.api.host.v1 import sr_service_pb2, sr_service_pb2_grpc, storage_pb2
from xenhost.core.errors import InvalidValue
from xenhost.core.storage_requests import AttachSr, CreateSr, DestroySr, DetachSr, PerformChore, ScanSr, StorageRequest


class SrServicer(sr_service_pb2_grpc.SrServiceServicer):
    """Answers by the storage engine."""

    def __init__(self, storage: StorageEngine) -> None:
        self._storage = storage

    async def ListDrivers(
        self, request: sr_service_pb2.ListDriversRequest, context: Context
    ) -> sr_service_pb2.ListDriversResponse:
        """The types of SRs."""
        drivers = await self._storage.drivers()
        return sr_service_pb2.ListDriversResponse(drivers=[driver_to_proto(info) for info in drivers])

    async def ProbeSr(self, request: sr_service_pb2.ProbeSrRequest, context: Context) -> storage_pb2.ProbeResult:
        """What a device_config leads to."""
        driver = self._storage.driver(sr_type(request.type))
        device_config = bounds.pairs(request.device_config, "device_config")
        sm_config = bounds.pairs(request.sm_config, "sm_config")
        return probe_to_proto(await self._storage.probe(driver.type, device_config, sm_config), driver)

    async def CreateSr(self, request: sr_service_pb2.CreateSrRequest, context: Context) -> operations_pb2.Operation:
        """Make an SR."""
        if not request.HasField("sr"):
            raise InvalidValue("sr is required", field="sr", value="")
        spec = spec_from_proto(request.sr, request.size_bytes, request.request_id)
        self._storage.driver(spec.type)  # raises
        return await self._submit(CreateSr(spec), request.request_id)

    async def IntroduceSr(self, request: sr_service_pb2.IntroduceSrRequest, context: Context) -> storage_pb2.Sr:
        """Record an SR that exists."""
        if not request.sr.id:
            raise InvalidValue(
                "sr.id is required: the UUID of the SR that exists, which a probe shows", field="sr.id", value=""
            )
        spec = spec_from_proto(request.sr, 0, request.request_id)
        return sr_to_proto(await self._storage.introduce_sr(spec, request.request_id))

    async def AttachSr(self, request: sr_service_pb2.AttachSrRequest, context: Context) -> operations_pb2.Operation:
        """Make an SR usable."""
        multipathing = request.multipathing if request.HasField("multipathing") else None
        wanted = AttachSr(sr_named(self._storage, request.id, "id"), multipathing)
        return await self._submit(wanted, request.request_id)

    async def DetachSr(self, request: sr_service_pb2.DetachSrRequest, context: Context) -> operations_pb2.Operation:
        """Let go of an SR."""
        return await self._submit(DetachSr(sr_named(self._storage, request.id, "id")), request.request_id)

    async def DestroySr(self, request: sr_service_pb2.DestroySrRequest, context: Context) -> operations_pb2.Operation:
        """Delete an SR."""
        return await self._submit(DestroySr(sr_named(self._storage, request.id, "id")), request.request_id)

    async def ForgetSr(self, request: sr_service_pb2.ForgetSrRequest, context: Context) -> empty_pb2.Empty:
        """Forget an SR."""
        await self._storage.forget_sr(sr_named(self._storage, request.id, "id"), request.request_id)
        return empty_pb2.Empty()

    async def ScanSr(self, request: sr_service_pb2.ScanSrRequest, context: Context) -> operations_pb2.Operation:
        """Look at everything on an SR."""
        return await self._submit(ScanSr(sr_named(self._storage, request.id, "id")), request.request_id)

    async def UpdateSr(self, request: sr_service_pb2.UpdateSrRequest, context: Context) -> operations_pb2.Operation:
        """Change fields of an SR."""
        sr = sr_named(self._storage, request.sr.id, "sr.id")
        return await self._submit(sr_change(sr, request.sr, request.update_mask), request.request_id)

    async def ListChores(
        self, request: sr_service_pb2.ListChoresRequest, context: Context
    ) -> sr_service_pb2.ListChoresResponse:
        """What could be deleted or merged."""
        chores = await self._storage.chores(sr_named(self._storage, request.id, "id"))
        return sr_service_pb2.ListChoresResponse(chores=[chore_to_proto(chore) for chore in chores])

    async def CoalesceSr(self, request: sr_service_pb2.CoalesceSrRequest, context: Context) -> operations_pb2.Operation:
        """Delete and merge."""
        sr = sr_named(self._storage, request.id, "id")
        chore = bounds.name(request.chore_id, "chore_id")
        return await self._submit(PerformChore(sr, chore, bounds.rate(request.bytes_per_second)), request.request_id)

    async def GetSr(self, request: sr_service_pb2.GetSrRequest, context: Context) -> storage_pb2.Sr:
        """One SR."""
        return sr_to_proto(self._storage.sr(sr_named(self._storage, request.id, "id")))

    async def ListSrs(self, request: sr_service_pb2.ListSrsRequest, context: Context) -> sr_service_pb2.ListSrsResponse:
        """Every SR, by name, then id."""
        views = sorted(self._storage.srs(), key=lambda view: (view.spec.name, view.spec.id))
        return sr_service_pb2.ListSrsResponse(srs=[sr_to_proto(view) for view in views])

    async def ListDatapaths(
        self, request: sr_service_pb2.ListDatapathsRequest, context: Context
    ) -> sr_service_pb2.ListDatapathsResponse:
        """Who uses what."""
        sr = sr_named(self._storage, request.sr_id, "sr_id") if request.sr_id else None
        views = [view for view in self._storage.datapath_views() if sr is None or view.sr == sr]
        views.sort(key=lambda view: (view.sr, view.vdi, view.datapath))
        return sr_service_pb2.ListDatapathsResponse(datapaths=[datapath_to_proto(view) for view in views])

    async def _submit(self, request: StorageRequest, request_id: str) -> operations_pb2.Operation:
        return await submit_storage(self._storage, request, request_id)
