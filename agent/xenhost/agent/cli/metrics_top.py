"""What the host and its VMs use now, from the newest row of updates."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from xenhost.agent.cli.client import Client
from xenhost.api.host.v1 import metrics_service_pb2
from xenhost.core.units import KIB, human_size

RECENT: Final = 30
"""Seconds back in which a value counts as current."""
_SUMS: Final = {
    "net_rx": re.compile(r"(vif_\d+|pif_aggr)_rx"),
    "net_tx": re.compile(r"(vif_\d+|pif_aggr)_tx"),
    "disk_read": re.compile(r"vbd_[a-z]+_read|read_[0-9a-f]{8}"),
    "disk_write": re.compile(r"vbd_[a-z]+_write|write_[0-9a-f]{8}"),
}
_CPU: Final = re.compile(r"cpu\d+")


def top_rows(client: Client, plain: bool) -> list[dict[str, Any]]:
    """One for the host, then one for each VM, the busiest first. `plain`: numbers, not texts. Raises Failure."""
    request = metrics_service_pb2.GetUpdatesRequest(
        start=-RECENT, cf="CONSOLIDATION_FUNCTION_AVERAGE", host=True, all_vms=True, format="RRD_FORMAT_JSON"
    )
    stream = client.metrics.GetUpdates(request, timeout=30.0)
    document = json.loads(b"".join(part.data for part in client.received(stream)))
    names = {vm.id: vm.name for vm in client.list_vms()}
    rows = []
    for (kind, uuid), values in newest(document).items():
        row = used(kind, values)
        row["name"] = "(host)" if kind == "host" else names.get(uuid, uuid)
        rows.append(row | {"kind": kind, "id": uuid})
    rows.sort(key=lambda row: (row["kind"] != "host", -(row["cpu"] or 0.0), row["name"]))
    return rows if plain else [_shown(row) for row in rows]


def newest(document: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, float]]:
    """The newest known value of each data source, by owner."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for column, entry in enumerate(document["meta"]["legend"]):
        _, kind, uuid, name = entry.split(":", 3)
        values = (float(row["values"][column]) for row in document["data"])
        known = next((value for value in values if not math.isnan(value)), None)
        if known is not None:
            found.setdefault((kind, uuid), {})[name] = known
    return found


def used(kind: str, values: Mapping[str, float]) -> dict[str, Any]:
    """What one owner uses: shares of all its CPUs, bytes, bytes a second; None: not known."""
    cpus = [value for name, value in values.items() if _CPU.fullmatch(name)]
    row: dict[str, Any] = {"cpu": sum(cpus) / len(cpus) if cpus else None}
    if kind == "host":
        total, free = values.get("memory_total_kib"), values.get("memory_free_kib")
        row["memory"] = None if total is None or free is None else (total - free) * KIB
        row["free"] = None if free is None else free * KIB
    else:
        free = values.get("memory_internal_free")
        row["memory"] = values.get("memory")
        row["free"] = None if free is None else free * KIB
    for key, pattern in _SUMS.items():
        found = [value for name, value in values.items() if pattern.fullmatch(name)]
        row[key] = sum(found) if found else None
    return row


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(row)
    shown["cpu"] = "" if row["cpu"] is None else f"{100 * row['cpu']:.1f} %"
    for key in ("memory", "free"):
        shown[key] = "" if row[key] is None else human_size(int(row[key]))
    for key in _SUMS:
        shown[key] = "" if row[key] is None else f"{human_size(int(row[key]))}/s"
    return shown
