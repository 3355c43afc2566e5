"""Values as text, as xapi's database has them: what filters compare and dumps hold.

A set is `('a' 'b')`, a map `(('key' 'value'))`, with backslashes before quotes and backslashes.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from xenhost.pool.call import FrozenMap, Value
from xenhost.pool.schema.types import MapOf, OptionOf, Scalar, SetOf, Type

_TOKEN: Final = re.compile(r"\s*(\(|\)|'(?:[^'\\]|\\.)*')", re.S)
_MAX_DEPTH: Final = 8


def as_text(value: Value) -> str:
    """The text of a value."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case datetime():
            return f"{value.astimezone(UTC):%Y%m%dT%H:%M:%SZ}"
        case dict():
            return "(" + " ".join(f"({_quoted(key)} {_nested(item)})" for key, item in value.items()) + ")"
        case tuple() | list():
            return "(" + " ".join(_nested(item) for item in value) + ")"
    return str(value)


def from_text(of: Type, text: str) -> Value:
    """A value from its text. Raises ValueError."""
    if isinstance(of, SetOf | MapOf):
        tree = _tree(text)
        return _from_tree(of, tree)
    return _scalar(of, text)


def moment(text: str) -> datetime:
    """A time, in the forms that XML-RPC and JSON-RPC carry; without a zone it is UTC. Raises ValueError."""
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _nested(value: Value) -> str:
    text = as_text(value)
    return text if isinstance(value, dict | list | tuple) else _quoted(text)


def _scalar(of: Type, text: str) -> Value:
    match of:
        case Scalar.INT:
            return int(text)
        case Scalar.FLOAT:
            return float(text)
        case Scalar.BOOL if text not in ("true", "false"):
            raise ValueError(f"{text} is neither true nor false")
        case Scalar.BOOL:
            return text == "true"
        case Scalar.DATETIME:
            return moment(text)
        case OptionOf(item):
            return None if text == "" else _scalar(item, text)
    return text


_Tree = str | list["_Tree"]


def _tree(text: str) -> _Tree:
    tokens = _tokens(text)
    if next(tokens, None) != "(":
        raise ValueError("a set or map begins with a bracket")
    tree = _branch(tokens, 0)
    if next(tokens, None) is not None:
        raise ValueError("something stands after the last bracket")
    return tree


def _tokens(text: str) -> Iterator[str]:
    at, end = 0, len(text.rstrip())
    while at < end:
        if (match := _TOKEN.match(text, at)) is None:
            raise ValueError(f"not understood: {text[at : at + 20]}")
        yield match[1]
        at = match.end()


def _branch(tokens: Iterator[str], depth: int) -> list[_Tree]:
    if depth > _MAX_DEPTH:
        raise ValueError("too many brackets")
    found: list[_Tree] = []
    for token in tokens:
        if token == ")":
            return found
        found.append(_branch(tokens, depth + 1) if token == "(" else re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.S))
    raise ValueError("a bracket is missing")


def _from_tree(of: Type, tree: _Tree) -> Value:
    if isinstance(of, SetOf) and isinstance(tree, list):
        return tuple(_from_tree(of.item, item) for item in tree)
    if isinstance(of, MapOf) and isinstance(tree, list):
        found: dict[str, Value] = {}
        for pair in tree:
            if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
                raise ValueError("a map consists of pairs")
            found[pair[0]] = _from_tree(of.value, pair[1])
        return FrozenMap(found)
    if isinstance(tree, str):
        return _scalar(of, tree)
    raise ValueError("brackets where there should be none")
