"""Newest values for Prometheus: OpenMetrics text."""

from collections.abc import Iterator, Sequence
from typing import Final

from xenhost.rrd.store import Newest

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def as_openmetrics(newest: Sequence[Newest], host_uuid: str) -> Iterator[bytes]:
    """In pieces. Families with labels: xenhost_vm_cpu_usage_ratio{vm="<uuid>",cpu="0"}. Pure; takes no lock."""
    raise NotImplementedError
