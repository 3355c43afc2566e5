"""What /rrd_updates asks and answers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy
from numpy.typing import NDArray

from xenhost.core.errors import InvalidValue
from xenhost.core.metrics import Owner, OwnerKind
from xenhost.rrd.resolution import Cf

_SECONDS: Final = re.compile(r"-?[0-9]{1,12}(\.[0-9]{0,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class UpdatesQuery:
    """Which rows of which columns."""

    start: int
    """Seconds since the epoch; negative: that many before the newest row."""
    cf: Cf | None = None
    """None: all."""
    interval: int = 0
    """Seconds of a row at least; 0: the finest archive that still has `start`."""
    host: bool = False
    vms: frozenset[str] | None = None
    """UUIDs; None: all of them."""
    srs: frozenset[str] | None = frozenset()
    """UUIDs; None: all of them."""

    def has(self, owner: Owner) -> bool:
        """Does it ask for that owner's columns?"""
        if owner.kind is OwnerKind.HOST:
            return self.host
        wanted = self.vms if owner.kind is OwnerKind.VM else self.srs
        return wanted is None or owner.uuid in wanted


def parse_updates_query(untrusted_parameters: Mapping[str, Sequence[str]]) -> UpdatesQuery:
    """Of a URL's query, as `urllib.parse.parse_qs` gives it. Raises InvalidValue: no `start`, or a bad number.

    `vm_uuid` and `sr_uuid` may be repeated, and be `all` or `none`. What else is there is left to others.
    """
    cf = _last(untrusted_parameters, "cf").upper()
    return UpdatesQuery(
        start=_seconds(untrusted_parameters, "start", None),
        cf=Cf(cf) if cf in list(Cf) else None,
        interval=max(0, _seconds(untrusted_parameters, "interval", 0)),
        host=_last(untrusted_parameters, "host").lower() == "true",
        vms=_uuids(untrusted_parameters.get("vm_uuid", ()), None),
        srs=_uuids(untrusted_parameters.get("sr_uuid", ()), frozenset()),
    )


def _last(untrusted_parameters: Mapping[str, Sequence[str]], name: str) -> str:
    return (untrusted_parameters.get(name) or ("",))[-1]


def _seconds(untrusted_parameters: Mapping[str, Sequence[str]], name: str, default: int | None) -> int:
    text = _last(untrusted_parameters, name)
    if not text and default is not None:
        return default
    if not _SECONDS.fullmatch(text):
        raise InvalidValue(f"{name} is {text!r:.40}; write whole seconds", field=name, value=text[:40])
    return int(float(text))


def _uuids(untrusted_values: Sequence[str], absent: frozenset[str] | None) -> frozenset[str] | None:
    words = {word.strip().lower() for word in untrusted_values}
    if not words:
        return absent
    return None if "all" in words else frozenset(words - {"none"})


@dataclass(frozen=True, slots=True, eq=False)
class Updates:
    """The answer. Immutable: it is formatted without any lock."""

    start: int
    """Seconds since the epoch, as the answer's header has it."""
    step: int
    """Seconds of a row."""
    end: int
    """Of the newest row."""
    legend: tuple[str, ...]
    """By column: "AVERAGE:vm:<uuid>:cpu0"."""
    times: tuple[int, ...]
    """Of the rows, newest first."""
    values: NDArray[numpy.float32]
    """[row, column]."""
