"""Whatever a plugin writes is a reading, the one before, or a reason."""

import json
import math
import struct
import zlib
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from xenhost.rrd.plugin.metadata import BadPlugin, parse_sources
from xenhost.rrd.plugin.protocol import Decoder
from xenhost.rrd.sdk import encode, gauge

GOOD = encode([(gauge("a"), 1.0), (gauge("b"), 2.0)], 1_700_000_000.0)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def decoded(data: bytes) -> None:
    try:
        reading = Decoder().decode(data)
    except BadPlugin:
        return
    assert reading is not None
    assert len(reading.values) == len(reading.sources)
    assert math.isfinite(reading.timestamp)


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    decoded(data)
    decoded(b"DATASOURCES" + data)
    decoded(b"DATASOURCES\n" + data)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255), st.integers(0, len(GOOD)))
def test_a_good_file_with_one_byte_changed_or_cut_short(at: int, byte: int, length: int) -> None:
    decoded((GOOD[:at] + bytes([byte]) + GOOD[at + 1 :])[:length])


@given(JSON, st.lists(st.floats(), max_size=4))
def test_any_metadata_with_good_checksums(document: object, values: list[float]) -> None:
    body = json.dumps({"datasources": document}).encode()
    data = struct.pack(">d", 1.7e9) + b"".join(struct.pack(">d", value) for value in values)
    header = struct.pack(">III", zlib.crc32(data), zlib.crc32(body), len(values))
    decoded(b"DATASOURCES" + header + data + struct.pack(">I", len(body)) + body)
    with suppress(BadPlugin):
        parse_sources(body)
