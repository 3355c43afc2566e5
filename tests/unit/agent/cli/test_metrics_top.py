"""What `xenhost metrics top` and its neighbours make of numbers."""

import math

import click
import pytest

from xenhost.agent.cli.commands.metrics import human
from xenhost.agent.cli.metrics_args import number, owner_of, parse_span
from xenhost.agent.cli.metrics_top import newest, used
from xenhost.api.host.v1 import metrics_pb2


def test_the_newest_known_value_counts() -> None:
    document = {
        "meta": {"legend": ["AVERAGE:host:h:loadavg", "AVERAGE:vm:v:cpu0", "AVERAGE:vm:v:gone"]},
        "data": [{"values": ["NaN", "0.5", "NaN"]}, {"values": ["1.5", "0.1", "NaN"]}],
    }
    assert newest(document) == {("host", "h"): {"loadavg": 1.5}, ("vm", "v"): {"cpu0": 0.5}}


def test_what_a_vm_and_the_host_use() -> None:
    values = {"cpu0": 0.2, "cpu1": 0.4, "cpu_usage": 9.0, "memory": 2.0**30, "vif_0_rx": 10.0, "vif_1_rx": 5.0}
    row = used("vm", {**values, "vbd_xvda_read": 7.0, "vbd_xvda_read_latency": 99.0, "memory_internal_free": 1.0})
    assert row["cpu"] == pytest.approx(0.3)
    assert (row["memory"], row["free"], row["net_rx"], row["net_tx"]) == (2.0**30, 1024, 15.0, None)
    assert row["disk_read"] == 7.0
    row = used("host", {"memory_total_kib": 4.0, "memory_free_kib": 1.0, "pif_aggr_rx": 3.0, "pif_eth0_rx": 3.0})
    assert (row["memory"], row["free"], row["net_rx"], row["cpu"]) == (3072, 1024, 3.0, None)


def test_numbers_for_people_and_for_json() -> None:
    assert [human(value) for value in (None, 0.5228091, 134217728.0, 12.0)] == ["", "0.522809", "134217728", "12"]
    assert [number(value) for value in (math.nan, math.inf, 1.5)] == [None, None, 1.5]


def test_spans() -> None:
    assert [parse_span(text) for text in ("600", "10m", "2h", "7d", "1w")] == [600, 600, 7200, 604800, 604800]
    for text in ("", "0", "m", "-1h", "1y", "9" * 12):
        with pytest.raises(ValueError, match="write it as"):
            parse_span(text)


def test_owners_are_words() -> None:
    owner, rest = owner_of(("vm", "web1", "cpu0"), 1)
    assert (owner.kind, owner.id, rest) == (metrics_pb2.METRICS_KIND_VM, "web1", ("cpu0",))
    owner, rest = owner_of(("host",), 0)
    assert (owner.kind, owner.id, rest) == (metrics_pb2.METRICS_KIND_HOST, "", ())
    for words, count in (((), 0), (("host", "x"), 0), (("vm",), 0), (("cat", "x"), 0), (("sr", "x"), 1)):
        with pytest.raises(click.UsageError):
            owner_of(words, count)
