"""What `lvs` and `vgs` report, parsed. Names, tags and numbers in it come from the disk: untrusted."""

import json
from dataclasses import dataclass
from typing import Final, cast

VOLUME_FIELDS: Final = (
    "lv_name,lv_size,lv_active,lv_device_open,lv_suspended,lv_tags,pool_lv,thin_id,"
    "lv_kernel_major,lv_kernel_minor,lv_metadata_size,chunk_size"
)
GROUP_FIELDS: Final = "vg_name,vg_uuid,vg_size,vg_free,vg_extent_size,vg_tags,vg_systemid,vg_missing_pv_count"

_MAX_ROWS: Final = 100_000


class BadReport(ValueError):
    """LVM said something that is no report. `args[0]` says what."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A logical volume."""

    name: str
    size: int
    active: bool
    open: bool
    suspended: bool
    tags: tuple[str, ...]
    pool: str
    """The thin pool it is in; empty: it is a plain volume."""
    thin_id: int | None
    device: tuple[int, int] | None
    """Major and minor number, if active."""
    metadata_size: int = 0
    """Of a pool."""
    chunk_size: int = 0


@dataclass(frozen=True, slots=True)
class Group:
    """A volume group."""

    name: str
    uuid: str
    size: int
    free: int
    extent: int
    tags: tuple[str, ...]
    system_id: str
    missing: int
    """Physical volumes that cannot be found."""


def volumes(untrusted_json: bytes) -> tuple[Volume, ...]:
    """The rows of `lvs -o VOLUME_FIELDS`: one for each volume, though LVM has one for each of its segments."""
    found: dict[str, Volume] = {}
    for row in _rows(untrusted_json, "lv"):
        volume = Volume(
            name=row.get("lv_name", "").strip("[]"),
            size=_number(row, "lv_size"),
            active=row.get("lv_active") == "active",
            open=row.get("lv_device_open") == "open",
            suspended=row.get("lv_suspended") == "suspended",
            tags=_tags(row, "lv_tags"),
            pool=row.get("pool_lv", "").strip("[]"),
            thin_id=_number(row, "thin_id") if row.get("thin_id") else None,
            device=_device(row),
            metadata_size=_number(row, "lv_metadata_size") if row.get("lv_metadata_size") else 0,
            chunk_size=_number(row, "chunk_size") if row.get("chunk_size") else 0,
        )
        found.setdefault(volume.name, volume)
    return tuple(found.values())


def groups(untrusted_json: bytes) -> tuple[Group, ...]:
    """The rows of `vgs -o GROUP_FIELDS`."""
    return tuple(
        Group(
            name=row.get("vg_name", ""),
            uuid=row.get("vg_uuid", ""),
            size=_number(row, "vg_size"),
            free=_number(row, "vg_free"),
            extent=_number(row, "vg_extent_size"),
            tags=_tags(row, "vg_tags"),
            system_id=row.get("vg_systemid", ""),
            missing=_number(row, "vg_missing_pv_count"),
        )
        for row in _rows(untrusted_json, "vg")
    )


def _rows(untrusted_json: bytes, kind: str) -> list[dict[str, str]]:
    try:
        body = json.loads(untrusted_json)
    except (ValueError, RecursionError) as error:
        raise BadReport("LVM's report is cut off or no JSON") from error
    reports = body.get("report") if isinstance(body, dict) else None
    if not isinstance(reports, list):
        raise BadReport("LVM's report is empty")
    rows: list[dict[str, str]] = []
    for report in reports:
        part = report.get(kind) if isinstance(report, dict) else None
        if not isinstance(part, list) or len(rows) + len(part) > _MAX_ROWS:
            raise BadReport(f"LVM's report has no list of {kind}s, or far too long a one")
        for row in part:
            if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
                raise BadReport("a row of LVM's report is not of strings")
            rows.append(cast(dict[str, str], row))
    return rows


def _number(row: dict[str, str], field: str) -> int:
    value = row.get(field, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 20):
        raise BadReport(f"LVM reports {field}={value!r:.40}, which is no number")
    return int(value)


def _tags(row: dict[str, str], field: str) -> tuple[str, ...]:
    return tuple(tag for tag in row.get(field, "").split(",") if tag)


def _device(row: dict[str, str]) -> tuple[int, int] | None:
    major, minor = row.get("lv_kernel_major", "-1"), row.get("lv_kernel_minor", "-1")
    if major.isascii() and major.isdigit() and minor.isascii() and minor.isdigit():
        return int(major), int(minor)
    return None
