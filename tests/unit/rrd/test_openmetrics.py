"""/metrics: what Prometheus' own parser makes of it."""

import math

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from unit.rrd.store_kit import HOST_UUID, SR, VM
from xenhost.core.metrics import HOST, Owner, Source, SourceType
from xenhost.rrd.openmetrics import as_openmetrics
from xenhost.rrd.store import Newest


def newest(owner: Owner, name: str, units: str = "", value: float = 1.0) -> Newest:
    return Newest(
        owner, Source(name, owner, SourceType.GAUGE, units=units, description='It "is"\nsomething \\ here'), value
    )


def parsed(*values: Newest) -> dict[str, Metric]:
    text = b"".join(as_openmetrics(values, HOST_UUID)).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]  # it has no types


@pytest.mark.parametrize(
    ("owner", "name", "units", "family", "labels", "scale"),
    [
        (VM, "cpu0", "(fraction)", "xenhost_vm_cpu_usage_ratio", {"cpu": "0"}, 1),
        (VM, "cpu_usage", "(fraction)", "xenhost_vm_cpu_average_usage_ratio", {}, 1),
        (VM, "vif_3_rx", "B/s", "xenhost_vm_vif_receive_bytes_per_second", {"vif": "3"}, 1),
        (VM, "vif_3_tx_errors", "err/s", "xenhost_vm_vif_transmit_errors_per_second", {"vif": "3"}, 1),
        (VM, "vbd_xvda_read", "B/s", "xenhost_vm_vbd_read_bytes_per_second", {"device": "xvda"}, 1),
        (VM, "vbd_xvda_read_latency", "us", "xenhost_vm_vbd_read_latency_seconds", {"device": "xvda"}, 1e-6),
        (
            VM,
            "vbd_xvdaa_iops_total",
            "requests/s",
            "xenhost_vm_vbd_iops_total_requests_per_second",
            {"device": "xvdaa"},
            1,
        ),
        (VM, "memory_internal_free", "KiB", "xenhost_vm_memory_internal_free_bytes", {}, 1024),
        (VM, "runstate_blocked", "(fraction)", "xenhost_vm_runstate_ratio", {"state": "blocked"}, 1),
        (HOST, "memory_free_kib", "KiB", "xenhost_host_memory_free_bytes", {}, 1024),
        (HOST, "pif_eth0.5_rx", "B/s", "xenhost_host_pif_receive_bytes_per_second", {"pif": "eth0.5"}, 1),
        (
            HOST,
            "io_throughput_total_5a5a5a5a",
            "MiB/s",
            "xenhost_host_sr_io_throughput_total_bytes_per_second",
            {"sr": "5a5a5a5a"},
            1 << 20,
        ),
        (HOST, "cpu1-C3", "s/s", "xenhost_host_cpu_idle_state_ratio", {"cpu": "1", "state": "3"}, 1),
        (HOST, "CPU7-avg-freq", "MHz", "xenhost_host_cpu_frequency_hertz", {"cpu": "7"}, 1e6),
        (HOST, "network/latency", "s", "xenhost_host_network_latency_seconds", {}, 1),
        (
            HOST,
            "pool_session_creation_rate",
            "sessions/s",
            "xenhost_host_pool_session_creation_rate_sessions_per_second",
            {},
            1,
        ),
        (SR, "physical_utilisation", "B", "xenhost_sr_physical_utilisation_bytes", {}, 1),
        (HOST, "Größe!", "?", "xenhost_host_gr_e", {}, 1),
        (HOST, "€", "", "xenhost_host_unnamed", {}, 1),
    ],
)
def test_names_become_families_with_labels(
    owner: Owner, name: str, units: str, family: str, labels: dict[str, str], scale: float
) -> None:
    found = parsed(newest(owner, name, units, 3.0))
    assert list(found) == [family]
    (sample,) = found[family].samples
    assert sample.value == pytest.approx(3.0 * scale)
    assert sample.labels == {str(owner.kind): owner.uuid or HOST_UUID} | labels
    assert found[family].type == "gauge"
    assert found[family].documentation == 'It "is"\nsomething \\ here'


def test_samples_of_a_family_are_together_whatever_their_order() -> None:
    values = [newest(owner, f"cpu{number}", "(fraction)", number / 8) for number in range(8) for owner in (HOST, VM)]
    found = parsed(*values)
    assert [len(found[f"xenhost_{kind}_cpu_usage_ratio"].samples) for kind in ("host", "vm")] == [8, 8]


def test_what_is_unknown_is_left_out() -> None:
    assert parsed(newest(HOST, "load", value=math.nan)) == {}


def test_names_that_come_to_the_same_are_told_apart() -> None:
    (family,) = parsed(newest(HOST, "a.b"), newest(HOST, "a_b"), newest(HOST, 'a"b')).values()
    assert [sample.labels.get("data_source") for sample in family.samples] == [None, "a_b", 'a"b']


def test_nothing_is_an_empty_answer() -> None:
    assert b"".join(as_openmetrics([], HOST_UUID)) == b"# EOF\n"
