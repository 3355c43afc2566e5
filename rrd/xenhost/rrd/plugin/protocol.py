"""Protocols V1 and V2 of data-source plugins: bytes to readings. Pure.

V1 (text)                          V2 (binary, big endian)
 0  "DATASOURCES\n"                 0  "DATASOURCES"
12  length of the JSON, 8 hex      11  CRC-32 of timestamp and values
20  "\n"                           15  CRC-32 of the JSON
21  MD5 of the JSON, 32 hex        19  number n of data sources
53  "\n"                           23  timestamp, f64 seconds (older writers: i64)
54  JSON with the values           31  n values, f64 or i64 as the JSON says
                                   31+8n  length of the JSON, then the JSON; the rest is padding

Sources: xcp-rrdd's `rrd-transport` and rrd-client-lib's librrd.c, whose writers differ in what stands in the comments.
"""

import hashlib
import math
import struct
import zlib
from typing import Final

from xenhost.core.metrics import Reading, Source, ValueType
from xenhost.rrd.plugin.metadata import MAX_SOURCES, BadPlugin, TornPlugin, check_size, parse_sources

MAGIC: Final = b"DATASOURCES"
MAX_FILE: Final = 64 << 20
"""Bytes of a plugin's file; the largest known has 8 MiB."""
_V2_HEADER: Final = struct.Struct(">III")
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")
_FIRST_TIME: Final = 1e8
_LAST_TIME: Final = 1e11
"""Seconds since the epoch between which a timestamp can be: a whole number read as f64 is far below."""


class Decoder:
    """What is remembered of one plugin between two readings: its data sources, as long as they stay the same."""

    def __init__(self) -> None:
        self._checksum: object = None
        self._metadata: object = None
        self._sources: tuple[Source, ...] = ()
        self._format = struct.Struct("")

    def decode(self, untrusted_data: bytes) -> Reading | None:
        """A reading, None if it is the one before. The protocol is told by the bytes. Raises BadPlugin;
        TornPlugin for what may be fine some milliseconds later: plugins write in place.
        """
        if not untrusted_data.startswith(MAGIC):
            wrong = "it does not begin with DATASOURCES"
            raise TornPlugin(wrong) if MAGIC.startswith(untrusted_data) else BadPlugin(wrong)
        return self._text(untrusted_data) if is_text(untrusted_data) else self._binary(untrusted_data)

    def _text(self, data: bytes) -> Reading | None:
        length = int(data[12:20], 16)
        checksum = data[21:53].lower()
        if checksum == self._checksum:
            return None
        check_size(length)
        body = data[54 : 54 + length]
        if len(body) != length:
            raise TornPlugin("it is shorter than it says")
        if hashlib.md5(body, usedforsecurity=False).hexdigest().encode() != checksum:
            raise TornPlugin("its checksum is wrong")
        sources, values, timestamp = parse_sources(body)
        if timestamp is None or not _FIRST_TIME < timestamp < _LAST_TIME:
            raise BadPlugin("it has no timestamp in seconds since 1970")
        if any(value is None for value in values):
            raise BadPlugin("a data source has no value")
        if sources != self._sources:
            self._sources = sources
        self._checksum = checksum
        return Reading(timestamp, self._sources, tuple(value for value in values if value is not None))

    def _binary(self, data: bytes) -> Reading | None:
        if len(data) < 35:
            raise TornPlugin("it is shorter than its header")
        checksum, metadata, count = _V2_HEADER.unpack_from(data, 11)
        if count > MAX_SOURCES:
            raise BadPlugin(f"it says that it has {count} data sources; {MAX_SOURCES} at most")
        end = 31 + 8 * count
        if checksum == self._checksum:
            return None
        if len(data) < end + 4:
            raise TornPlugin("it is shorter than its values")
        if zlib.crc32(data[23:end]) != checksum:
            raise TornPlugin("the checksum of its values is wrong")
        if metadata != self._metadata:
            self._learn(data, end, metadata, count)
        if self._format.size != 8 * count:
            raise BadPlugin(f"it says {count} data sources and describes {len(self._sources)}")
        values = self._format.unpack_from(data, 31)
        self._checksum = checksum
        return Reading(_timestamp(data), self._sources, tuple(map(float, values)))

    def _learn(self, data: bytes, end: int, checksum: int, count: int) -> None:
        (length,) = struct.unpack_from(">I", data, end)
        check_size(length, count)
        body = data[end + 4 : end + 4 + length]
        if len(body) != length:
            raise TornPlugin("it is shorter than its metadata")
        if zlib.crc32(body) != checksum:
            raise TornPlugin("the checksum of its metadata is wrong")
        sources, _, _ = parse_sources(body)
        if len(sources) != count:
            raise BadPlugin(f"it says {count} data sources and describes {len(sources)}")
        if sources != self._sources:  # some writers put the values in, which changes the checksum each time
            self._sources = sources
            self._format = struct.Struct(
                ">" + "".join("q" if source.value_type is ValueType.INT64 else "d" for source in sources)
            )
        self._metadata = checksum


def is_text(data: bytes) -> bool:
    """Is it V1? Programs announce themselves with the wrong version, so only the bytes count."""
    return data[11:12] == b"\n" and data[20:21] == b"\n" and len(data) > 53 and _HEX.issuperset(data[12:20])


def _timestamp(data: bytes) -> float:
    (seconds,) = struct.unpack_from(">d", data, 23)
    if not _FIRST_TIME < seconds < _LAST_TIME:
        (seconds,) = struct.unpack_from(">q", data, 23)
    if not _FIRST_TIME < seconds < _LAST_TIME or math.isnan(seconds):
        raise BadPlugin("its timestamp is not seconds since 1970")
    return float(seconds)
