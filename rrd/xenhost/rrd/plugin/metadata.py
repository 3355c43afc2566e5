"""The JSON that describes a plugin's data sources, as both protocols have it.

Names repeat across owners (`cpu0` of the host and of each VM), as keys of one JSON object: a reader that makes a dict
of it loses all but the last. Writers differ in how they spell numbers and truth: OCaml's write "0.00" and "inf",
Python's inf or Infinity, some with capitals.
"""

import json
import math
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

from xenhost.core.ids import is_uuid
from xenhost.core.metrics import Owner, OwnerKind, Source, SourceType, Transform, ValueType

MAX_SOURCES: Final = 100_000
"""More than a host of 1,000 VMs has."""
MAX_NAME: Final = 256
MAX_TEXT: Final = 256
MAX_JSON: Final = 8 << 20
"""Bytes."""
JSON_BASE: Final = 64 << 10
JSON_SOURCE: Final = 2 << 10
"""Bytes of a data source, with everything spelled out."""
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Word = TypeVar("Word", bound=StrEnum)


class BadPlugin(ValueError):
    """What a plugin wrote cannot be used. `args[0]` says why, in a few words."""


class TornPlugin(BadPlugin):
    """It does not fit together, as when it is read while it is written: some milliseconds later it may."""


def check_size(untrusted_length: int, count: int = MAX_SOURCES) -> None:
    """May the JSON of so many data sources be that long? Parsing costs, so this is asked before. Raises BadPlugin."""
    most = min(MAX_JSON, JSON_BASE + JSON_SOURCE * count)
    if untrusted_length > most:
        raise BadPlugin(f"its metadata has {untrusted_length} bytes; {most} at most")


def parse_sources(untrusted_text: bytes) -> tuple[tuple[Source, ...], tuple[float | None, ...], float | None]:
    """Sources, the value each has in the text (V1 only; None: none), and the text's timestamp. Raises BadPlugin."""
    try:
        root = json.loads(untrusted_text.rstrip(b"\0 \n"), object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise BadPlugin(f"its metadata is not JSON: {error!s:.100}") from None
    members = _members(root, "the metadata")
    found = members.get("datasources", members.get("data_sources"))
    if not isinstance(found, list) or not all(isinstance(each, tuple) and len(each) == 2 for each in found):
        raise BadPlugin("its metadata has no object `datasources`")
    if len(found) > MAX_SOURCES:
        raise BadPlugin(f"it has {len(found)} data sources; {MAX_SOURCES} at most")
    sources, values = [], []
    seen: set[tuple[Owner, str]] = set()
    for name, body in found:
        source, value = _source(name, body)
        if (source.owner, source.name) in seen:
            raise BadPlugin(f"it has the data source {name!r:.60} of one owner twice")
        seen.add((source.owner, source.name))
        sources.append(source)
        values.append(value)
    timestamp = members.get("timestamp")
    return tuple(sources), tuple(values), None if timestamp is None else _number(timestamp, "timestamp")


def _source(name: object, body: object) -> tuple[Source, float | None]:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise BadPlugin(f"{name!r:.60} is not a name for a data source")
    fields = _members(body, f"data source {name[:60]!r}")
    value = fields.get("value")
    source = Source(
        name=name,
        owner=_owner(fields.get("owner", "host"), name),
        type=_choice(SourceType, fields.get("type", "absolute"), name),
        value_type=_choice(ValueType, fields.get("value_type", "float"), name),
        units=_text(fields.get("units", ""), name),
        description=_text(fields.get("description", ""), name),
        default=_truth(fields.get("default", False)),
        min=_number(fields.get("min", "-inf"), name),
        max=_number(fields.get("max", "inf"), name),
        transform=_choice(Transform, fields.get("transform", "identity"), name),
    )
    if math.isnan(source.min) or math.isnan(source.max) or source.min > source.max:
        raise BadPlugin(f"data source {name[:60]!r} allows no value: {source.min} to {source.max}")
    return source, None if value is None else _number(value, name)


def _owner(untrusted_value: object, name: str) -> Owner:
    kind, _, uuid = str(untrusted_value)[:80].strip().lower().partition(" ")
    if kind == OwnerKind.HOST:
        return Owner(OwnerKind.HOST)
    if kind in (OwnerKind.VM, OwnerKind.SR) and is_uuid(uuid.strip()):
        return Owner(OwnerKind(kind), uuid.strip())
    raise BadPlugin(
        f"data source {name[:60]!r} is of {str(untrusted_value)!r:.60}; owners are host, vm UUID and sr UUID"
    )


def _members(untrusted_value: object, what: str) -> Mapping[str, Any]:
    """A JSON object, its keys once: with `object_pairs_hook` an empty one looks like an empty list."""
    if not isinstance(untrusted_value, list) or not all(isinstance(each, tuple) for each in untrusted_value):
        raise BadPlugin(f"{what} is not a JSON object")
    return dict(untrusted_value)


def _choice(kind: type[Word], untrusted_value: object, name: str) -> Word:
    word = str(untrusted_value)[:20].lower()
    if word not in list(kind):
        raise BadPlugin(f"data source {name[:60]!r} has {word!r} where {', '.join(kind)} are possible")
    return kind(word)


def _text(untrusted_value: object, name: str) -> str:
    if not isinstance(untrusted_value, str) or len(untrusted_value) > MAX_TEXT:
        raise BadPlugin(f"data source {name[:60]!r} has a text that is none, or too long")
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", untrusted_value)


def _truth(untrusted_value: object) -> bool:
    return untrusted_value is True or str(untrusted_value)[:8].lower() == "true"


def _number(untrusted_value: object, name: str) -> float:
    if isinstance(untrusted_value, bool) or not isinstance(untrusted_value, str | int | float):
        raise BadPlugin(f"{name[:60]!r} has no number where one belongs")
    try:
        return float(untrusted_value)
    except (ValueError, OverflowError):
        raise BadPlugin(f"{name[:60]!r} has {str(untrusted_value)[:40]!r} for a number") from None
