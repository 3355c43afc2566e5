"""The classes and fields that plugins see, and how a field goes over the wire."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from xenhost.sm.smapiv1.xenapi.failure import invalid_value
from xenhost.system.xmlrpc import DateTime, Value

NULL_REF: Final = "OpaqueRef:NULL"
NEVER: Final = "19700101T00:00:00Z"
_MAX_TEXT: Final = 1 << 16
_MAX_ITEMS: Final = 1024

Stored = str | int | bool | float | dict[str, str] | list[str]
"""A field as it is kept. A time is kept as its text, a reference too."""
Record = dict[str, Stored]


class Kind(Enum):
    """The type of a field."""

    TEXT = auto()
    INT = auto()
    """On the wire a string, as in XenAPI."""
    BOOL = auto()
    FLOAT = auto()
    TIME = auto()
    REF = auto()
    MAP = auto()
    LIST = auto()


class Write(Enum):
    """Who may set a field."""

    NOBODY = auto()
    ANYBODY = auto()
    DRIVER = auto()
    """Only a session that was given to a driver for that SR."""


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a class."""

    kind: Kind
    write: Write = Write.NOBODY
    default: Stored | None = None

    def empty(self) -> Stored:
        """What it is when nobody said anything."""
        return self.default if self.default is not None else _EMPTY[self.kind]()


_EMPTY: Final[Mapping[Kind, Callable[[], Stored]]] = {
    Kind.TEXT: str,
    Kind.INT: int,
    Kind.BOOL: bool,
    Kind.FLOAT: float,
    Kind.TIME: lambda: NEVER,
    Kind.REF: lambda: NULL_REF,
    Kind.MAP: dict,
    Kind.LIST: list,
}
_T, _I, _B, _F = Column(Kind.TEXT), Column(Kind.INT), Column(Kind.BOOL), Column(Kind.FLOAT)
_R, _M, _L, _D = Column(Kind.REF), Column(Kind.MAP), Column(Kind.LIST), Column(Kind.TIME)
_FREE_TEXT = Column(Kind.TEXT, Write.ANYBODY)
_FREE_MAP = Column(Kind.MAP, Write.ANYBODY)
_FREE_LIST = Column(Kind.LIST, Write.ANYBODY)


def _by_driver(kind: Kind, default: Stored | None = None) -> Column:
    return Column(kind, Write.DRIVER, default)


_NAMED: Final = {"uuid": _T, "name_label": _FREE_TEXT, "name_description": _FREE_TEXT}
_OPERATIONS: Final = {"allowed_operations": _L, "current_operations": _M}

CLASSES: Final[Mapping[str, Mapping[str, Column]]] = MappingProxyType(
    {
        "VDI": {
            **_NAMED,
            **_OPERATIONS,
            "SR": _R,
            "VBDs": _L,
            "crash_dumps": _L,
            "virtual_size": _by_driver(Kind.INT),
            "physical_utilisation": _by_driver(Kind.INT),
            "type": Column(Kind.TEXT, default="user"),
            "sharable": _by_driver(Kind.BOOL),
            "read_only": _by_driver(Kind.BOOL),
            "other_config": _FREE_MAP,
            "storage_lock": _B,
            "location": _T,
            "managed": _by_driver(Kind.BOOL, True),
            "missing": _by_driver(Kind.BOOL),
            "parent": _R,
            "xenstore_data": _FREE_MAP,
            "sm_config": _FREE_MAP,
            "is_a_snapshot": _by_driver(Kind.BOOL),
            "snapshot_of": _by_driver(Kind.REF),
            "snapshots": _L,
            "snapshot_time": _by_driver(Kind.TIME),
            "tags": _FREE_LIST,
            "allow_caching": Column(Kind.BOOL, Write.ANYBODY),
            "on_boot": Column(Kind.TEXT, Write.ANYBODY, "persist"),
            "metadata_of_pool": _by_driver(Kind.REF),
            "metadata_latest": _B,
            "is_tools_iso": _B,
            "cbt_enabled": _by_driver(Kind.BOOL),
        },
        "SR": {
            **_NAMED,
            **_OPERATIONS,
            "VDIs": _L,
            "PBDs": _L,
            "virtual_allocation": _by_driver(Kind.INT),
            "physical_utilisation": _by_driver(Kind.INT),
            "physical_size": _by_driver(Kind.INT),
            "type": _T,
            "content_type": _T,
            "shared": Column(Kind.BOOL, Write.ANYBODY),
            "other_config": _FREE_MAP,
            "tags": _FREE_LIST,
            "default_vdi_visibility": Column(Kind.BOOL, default=True),
            "sm_config": _FREE_MAP,
            "blobs": _M,
            "local_cache_enabled": _B,
            "introduced_by": _R,
            "clustered": _B,
            "is_tools_sr": _B,
        },
        "PBD": {
            "uuid": _T,
            "host": _R,
            "SR": _R,
            "device_config": _by_driver(Kind.MAP),
            "currently_attached": _B,
            "other_config": _FREE_MAP,
        },
        "host": {
            **_NAMED,
            "hostname": _T,
            "address": _T,
            "enabled": Column(Kind.BOOL, default=True),
            "API_version_major": Column(Kind.INT, default=2),
            "API_version_minor": Column(Kind.INT, default=21),
            "software_version": _M,
            "iscsi_iqn": _T,
            "multipathing": _B,
            "metrics": _R,
            "other_config": _FREE_MAP,
            "local_cache_sr": _R,
            "PBDs": _L,
        },
        "host_metrics": {
            "uuid": _T,
            "memory_total": _I,
            "memory_free": _I,
            "live": Column(Kind.BOOL, default=True),
            "last_updated": _D,
            "other_config": _FREE_MAP,
        },
        "pool": {
            **_NAMED,
            "master": _R,
            "default_SR": _R,
            "other_config": _FREE_MAP,
            "restrictions": _M,
            "ha_enabled": _B,
        },
        "SM": {
            **_NAMED,
            "type": _T,
            "vendor": _T,
            "copyright": _T,
            "version": _T,
            "required_api_version": _T,
            "configuration": _M,
            "capabilities": _L,
            "features": _M,
            "other_config": _FREE_MAP,
            "driver_filename": _T,
            "required_cluster_stack": _L,
            "supported_image_formats": _L,
        },
        "task": {
            **_NAMED,
            **_OPERATIONS,
            "created": _D,
            "finished": _D,
            "status": Column(Kind.TEXT, Write.ANYBODY, "pending"),
            "progress": Column(Kind.FLOAT, Write.ANYBODY),
            "result": Column(Kind.TEXT, Write.ANYBODY),
            "type": _T,
            "error_info": _FREE_LIST,
            "other_config": _FREE_MAP,
            "subtask_of": _R,
            "resident_on": _R,
        },
        "message": {
            "uuid": _T,
            "name": _T,
            "priority": _I,
            "cls": _T,
            "obj_uuid": _T,
            "timestamp": _D,
            "body": _T,
        },
        "secret": {"uuid": _T, "value": _FREE_TEXT, "other_config": _FREE_MAP},
        "VBD": {"uuid": _T, "VM": _R, "VDI": _R, "device": _T, "currently_attached": _B, "other_config": _FREE_MAP},
        "VM": {
            **_NAMED,
            "is_control_domain": _B,
            "power_state": _T,
            "resident_on": _R,
            "domid": _I,
            "other_config": _FREE_MAP,
        },
        "PUSB": {"uuid": _T, "path": _T, "vendor_id": _T, "product_id": _T, "serial": _T, "other_config": _FREE_MAP},
    }
)
"""Fields by name, of each class."""

NAMES: Final = ("name_label", "name_description")
"""Written `name__label` inside XenServer, and therefore in filters."""


def to_wire(kind: Kind, value: Stored) -> Value:
    """A field as a reader gets it."""
    if kind is Kind.INT:
        return str(value)
    if kind is Kind.TIME and isinstance(value, str):
        return DateTime(value)
    return value


def from_wire(column: Column, name: str, untrusted: Value) -> Stored:
    """A field as a writer gives it: numbers and booleans may be strings. Raises ApiFailure INVALID_VALUE."""
    reader = _READERS[column.kind]
    value = reader(untrusted)
    if value is None:
        raise invalid_value(name, str(untrusted))
    return value


def _text(untrusted: Value) -> str | None:
    return untrusted if isinstance(untrusted, str) and len(untrusted) <= _MAX_TEXT else None


def _int(untrusted: Value) -> int | None:
    if isinstance(untrusted, str) and untrusted.strip().removeprefix("-").isascii():
        untrusted = int(untrusted) if untrusted.strip().removeprefix("-").isdecimal() and len(untrusted) < 20 else None
    return untrusted if type(untrusted) is int and abs(untrusted) < 1 << 63 else None


def _bool(untrusted: Value) -> bool | None:
    if isinstance(untrusted, str):
        return {"true": True, "false": False}.get(untrusted.lower())
    return untrusted if isinstance(untrusted, bool) else None


def _float(untrusted: Value) -> float | None:
    if isinstance(untrusted, str):
        try:
            untrusted = float(untrusted)
        except ValueError:
            return None
    number = isinstance(untrusted, int | float) and not isinstance(untrusted, bool)
    return float(untrusted) if number and isinstance(untrusted, int | float) else None


def _time(untrusted: Value) -> str | None:
    text = untrusted.text if isinstance(untrusted, DateTime) else untrusted
    return text or NEVER if isinstance(text, str) and len(text) <= 40 else None


def _ref(untrusted: Value) -> str | None:
    return untrusted or NULL_REF if isinstance(untrusted, str) and len(untrusted) <= 200 else None


def _map(untrusted: Value) -> dict[str, str] | None:
    if not isinstance(untrusted, Mapping) or len(untrusted) > _MAX_ITEMS:
        return None
    found = {key: as_text(value) for key, value in untrusted.items()}
    return None if None in found.values() else {key: value for key, value in found.items() if value is not None}


def _list(untrusted: Value) -> list[str] | None:
    if not isinstance(untrusted, list) or len(untrusted) > _MAX_ITEMS:
        return None
    return [item for item in untrusted if isinstance(item, str)]


def as_text(untrusted: Value) -> str | None:
    """A value of a map: drivers put numbers and booleans there, too."""
    if isinstance(untrusted, bool):
        return "true" if untrusted else "false"
    return _text(str(untrusted) if isinstance(untrusted, int | float) else untrusted)


_READERS: Final = {
    Kind.TEXT: _text,
    Kind.INT: _int,
    Kind.BOOL: _bool,
    Kind.FLOAT: _float,
    Kind.TIME: _time,
    Kind.REF: _ref,
    Kind.MAP: _map,
    Kind.LIST: _list,
}
