"""A network's record, as agents want to be told. Pure."""

from collections.abc import Sequence
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask

from xenhost.api.host.v1 import network_pb2, network_service_pb2
from xenhost.core.network_settings import MAX_MTU, MIN_MTU
from xenhost.pool.call import ApiError
from xenhost.pool.database.record import Record

_LOCKING: Final = {
    "unlocked": network_pb2.EFFECTIVE_LOCKING_MODE_UNLOCKED,
    "disabled": network_pb2.EFFECTIVE_LOCKING_MODE_DISABLED,
}


def checked_mtu(value: int) -> int:
    """Bytes of a network's largest frame. Raises ApiError INVALID_VALUE."""
    if not MIN_MTU <= value <= MAX_MTU:
        raise ApiError("INVALID_VALUE", "MTU", str(value))
    return value


def network_spec(record: Record) -> network_pb2.Network:
    """To make it; its locking mode is told afterwards."""
    other = record["other_config"]
    assert isinstance(other, dict)
    return network_pb2.Network(
        id=str(record["uuid"]),
        name=str(record["name_label"]),
        description=str(record["name_description"]),
        bridge=str(record["bridge"]),
        mtu=int(str(record["MTU"])),
        other_config={key: str(value) for key, value in other.items()},
    )


def network_update(record: Record, told: network_pb2.Network) -> network_service_pb2.UpdateNetworkRequest | None:
    """What makes a host's network as the pool's is; None: it is."""
    wanted = network_pb2.Network(
        id=told.id, mtu=int(str(record["MTU"])), default_locking_mode=_LOCKING[str(record["default_locking_mode"])]
    )
    paths: Sequence[str] = [
        *(["mtu"] if told.mtu != wanted.mtu else []),
        *(["default_locking_mode"] if told.default_locking_mode != wanted.default_locking_mode else []),
    ]
    return (
        network_service_pb2.UpdateNetworkRequest(network=wanted, update_mask=FieldMask(paths=paths)) if paths else None
    )
