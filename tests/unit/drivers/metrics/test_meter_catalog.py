"""The catalog of data sources, and its page."""

from pathlib import Path

import pytest

from xenhost.core.metrics import HOST, Owner, OwnerKind, SourceType, Transform, ValueType
from xenhost.drivers.metrics import catalog
from xenhost.drivers.metrics.document import renewed

PAGE = Path(__file__).parents[4] / "docs/data-sources.md"


def test_the_page_is_the_code() -> None:
    page = PAGE.read_text()
    assert renewed(page) == page, "run: python -m xenhost.drivers.metrics.document docs/data-sources.md"


def test_a_page_without_a_place_for_tables_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        renewed("# Built-in data sources\n")


def test_no_two_kinds_of_an_owner_have_one_name() -> None:
    kinds = [kind for _, chapter in catalog.CATALOG for kind in chapter]
    names = [(kind.owner, kind.pattern) for kind in kinds]
    assert len(names) == len(set(names))


def test_names_units_and_bounds_are_xenservers() -> None:
    vm = Owner(OwnerKind.VM, "vm")
    cpu = catalog.HOST_CPU.source(HOST, 3)
    assert (cpu.name, cpu.owner, cpu.units, cpu.min, cpu.max) == ("cpu3", HOST, "(fraction)", 0, 1)
    assert (cpu.type, cpu.transform, cpu.default) == (SourceType.DERIVE, Transform.INVERSE, True)
    assert catalog.VM_CPU.source(vm, 0).transform is Transform.IDENTITY
    assert {kind.pattern.format("xvda") for kind in catalog.VBD} == {
        f"vbd_xvda_{key}"
        for key in (
            *("read", "write", "read_latency", "write_latency", "io_throughput_read", "io_throughput_write"),
            *("io_throughput_total", "iops_read", "iops_write", "iops_total", "iowait", "inflight"),
            *("latency", "avgqu_sz"),
        )
    }
    assert [kind.pattern.format("c0ffee00") for kind in catalog.SR_IO][:3] == [
        *("read_c0ffee00", "write_c0ffee00", "read_latency_c0ffee00")
    ]
    rx, _, errors, _ = (kind.source(vm, 0) for kind in catalog.VIF)
    assert (rx.name, rx.units, rx.value_type, rx.default) == ("vif_0_rx", "B/s", ValueType.INT64, True)
    assert (errors.name, errors.units, errors.default) == ("vif_0_rx_errors", "err/s", False)
    assert catalog.C_STATE.source(HOST, 1, 2).name == "cpu1-C2"
    assert not any(kind.default for kind in catalog.RUNSTATES)
