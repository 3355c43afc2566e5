"""Whose metrics are meant: `host`, `vm NAME` or `sr NAME`, and what follows; and moments in the past."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem

from xenhost.agent.cli.commands.common import complete_sr, complete_vm
from xenhost.agent.cli.parse import Parsed

if TYPE_CHECKING:
    from xenhost.api.host.v1 import metrics_pb2

KINDS: Final = ("host", "vm", "sr")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_SPAN: Final = re.compile(r"(\d{1,9})([smhdw]?)")


def owner_of(words: tuple[str, ...], rest: int) -> tuple[metrics_pb2.MetricsOwner, tuple[str, ...]]:
    """The owner, and the `rest` words after it. Raises click.UsageError."""
    from xenhost.api.host.v1 import metrics_pb2

    kind = words[0] if words else ""
    if kind not in KINDS:
        raise click.UsageError("say whose: host, vm NAME or sr NAME")
    own = 1 if kind == "host" else 2
    if len(words) != own + rest:
        raise click.UsageError(f"{kind} takes {own - 1 + rest} words after it, not {len(words) - 1}")
    id = words[1] if own == 2 else ""
    return metrics_pb2.MetricsOwner(kind=f"METRICS_KIND_{kind.upper()}", id=id), words[own:]


def complete_owner(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The kind, then names of that kind."""
    given = ctx.params.get(param.name or "") or ()
    if not given:
        return [CompletionItem(kind) for kind in KINDS if kind.startswith(incomplete)]
    if len(given) == 1 and given[0] in ("vm", "sr"):
        return (complete_vm if given[0] == "vm" else complete_sr)(ctx, param, incomplete)
    return []


def parse_span(text: str) -> int:
    """`10m`, `2h`, `7d`: seconds. Raises ValueError."""
    match = _SPAN.fullmatch(text.strip())
    if match is None or not int(match[1]):
        raise ValueError("write it as 600, 10m, 2h, 7d or 4w")
    return int(match[1]) * _UNITS[match[2] or "s"]


SPAN: Final = Parsed("span", parse_span)


def number(value: float) -> float | None:
    """As JSON can hold it: null is unknown, or no bound."""
    return value if math.isfinite(value) else None
