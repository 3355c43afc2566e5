"""The language of get_all_records_where: `field "is_a_template" = "false" and not field "name__label" = "x"`.

It is read as xapi reads it, since its clients were written against that: no space is needed between words (storage
drivers write `andfield "SR"`), `and` and `or` bind alike, from the left, and `not` takes all that follows up to the
next bracket. Texts have no escapes. Names of fields may have `__` where the reference has a slash.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final

from xenhost.pool.call import ApiError
from xenhost.pool.database.record import Record
from xenhost.pool.database.text import as_text

Predicate = Callable[[Record], bool]
_Operand = Callable[[Record], str]

MAX_LENGTH: Final = 10_000
MAX_DEPTH: Final = 50

_TOKEN: Final = re.compile(r'[ \t\n\r]*(field|and|or|not|true|false|[()=]|"[^"]*")[ \t\n\r]*')


def parse(untrusted_text: str, fields: Iterable[str]) -> Predicate:
    """A test for records that have these fields. Raises ApiError INVALID_VALUE."""
    if len(untrusted_text) > MAX_LENGTH:
        raise _invalid(untrusted_text)
    parser = _Parser(untrusted_text, frozenset(fields))
    predicate = parser.expression(0)
    if parser.left:
        raise _invalid(untrusted_text)
    return predicate


def _invalid(text: str) -> ApiError:
    return ApiError("INVALID_VALUE", "expr", text[:200])


class _Parser:
    def __init__(self, text: str, fields: frozenset[str]) -> None:
        self._text: Final = text
        self._fields: Final = fields
        self.left: Final = self._tokens()[::-1]

    def _tokens(self) -> list[str]:
        found, at = [], 0
        while at < len(self._text):
            match = _TOKEN.match(self._text, at)
            if match is None:
                raise _invalid(self._text)
            found.append(match[1])
            at = match.end()
        return found

    def _take(self) -> str:
        if not self.left:
            raise _invalid(self._text)
        return self.left.pop()

    def _next_is(self, *tokens: str) -> bool:
        return bool(self.left) and self.left[-1] in tokens

    def expression(self, depth: int) -> Predicate:
        """All terms up to a bracket or the end."""
        if depth > MAX_DEPTH:
            raise _invalid(self._text)
        found = self._term(depth)
        terms = [(found, True)]
        while self._next_is("and", "or"):
            both = self._take() == "and"
            terms.append((self._term(depth), both))
        return found if len(terms) == 1 else lambda record: _fold(terms, record)

    def _term(self, depth: int) -> Predicate:
        if self._next_is("not"):
            self._take()
            denied = self.expression(depth + 1)
            return lambda record: not denied(record)
        if self._next_is("("):
            self._take()
            inner = self.expression(depth + 1)
            if self._take() != ")":
                raise _invalid(self._text)
            return inner
        if self._next_is("true", "false"):
            constant = self._take() == "true"
            return lambda record: constant
        left = self._operand()
        if self._take() != "=":
            raise _invalid(self._text)
        right = self._operand()
        return lambda record: left(record) == right(record)

    def _operand(self) -> _Operand:
        token = self._take()
        if token != "field":
            literal = self._quoted(token)
            return lambda record: literal
        name = self._quoted(self._take()).replace("__", "_")
        if name not in self._fields:
            raise _invalid(self._text)
        return lambda record: as_text(record.value(name))

    def _quoted(self, token: str) -> str:
        if not token.startswith('"'):
            raise _invalid(self._text)
        return token[1:-1]


def _fold(terms: list[tuple[Predicate, bool]], record: Record) -> bool:
    found = False
    for position, (term, both) in enumerate(terms):
        if position == 0 or found == both:
            found = term(record)
    return found
