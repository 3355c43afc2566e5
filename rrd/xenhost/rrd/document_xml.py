"""Whole databases as XML: what XenServer exports, archives (packed) and sends along with a VM that migrates."""

import io
import math
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, Final
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from xenhost.rrd.document import MAX_BYTES, MAX_COLUMNS, BadDocument, Document, DocumentArchive
from xenhost.rrd.document_fields import HEARTBEAT_TEXT, VERSION, accumulated, document_of, passed_slots, settle
from xenhost.rrd.numbers import row_text, text
from xenhost.rrd.resolution import Cf

_DEPTH: Final = 8
_ELEMENTS: Final = 40 * MAX_COLUMNS + 100_000
"""That are held at once: rows go as they come."""
_GZIP: Final = b"\x1f\x8b"
_ROWS_A_PIECE: Final = 64
_LISTS: Final = frozenset({"ds", "rra"})


def as_xml(document: Document, *, internal: bool = False) -> Iterator[bytes]:
    """In pieces. `internal`: with the time of each data source's last reading, as in archives. Pure; takes no lock."""
    yield from _head(document, internal=internal)
    for archive in document.archives:
        prepared = accumulated(archive.resolution, archive, passed_slots(document, archive.resolution.slots))
        yield from _archive(document, archive, prepared)
    yield b"</rrd>"


def as_rrdtool_xml(document: Document) -> Iterator[bytes]:
    """For `rrdtool restore`, in pieces; names are such that rrdtool takes them. Pure.

    It holds the sum of the row that is not complete where XenServer holds its share of the average."""
    yield from _head(document, internal=False)
    for archive in document.archives:
        known = passed_slots(document, archive.resolution.slots) - archive.unknown
        sums = archive.pending * known if archive.resolution.cf is Cf.AVERAGE else archive.pending
        yield from _archive(document, archive, [float(each) for each in sums])
    yield b"</rrd>"


def from_xml(untrusted_data: bytes) -> Document:
    """Also of XenServer's archives, packed by gzip or not. Raises BadDocument. Bounded; may take seconds: a thread."""
    data = _unpacked(untrusted_data) if untrusted_data.startswith(_GZIP) else untrusted_data
    if len(data) > MAX_BYTES:
        raise BadDocument(f"it has more than {MAX_BYTES} bytes")
    try:
        return settle(document_of(_fields(data)))
    except ParseError as error:
        raise BadDocument(f"it is not XML: {error!s:.100}") from None
    except DefusedXmlException:
        raise BadDocument("it declares a document type or entities") from None
    except BadDocument:
        raise
    except (LookupError, ValueError) as error:  # the encoding it declares
        raise BadDocument(f"it is not XML: {error!s:.100}") from None


def _head(document: Document, *, internal: bool) -> Iterator[bytes]:
    head = [
        f"<rrd><version>{VERSION}</version><step>{document.step}</step><lastupdate>{int(document.updated)}</lastupdate>"
    ]
    for source in document.sources:
        last = text(source.last) if math.isfinite(source.last) else "0.0"
        updated = source.updated if math.isfinite(source.updated) else document.updated
        head.append(
            f"<ds><name>{escape(source.name)}</name><type>{source.type.upper()}</type>"
            f"<minimal_heartbeat>{HEARTBEAT_TEXT}</minimal_heartbeat>"
            f"<min>{text(source.min)}</min><max>{text(source.max)}</max><last_ds>{last}</last_ds>"
            f"<value>0.0</value><unknown_sec>0</unknown_sec>"
            f"{f'<last_updated>{text(updated)}</last_updated>' if internal else ''}</ds>"
        )
    yield "".join(head).encode()


def _archive(document: Document, archive: DocumentArchive, prepared: Sequence[float]) -> Iterator[bytes]:
    resolution = archive.resolution
    cells = "".join(
        f"<ds><primary_value>0.0</primary_value><secondary_value>0.0</secondary_value><value>{text(value)}</value>"
        f"<unknown_datapoints>{unknown}</unknown_datapoints></ds>"
        for value, unknown in zip(prepared, archive.unknown.tolist(), strict=True)
    )
    yield (
        f"<rra><cf>{resolution.cf}</cf><pdp_per_row>{resolution.slots}</pdp_per_row>"
        f"<params><xff>{text(resolution.xff)}</xff></params><cdp_prep>{cells}</cdp_prep><database>"
    ).encode()
    rows = archive.values if document.sources else ()
    for start in range(0, len(rows), _ROWS_A_PIECE):
        piece = rows[start : start + _ROWS_A_PIECE]
        yield b"<row>" + b"</row><row>".join(row_text(row, b"<v>", b"</v>") for row in piece) + b"</row>"
    yield b"</database></rra>"


def _unpacked(untrusted_data: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        data = unpacker.decompress(untrusted_data, MAX_BYTES + 1)
    except zlib.error as error:
        raise BadDocument(f"it cannot be unpacked: {error!s:.100}") from None
    if len(data) <= MAX_BYTES and not unpacker.eof:
        raise BadDocument("it is cut short")
    return data


def _fields(untrusted_data: bytes) -> dict[str, Any]:
    """The XML as JSON would have it."""
    depth = elements = 0
    databases: dict[int, list[list[str | None]]] = {}
    open_rows: list[list[str | None]] = []
    root = None
    for event, element in iterparse(io.BytesIO(untrusted_data), events=("start", "end"), forbid_dtd=True):
        if event == "start":
            depth += 1
            elements += 1
            if root is None:
                root = element
            if depth > _DEPTH or elements > _ELEMENTS:
                raise BadDocument("it has too many elements, or too deep ones")
            continue
        depth -= 1
        if element.tag == "row":
            open_rows.append([cell.text for cell in element])
            elements -= len(element)
            element.clear()
        elif element.tag == "database":
            databases[id(element)] = open_rows
            elements -= len(element)
            open_rows = []
            element[:] = []
    if root is None or root.tag != "rrd":
        raise BadDocument("it is not a round-robin database")
    fields = _members(root)
    fields["ds"] = [_members(each) for each in root if each.tag == "ds"]
    fields["rra"] = []
    for rra in root.iterfind("rra"):
        members = _members(rra)
        database = rra.find("database")
        prepared = rra.find("cdp_prep")
        members["params"] = _members(rra.find("params"))
        members["cdp_prep"] = {"ds": [_members(each) for each in (() if prepared is None else prepared)]}
        members["database"] = [] if database is None else databases.get(id(database), [])
        fields["rra"].append(members)
    return fields


def _members(element: Any) -> dict[str, Any]:
    """Of the elements below, their texts."""
    return (
        {} if element is None else {each.tag: (each.text or "").strip() for each in element if each.tag not in _LISTS}
    )
