"""perfmon: what is watched, and who is told when."""

import math
from pathlib import Path

import pytest

from xenhost.agent.metrics.alerts.dom0 import dom0_usage
from xenhost.agent.metrics.alerts.rule import Consolidation, Rule, Sense, parse_rules
from xenhost.agent.metrics.alerts.watch import Dom0Usage, RuleWatch
from xenhost.core.errors import InvalidValue
from xenhost.core.metrics import OwnerKind

SR = "0b9a0a4c-4f1c-4f5f-8a5d-0d8c6b1f2a3b"
NOTHING = Dom0Usage()


def config(*variables: str) -> str:
    return f"<config>{''.join(f'<variable>{each}</variable>' for each in variables)}</config>"


def variable(**fields: str) -> str:
    return "".join(f'<{name} value="{value}"/>' for name, value in fields.items())


def only(kind: OwnerKind, **fields: str) -> Rule:
    (rule,) = parse_rules(config(variable(**fields)), kind, SR)
    return rule


def test_names_have_xenservers_defaults() -> None:
    rule = only(OwnerKind.VM, name="cpu_usage", alarm_trigger_level="0.5")
    assert (rule.consolidation, rule.level, rule.sense) == (Consolidation.AVERAGE, 0.5, Sense.HIGH)
    assert (rule.period, rule.inhibit, rule.priority) == (60, 3600, 3)
    assert rule.pattern.fullmatch("cpu12")
    assert not rule.pattern.fullmatch("cpu1x")
    rule = only(OwnerKind.VM, name="memory_internal_free", alarm_trigger_level="1000")
    assert rule.sense is Sense.LOW
    rule = only(OwnerKind.SR, name="physical_utilisation")
    assert (rule.consolidation, rule.level) == (Consolidation.GET_PERCENT_SR_USAGE, 0.8)
    assert only(OwnerKind.HOST, name="mem_usage").level == 0.95
    assert only(OwnerKind.HOST, name="fs_usage").level == 0.9
    disk = only(OwnerKind.VM, name="disk_usage", alarm_trigger_level="1e6")
    assert disk.pattern.fullmatch("vbd_xvda_read")
    assert disk.consolidation is Consolidation.SUM


def test_an_sr_may_set_what_each_host_watches() -> None:
    rule = only(OwnerKind.SR, name="sr_io_throughput_total_per_host", alarm_trigger_level="0.01")
    assert (rule.name, rule.on_host) == ("sr_io_throughput_total_0b9a0a4c", True)
    assert rule.pattern.fullmatch("io_throughput_total_0b9a0a4c")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<config><variable/></config>", "needs <name"),
        (config(variable(name="cpu_usage")), "alarm_trigger_level has no default"),
        (config(variable(name="other", alarm_trigger_level="1")), "give rrd_regex"),
        (config(variable(name="cpu_usage", alarm_trigger_level="high")), "must be a number"),
        (config(variable(name="cpu_usage", alarm_trigger_level="nan")), "must be a number"),
        (config(variable(name="cpu_usage", alarm_trigger_level="1", consolidation_fn="eval")), "use one of sum"),
        (config(variable(name="cpu_usage", alarm_trigger_level="1", alarm_trigger_period="-1")), "whole number"),
        (config(variable(name="x", alarm_trigger_level="1", rrd_regex="(a+)+b")), "simpler"),
        (config(variable(name="x", alarm_trigger_level="1", rrd_regex="a*a*a*a*b")), "simpler"),
        (config(variable(name="x", alarm_trigger_level="1", rrd_regex="(")), "cannot be used"),
        (config(*[variable(name="cpu_usage", alarm_trigger_level="1")] * 2), "twice"),
        ("<config>", "not XML"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><config/>", "not XML"),
        ("<config/>" + " " * 70_000, "at most"),
    ],
)
def test_what_cannot_be_watched_is_refused_with_the_reason(text: str, what: str) -> None:
    with pytest.raises(InvalidValue, match=what):
        parse_rules(text, OwnerKind.VM)


def test_nothing_is_watched_by_an_empty_configuration() -> None:
    assert (
        parse_rules("", OwnerKind.VM)
        == parse_rules(" \n", OwnerKind.VM)
        == parse_rules("<config/>", OwnerKind.SR)
        == ()
    )


def test_an_alarm_is_given_after_its_period_and_not_again_while_inhibited() -> None:
    watch = RuleWatch(
        only(
            OwnerKind.VM, name="cpu_usage", alarm_trigger_level="0.5", alarm_trigger_period="120",
            alarm_auto_inhibit_period="300",
        )
    )  # fmt: skip
    told = [
        bool(watch.alarm(value, 60.0 * minute)) for minute, value in enumerate([0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    ]
    assert told == [False, True, False, False, False, False, False, True]


def test_a_good_minute_begins_the_period_anew_and_an_unknown_one_is_good() -> None:
    watch = RuleWatch(only(OwnerKind.VM, name="cpu_usage", alarm_trigger_level="0.5", alarm_trigger_period="120"))
    assert [bool(watch.alarm(value, 0.0)) for value in (0.9, 0.1, 0.9, math.nan, 0.9, 0.9)] == [False] * 5 + [True]


def test_the_body_is_in_xenservers_words() -> None:
    watch = RuleWatch(only(OwnerKind.VM, name="cpu_usage", alarm_trigger_level="0.5"))
    assert watch.alarm(0.75, 0.0) == (
        "value: 0.750000\nconfig:\n"
        '<variable>\n\t<name value="cpu_usage"/>\n\t<alarm_trigger_level value="0.5"/>\n</variable>\n'
    )


def test_values_are_made_of_those_that_match() -> None:
    watch = RuleWatch(only(OwnerKind.VM, name="cpu_usage", alarm_trigger_level="0.5"))
    assert watch.value({"cpu0": 0.2, "cpu1": 0.6, "cpu_usage": 9.0}, NOTHING) == pytest.approx(0.4)
    assert math.isnan(watch.value({"memory": 1.0}, NOTHING))
    assert math.isnan(watch.value({"cpu0": math.nan}, NOTHING))
    sums = RuleWatch(only(OwnerKind.VM, name="network_usage", alarm_trigger_level="1"))
    assert sums.value({"vif_0_rx": 1.0, "vif_1_tx": 2.0, "vif_0_rx_errors": 5.0}, NOTHING) == 3.0
    full = RuleWatch(only(OwnerKind.SR, name="physical_utilisation"))
    assert full.value({"size": 10.0, "physical_utilisation": 9.0}, NOTHING) == 0.9
    assert math.isnan(full.value({"size": 0.0, "physical_utilisation": 9.0}, NOTHING))
    memory = RuleWatch(only(OwnerKind.HOST, name="mem_usage"))
    assert memory.value({}, Dom0Usage(memory=0.97)) == 0.97


def test_how_full_dom0_is(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(
        "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 50 kB\nCached: 250 kB\nSwapTotal: 500 kB\nSwapFree: 400 kB\n"
    )
    usage = dom0_usage(meminfo, tmp_path, tmp_path)
    assert usage.memory == pytest.approx(0.7)
    assert 0 < usage.root <= 1
    assert math.isnan(usage.log), "it is the same file system"
    assert math.isnan(dom0_usage(tmp_path / "none", tmp_path / "none", tmp_path).memory)
