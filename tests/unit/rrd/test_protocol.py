"""What writers of data sources really write, and what they should not."""

import hashlib
import json
import math
import struct
import zlib

import pytest

from xenhost.core.metrics import HOST, OwnerKind, Source, SourceType, Transform, ValueType
from xenhost.rrd.plugin.metadata import BadPlugin, TornPlugin
from xenhost.rrd.plugin.protocol import Decoder
from xenhost.rrd.sdk import counter, encode, gauge, sr, vm

NOW = 1_700_000_000.5
VM = "9d2f3d8e-6c5c-4b53-8a59-0d6b2d0f1c55"


def v1(document: object, **changes: object) -> bytes:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    digest = changes.get("digest", hashlib.md5(body).hexdigest())
    return f"DATASOURCES\n{changes.get('length', len(body)):08x}\n{digest}\n".encode() + body + b"\n"


def v2(values: bytes, document: bytes, count: int, stamp: bytes = struct.pack(">d", NOW), **changes: int) -> bytes:
    data = stamp + values
    header = struct.pack(
        ">III", changes.get("data_crc", zlib.crc32(data)), changes.get("meta_crc", zlib.crc32(document)), count
    )
    return b"DATASOURCES" + header + data + struct.pack(">I", changes.get("length", len(document))) + document


def one(**fields: str) -> bytes:
    return json.dumps({"datasources": {"a": {"value_type": "float", **fields}}}).encode()


VALUE = struct.pack(">d", 1.5)


def test_what_the_sdk_writes_is_read() -> None:
    written = [
        (gauge("temperature", units="C", description="of the room"), 21.5),
        (counter("bytes", owner=vm(VM.upper())), 2**40),
        (gauge("unknown", owner=sr(VM), default=False), math.nan),
    ]
    reading = Decoder().decode(encode(written, NOW))
    assert reading is not None
    assert reading.timestamp == NOW
    assert list(reading.sources) == [source for source, _ in written]
    assert reading.values[:2] == (21.5, float(2**40))
    assert math.isnan(reading.values[2])


def test_the_same_name_of_two_owners_is_two_sources() -> None:
    written = [(gauge("cpu0"), 0.1), (gauge("cpu0", owner=vm(VM)), 0.2)]
    reading = Decoder().decode(encode(written, NOW))
    assert reading is not None
    assert [source.owner.kind for source in reading.sources] == [OwnerKind.HOST, OwnerKind.VM]
    assert reading.values == (0.1, 0.2)


def test_the_same_again_is_no_reading_and_sources_stay_the_same_object() -> None:
    decoder = Decoder()
    first = decoder.decode(encode([(gauge("a"), 1.0)], NOW))
    assert decoder.decode(encode([(gauge("a"), 1.0)], NOW)) is None
    second = decoder.decode(encode([(gauge("a"), 1.0)], NOW + 5))
    assert first is not None
    assert second is not None
    assert first.sources is second.sources
    third = decoder.decode(encode([(gauge("a"), 1.0), (gauge("b"), 1.0)], NOW + 10))
    assert third is not None
    assert [source.name for source in third.sources] == ["a", "b"]


def test_values_within_the_metadata_change_nothing_about_the_sources() -> None:
    decoder = Decoder()
    first = decoder.decode(v2(VALUE, one(value="1.50"), 1))
    second = decoder.decode(v2(struct.pack(">d", 2.5), one(value="2.50"), 1, struct.pack(">d", NOW + 5)))
    assert first is not None
    assert second is not None
    assert first.sources is second.sources
    assert second.values == (2.5,)


@pytest.mark.parametrize("stamp", [struct.pack(">q", 1_700_000_000), struct.pack(">d", 1_700_000_000.0)])
def test_older_writers_give_the_time_as_a_whole_number(stamp: bytes) -> None:
    reading = Decoder().decode(v2(VALUE, one(), 1, stamp))
    assert reading is not None
    assert reading.timestamp == 1_700_000_000.0


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.00", 0.0), ("inf", math.inf), ("-inf", -math.inf), ("+inf", math.inf), ("Infinity", math.inf)],
)
def test_limits_are_spelled_in_many_ways(text: str, value: float) -> None:
    field = {"min": text} if value <= 0 else {"max": text}
    reading = Decoder().decode(v2(VALUE, one(**field), 1))
    assert reading is not None
    source = reading.sources[0]
    assert (source.min if value <= 0 else source.max) == value


def test_librrd_counts_the_zero_at_the_end_of_its_text() -> None:
    reading = Decoder().decode(v2(VALUE, one() + b"\0", 1) + bytes(300))
    assert reading is not None
    assert reading.values == (1.5,)


def test_whole_numbers_transforms_and_defaults() -> None:
    text = one(value_type="int64", type="DERIVE", default="True", transform="inverse", owner=f"VM {VM.upper()}")
    reading = Decoder().decode(v2(struct.pack(">q", -3), text, 1))
    assert reading is not None
    assert reading.sources[0] == Source(
        "a", vm(VM), SourceType.DERIVE, ValueType.INT64, default=True, transform=Transform.INVERSE
    )
    assert reading.values == (-3.0,)


def test_text_is_read_whatever_version_was_announced() -> None:
    document = {
        "timestamp": NOW,
        "datasources": {"load": {"value": "0.5", "type": "gauge"}, "n": {"value": 3, "value_type": "int64"}},
    }
    reading = Decoder().decode(v1(document))
    assert reading is not None
    assert (reading.timestamp, reading.values) == (NOW, (0.5, 3.0))
    assert reading.sources[0] == Source("load", HOST, SourceType.GAUGE)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "does not begin"),
        (b"SOMETHING ELSE", "does not begin"),
        (b"DATASOURCES", "shorter"),
        (v2(VALUE, one(), 1)[:-5], "shorter"),
        (v2(VALUE, one(), 1, data_crc=0x01234567), "checksum of its values"),
        (v2(VALUE, one(), 1, meta_crc=1), "checksum of its metadata"),
        (v2(VALUE, one(), 1, length=60_000), "shorter"),
        (v2(VALUE, one(), 1, length=1 << 31), "67584 at most"),
        (v2(VALUE, one(), 1 << 31), "data sources"),
        (v2(VALUE * 2, one(), 2), "describes 1"),
        (v2(VALUE, b"{", 1), "not JSON"),
        (v2(VALUE, b"[]" * 1, 1), "datasources"),
        (v2(VALUE, b"[" * 50_000, 1), "not JSON"),
        (v2(VALUE, one() + b" " * 70_000, 1), "70047 bytes; 67584 at most"),
        (v2(VALUE * 8000, b" " * (9 << 20), 8000), "8388608 at most"),
        (v1(b" " * (9 << 20)), "8388608 at most"),
        (v2(VALUE, one(description="x" * 257), 1), "too long"),
        (v2(VALUE, b'{"datasources":{"a":3}}', 1), "not a JSON object"),
        (v2(VALUE, one(owner="vm nobody"), 1), "owners are"),
        (v2(VALUE, one(type="meter"), 1), "gauge, absolute, derive"),
        (v2(VALUE, one(min="5", max="3"), 1), "allows no value"),
        (v2(VALUE, one(max="nan"), 1), "allows no value"),
        (v2(VALUE, one(), 1, struct.pack(">d", math.nan)), "timestamp"),
        (v2(VALUE * 2, b'{"datasources":{"a":{},"a":{}}}', 2), "twice"),
        (v1({"timestamp": NOW, "datasources": {"a": {}}}), "no value"),
        (v1({"datasources": {"a": {"value": 1}}}), "timestamp"),
        (v1({"timestamp": NOW, "datasources": {}}, digest="0" * 32), "checksum"),
        (v1({"timestamp": NOW, "datasources": {}}, length=1 << 20), "shorter"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason(data: bytes, why: str) -> None:
    with pytest.raises(BadPlugin, match=why):
        Decoder().decode(data)


def test_a_count_that_changes_while_the_metadata_stays_is_refused() -> None:
    decoder = Decoder()
    assert decoder.decode(v2(VALUE, one(), 1)) is not None
    for count in (0, 2):
        with pytest.raises(BadPlugin, match=f"says {count} data sources and describes 1"):
            decoder.decode(v2(VALUE * count, one(), count, struct.pack(">d", NOW + 5 + count)))
    assert decoder.decode(v2(VALUE, one(), 1, struct.pack(">d", NOW + 15))) is not None


def test_what_xml_cannot_carry_in_a_text_is_replaced() -> None:
    text = json.dumps({"datasources": {"a": {"units": "\ud800", "description": "a\x1b\udfff\uffff\U0001f525"}}})
    for body in (text.encode(), text.replace("\\ud800", "\ud800").encode(errors="surrogatepass")):
        reading = Decoder().decode(v2(VALUE, body, 1))
        assert reading is not None
        assert (reading.sources[0].units, reading.sources[0].description) == ("\ufffd", "a\ufffd\ufffd\ufffd\U0001f525")


def test_only_what_may_be_half_a_write_is_worth_another_look() -> None:
    whole = v2(VALUE, one(), 1)
    for torn in (b"", whole[:5], whole[:30], whole[:40], v2(VALUE, one(), 1, data_crc=1), v1(b"{}", digest="0" * 32)):
        with pytest.raises(TornPlugin):
            Decoder().decode(torn)
    for bad in (b"SOMETHING", v2(VALUE, b"{", 1), v2(VALUE, one(owner="nobody"), 1)):
        with pytest.raises(BadPlugin) as caught:
            Decoder().decode(bad)
        assert not isinstance(caught.value, TornPlugin)


def test_a_whole_number_cannot_be_unknown() -> None:
    with pytest.raises(ValueError, match="cannot be unknown"):
        encode([(counter("a"), math.nan)], NOW)
