"""UpdateSr and UpdateVdi: which fields may change, and to what."""

from collections.abc import Mapping
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.agent.rpc.convert import bounds
from xenhost.agent.rpc.convert.field_mask import paths_of
from xenhost.agent.rpc.convert.vdi import ON_BOOT
from xenhost.api.host.v1 import storage_pb2
from xenhost.core.errors import InvalidValue
from xenhost.core.storage import OnBoot, SrId, VdiChange
from xenhost.core.storage_requests import UpdateSr

_SR: Final = frozenset({"name", "description", "other_config"})
_VDI: Final = frozenset({"name", "description", "read_only", "sharable", "on_boot"})
_ELSEWHERE: Final[Mapping[str, str]] = {
    "id": "it never changes",
    "type": "it never changes",
    "sr_id": "use CopyVdi",
    "virtual_size_bytes": "use ResizeVdi",
    "device_config": "forget the SR, and introduce it with another one",
    "status": "it is output only",
}


def sr_change(sr: SrId, message: storage_pb2.Sr, mask: FieldMask) -> UpdateSr:
    """What to change of an SR. Raises InvalidValue."""
    paths = paths_of(mask, _SR, "UpdateSr", _ELSEWHERE)
    if "name" in paths and not message.name:
        raise InvalidValue("an SR needs a name", field="sr.name", value="")
    return UpdateSr(
        sr,
        name=bounds.name(message.name, "sr.name") if "name" in paths else None,
        description=bounds.text(message.description, "sr.description") if "description" in paths else None,
        other_config=bounds.pairs(message.other_config, "sr.other_config") if "other_config" in paths else None,
    )


def vdi_change(message: storage_pb2.Vdi, mask: FieldMask) -> VdiChange:
    """What to change of a VDI. Raises InvalidValue."""
    paths = paths_of(mask, _VDI, "UpdateVdi", _ELSEWHERE)
    return VdiChange(
        name=bounds.name(message.name, "vdi.name") if "name" in paths else None,
        description=bounds.text(message.description, "vdi.description") if "description" in paths else None,
        read_only=message.read_only if "read_only" in paths else None,
        sharable=message.sharable if "sharable" in paths else None,
        on_boot=ON_BOOT.from_wire(message.on_boot, "vdi.on_boot", OnBoot.PERSIST) if "on_boot" in paths else None,
    )
