"""The answer to /rrd_updates as text, byte for byte as XenServer writes it."""

import json
from collections.abc import Iterator
from xml.sax.saxutils import escape

from xenhost.rrd.numbers import row_text
from xenhost.rrd.updates import Updates


def as_xml(updates: Updates) -> Iterator[bytes]:
    """In pieces of up to some hundred kilobytes. Pure; takes no lock."""
    entries = "".join(f"<entry>{name}</entry>" for name in updates.legend)
    if "&" in entries or any("<" in name or ">" in name for name in updates.legend):
        entries = "".join(f"<entry>{escape(name)}</entry>" for name in updates.legend)
    yield (
        f"<xport><meta><start>{updates.start}</start><step>{updates.step}</step><end>{updates.end}</end>"
        f"<rows>{len(updates.times)}</rows><columns>{len(updates.legend)}</columns>"
        f"<legend>{entries}</legend></meta><data>"
    ).encode()
    for time, values in zip(updates.times, updates.values, strict=True):
        yield b"".join((b"<row><t>%d</t>" % time, row_text(values, b"<v>", b"</v>"), b"</row>"))
    yield b"</data></xport>"


def as_json(updates: Updates) -> Iterator[bytes]:
    """In pieces of up to some hundred kilobytes; all numbers are strings. Pure; takes no lock."""
    meta = {
        "start": str(updates.start),
        "step": str(updates.step),
        "end": str(updates.end),
        "rows": str(len(updates.times)),
        "columns": str(len(updates.legend)),
        "legend": updates.legend,
    }
    yield b'{"meta":%b,"data":[' % json.dumps(meta, separators=(",", ":"), ensure_ascii=False).encode()
    for number, (time, values) in enumerate(zip(updates.times, updates.values, strict=True)):
        line = row_text(values, b'"', b'",')
        del line[-1:]
        yield b"".join((b'%b{"t":"%d","values":[' % (b"," if number else b"", time), line, b"]}"))
    yield b"]}"
