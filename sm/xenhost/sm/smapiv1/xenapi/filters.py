"""The language of get_all_records_where: `field "SR" = "X" and field "host" = "Y"`.

As xapi's, it needs no space between words: drivers write `andfield "host"`.
"""

import re
from collections.abc import Callable
from typing import Final

from xenhost.sm.smapiv1.xenapi.failure import ApiFailure
from xenhost.sm.smapiv1.xenapi.schema import NAMES, Record, Stored

Predicate = Callable[[Record], bool]

_MAX_LENGTH: Final = 10_000
_MAX_DEPTH: Final = 50
_TOKEN: Final = re.compile(r"""\s*(field|and|or|not|true|false|[()=]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\s*""", re.S)
_WORDS: Final = {f"name__{name.removeprefix('name_')}": name for name in NAMES}


def parse(text: str) -> Predicate:
    """A test for records. Raises ApiFailure INVALID_VALUE."""
    if len(text) > _MAX_LENGTH:
        raise _invalid(text)
    parser = _Parser(_tokens(text), text)
    predicate = parser.either(0)
    if parser.left:
        raise _invalid(text)
    return predicate


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _invalid(text)
        tokens.append(match[1])
        at = match.end()
    return tokens


def _invalid(text: str) -> ApiFailure:
    return ApiFailure("INVALID_VALUE", "expr", text[:200])


class _Parser:
    def __init__(self, tokens: list[str], text: str) -> None:
        self.left = tokens[::-1]
        self._text = text

    def _take(self) -> str:
        if not self.left:
            raise _invalid(self._text)
        return self.left.pop()

    def _next_is(self, token: str) -> bool:
        if self.left and self.left[-1] == token:
            self.left.pop()
            return True
        return False

    def either(self, depth: int) -> Predicate:
        if depth > _MAX_DEPTH:
            raise _invalid(self._text)
        terms = [self._both(depth)]
        while self._next_is("or"):
            terms.append(self._both(depth))
        return terms[0] if len(terms) == 1 else lambda record: any(term(record) for term in terms)

    def _both(self, depth: int) -> Predicate:
        terms = [self._one(depth)]
        while self._next_is("and"):
            terms.append(self._one(depth))
        return terms[0] if len(terms) == 1 else lambda record: all(term(record) for term in terms)

    def _one(self, depth: int) -> Predicate:
        if self._next_is("not"):
            if depth > _MAX_DEPTH:
                raise _invalid(self._text)
            term = self._one(depth + 1)
            return lambda record: not term(record)
        if self._next_is("("):
            inner = self.either(depth + 1)
            if not self._next_is(")"):
                raise _invalid(self._text)
            return inner
        if self._next_is("true"):
            return lambda record: True
        if self._next_is("false"):
            return lambda record: False
        left = self._operand()
        if not self._next_is("="):
            raise _invalid(self._text)
        right = self._operand()
        return lambda record: left(record) == right(record)

    def _operand(self) -> Callable[[Record], str | None]:
        token = self._take()
        if token == "field":
            name = self._quoted(self._take())
            name = _WORDS.get(name, name)
            return lambda record: _as_text(record[name]) if name in record else None
        value = self._quoted(token)
        return lambda record: value

    def _quoted(self, token: str) -> str:
        if token[0] not in "\"'":
            raise _invalid(self._text)
        return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.S)


def _as_text(value: Stored) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
