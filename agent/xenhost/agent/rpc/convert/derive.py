"""What a client leaves to us to choose is derived from its request_id, so that a repeated request chooses the same."""

import hashlib
import uuid
from typing import Final

from xenhost.core.ids import VmId
from xenhost.core.storage import SrId

_NAMESPACE: Final = uuid.UUID("2a1d7f0e-7d6c-4a53-9a34-0c2f7c3a9f11")


def vm_id(request_id: str) -> VmId:
    """The UUID of the VM that this request creates."""
    return VmId(str(uuid.uuid5(_NAMESPACE, request_id)))


def sr_id(request_id: str) -> SrId:
    """The UUID of the SR that this request creates."""
    return SrId(str(uuid.uuid5(_NAMESPACE, f"sr/{request_id}")))


def mac(request_id: str, index: int) -> str:
    """A unicast, locally administered MAC: 46 bits of a hash. What XenServer does; a vendor prefix leaves only 24."""
    digest = bytearray(hashlib.sha256(f"{request_id}/vif/{index}".encode()).digest()[:6])
    digest[0] = digest[0] & 0xFC | 0x02
    return digest.hex(":")
