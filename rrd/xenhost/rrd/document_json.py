"""Whole databases as JSON: the same keys as in XML, all values strings."""

import json
import math
from collections.abc import Iterator
from typing import Final

from xenhost.rrd.document import BadDocument, Document, DocumentArchive
from xenhost.rrd.document_fields import HEARTBEAT_TEXT, VERSION, accumulated, document_of, passed_slots, settle
from xenhost.rrd.numbers import row_text, text

MAX_JSON: Final = 16 << 20
"""Bytes: JSON is read as a whole, and grows by that."""


def as_json(document: Document) -> Iterator[bytes]:
    """In pieces. Pure; takes no lock."""
    sources = [
        {
            "name": source.name,
            "type": source.type.upper(),
            "minimal_heartbeat": HEARTBEAT_TEXT,
            "min": text(source.min),
            "max": text(source.max),
            "last_ds": text(source.last) if math.isfinite(source.last) else "0.0",
            "value": "0.0",
            "unknown_sec": "0.0",
            "last_updated": text(source.updated if math.isfinite(source.updated) else document.updated),
        }
        for source in document.sources
    ]
    yield b'{"version":"%b","step":"%d","lastupdate":"%b","ds":%b,"rra":[' % (
        VERSION.encode(),
        document.step,
        text(document.updated).encode(),
        _compact(sources),
    )
    for number, archive in enumerate(document.archives):
        yield from _archive(document, archive, b"," if number else b"")
    yield b"]}"


def from_json(untrusted_data: bytes) -> Document:
    """Raises BadDocument. Bounded; may take seconds: a thread."""
    if len(untrusted_data) > MAX_JSON:
        raise BadDocument(f"it has more than {MAX_JSON} bytes")
    try:
        fields = json.loads(untrusted_data)
    except (ValueError, RecursionError) as error:
        raise BadDocument(f"it is not JSON: {error!s:.100}") from None
    return settle(document_of(fields))


def _archive(document: Document, archive: DocumentArchive, before: bytes) -> Iterator[bytes]:
    resolution = archive.resolution
    prepared = accumulated(resolution, archive, passed_slots(document, resolution.slots))
    head = {
        "cf": resolution.cf,
        "pdp_per_row": str(resolution.slots),
        "params": {"xff": text(resolution.xff)},
        "cdp_prep": {
            "ds": [
                {
                    "primary_value": "0.0",
                    "secondary_value": "0.0",
                    "value": text(value),
                    "unknown_datapoints": str(unknown),
                }
                for value, unknown in zip(prepared, archive.unknown.tolist(), strict=True)
            ]
        },
    }
    yield b'%b%b,"database":[' % (before, _compact(head)[:-1])
    rows = archive.values if document.sources else ()
    if len(rows):
        yield b"[" + b"],[".join(row_text(row, b'"', b'",')[:-1] for row in rows) + b"]"
    yield b"]}"


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
