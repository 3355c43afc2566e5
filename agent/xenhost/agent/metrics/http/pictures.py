"""What GET /graph asks for: kind=vm&uuid=...&names=cpu0,cpu1&start=-3600. Pure."""

from http import HTTPStatus
from typing import Final

from xenhost.core.ids import is_uuid
from xenhost.core.metrics import HOST, Owner, OwnerKind
from xenhost.rrd.graph import Graph
from xenhost.rrd.resolution import Cf
from xenhost.system.http.message import HttpError, Request

DEFAULT_SECONDS: Final = 600
MAX_NAMES: Final = 16
MAX_TITLE: Final = 200
_WIDTH: Final = (800, 100, 4000)
_HEIGHT: Final = (300, 50, 2000)


def owner_of(request: Request) -> Owner:
    """`kind` and `uuid` of the query. Raises HttpError."""
    kind = request.arg("kind", "host").lower()
    if kind == OwnerKind.HOST:
        return HOST
    uuid = request.arg("uuid").strip().lower()
    if kind not in list(OwnerKind) or not is_uuid(uuid):
        raise HttpError(HTTPStatus.BAD_REQUEST, "say kind=host, kind=vm&uuid=... or kind=sr&uuid=...")
    return Owner(OwnerKind(kind), uuid)


def picture(request: Request, owner: Owner, now: float) -> Graph:
    """The rest of the query. Raises HttpError."""
    end = _whole(request, "end", 0, -(10**10), 10**10)
    end = end if end > 0 else int(now) + end
    start = _whole(request, "start", -DEFAULT_SECONDS, -(10**10), 10**10)
    names = tuple(name for value in _all(request, "names") for name in value.split(",") if name)
    if len(names) > MAX_NAMES:
        raise HttpError(HTTPStatus.BAD_REQUEST, f"names has {len(names)} data sources; {MAX_NAMES} at most")
    return Graph(
        title=request.arg("title", f"{owner.kind.value} {owner.uuid}".strip())[:MAX_TITLE],
        start=span_start(start, end),
        end=end,
        names=names,
        cf=_cf(request.arg("cf", Cf.AVERAGE)),
        width=_whole(request, "width", *_WIDTH),
        height=_whole(request, "height", *_HEIGHT),
    )


def span_start(start: int, end: int) -> int:
    """In seconds since the epoch, of one that may be before the end. 0: as usual."""
    if start > 0:
        return start
    return max(end + (start or -DEFAULT_SECONDS), 1)


def _all(request: Request, name: str) -> list[str]:
    return [value for each, value in request.query if each == name]


def _cf(untrusted_text: str) -> Cf:
    word = untrusted_text.upper()
    if word not in (Cf.AVERAGE, Cf.MIN, Cf.MAX):
        raise HttpError(HTTPStatus.BAD_REQUEST, "cf must be AVERAGE, MIN or MAX")
    return Cf(word)


def _whole(request: Request, name: str, default: int, low: int, high: int) -> int:
    text = request.arg(name)
    if not text:
        return default
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 12) or not low <= int(text) <= high:
        raise HttpError(HTTPStatus.BAD_REQUEST, f"{name} is {text!r:.40}; it must be a whole number, {low} to {high}")
    return int(text)
