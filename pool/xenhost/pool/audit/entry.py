"""One line of the audit log. Secrets never get into one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from xenhost.pool.call import Context, Method, Value
from xenhost.pool.schema.secrets import is_secret

MAX_TEXT: Final = 256
MAX_ITEMS: Final = 32
MAX_NESTING: Final = 3
MAX_PARAMS: Final = 4096
"""Bytes of the JSON of all parameters of an entry, about."""
_ESCAPED: Final = 12
"""Bytes that a character takes at most."""
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
    """The parameters as the log shows them: short, all together, and without secrets. Of a login the user's name."""
    if method.name.startswith("secret."):
        return [_HIDDEN for _ in params[:MAX_ITEMS]]
    if not method.session:
        params = params[:1]
    named = len(params) == 3 and isinstance(params[1], str) and is_secret(params[1])  # add_to_X(self, key, …)
    room = _Room(MAX_PARAMS)
    found: list[object] = []
    for index, param in enumerate(params):
        if room.left <= 0:
            found.append(f"… {len(params) - index} more")
            break
        hidden = index in method.secret or (named and index == 2)
        found.append(_HIDDEN if hidden else room.short(param, 0))
    return found


class _Room:
    """What is left of the room that an entry has."""

    def __init__(self, size: int) -> None:
        self.left = size

    def short(self, value: Value, depth: int) -> object:
        """The value, or as much of it as there is room for."""
        match value:
            case str():
                return self._text(value)
            case bool() | float() | None:
                self.left -= 8
                return value
            case int():
                return self._taken(value) if value.bit_length() <= 64 else "…"
            case datetime():
                return self._text(value.isoformat())
        if depth >= MAX_NESTING:
            self.left -= 3
            return "…"
        if isinstance(value, Mapping):
            return self._map(value, depth)
        return self._list(value, depth) if isinstance(value, Sequence) else "?"

    def _map(self, value: Mapping[str, Value], depth: int) -> object:
        found: dict[str, object] = {}
        for count, (name, each) in enumerate(value.items()):
            if count >= MAX_ITEMS or self.left <= 0:
                found["…"] = f"{len(value) - count} more"
                break
            found[self._text(name)] = _HIDDEN if is_secret(name) else self.short(each, depth + 1)
        return found

    def _list(self, value: Sequence[Value], depth: int) -> object:
        found: list[object] = []
        for count, each in enumerate(value):
            if count >= MAX_ITEMS or self.left <= 0:
                found.append(f"… {len(value) - count} more")
                break
            found.append(self.short(each, depth + 1))
        return found

    def _text(self, text: str) -> str:
        most = max(0, min(MAX_TEXT, self.left))
        written = text if len(text) <= most else f"{text[:most]}…"
        if len(json.dumps(written)) > self.left:
            written = f"{text[: max(0, self.left) // _ESCAPED]}…"
        return str(self._taken(written))

    def _taken(self, value: object) -> object:
        self.left -= len(json.dumps(value)) + 2
        return value
