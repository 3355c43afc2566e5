"""Virtual disk images."""

import base64
from collections.abc import Iterator
from enum import StrEnum, auto
from typing import Final

from xenhost.agent.rpc.convert import bounds
from xenhost.agent.rpc.convert.choice import Choice
from xenhost.agent.rpc.convert.times import timestamp
from xenhost.api.host.v1 import storage_pb2, vdi_service_pb2
from xenhost.core.errors import InvalidValue
from xenhost.core.storage import Bitmap, NbdExport, NewSnapshot, NewVdi, OnBoot, VdiId, VdiType
from xenhost.core.storage_views import VdiView


class ImageFormat(StrEnum):
    """What a VDI is imported from and exported to."""

    RAW = auto()
    VHD = auto()
    QCOW2 = auto()


IMAGE_FORMAT: Final = Choice(ImageFormat, storage_pb2.ImageFormat.Value, "IMAGE_FORMAT")
VDI_TYPE: Final = Choice(VdiType, storage_pb2.VdiType.Value, "VDI_TYPE")
ON_BOOT: Final = Choice(OnBoot, storage_pb2.OnBoot.Value, "ON_BOOT")
BITMAP_PART: Final = 3 * 64 * 1024
"""Bytes of a bitmap in one message; a multiple of 3, so that their base64 can be joined."""
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def vdi_to_proto(view: VdiView) -> storage_pb2.Vdi:
    """A VDI whole."""
    vdi = view.vdi
    return storage_pb2.Vdi(
        id=vdi.id,
        sr_id=view.sr,
        name=vdi.name,
        description=vdi.description,
        type=VDI_TYPE.to_wire(vdi.type),
        virtual_size_bytes=vdi.virtual_size,
        sharable=vdi.sharable,
        read_only=vdi.read_only,
        on_boot=ON_BOOT.to_wire(vdi.on_boot),
        sm_config=vdi.sm_config,
        status=storage_pb2.VdiStatus(
            location=vdi.location,
            physical_utilisation_bytes=vdi.physical_utilisation,
            format=vdi.format,
            managed=vdi.managed,
            is_a_snapshot=vdi.is_a_snapshot,
            snapshot_of=vdi.snapshot_of or "",
            snapshot_time=timestamp(vdi.snapshot_time),
            parent=vdi.parent or "",
            depth=vdi.depth,
            cbt_enabled=vdi.cbt_enabled,
            missing=view.missing,
            datapaths=view.datapaths,
            current_operations=view.current_operations,
            allowed_operations=view.allowed_operations,
            problem=vdi.problem,
            revision=view.revision,
        ),
    )


def new_from_proto(message: storage_pb2.Vdi) -> NewVdi:
    """A VDI to be made; `sr_id`, `on_boot` and `status` are not looked at. Raises InvalidValue, UuidInvalid."""
    kind = VDI_TYPE.from_wire(message.type, "vdi.type", VdiType.USER)
    if kind is VdiType.CBT_METADATA:
        raise InvalidValue(
            "a VDI is not made with type cbt_metadata; DestroyVdiData makes one of a snapshot",
            field="vdi.type",
            value=kind.value,
        )
    return NewVdi(
        id=new_id(message.id),
        virtual_size=bounds.size(message.virtual_size_bytes, "vdi.virtual_size_bytes"),
        name=bounds.name(message.name, "vdi.name"),
        description=bounds.text(message.description, "vdi.description"),
        type=kind,
        sharable=message.sharable,
        read_only=message.read_only,
        sm_config=bounds.pairs(message.sm_config, "vdi.sm_config"),
    )


def snapshot_from_proto(
    message: vdi_service_pb2.SnapshotVdiRequest | vdi_service_pb2.CloneVdiRequest, origin: VdiView
) -> NewSnapshot:
    """A snapshot or clone to be made, called as its origin unless it is named. Raises InvalidValue, UuidInvalid."""
    return NewSnapshot(
        id=new_id(message.new_id),
        name=bounds.name(message.name, "name") or origin.vdi.name,
        description=bounds.text(message.description, "description"),
        driver_params=bounds.pairs(message.driver_params, "driver_params"),
    )


def new_id(untrusted_text: str) -> VdiId:
    """The UUID of a VDI to be made; empty: the engine chooses. Raises UuidInvalid."""
    return bounds.vdi_id(untrusted_text) if untrusted_text else VdiId("")


def export_to_proto(export: NbdExport) -> storage_pb2.NbdExport:
    """Where a VDI is served."""
    return storage_pb2.NbdExport(
        vdi_id=export.vdi, exportname=export.exportname, port=export.port, cert=export.cert, bitmap=export.bitmap
    )


def bitmap_to_proto(bitmap: Bitmap) -> Iterator[vdi_service_pb2.ListChangedBlocksResponse]:
    """Changed blocks as XenServer has them, where the first block is the highest bit of a byte: at least one part."""
    for start in range(0, max(len(bitmap.bits), 1), BITMAP_PART):
        part = bitmap.bits[start : start + BITMAP_PART].translate(_REVERSED)
        yield vdi_service_pb2.ListChangedBlocksResponse(
            bitmap=base64.b64encode(part).decode(), size_bytes=bitmap.size, granularity_bytes=bitmap.granularity
        )
