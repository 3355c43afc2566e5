"""What an SR keeps of a VDI: a small JSON file beside the images, the sidecar `<VDI UUID>.vdi`.

Images keep their names; which image a VDI's content is in stands only here, so a snapshot, a revert and a merge are one
atomic replacement of a small file.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeVar

from xenhost.core.errors import InvalidValue
from xenhost.core.ids import is_uuid
from xenhost.core.storage import OnBoot, VdiId, VdiType

SUFFIX: Final = ".vdi"
MAX_BYTES: Final = 64 * 1024
"""Of a sidecar."""
_VERSION: Final = 1
_MAX_TEXT: Final = 8192
_MAX_KEYS: Final = 256
_MAX_SIZE: Final = 1 << 56
_Choice = TypeVar("_Choice", VdiType, OnBoot)
_FILE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@ -]{0,254}")


class BadRecord(Exception):
    """A sidecar that cannot be understood; the text says why."""


@dataclass(frozen=True, slots=True)
class VdiRecord:
    """A VDI as its sidecar has it."""

    id: VdiId
    image: str
    """File name of the image its content is in; empty for a VDI whose data was destroyed."""
    name: str = ""
    description: str = ""
    type: VdiType = VdiType.USER
    read_only: bool = False
    sharable: bool = False
    is_a_snapshot: bool = False
    snapshot_of: VdiId | None = None
    snapshot_time: float | None = None
    on_boot: OnBoot = OnBoot.PERSIST
    cbt: bool = False
    cbt_images: tuple[str, ...] = ()
    """Images whose bitmaps hold, together with the log of changes, what changed since the parent in that log."""
    cbt_problem: str = ""
    """Why tracking ended by itself."""
    sm_config: Mapping[str, str] = field(default_factory=dict)
    owns: tuple[str, ...] = ()
    """Images of foreign names that were taken on for this VDI: they are ours to merge and delete from then on."""
    scratch: str = ""
    """An image in use or in the making that is not the content: of a VDI that is reset on boot, or of a conversion."""
    deleted: bool = False
    """The VDI is gone; the sidecar stays while others need an image it owns, lest that is taken for a new VDI."""
    size: int = 0
    """Of a VDI whose data was destroyed."""


def images_of(record: VdiRecord) -> tuple[str, ...]:
    """The images a record keeps alive."""
    if record.deleted:
        return ()
    return tuple(name for name in (record.image, record.scratch) if name)


def pack(record: VdiRecord) -> bytes:
    """A sidecar's content. Raises InvalidValue if it would be too long."""
    fields = {key: value for key, value in asdict(record).items() if key != "id"}
    data = json.dumps({"version": _VERSION, **fields}, ensure_ascii=True, sort_keys=True).encode()
    if len(data) > MAX_BYTES:
        text = f"name, description and sm_config of VDI {record.id} take {len(data)} bytes; at most {MAX_BYTES} fit"
        raise InvalidValue(text, field="name_description", value=str(len(data)))
    return data + b"\n"


def parse(vdi: VdiId, untrusted_data: bytes) -> VdiRecord:
    """A record from a sidecar. Raises BadRecord."""
    if len(untrusted_data) > MAX_BYTES + 1:
        raise BadRecord(f"the sidecar is longer than {MAX_BYTES} bytes")
    try:
        document: Any = json.loads(untrusted_data)
    except (ValueError, RecursionError):
        raise BadRecord("the sidecar is no JSON document") from None
    if not isinstance(document, dict):
        raise BadRecord("the sidecar is no JSON object")
    if document.get("version") != _VERSION:
        raise BadRecord(f"the sidecar has version {document.get('version')!r:.20}; {_VERSION} is known")
    reader = _Reader(document)
    record = VdiRecord(
        id=vdi,
        image=reader.file("image"),
        name=reader.text("name"),
        description=reader.text("description"),
        type=reader.choice("type", VdiType, VdiType.USER),
        read_only=reader.flag("read_only"),
        sharable=reader.flag("sharable"),
        is_a_snapshot=reader.flag("is_a_snapshot"),
        snapshot_of=reader.vdi("snapshot_of"),
        snapshot_time=reader.time("snapshot_time"),
        on_boot=reader.choice("on_boot", OnBoot, OnBoot.PERSIST),
        cbt=reader.flag("cbt"),
        cbt_images=reader.files("cbt_images"),
        cbt_problem=reader.text("cbt_problem"),
        sm_config=reader.mapping("sm_config"),
        owns=reader.files("owns"),
        scratch=reader.file("scratch"),
        deleted=reader.flag("deleted"),
        size=reader.size("size"),
    )
    if not record.image and not record.deleted and record.type is not VdiType.CBT_METADATA:
        raise BadRecord("the sidecar names no image")
    return record


class _Reader:
    """Takes fields out of an untrusted document, each checked; one that is missing has its default."""

    def __init__(self, untrusted_document: Mapping[str, Any]) -> None:
        self._fields = untrusted_document

    def text(self, key: str) -> str:
        value = self._fields.get(key, "")
        if not isinstance(value, str) or len(value) > _MAX_TEXT:
            raise BadRecord(f"{key} in the sidecar is no text of at most {_MAX_TEXT} characters")
        return value

    def file(self, key: str) -> str:
        return _file(key, self.text(key))

    def files(self, key: str) -> tuple[str, ...]:
        value = self._fields.get(key, [])
        if not isinstance(value, list) or len(value) > _MAX_KEYS or not all(isinstance(name, str) for name in value):
            raise BadRecord(f"{key} in the sidecar is no list of names")
        return tuple(_file(key, name) for name in value)

    def flag(self, key: str) -> bool:
        value = self._fields.get(key, False)
        if not isinstance(value, bool):
            raise BadRecord(f"{key} in the sidecar is neither true nor false")
        return value

    def size(self, key: str) -> int:
        value = self._fields.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_SIZE:
            raise BadRecord(f"{key} in the sidecar is no size")
        return value

    def time(self, key: str) -> float | None:
        value = self._fields.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
            raise BadRecord(f"{key} in the sidecar is no time")
        return float(value)

    def vdi(self, key: str) -> VdiId | None:
        value = self._fields.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not is_uuid(value):
            raise BadRecord(f"{key} in the sidecar is no UUID")
        return VdiId(value)

    def choice(self, key: str, cls: type[_Choice], default: _Choice) -> _Choice:
        value = self._fields.get(key, default.value)
        try:
            return cls(value)
        except ValueError:
            raise BadRecord(f"{key} in the sidecar is {value!r:.40}, which is not known") from None

    def mapping(self, key: str) -> dict[str, str]:
        value = self._fields.get(key, {})
        if not isinstance(value, dict) or len(value) > _MAX_KEYS:
            raise BadRecord(f"{key} in the sidecar is no mapping")
        if not all(isinstance(item, str) and len(item) <= _MAX_TEXT for pair in value.items() for item in pair):
            raise BadRecord(f"{key} in the sidecar holds something else than short texts")
        return value


def _file(key: str, name: str) -> str:
    if name and not _FILE.fullmatch(name):
        raise BadRecord(f"{key} in the sidecar is no plain file name: {name[:80]!r}")
    return name
