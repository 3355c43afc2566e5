"""When a schedule of snapshots is due: its keys, and its moments by the host's own clock. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from xenhost.pool.call import ApiError

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MINUTES: Final = ("0", "15", "30", "45")
DEFAULTS: Final[Mapping[str, Mapping[str, str]]] = {
    "hourly": {"min": "0"},
    "daily": {"hour": "0", "min": "0"},
    "weekly": {"hour": "0", "min": "0", "days": "Monday"},
}
"""The keys of each frequency, and what they are if nothing is said."""


def checked(untrusted: Mapping[str, str], frequency: str = "weekly") -> dict[str, str]:
    """The keys of a schedule, in their usual form; weekly ones have all keys. Raises ApiError INVALID_VALUE."""
    found: dict[str, str] = {}
    for key, value in untrusted.items():
        if key not in DEFAULTS[frequency]:
            raise _invalid(key, value)
        found[key] = _VALUES[key](value)
    return found


def completed(untrusted: Mapping[str, str], frequency: str) -> dict[str, str]:
    """With the keys of the frequency, and no others. Raises ApiError INVALID_VALUE."""
    return checked({key: untrusted.get(key, default) for key, default in DEFAULTS[frequency].items()}, frequency)


def last_due(schedule: Mapping[str, str], frequency: str, now: datetime) -> datetime:
    """Its last moment that is not after `now`, which has no zone: what a clock on the wall shows."""
    whole = completed(schedule, frequency)
    moment = now.replace(minute=int(whole["min"]), second=0, microsecond=0)
    if frequency == "hourly":
        return moment if moment <= now else moment - timedelta(hours=1)
    moment = moment.replace(hour=int(whole["hour"]))
    days = whole.get("days", ",".join(DAYS)).split(",")
    while moment > now or DAYS[moment.weekday()] not in days:
        moment -= timedelta(days=1)
    return moment


def _one_of(key: str, words: tuple[str, ...]) -> Callable[[str], str]:
    def find(value: str) -> str:
        for word in words:
            if word.lower() == value.lower():
                return word
        raise _invalid(key, value)

    return find


def _hour(value: str) -> str:
    if not (value.isascii() and value.isdigit() and len(value) < 3 and int(value) < 24):
        raise _invalid("hour", value)
    return value


def _days(value: str) -> str:
    words = [_one_of("days", DAYS)(word) for word in value.split(",")]
    if len(set(words)) != len(words):
        raise _invalid("days", value)
    return ",".join(words)


_VALUES: Final[Mapping[str, Callable[[str], str]]] = {"min": _one_of("min", MINUTES), "hour": _hour, "days": _days}


def _invalid(key: str, value: str) -> ApiError:
    return ApiError("INVALID_VALUE", f"schedule:{key[:100]}", value[:100])
