"""Whether a client wants JSON or XML: what it accepts, else whether it says `json` in the query. Pure."""

from typing import Final

JSON: Final = "application/json"
XML: Final = "text/xml"
_TYPES: Final = ((JSON, True), (XML, False), ("application/xml", False))
MAX_ACCEPT: Final = 1024


def prefers_json(untrusted_accept: str, asked: bool) -> bool:
    """`asked`: there is a parameter `json`, of whatever value. As in xapi, */* means JSON."""
    best: tuple[float, int] = (0.0, 0)
    found: bool | None = None
    for name, json in _TYPES:
        weight = _weight(name, untrusted_accept[:MAX_ACCEPT])
        if weight > best:
            best, found = weight, json
    return asked if found is None else found


def _weight(name: str, accept: str) -> tuple[float, int]:
    """How much it is wanted, and how exactly it was named; 0: not at all."""
    best: tuple[float, int] = (0.0, 0)
    for part in accept.split(","):
        words = [word.strip().lower() for word in part.split(";")]
        exact = {name: 3, name.partition("/")[0] + "/*": 2, "*/*": 1, "*": 1}.get(words[0], 0)
        quality = _quality(words[1:])
        if exact and quality > 0:
            best = max(best, (quality, exact))
    return best


def _quality(words: list[str]) -> float:
    for word in words:
        key, _, value = word.partition("=")
        if key.strip() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 0.0
    return 1.0
