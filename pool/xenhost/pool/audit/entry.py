"""One line of the audit log. Secrets never get into one."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from xenhost.pool.call import Context, Method, Value

MAX_TEXT: Final = 256
MAX_ITEMS: Final = 32
MAX_NESTING: Final = 3
_SECRET: Final = re.compile(r"passw|secret|pwd|token|cookie|credential|private", re.IGNORECASE)
_HIDDEN: Final = "(hidden)"
_READING: Final = ("get_", "assert_", "list", "method", "isAlive")
_QUIET: Final = frozenset({"event.from", "event.next", "event.register", "event.unregister", "event.get_current_id"})


@dataclass(frozen=True, slots=True)
class Entry:
    """What was asked, by whom, and how it ended."""

    at: float
    """Seconds since the epoch."""
    context: Context
    session: str
    """The UUID of the session, never its reference, which is as good as a password."""
    action: str
    params: Sequence[object]
    result: str
    """"ok", or the code of the error."""
    seconds: float

    def line(self) -> str:
        """JSON, on one line."""
        return json.dumps(
            {
                "time": datetime.fromtimestamp(self.at, UTC).strftime("%Y%m%dT%H:%M:%S.%fZ"),
                "session": self.session,
                "user": self.context.user,
                "subject": self.context.subject,
                "superuser": self.context.superuser,
                "originator": self.context.originator,
                "client": self.context.client,
                "action": self.action,
                "params": self.params,
                "result": self.result,
                "seconds": round(self.seconds, 6),
            },
            ensure_ascii=True,
        )


def is_audited(method: Method) -> bool:
    """Whether calls of it change anything; those that were denied are always in the log."""
    verb = method.name.partition(".")[2]
    return method.name not in _QUIET and not verb.startswith(_READING)


def shown(method: Method, params: Sequence[Value]) -> Sequence[object]:
    """The parameters as the log shows them: short, and without secrets."""
    if method.name.startswith("secret."):
        return [_HIDDEN for _ in params]
    named = (
        len(params) == 3 and isinstance(params[1], str) and bool(_SECRET.search(params[1]))
    )  # add_to_X(self, key, …)
    return [
        _HIDDEN if index in method.secret or (named and index == 2) else _short(param, 0)
        for index, param in enumerate(params)
    ]


def _short(value: Value, depth: int) -> object:
    match value:
        case str():
            return value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}…"
        case None | bool() | int() | float():
            return value
        case datetime():
            return value.isoformat()
    if depth >= MAX_NESTING:
        return "…"
    if isinstance(value, Mapping):
        items = list(value.items())
        found = {
            name[:MAX_TEXT]: _HIDDEN if _SECRET.search(name) else _short(each, depth + 1)
            for name, each in items[:MAX_ITEMS]
        }
        return found if len(items) <= MAX_ITEMS else {**found, "…": f"{len(items) - MAX_ITEMS} more"}
    if isinstance(value, Sequence):
        listed = [_short(each, depth + 1) for each in value[:MAX_ITEMS]]
        return listed if len(value) <= MAX_ITEMS else [*listed, f"… {len(value) - MAX_ITEMS} more"]
    return "?"
