"""VdiService: virtual disk images."""

from collections.abc import AsyncIterator
from typing import Final

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from xenhost.agent.rpc.context import Context
from xenhost.agent.rpc.convert import bounds
from xenhost.agent.rpc.convert.storage_update import vdi_change
from xenhost.agent.rpc.convert.vdi import (
    bitmap_to_proto,
    export_to_proto,
    new_from_proto,
    new_id,
    snapshot_from_proto,
    vdi_to_proto,
)
from xenhost.agent.rpc.image_stream import ImageStreams
from xenhost.agent.rpc.resolve import sr_named, vdi_named
from xenhost.agent.rpc.submit import submit_storage
from xenhost.agent.storage.engine import StorageEngine
from xenhost.api.host.v1 import storage_pb2, vdi_service_pb2, vdi_service_pb2_grpc
from xenhost.core.errors import InvalidValue
from xenhost.core.storage import NewVdi
from xenhost.core.storage_requests import (
    CloneVdi,
    CompareVdis,
    CopyVdi,
    CreateVdi,
    DestroyVdi,
    DestroyVdiData,
    IntroduceVdi,
    ResizeVdi,
    RevertVdi,
    SetVdiCbt,
    SnapshotVdi,
    StorageRequest,
    UpdateVdi,
)
from xenhost.core.storage_views import VdiView

PAGE: Final = 1000


class VdiServicer(vdi_service_pb2_grpc.VdiServiceServicer):
    """Answers by the storage engine."""

    def __init__(self, storage: StorageEngine, streams: ImageStreams) -> None:
        self._storage = storage
        self._streams = streams

    # Making and deleting

    async def CreateVdi(self, request: vdi_service_pb2.CreateVdiRequest, context: Context) -> operations_pb2.Operation:
        """Make a VDI."""
        sr = sr_named(self._storage, request.vdi.sr_id, "vdi.sr_id")
        return await self._submit(CreateVdi(sr, new_from_proto(request.vdi)), request.request_id)

    async def IntroduceVdi(
        self, request: vdi_service_pb2.IntroduceVdiRequest, context: Context
    ) -> operations_pb2.Operation:
        """Take something that exists on as a VDI."""
        if not request.location:
            raise InvalidValue("location is required: a file or volume of the SR", field="location", value="")
        introduce = IntroduceVdi(
            sr_named(self._storage, request.sr_id, "sr_id"),
            new_id(request.id),
            bounds.name(request.location, "location"),
            bounds.name(request.name, "name"),
            bounds.text(request.description, "description"),
            bounds.pairs(request.sm_config, "sm_config"),
        )
        return await self._submit(introduce, request.request_id)

    async def DestroyVdi(
        self, request: vdi_service_pb2.DestroyVdiRequest, context: Context
    ) -> operations_pb2.Operation:
        """Delete a VDI."""
        return await self._submit(DestroyVdi(vdi_named(self._storage, request.id, "id")), request.request_id)

    async def ForgetVdi(self, request: vdi_service_pb2.ForgetVdiRequest, context: Context) -> empty_pb2.Empty:
        """Forget a VDI."""
        await self._storage.forget_vdi(vdi_named(self._storage, request.id, "id"), request.request_id)
        return empty_pb2.Empty()

    # Changing

    async def UpdateVdi(self, request: vdi_service_pb2.UpdateVdiRequest, context: Context) -> operations_pb2.Operation:
        """Change fields of a VDI."""
        vdi = vdi_named(self._storage, request.vdi.id, "vdi.id")
        return await self._submit(UpdateVdi(vdi, vdi_change(request.vdi, request.update_mask)), request.request_id)

    async def ResizeVdi(self, request: vdi_service_pb2.ResizeVdiRequest, context: Context) -> operations_pb2.Operation:
        """Make a VDI bigger."""
        vdi = vdi_named(self._storage, request.id, "id")
        size = bounds.size(request.virtual_size_bytes, "virtual_size_bytes")
        return await self._submit(ResizeVdi(vdi, size), request.request_id)

    async def RevertVdi(self, request: vdi_service_pb2.RevertVdiRequest, context: Context) -> operations_pb2.Operation:
        """Give a VDI the content of its snapshot again."""
        snapshot = vdi_named(self._storage, request.snapshot_id, "snapshot_id")
        origin = self._storage.vdi(snapshot).vdi.snapshot_of
        vdi = vdi_named(self._storage, request.id, "id") if request.id else origin
        if vdi is None:
            raise InvalidValue(
                f"VDI {snapshot} is no snapshot of another VDI; only a snapshot can be reverted to",
                field="snapshot_id",
                value=snapshot,
            )
        return await self._submit(RevertVdi(vdi, snapshot), request.request_id)

    # Copies

    async def SnapshotVdi(
        self, request: vdi_service_pb2.SnapshotVdiRequest, context: Context
    ) -> operations_pb2.Operation:
        """Take a snapshot."""
        vdi = vdi_named(self._storage, request.id, "id")
        return await self._submit(
            SnapshotVdi(vdi, snapshot_from_proto(request, self._storage.vdi(vdi))), request.request_id
        )

    async def CloneVdi(self, request: vdi_service_pb2.CloneVdiRequest, context: Context) -> operations_pb2.Operation:
        """Make a writable copy that shares what it can."""
        vdi = vdi_named(self._storage, request.id, "id")
        return await self._submit(
            CloneVdi(vdi, snapshot_from_proto(request, self._storage.vdi(vdi))), request.request_id
        )

    async def CopyVdi(self, request: vdi_service_pb2.CopyVdiRequest, context: Context) -> operations_pb2.Operation:
        """Make a full copy."""
        vdi = vdi_named(self._storage, request.id, "id")
        origin = self._storage.vdi(vdi)
        sr = sr_named(self._storage, request.sr_id, "sr_id") if request.sr_id else origin.sr
        new = NewVdi(
            new_id(request.new_id),
            0,
            bounds.name(request.name, "name") or origin.vdi.name,
            bounds.text(request.description, "description"),
            origin.vdi.type,
            sm_config=bounds.pairs(request.sm_config, "sm_config"),
        )
        return await self._submit(CopyVdi(vdi, sr, new, bounds.rate(request.bytes_per_second)), request.request_id)

    async def CompareVdis(
        self, request: vdi_service_pb2.CompareVdisRequest, context: Context
    ) -> operations_pb2.Operation:
        """Compare the content of two VDIs."""
        vdi = vdi_named(self._storage, request.id, "id")
        other = vdi_named(self._storage, request.other_id, "other_id")
        if vdi == other:
            raise InvalidValue("other_id must be another VDI than id", field="other_id", value=other)
        return await self._submit(CompareVdis(vdi, other), request.request_id)

    # Changed blocks

    async def EnableCbt(self, request: vdi_service_pb2.EnableCbtRequest, context: Context) -> operations_pb2.Operation:
        """Remember which blocks change."""
        return await self._submit(SetVdiCbt(vdi_named(self._storage, request.id, "id"), True), request.request_id)

    async def DisableCbt(
        self, request: vdi_service_pb2.DisableCbtRequest, context: Context
    ) -> operations_pb2.Operation:
        """Forget which blocks have changed."""
        return await self._submit(SetVdiCbt(vdi_named(self._storage, request.id, "id"), False), request.request_id)

    async def DestroyVdiData(
        self, request: vdi_service_pb2.DestroyVdiDataRequest, context: Context
    ) -> operations_pb2.Operation:
        """Free the data of a snapshot."""
        return await self._submit(DestroyVdiData(vdi_named(self._storage, request.id, "id")), request.request_id)

    async def ListChangedBlocks(
        self, request: vdi_service_pb2.ListChangedBlocksRequest, context: Context
    ) -> AsyncIterator[vdi_service_pb2.ListChangedBlocksResponse]:
        """What changed between two VDIs, in parts."""
        older = vdi_named(self._storage, request.older_id, "older_id")
        newer = vdi_named(self._storage, request.newer_id, "newer_id")
        for part in bitmap_to_proto(await self._storage.changed_blocks(older, newer)):
            yield part

    # Looking

    async def GenerateVdiConfig(
        self, request: vdi_service_pb2.GenerateVdiConfigRequest, context: Context
    ) -> vdi_service_pb2.GenerateVdiConfigResponse:
        """What its driver needs to attach a VDI by itself."""
        config = await self._storage.generate_config(vdi_named(self._storage, request.id, "id"))
        return vdi_service_pb2.GenerateVdiConfigResponse(config=config)

    async def GetVdi(self, request: vdi_service_pb2.GetVdiRequest, context: Context) -> storage_pb2.Vdi:
        """One VDI."""
        return vdi_to_proto(self._storage.vdi(vdi_named(self._storage, request.id, "id")))

    async def ListVdis(
        self, request: vdi_service_pb2.ListVdisRequest, context: Context
    ) -> vdi_service_pb2.ListVdisResponse:
        """VDIs by SR, then name, then id; by pages."""
        sr = sr_named(self._storage, request.sr_id, "sr_id") if request.sr_id else None
        views = sorted(self._storage.vdis(sr), key=_place)
        if request.page_token:
            after = _place_of(request.page_token)
            views = [view for view in views if _place(view) > after]
        size = min(request.page_size, PAGE) if request.page_size > 0 else PAGE
        page = views[:size]
        return vdi_service_pb2.ListVdisResponse(
            vdis=[vdi_to_proto(view) for view in page],
            next_page_token="\n".join(_place(page[-1])) if len(views) > size else "",
        )

    # Backup, import, export

    async def ExportNbd(self, request: vdi_service_pb2.ExportNbdRequest, context: Context) -> storage_pb2.NbdExport:
        """Serve a VDI over NBD."""
        vdi = vdi_named(self._storage, request.id, "id")
        since = vdi_named(self._storage, request.since_id, "since_id") if request.since_id else None
        return export_to_proto(await self._storage.export_nbd(vdi, since))

    async def UnexportNbd(self, request: vdi_service_pb2.UnexportNbdRequest, context: Context) -> empty_pb2.Empty:
        """Stop serving a VDI."""
        await self._storage.unexport_nbd(vdi_named(self._storage, request.id, "id"))
        return empty_pb2.Empty()

    async def ImportVdi(
        self, requests: AsyncIterator[vdi_service_pb2.ImportVdiRequest], context: Context
    ) -> storage_pb2.Vdi:
        """Make a VDI of an image."""
        return await self._streams.take(requests)

    async def ExportVdi(
        self, request: vdi_service_pb2.ExportVdiRequest, context: Context
    ) -> AsyncIterator[vdi_service_pb2.ExportVdiResponse]:
        """The content of a VDI as an image."""
        async for response in self._streams.give(request):
            yield response

    async def _submit(self, request: StorageRequest, request_id: str) -> operations_pb2.Operation:
        return await submit_storage(self._storage, request, request_id)


def _place(view: VdiView) -> tuple[str, str, str]:
    return view.sr, view.vdi.name.replace("\n", " "), view.vdi.id


def _place_of(untrusted_token: str) -> tuple[str, str, str]:
    match untrusted_token.split("\n"):
        case [sr, name, vdi]:
            return sr, name, vdi
        case _:
            raise InvalidValue(
                "page_token is not one that ListVdis gave", field="page_token", value=untrusted_token[:80]
            )
