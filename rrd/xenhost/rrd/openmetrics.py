"""Newest values for Prometheus: OpenMetrics text.

XenServer's names have in them what Prometheus wants as labels, and its units are of many sizes: `vif_0_rx` in B/s of a
VM is xenhost_vm_vif_receive_bytes_per_second{vm="<uuid>",vif="0"}, and `memory_free_kib` in KiB of the host is
xenhost_host_memory_free_bytes, in bytes. All are gauges, as XenServer keeps rates. What is unknown is left out.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from xenhost.core.metrics import OwnerKind
from xenhost.rrd.store import Newest

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_UNITS: Final[dict[str, tuple[str, float]]] = {
    "": ("", 1.0),
    "(fraction)": ("ratio", 1.0),
    "fraction": ("ratio", 1.0),
    "s/s": ("ratio", 1.0),
    "%": ("ratio", 0.01),
    "B": ("bytes", 1.0),
    "KiB": ("bytes", 1024.0),
    "MiB": ("bytes", 1048576.0),
    "B/s": ("bytes_per_second", 1.0),
    "KiB/s": ("bytes_per_second", 1024.0),
    "MiB/s": ("bytes_per_second", 1048576.0),
    "s": ("seconds", 1.0),
    "ms": ("seconds", 1e-3),
    "us": ("seconds", 1e-6),
    "μs": ("seconds", 1e-6),
    "µs": ("seconds", 1e-6),
    "MHz": ("hertz", 1e6),
    "W": ("watts", 1.0),
    "°C": ("celsius", 1.0),
    "C": ("celsius", 1.0),
    "V": ("volts", 1.0),
    "err/s": ("errors_per_second", 1.0),
    "count": ("", 1.0),
}
_DISK: Final = (
    r"(?P<what>read_latency|write_latency|read|write|io_throughput_read|io_throughput_write|io_throughput_total|"
    r"iops_read|iops_write|iops_total|iowait|inflight|latency|avgqu_sz)"
)
_SHAPES: Final = tuple(
    (re.compile(pattern), family)
    for pattern, family in (
        (r"cpu(?P<cpu>[0-9]+)", "cpu_usage"),
        (r"cpu_avg|cpu_usage", "cpu_average_usage"),
        (r"cpu(?P<cpu>[0-9]+)-C(?P<state>[0-9]+)", "cpu_idle_state"),
        (r"cpu(?P<cpu>[0-9]+)-P(?P<state>[0-9]+)", "cpu_performance_state"),
        (r"CPU(?P<cpu>[0-9]+)-avg-freq", "cpu_frequency"),
        (r"vif_(?P<vif>[0-9]+)_rx(_errors)?", "vif_receive"),
        (r"vif_(?P<vif>[0-9]+)_tx(_errors)?", "vif_transmit"),
        (r"pif_aggr_rx", "pif_all_receive"),
        (r"pif_aggr_tx", "pif_all_transmit"),
        (r"pif_(?P<pif>.+)_rx(_errors)?", "pif_receive"),
        (r"pif_(?P<pif>.+)_tx(_errors)?", "pif_transmit"),
        (rf"vbd_(?P<device>[a-z]+[0-9]*)_{_DISK}", "vbd"),
        (rf"{_DISK}_(?P<sr>[0-9a-f]{{8}})", "sr"),
        (r"runstate_(?P<state>.+)", "runstate"),
        (r"memory_numa_node_(?P<node>[0-9]+)", "memory_numa_node"),
    )
)
_LABELS: Final = ("cpu", "state", "vif", "pif", "device", "sr", "node")
_PIECE: Final = 4096


@dataclass(frozen=True, slots=True)
class _Shape:
    family: str
    units: str
    scale: float
    labels: str


def as_openmetrics(newest: Sequence[Newest], host_uuid: str) -> Iterator[bytes]:
    """In pieces. Families with labels: xenhost_vm_cpu_usage_ratio{vm="<uuid>",cpu="0"}. Pure; takes no lock."""
    families: dict[str, dict[str, str]] = {}
    heads: dict[str, str] = {}
    for each in newest:
        if not math.isfinite(each.value):
            continue
        kind, source = each.owner.kind, each.source
        shape = _shape(kind, source.name, source.units)
        uuid = host_uuid if kind is OwnerKind.HOST else each.owner.uuid
        labels = f'{kind}="{uuid}"{shape.labels}'
        samples = families.setdefault(shape.family, {})
        if labels in samples:  # names that differ only in what is no part of names here
            labels += f',data_source="{_escaped(source.name)}"'
        samples[labels] = repr(each.value * shape.scale)
        if shape.family not in heads:
            heads[shape.family] = _head(shape, source.description)
    for family, samples in sorted(families.items()):
        lines = [f"{family}{{{labels}}} {value}\n" for labels, value in samples.items()]
        yield heads[family].encode()
        for start in range(0, len(lines), _PIECE):
            yield "".join(lines[start : start + _PIECE]).encode()
    yield b"# EOF\n"


def _head(shape: _Shape, description: str) -> str:
    units = f"# UNIT {shape.family} {shape.units}\n" if shape.units else ""
    return (
        f"# TYPE {shape.family} gauge\n{units}# HELP {shape.family} {_escaped(description) or 'As XenServer has it.'}\n"
    )


@lru_cache(maxsize=16_384)
def _shape(kind: OwnerKind, name: str, units: str) -> _Shape:
    base, labels = _base(kind, name)
    suffix, scale = _UNITS.get(units, (_word(units.replace("/s", "_per_second")), 1.0))
    base = re.sub(r"_kib$", "", base) if units == "KiB" else base
    family = f"xenhost_{kind}_{base}"
    if suffix and not family.endswith(f"_{suffix}"):
        family += f"_{suffix}"
    return _Shape(family, suffix, scale, labels)


def _base(kind: OwnerKind, name: str) -> tuple[str, str]:
    for pattern, family in _SHAPES:
        if match := pattern.fullmatch(name):
            found = match.groupdict()
            if "sr" in found and kind is not OwnerKind.HOST:
                continue  # an SR's own have its UUID already
            what = f"_{found['what']}" if "what" in found else ""
            labels = "".join(f',{label}="{_escaped(found[label])}"' for label in _LABELS if found.get(label))
            return family + what, labels
    return _word(name) or "unnamed", ""


def _word(text: str) -> str:
    """Of letters that Prometheus has in names."""
    return re.sub(r"_+", "_", re.sub(r"[^a-z0-9]", "_", text.lower(), flags=re.ASCII)).strip("_")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
