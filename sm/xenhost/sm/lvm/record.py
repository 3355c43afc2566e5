"""What is kept with each VDI, and with the SR: a JSON record in LVM tags.

The metadata of a volume group is written atomically, checked and kept twice by LVM, so a volume and its record appear
and go together. A tag may hold base64's characters and nothing else that a user may type.
"""

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Final

from xenhost.core.record import BadRecord, Json, decode, encode
from xenhost.core.storage import NewSnapshot, NewVdi, Vdi, VdiChange, VdiId, VdiType

_TAG: Final = "xenhost.r"
_PART: Final = 900
"""Characters of base64 in one tag; LVM takes 1024 in all."""
_MAX_SIZE: Final = 1 << 60
_MAX_TIME: Final = 1 << 40
MAX_RECORD: Final = 12 * 1024
"""Bytes of JSON of one record."""


@dataclass(frozen=True, slots=True)
class VdiRecord:
    """What LVM does not know of a VDI by itself."""

    name: str = ""
    description: str = ""
    type: VdiType = VdiType.USER
    sharable: bool = False
    read_only: bool = False
    snapshot_of: VdiId | None = None
    snapshot_time: float | None = None
    cbt: bool = False
    virtual_size: int = 0
    """Of a VDI whose data is destroyed; else the volume's size counts."""
    zeroed_from: int = 0
    """Bytes of a plain volume from here on are still to be zeroed; 0: none."""
    unfinished: bool = False
    """It is still being made (zeroed, or its map written), and is removed by the next attach."""

    @classmethod
    def of_new(cls, new: NewVdi, unfinished: bool) -> "VdiRecord":
        """That of a VDI to be made."""
        return cls(new.name, new.description, new.type, new.sharable, new.read_only, unfinished=unfinished)

    def snapshot(self, vdi: VdiId, new: NewSnapshot) -> "VdiRecord":
        """That of a snapshot of this one."""
        return replace(
            self,
            name=new.name or self.name,
            description=new.description or self.description,
            read_only=True,
            snapshot_of=vdi,
            snapshot_time=new.time,
        )

    def clone(self, new: NewSnapshot) -> "VdiRecord":
        """That of a writable copy of this one."""
        return replace(
            self,
            name=new.name or self.name,
            description=new.description or self.description,
            read_only=False,
            snapshot_of=None,
            snapshot_time=None,
            cbt=False,
        )

    def changed(self, change: VdiChange) -> "VdiRecord":
        """With what a client changes of it."""
        return replace(
            self,
            name=self.name if change.name is None else change.name,
            description=self.description if change.description is None else change.description,
            read_only=self.read_only if change.read_only is None else change.read_only,
            sharable=self.sharable if change.sharable is None else change.sharable,
        )

    def vdi(self, vdi: VdiId, location: str, size: int, used: int, problem: str = "") -> Vdi:
        """As clients see it."""
        return Vdi(
            id=vdi,
            location=location,
            virtual_size=self.virtual_size or size,
            physical_utilisation=used,
            name=self.name,
            description=self.description,
            type=self.type,
            format="lv",
            read_only=self.read_only,
            sharable=self.sharable,
            is_a_snapshot=self.snapshot_of is not None,
            snapshot_of=self.snapshot_of,
            snapshot_time=self.snapshot_time,
            cbt_enabled=self.cbt,
            problem=problem,
        )


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """What is kept with the SR."""

    name: str = ""
    description: str = ""
    thin: bool = True


def tags(record: VdiRecord | GroupRecord) -> tuple[str, ...]:
    """The tags that hold a record. Raises BadRecord if it is too long."""
    plain = type(record)()
    body = {
        field.name: encode(getattr(record, field.name))
        for field in fields(record)
        if getattr(record, field.name) != getattr(plain, field.name) or field.name == "thin"
    }
    text = json.dumps(body, separators=(",", ":")).encode()
    if len(text) > MAX_RECORD:
        raise BadRecord(f"name and description together take {len(text)} bytes; {MAX_RECORD} fit")
    letters = base64.b64encode(text).decode()
    parts = [letters[at : at + _PART] for at in range(0, len(letters), _PART)]
    return tuple(f"{_TAG}{index}.{part}" for index, part in enumerate(parts))


def is_record_tag(untrusted_tag: str) -> bool:
    """Is it part of a record?"""
    return untrusted_tag.startswith(_TAG)


def read_vdi(untrusted_tags: Iterable[str]) -> VdiRecord:
    """The record of a VDI. Raises BadRecord."""
    record = decode(VdiRecord, _body(untrusted_tags))
    sizes = record.virtual_size, record.zeroed_from
    if not all(0 <= size <= _MAX_SIZE for size in sizes) or not 0 <= (record.snapshot_time or 0) <= _MAX_TIME:
        raise BadRecord("its record names an impossible size or time")
    return record


def read_group(untrusted_tags: Iterable[str]) -> GroupRecord:
    """The record of an SR. Raises BadRecord."""
    return decode(GroupRecord, _body(untrusted_tags))


def _body(untrusted_tags: Iterable[str]) -> Json:
    parts: dict[int, str] = {}
    for tag in untrusted_tags:
        if is_record_tag(tag):
            index, dot, part = tag.removeprefix(_TAG).partition(".")
            if not dot or not index.isascii() or not index.isdigit() or len(index) > 2 or int(index) in parts:
                raise BadRecord("a tag of its record is damaged")
            parts[int(index)] = part
    if not parts:
        raise BadRecord("it has no record")
    if sorted(parts) != list(range(len(parts))):
        raise BadRecord("a part of its record is missing")
    try:
        body: Json = json.loads(base64.b64decode("".join(parts[index] for index in range(len(parts))), validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise BadRecord("its record is damaged") from error
    return body
