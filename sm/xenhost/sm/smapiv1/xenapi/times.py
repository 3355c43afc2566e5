"""Times as XenAPI writes them: `19700101T00:00:00Z`, which also stands for never."""

from datetime import UTC, datetime
from typing import Final

_FORM: Final = "%Y%m%dT%H:%M:%SZ"


def stamp(moment: float) -> str:
    """Write seconds since the epoch."""
    return datetime.fromtimestamp(moment, UTC).strftime(_FORM)


def seconds(text: str) -> float | None:
    """Seconds since the epoch; None for never, and for what is no time."""
    try:
        moment = datetime.strptime(text.replace("-", ""), _FORM).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    return moment or None
