"""ova.xml: a version and objects, each with its class, its name in the archive, and its record, as XML-RPC has it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xenhost.core.units import MIB
from xenhost.pool.call import ApiError, Ref, Value
from xenhost.pool.wire.bounds import WireError
from xenhost.pool.wire.xmlrpc import pieces
from xenhost.pool.wire.xmlrpc_reader import parse_value

NAME: Final = "ova.xml"
MAX_BYTES: Final = 256 * MIB
"""10,000 VMs with a few devices each take about three quarters of it."""
MAX_VALUES: Final = 8_000_000
"""So many in it at most; they take half of them."""
BIG: Final = 16 * MIB
"""Bytes; of longer ones there is one in memory at a time."""
FORMATS: Final = (1, 2)
"""`export_vsn`: 0 was of a beta; before 2, a table of all checksums stood at the end, too."""
_ID: Final = re.compile(r"(Opaque)?Ref:[0-9A-Za-z-]{1,40}")
_API: Final = (1, 3)
"""The first release with this format: older ones refuse what says that it is newer."""


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of the archive."""

    cls: str
    id: Ref
    """Its reference in the archive, `Ref:7`; also the folder of a disk."""
    record: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Document:
    """All of it."""

    things: Mapping[Ref, Thing]

    def of(self, cls: str) -> list[Thing]:
        """Those of a class."""
        return [thing for thing in self.things.values() if thing.cls == cls]

    def get(self, cls: str, id: Ref) -> Thing:
        """An object of that class. Raises ApiError IMPORT_ERROR_FAILED_TO_FIND_OBJECT."""
        found = self.things.get(id)
        if found is None or found.cls != cls:
            raise ApiError("IMPORT_ERROR_FAILED_TO_FIND_OBJECT", str(id)[:100])
        return found


@dataclass(frozen=True, slots=True)
class Maker:
    """Who has written it."""

    hostname: str
    date: str
    version: str
    brand: str
    build: str


def written(maker: Maker, things: list[Thing]) -> bytes:
    """The bytes of the document."""
    version: dict[str, Value] = {
        "hostname": maker.hostname,
        "date": maker.date,
        "product_version": maker.version,
        "product_brand": maker.brand,
        "build_number": maker.build,
        "xapi_major": _API[0],
        "xapi_minor": _API[1],
        "export_vsn": FORMATS[-1],
    }
    objects: list[Value] = [{"class": each.cls, "id": each.id, "snapshot": each.record} for each in things]
    return b"".join(piece.encode() for piece in pieces({"version": version, "objects": objects}))


def read(untrusted: bytes) -> Document:
    """What the document says. Raises ApiError IMPORT_ERROR, IMPORT_INCOMPATIBLE_VERSION."""
    try:
        root = parse_value(untrusted, MAX_VALUES)
    except WireError as error:
        raise ApiError("IMPORT_ERROR", f"{NAME}: {error}"[:300]) from error
    version, objects = _struct(root, "version"), _member(root, "objects")
    if _number(version.get("export_vsn", 0)) not in FORMATS:
        raise ApiError("IMPORT_INCOMPATIBLE_VERSION")
    if not isinstance(objects, list):
        raise _wrong("objects is no array")
    things: dict[Ref, Thing] = {}
    for each in objects:
        cls, id = _member(each, "class"), _member(each, "id")
        if not isinstance(cls, str) or not isinstance(id, str) or not _ID.fullmatch(id):
            raise _wrong(f"an object has a class and a reference, not {cls!r:.60}, {id!r:.60}")
        if id in things:
            raise _wrong(f"there are two of {id}")
        things[Ref(id)] = Thing(cls, Ref(id), _struct(each, "snapshot"))
    return Document(things)


def _wrong(why: str) -> ApiError:
    return ApiError("IMPORT_ERROR", f"{NAME}: {why}")


def _member(value: Value, name: str) -> Value:
    if not isinstance(value, Mapping) or name not in value:
        raise _wrong(f"there is no {name}")
    return value[name]


def _struct(value: Value, name: str) -> Mapping[str, Value]:
    found = _member(value, name)
    if not isinstance(found, dict):
        raise _wrong(f"{name} is no struct")
    return found


def _number(value: Value) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
