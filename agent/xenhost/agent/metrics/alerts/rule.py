"""What is watched: the variables of a perfmon configuration, with XenServer's defaults for their names. Pure.

    <config>
      <variable>
        <name value="cpu_usage"/>
        <alarm_trigger_level value="0.9"/>
      </variable>
    </config>

Names, fields and defaults are those of xen-api's python3/bin/perfmon.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import quoteattr

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from xenhost.core.errors import InvalidValue
from xenhost.core.metrics import OwnerKind

MAX_CONFIG: Final = 64 * 1024
MAX_VARIABLES: Final = 64
MAX_REGEX: Final = 200
MAX_SECONDS: Final = 10 * 365 * 86400
SR_PER_HOST: Final = "sr_io_throughput_total_per_host"
"""Set at an SR, watched at each host that uses it."""
_SR_TOTAL: Final = re.compile(r"sr_io_throughput_total_[0-9a-f]{8}")
_NAME: Final = re.compile(r"[A-Za-z0-9_.:/+-]{1,128}")
_NOTHING: Final = ""
"""A regex that is not asked: the value is not made of data sources."""


class Consolidation(StrEnum):
    """How several data sources become one value."""

    SUM = auto()
    AVERAGE = auto()
    MAX = auto()
    GET_PERCENT_FS_USAGE = auto()
    """Of dom0's root file system."""
    GET_PERCENT_LOG_FS_USAGE = auto()
    """Of the file system of /var/log, if it is another one."""
    GET_PERCENT_MEM_USAGE = auto()
    """Of dom0's memory, swap in use included."""
    GET_PERCENT_SR_USAGE = auto()
    """physical_utilisation / size."""


class Sense(StrEnum):
    """On which side of the level it is bad."""

    HIGH = auto()
    LOW = auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """One variable."""

    name: str
    pattern: re.Pattern[str]
    consolidation: Consolidation
    level: float
    sense: Sense
    period: int
    """Seconds for which it is bad before anybody is told."""
    inhibit: int
    """Seconds after an alarm without another one."""
    priority: int
    text: str
    """The <variable> element: part of the message."""
    on_host: bool = False
    """It is about the host, though it stands in the configuration of an SR."""

    def bad(self, value: float) -> bool:
        """Is it beyond the level? An unknown value never is."""
        return value > self.level if self.sense is Sense.HIGH else value < self.level


def parse_rules(untrusted_text: str, kind: OwnerKind, sr: str = "") -> tuple[Rule, ...]:
    """The variables of a configuration; none if the text is empty. `sr`: the UUID, if it is an SR's.

    Raises InvalidValue that names the variable and what would be right.
    """
    if not untrusted_text.strip():
        return ()
    if len(untrusted_text) > MAX_CONFIG:
        raise _wrong("", f"it has {len(untrusted_text)} characters; {MAX_CONFIG} at most")
    try:
        root = fromstring(untrusted_text, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise _wrong("", f"it is not XML: {error!s:.200}") from None
    found = list(root.iter("variable"))
    if len(found) > MAX_VARIABLES:
        raise _wrong("", f"it has {len(found)} variables; {MAX_VARIABLES} at most")
    rules = tuple(_rule(element, kind, sr) for element in found)
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise _wrong(name, "is there twice")
    return rules


def _rule(element: Element, kind: OwnerKind, sr: str) -> Rule:
    given = {child.tag: child.get("value", "") for child in element if isinstance(child.tag, str)}
    name = given.get("name", "")
    if not _NAME.fullmatch(name):
        raise _wrong(name, 'a variable needs <name value="cpu_usage"/>')
    if kind is OwnerKind.SR and name == SR_PER_HOST:
        if "rrd_regex" in given:
            raise _wrong(name, "rrd_regex must not be given")
        shown, on_host, kind = f"sr_io_throughput_total_{sr[:8]}", True, OwnerKind.HOST
    else:
        shown, on_host = name, False
    values = {**_defaults(shown, kind), **given}
    if "rrd_regex" not in values:
        raise _wrong(name, "which data sources it is made of has no default; give rrd_regex")
    if "alarm_trigger_level" not in values:
        raise _wrong(name, "alarm_trigger_level has no default; give one")
    return Rule(
        name=shown,
        pattern=_pattern(name, values["rrd_regex"]),
        consolidation=_consolidation(name, values["consolidation_fn"]),
        level=_level(name, values["alarm_trigger_level"]),
        sense=Sense.HIGH if values["alarm_trigger_sense"] == Sense.HIGH else Sense.LOW,
        period=_seconds(name, "alarm_trigger_period", values["alarm_trigger_period"]),
        inhibit=_seconds(name, "alarm_auto_inhibit_period", values["alarm_auto_inhibit_period"]),
        priority=_whole(name, "alarm_priority", values["alarm_priority"], 1, 1_000_000),
        text=_text(element),
        on_host=on_host,
    )


_COMMON: Final = {
    "consolidation_fn": "sum",
    "alarm_trigger_period": "60",
    "alarm_auto_inhibit_period": "3600",
    "alarm_trigger_sense": "high",
    "alarm_priority": "3",
}
_DOM0: Final[Mapping[str, Mapping[str, str]]] = {
    "fs_usage": {"consolidation_fn": "get_percent_fs_usage", "rrd_regex": _NOTHING, "alarm_trigger_level": "0.9"},
    "log_fs_usage": {
        "consolidation_fn": "get_percent_log_fs_usage",
        "rrd_regex": _NOTHING,
        "alarm_trigger_level": "0.9",
    },
    "mem_usage": {"consolidation_fn": "get_percent_mem_usage", "rrd_regex": _NOTHING, "alarm_trigger_level": "0.95"},
}
"""XenServer has them at the VM that dom0 is there; here they are the host's."""
_CPU: Final = {"consolidation_fn": "average", "rrd_regex": "cpu[0-9]+"}
_DEFAULTS: Final[Mapping[OwnerKind, Mapping[str, Mapping[str, str]]]] = {
    OwnerKind.VM: {
        "cpu_usage": _CPU,
        "network_usage": {"rrd_regex": "vif_[0-9]+_[rt]x"},
        "disk_usage": {"rrd_regex": "vbd_(xvd|hd)[a-z]+_(read|write)"},
        "memory_internal_free": {"rrd_regex": "memory_internal_free", "alarm_trigger_sense": "low"},
        **_DOM0,
    },
    OwnerKind.HOST: {
        "cpu_usage": _CPU,
        "network_usage": {"rrd_regex": "pif_(eth|en|bond|usb|wl)[0-9a-z]+_[rt]x"},
        "memory_free_kib": {"rrd_regex": "memory_free_kib", "alarm_trigger_sense": "low"},
        **_DOM0,
    },
    OwnerKind.SR: {
        "physical_utilisation": {
            "consolidation_fn": "get_percent_sr_usage",
            "rrd_regex": "physical_utilisation|size",
            "alarm_trigger_level": "0.8",
        }
    },
}


def _defaults(name: str, kind: OwnerKind) -> Mapping[str, str]:
    special = _DEFAULTS[kind].get(name, {})
    if kind is OwnerKind.HOST and _SR_TOTAL.fullmatch(name):
        special = {"rrd_regex": name.removeprefix("sr_")}
    return {**_COMMON, **special}


def _pattern(name: str, untrusted_regex: str) -> re.Pattern[str]:
    """Only what is matched in a bounded time: what is repeated is one character, and few things are."""
    if len(untrusted_regex) > MAX_REGEX:
        raise _wrong(name, f"rrd_regex has {len(untrusted_regex)} characters; {MAX_REGEX} at most")
    plain = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", untrusted_regex)
    if re.search(r"\)[*+?{]|\(\?(?!:)|\\[1-9]", plain) or len(re.findall(r"[*+{]", plain)) > 3:
        raise _wrong(name, "rrd_regex repeats groups, or more than three times; say it in a simpler way")
    try:
        return re.compile(untrusted_regex)
    except (re.error, OverflowError, RecursionError) as error:
        raise _wrong(name, f"rrd_regex cannot be used: {error!s:.100}") from None


def _consolidation(name: str, word: str) -> Consolidation:
    try:
        return Consolidation(word)
    except ValueError:
        raise _wrong(name, f"consolidation_fn is {word!r:.40}; use one of {', '.join(Consolidation)}") from None


def _level(name: str, text: str) -> float:
    try:
        level = float(text)
    except ValueError:
        level = math.nan
    if math.isnan(level):
        raise _wrong(name, f"alarm_trigger_level is {text!r:.40}; it must be a number")
    return level


def _seconds(name: str, field: str, text: str) -> int:
    return _whole(name, field, text, 0, MAX_SECONDS)


def _whole(name: str, field: str, text: str, low: int, high: int) -> int:
    if not re.fullmatch(r"\s*[0-9]{1,10}\s*", text) or not low <= int(text) <= high:
        raise _wrong(name, f"{field} is {text!r:.40}; it must be a whole number from {low} to {high}")
    return int(text)


def _text(element: Element) -> str:
    """As Python's minidom prints it, which is what readers of these messages know."""
    children: Sequence[Element] = [child for child in element if isinstance(child.tag, str)]
    inner = "".join(f"\t<{child.tag} value={quoteattr(child.get('value', ''))}/>\n" for child in children)
    return f"<variable>\n{inner}</variable>\n"


def _wrong(name: str, problem: str) -> InvalidValue:
    what = f"variable {name!r:.60} of the perfmon configuration" if name else "the perfmon configuration"
    return InvalidValue(f"{what}: {problem}", field="other_config:perfmon", value=name[:80])
