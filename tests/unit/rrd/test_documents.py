"""Whole databases as XML and JSON: both ways, XenServer's own, and hostile ones."""

import gzip
import json
import math
import zlib
from xml.etree import ElementTree

import numpy
import pytest

from unit.rrd.store_kit import MIDDLE, VM, Bench, counter, gauge
from xenhost.core.metrics import HOST, SourceType
from xenhost.rrd import document_json, document_xml
from xenhost.rrd.document import BadDocument, Document
from xenhost.rrd.resolution import Cf


def made(ticks: int = 900) -> Bench:
    bench = Bench(now=MIDDLE + 5)
    cpu, load = counter("cpu0", high=1.0), gauge("load <&>")
    for number in range(ticks):
        bench.tick({load: number % 7} if number % 11 == 3 else {cpu: number * 2.5, load: number % 7})
    return bench


def xml(document: Document, *, internal: bool = False) -> bytes:
    return b"".join(document_xml.as_xml(document, internal=internal))


def same(one: Document, two: Document) -> None:
    assert one.updated == two.updated
    assert [source.name for source in one.sources] == [source.name for source in two.sources]
    assert [source.type for source in one.sources] == [source.type for source in two.sources]
    for first, second in zip(one.archives, two.archives, strict=True):
        assert first.resolution == second.resolution
        numpy.testing.assert_array_equal(first.values, second.values)
        numpy.testing.assert_allclose(first.pending, second.pending, rtol=1e-6)
        numpy.testing.assert_array_equal(first.unknown, second.unknown)


def test_a_document_survives_xml_packed_or_not_and_json() -> None:
    document = made().store.document(HOST)
    same(document, document_xml.from_xml(xml(document)))
    same(document, document_xml.from_xml(gzip.compress(xml(document, internal=True))))
    same(document, document_json.from_json(b"".join(document_json.as_json(document))))


def test_a_document_survives_the_store() -> None:
    bench = made()
    document = bench.store.unload(HOST)
    assert document is not None
    bench.store.load(HOST, document_xml.from_xml(xml(document)))
    same(document, bench.store.document(HOST))


def test_the_elements_are_xenservers() -> None:
    root = ElementTree.fromstring(xml(made(30).store.document(HOST), internal=True))
    assert [each.tag for each in root] == ["version", "step", "lastupdate", "ds", "ds", *["rra"] * 10]
    assert [root.findtext(name) for name in ("version", "step")] == ["0003", "5"]
    assert (root.findtext("lastupdate") or "").isdigit()
    source = root.find("ds")
    assert source is not None
    assert [each.tag for each in source] == [
        "name",
        "type",
        "minimal_heartbeat",
        "min",
        "max",
        "last_ds",
        "value",
        "unknown_sec",
        "last_updated",
    ]
    assert [each.text for each in source][:5] == ["cpu0", "DERIVE", "300", "0.0", "1"]
    archives = root.findall("rra")
    assert [
        (each.findtext("cf"), each.findtext("pdp_per_row"), len(each.findall("database/row"))) for each in archives
    ] == [
        ("AVERAGE", "1", 120),
        *[(cf, "12", 120) for cf in ("AVERAGE", "MIN", "MAX")],
        *[(cf, "720", 168) for cf in ("AVERAGE", "MIN", "MAX")],
        *[(cf, "17280", 366) for cf in ("AVERAGE", "MIN", "MAX")],
    ]
    assert [each.findtext("params/xff") for each in archives[:2]] == ["0.5", "1"]


def test_json_has_the_same_keys_and_strings_alone() -> None:
    fields = json.loads(b"".join(document_json.as_json(made(30).store.document(HOST))))
    assert list(fields) == ["version", "step", "lastupdate", "ds", "rra"]
    assert fields["ds"][0]["minimal_heartbeat"] == "300"
    assert list(fields["rra"][0]) == ["cf", "pdp_per_row", "params", "cdp_prep", "database"]
    assert all(isinstance(cell, str) for row in fields["rra"][0]["database"] for cell in row)


XENSERVERS = b"""<?xml version="1.0" encoding="UTF-8"?>
<rrd><version>0003</version><step>5</step><lastupdate>1700006472.25</lastupdate>
<ds><name>cpu0</name><type>DERIVE</type><minimal_heartbeat>300.0000</minimal_heartbeat><min>-Infinity</min>
<max>1.0000</max><last_ds>12.5</last_ds><value>0.0</value><unknown_sec>0</unknown_sec></ds>
<ds><name>memory</name><type>GAUGE</type><minimal_heartbeat>300.0000</minimal_heartbeat><min>0.0</min>
<max>Infinity</max><last_ds>8589934592</last_ds><value>0.0</value><unknown_sec>2</unknown_sec></ds>
<ds><name>cpu0</name><type>DERIVE</type><minimal_heartbeat>300.0000</minimal_heartbeat><min>0.0</min>
<max>1.0000</max><last_ds>1</last_ds><value>0.0</value><unknown_sec>0</unknown_sec></ds>
<rra><cf>AVERAGE</cf><pdp_per_row>1</pdp_per_row><params><xff>0.5000</xff></params><cdp_prep>
<ds><primary_value>0.0</primary_value><secondary_value>0.0</secondary_value><value>0.0</value><unknown_datapoints>0</unknown_datapoints></ds>
<ds><primary_value>0.0</primary_value><secondary_value>0.0</secondary_value><value>0.0</value><unknown_datapoints>0</unknown_datapoints></ds>
<ds><primary_value>0.0</primary_value><secondary_value>0.0</secondary_value><value>0.0</value><unknown_datapoints>0</unknown_datapoints></ds>
</cdp_prep><database><row><v>-0.25</v><v>NaN</v><v>9</v></row><row><v>0.5</v><v>8589934592</v><v>9</v></row></database></rra>
<rra><cf>AVERAGE</cf><pdp_per_row>12</pdp_per_row><params><xff>0.5000</xff></params><cdp_prep>
<ds><primary_value>0.0</primary_value><secondary_value>0.0</secondary_value><value>0.2</value><unknown_datapoints>0</unknown_datapoints></ds>
<ds><primary_value>0.0</primary_value><secondary_value>0.0</secondary_value><value>10.0</value><unknown_datapoints>2</unknown_datapoints></ds>
<ds><primary_value>0.0</primary_value><secondary_value>0.0</secondary_value><value>0.0</value><unknown_datapoints>0</unknown_datapoints></ds>
</cdp_prep><database><row><v>0.25</v><v>1</v><v>9</v></row></database></rra></rrd>"""


def test_an_archive_of_xenserver_is_read() -> None:
    for data in (XENSERVERS, gzip.compress(XENSERVERS)):
        document = document_xml.from_xml(data)
        assert document.updated == 1700006472.25
        assert [(each.name, each.type) for each in document.sources] == [
            ("cpu0", SourceType.DERIVE),
            ("memory", SourceType.GAUGE),
        ]
        fine, minutes = document.archives
        assert math.isnan(fine.values[0, 0]), "a counter was never negative"
        assert fine.values[1].tolist() == [0.5, 8589934592.0]
        # 2 slots since the minute began: 0.2 of a whole row of 12 from both; none is known of the other data source.
        assert minutes.resolution.cf is Cf.AVERAGE
        assert minutes.pending[0] == pytest.approx(0.2 * 12 / 2)
        assert math.isnan(minutes.pending[1])


def test_an_archive_of_xenserver_lands_where_its_time_says() -> None:
    bench = Bench(now=1700006482.5)
    bench.store.load(VM)
    bench.tick({})
    bench.store.load(VM, document_xml.from_xml(XENSERVERS))
    values = bench.store.document(VM).archives[0].values
    assert values[-2:, 0].tolist() == [0.5, pytest.approx(math.nan, nan_ok=True)]
    assert bench.store.document(VM).archives[1].values[-1, 0] == 0.25


BOMB = b'<?xml version="1.0"?><!DOCTYPE rrd [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><rrd>&b;</rrd>'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<rrd>",
        b"<other/>",
        b"\xff\xfe",
        BOMB,
        b'<?xml version="1.0" encoding="ATF-8"?><rrd/>',
        b'<?xml version="1.0" encoding="utf-7"?><rrd/>',
        b"<rrd>" * 100_000,
        b"<rrd><ds>" + b"<v/>" * 400_000 + b"</ds></rrd>",
        gzip.compress(b"<rrd>" + b" " * (129 << 20)),
        gzip.compress(XENSERVERS)[:-20],
        b"\x1f\x8bnonsense",
        XENSERVERS.replace(b"<step>5</step>", b"<step>0</step>"),
        XENSERVERS.replace(b"<step>5</step>", b""),
        XENSERVERS.replace(b"<pdp_per_row>12<", b"<pdp_per_row>1e300<"),
        XENSERVERS.replace(b"<v>0.25</v>", b"<v>x</v>"),
        XENSERVERS.replace(b"<v>0.25</v>", b""),
        XENSERVERS.replace(b"<name>memory</name>", b"<name>a\nb</name>"),
        XENSERVERS.replace(b"<name>memory</name>", b"<name></name>"),
        XENSERVERS.replace(b"<name>memory</name>", b"<name>" + b"m" * 300 + b"</name>"),
        XENSERVERS.replace(b"1700006472.25", b"NaN"),
        XENSERVERS.replace(b"1700006472.25", b"-1"),
        XENSERVERS.replace(b"<unknown_datapoints>2<", b"<unknown_datapoints>13<"),
    ],
    ids=range(23),
)
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(BadDocument):
        document_xml.from_xml(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"step":"5"}',
        b"[" * 1_000_000,
        b'"' + b"x" * (17 << 20) + b'"',
        b'{"step":5,"lastupdate":1,"ds":3}',
    ],
    ids=range(7),
)
def test_what_is_no_json_document_is_refused(data: bytes) -> None:
    with pytest.raises(BadDocument):
        document_json.from_json(data)


def test_too_many_sources_are_refused() -> None:
    fields = json.loads(b"".join(document_json.as_json(made(3).store.document(HOST))))
    fields["ds"] = [dict(fields["ds"][0], name=f"n{number}") for number in range(2001)]
    fields["rra"] = []
    with pytest.raises(BadDocument, match="2000 at most"):
        document_json.from_json(json.dumps(fields).encode())


def test_packing_is_told_by_the_bytes() -> None:
    assert zlib.decompress(gzip.compress(XENSERVERS), 31) == XENSERVERS
    assert document_xml.from_xml(gzip.compress(XENSERVERS)).step == 5
