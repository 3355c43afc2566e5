"""The answer to /rrd_updates: parameters, which archive, which rows, and its bytes."""

import json
import math
from collections.abc import Mapping
from xml.etree import ElementTree

import numpy
import pytest

from unit.rrd.store_kit import HOST_UUID, MIDDLE, OTHER_VM, SR, START, VM, Bench, gauge
from xenhost.core.errors import InvalidValue
from xenhost.rrd.resolution import Cf
from xenhost.rrd.updates import Updates, UpdatesQuery, parse_updates_query
from xenhost.rrd.updates_text import as_json, as_xml


def bench_of(ticks: int) -> Bench:
    bench = Bench(now=MIDDLE + 5)
    bench.store.load(VM)
    bench.store.load(OTHER_VM)
    bench.store.load(SR)
    sources = {
        gauge("cpu0"): 0.25,
        gauge("memory", VM): 2147483648.0,
        gauge("memory", OTHER_VM): 1.0,
        gauge("size", SR): 0.0,
    }
    for _ in range(ticks):
        bench.tick(sources)
    return bench


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ({"start": ["1700000000"]}, UpdatesQuery(1700000000)),
        (
            {"start": ["-600"], "cf": ["average"], "interval": ["60"], "host": ["true"]},
            UpdatesQuery(-600, Cf.AVERAGE, 60, True),
        ),
        ({"start": ["1"], "cf": ["MEDIAN"], "host": ["none"]}, UpdatesQuery(1)),
        ({"start": ["1"], "vm_uuid": ["all"], "sr_uuid": ["all"]}, UpdatesQuery(1, vms=None, srs=None)),
        ({"start": ["1"], "vm_uuid": ["none"], "sr_uuid": ["none"]}, UpdatesQuery(1, vms=frozenset())),
        (
            {"start": ["1"], "vm_uuid": [VM.uuid.upper(), OTHER_VM.uuid]},
            UpdatesQuery(1, vms=frozenset({VM.uuid, OTHER_VM.uuid})),
        ),
        ({"start": ["1700000000.5"], "interval": ["-5"]}, UpdatesQuery(1700000000)),
    ],
)
def test_parameters(text: Mapping[str, list[str]], expected: UpdatesQuery) -> None:
    assert parse_updates_query(text) == expected


@pytest.mark.parametrize("start", ["", "now", "1e9", "٣", "9" * 40, "1\n"])
def test_start_is_a_number(start: str) -> None:
    with pytest.raises(InvalidValue):
        parse_updates_query({"start": [start]})


@pytest.mark.parametrize(
    ("start", "interval", "step"),
    [
        (-599, 0, 5),
        (-600, 0, 60),
        (-600, 5, 60),
        (-60, 60, 60),
        (-7199, 0, 60),
        (-7200, 0, 3600),
        (-604799, 0, 3600),
        (-604800, 0, 86400),
        (-60, 86400, 86400),
        (-60, 999999, 86400),
        (1, 0, 86400),
    ],
)
def test_the_finest_archive_that_has_the_start_answers(start: int, interval: int, step: int) -> None:
    assert bench_of(3).store.updates(UpdatesQuery(start, Cf.AVERAGE, interval)).step == step


def test_rows_are_newest_first_and_none_is_before_the_start() -> None:
    bench = bench_of(30)
    end = int(START) + 29 * 5
    updates = bench.store.updates(UpdatesQuery(end - 12, vms=frozenset({VM.uuid})))
    assert updates.times == (end, end - 5, end - 10)
    assert (updates.start, updates.end) == (end - 10, end)
    assert updates.values.tolist() == [[2147483648.0]] * 3
    assert len(bench.store.updates(UpdatesQuery(-599)).times) == 120


def test_columns_are_those_of_the_host_then_vms_then_srs() -> None:
    bench = bench_of(3)
    everything = bench.store.updates(UpdatesQuery(-100, host=True, srs=None))
    assert everything.legend == (
        f"AVERAGE:host:{HOST_UUID}:cpu0",
        f"AVERAGE:vm:{VM.uuid}:memory",
        f"AVERAGE:vm:{OTHER_VM.uuid}:memory",
        f"AVERAGE:sr:{SR.uuid}:size",
    )
    assert everything.values[0].tolist() == [0.25, 2147483648.0, 1.0, 0.0]
    assert bench.store.updates(UpdatesQuery(-100)).legend == everything.legend[1:3]
    assert (
        bench.store.updates(UpdatesQuery(-100, vms=frozenset(), srs=frozenset({SR.uuid}))).legend
        == everything.legend[3:]
    )


def test_without_a_function_all_are_there_and_others_columns_have_theirs() -> None:
    bench = bench_of(40)
    updates = bench.store.updates(UpdatesQuery(-100, interval=60, host=True))
    assert [entry.split(":")[0] + entry.split(":")[1] for entry in updates.legend] == [
        "AVERAGEhost",
        "MINhost",
        "MAXhost",
        "AVERAGEvm",
        "AVERAGEvm",
    ]
    assert updates.values[0].tolist() == [0.25, 0.25, 0.25, 2147483648.0, 1.0]
    only = bench.store.updates(UpdatesQuery(-100, Cf.MIN, host=True))
    assert only.legend == (f"MIN:host:{HOST_UUID}:cpu0",)
    assert only.step == 60


@pytest.mark.parametrize(
    "query", [UpdatesQuery(-100, Cf.LAST, host=True), UpdatesQuery(-100, Cf.MIN), UpdatesQuery(-9, vms=frozenset())]
)
def test_an_answer_without_columns(query: UpdatesQuery) -> None:
    updates = bench_of(3).store.updates(query)
    assert (updates.legend, updates.times) == ((), ())
    assert json.loads(b"".join(as_json(updates)))["meta"]["columns"] == "0"


SAMPLE = Updates(
    start=1700000005,
    step=5,
    end=1700000010,
    legend=("AVERAGE:host:4c1b:cpu0", "AVERAGE:vm:9d2f:memory", "AVERAGE:vm:9d2f:a&b"),
    times=(1700000010, 1700000005),
    values=numpy.array([[0.03125, 2147483648, math.nan], [math.inf, -math.inf, 0.0]], numpy.float32),
)


def test_the_bytes_of_xml() -> None:
    assert b"".join(as_xml(SAMPLE)) == (
        b"<xport><meta><start>1700000005</start><step>5</step><end>1700000010</end><rows>2</rows><columns>3</columns>"
        b"<legend><entry>AVERAGE:host:4c1b:cpu0</entry><entry>AVERAGE:vm:9d2f:memory</entry>"
        b"<entry>AVERAGE:vm:9d2f:a&amp;b</entry></legend></meta>"
        b"<data><row><t>1700000010</t><v>0.03125</v><v>2147483648</v><v>NaN</v></row>"
        b"<row><t>1700000005</t><v>Infinity</v><v>-Infinity</v><v>0.0</v></row></data></xport>"
    )


def test_the_bytes_of_json() -> None:
    assert b"".join(as_json(SAMPLE)) == (
        b'{"meta":{"start":"1700000005","step":"5","end":"1700000010","rows":"2","columns":"3",'
        b'"legend":["AVERAGE:host:4c1b:cpu0","AVERAGE:vm:9d2f:memory","AVERAGE:vm:9d2f:a&b"]},'
        b'"data":[{"t":"1700000010","values":["0.03125","2147483648","NaN"]},'
        b'{"t":"1700000005","values":["Infinity","-Infinity","0.0"]}]}'
    )


def test_both_texts_say_what_the_store_has() -> None:
    updates = bench_of(50).store.updates(UpdatesQuery(-200, host=True, srs=None))
    root = ElementTree.fromstring(b"".join(as_xml(updates)))
    rows = [[float(cell.text or "") for cell in row.iterfind("v")] for row in root.iterfind("data/row")]
    numpy.testing.assert_array_equal(numpy.array(rows, numpy.float32), updates.values)
    fields = json.loads(b"".join(as_json(updates)))
    numpy.testing.assert_array_equal(
        numpy.array([[float(cell) for cell in row["values"]] for row in fields["data"]], numpy.float32), updates.values
    )
