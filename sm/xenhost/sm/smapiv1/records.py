"""Between the records that plugins keep and the values of our ports."""

from collections.abc import Mapping
from typing import Final

from xenhost.core.ids import is_uuid
from xenhost.core.storage import OnBoot, SrSpec, Vdi, VdiId, VdiType
from xenhost.sm.smapiv1.xenapi.generic import is_null
from xenhost.sm.smapiv1.xenapi.schema import Record, Stored
from xenhost.sm.smapiv1.xenapi.tables import Tables
from xenhost.sm.smapiv1.xenapi.times import seconds

CREATED: Final = "_created"
"""Kept with an SR and not shown to plugins: sr_create has succeeded."""
_PASSING: Final = frozenset({"paused", "relinking", "activating", "vhd-blocks", "gc_no_space"})
_TYPES: Final = {str(kind): kind for kind in VdiType}
_FORMAT_KEYS: Final = ("image-format", "type", "vdi_type")


def is_passing(key: str) -> bool:
    """Does a key of sm-config tell what is going on right now? It is never copied to a snapshot or clone."""
    return key in _PASSING or key.startswith(("host_", "read-caching-"))


def without_passing(sm_config: Stored) -> dict[str, str]:
    """sm-config as a copy of the VDI may have it."""
    assert isinstance(sm_config, dict)  # by the schema
    return {key: value for key, value in sm_config.items() if not is_passing(key)}


def vdi_of(tables: Tables, record: Record, content_type: str) -> Vdi:
    """A VDI as our port tells it."""
    sm_config = _map(record, "sm_config")
    parent = sm_config.get("vhd-parent", "")
    return Vdi(
        id=VdiId(str(record["uuid"])),
        location=str(record["location"]),
        virtual_size=_int(record, "virtual_size"),
        physical_utilisation=_int(record, "physical_utilisation"),
        name=str(record["name_label"]),
        description=str(record["name_description"]),
        type=_TYPES.get(str(record["type"]), VdiType.USER),
        format=next((sm_config[key] for key in _FORMAT_KEYS if sm_config.get(key)), content_type or "raw"),
        read_only=bool(record["read_only"]),
        sharable=bool(record["sharable"]),
        managed=bool(record["managed"]),
        is_a_snapshot=bool(record["is_a_snapshot"]),
        snapshot_of=_vdi_id(tables, str(record["snapshot_of"])),
        snapshot_time=seconds(str(record["snapshot_time"])),
        parent=VdiId(parent) if is_uuid(parent) else None,
        on_boot=OnBoot.RESET if record["on_boot"] == "reset" else OnBoot.PERSIST,
        cbt_enabled=bool(record["cbt_enabled"]),
        sm_config=dict(sm_config),
        problem="the driver says that it is missing" if record["missing"] else "",
    )


def sr_fields(sr: SrSpec, old: Record | None) -> Mapping[str, Stored]:
    """Fields of an SR's record. What its driver has put into its sm-config is kept."""
    kept = _map(old, "sm_config") if old else {}
    other = _map(old, "other_config") if old else {}
    return {
        "name_label": sr.name,
        "name_description": sr.description,
        "type": sr.type,
        "shared": sr.shared,
        "sm_config": {**sr.sm_config, **kept},
        "other_config": {**other, **sr.other_config},
    }


def _vdi_id(tables: Tables, ref: str) -> VdiId | None:
    record = None if is_null(ref) else tables.find("VDI", ref)
    return VdiId(str(record["uuid"])) if record else None


def _map(record: Record, name: str) -> dict[str, str]:
    value = record[name]
    assert isinstance(value, dict)  # by the schema
    return value


def _int(record: Record, name: str) -> int:
    value = record[name]
    assert isinstance(value, int)  # by the schema
    return value
