"""SRs and VDIs of xenhost, asked for over gRPC."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.longrunning import operations_pb2

from xenhost.api.host.v1 import (
    sr_service_pb2,
    sr_service_pb2_grpc,
    storage_pb2,
    vdi_service_pb2,
    vdi_service_pb2_grpc,
)

Done = Callable[[operations_pb2.Operation], Awaitable[None]]


class OurStorage:
    """On the connection of `Xenhost`."""

    def __init__(self, channel: grpc.aio.Channel, done: Done) -> None:
        self._srs: Any = sr_service_pb2_grpc.SrServiceStub(channel)  # type: ignore[no-untyped-call]  # generated code
        self._vdis: Any = vdi_service_pb2_grpc.VdiServiceStub(channel)  # type: ignore[no-untyped-call]  # generated code
        self._done = done

    async def create_sr(self, type: str, **device_config: str) -> str:
        """Without upkeep, so that nothing runs beside what is measured. Its UUID."""
        id = str(uuid.uuid4())
        sr = storage_pb2.Sr(
            id=id,
            type=type,
            name=f"bench {type}",
            device_config=device_config,
            other_config={"gc": "false", "coalesce": "false"},
        )
        await self._done(await self._srs.CreateSr(sr_service_pb2.CreateSrRequest(sr=sr)))
        return id

    async def detach_sr(self, sr: str) -> None:
        await self._done(await self._srs.DetachSr(sr_service_pb2.DetachSrRequest(id=sr)))

    async def scan_sr(self, sr: str) -> None:
        await self._done(await self._srs.ScanSr(sr_service_pb2.ScanSrRequest(id=sr)))

    async def create_vdi(self, sr: str, size: int, **sm_config: str) -> str:
        id = str(uuid.uuid4())
        vdi = storage_pb2.Vdi(id=id, sr_id=sr, name="bench", virtual_size_bytes=size, sm_config=sm_config)
        await self._done(await self._vdis.CreateVdi(vdi_service_pb2.CreateVdiRequest(vdi=vdi)))
        return id

    async def snapshot_vdi(self, vdi: str) -> str:
        id = str(uuid.uuid4())
        await self._done(await self._vdis.SnapshotVdi(vdi_service_pb2.SnapshotVdiRequest(id=vdi, new_id=id)))
        return id

    async def clone_vdi(self, vdi: str) -> str:
        id = str(uuid.uuid4())
        await self._done(await self._vdis.CloneVdi(vdi_service_pb2.CloneVdiRequest(id=vdi, new_id=id)))
        return id

    async def destroy_vdi(self, vdi: str) -> None:
        await self._done(await self._vdis.DestroyVdi(vdi_service_pb2.DestroyVdiRequest(id=vdi)))
