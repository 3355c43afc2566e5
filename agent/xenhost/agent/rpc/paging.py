"""Lists that come by pages."""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from xenhost.core.errors import InvalidValue

PAGE: Final = 1000
T = TypeVar("T")


def page_of(
    items: Iterable[T], place: Callable[[T], tuple[str, ...]], size: int, untrusted_token: str
) -> tuple[list[T], str]:
    """The items after the token, in the order of their places, and the token of the next page; empty: no more.

    Places differ from each other. Raises InvalidValue for a token that is none.
    """
    ordered = sorted(((_line(place(item)), item) for item in items), key=lambda pair: pair[0])
    if untrusted_token:
        after = tuple(untrusted_token.split("\n"))
        if ordered and len(after) != len(ordered[0][0]):
            raise InvalidValue(
                "page_token is not one that this call gave", field="page_token", value=untrusted_token[:80]
            )
        ordered = [pair for pair in ordered if pair[0] > after]
    size = min(size, PAGE) if size > 0 else PAGE
    page = ordered[:size]
    return [item for _, item in page], "\n".join(page[-1][0]) if len(ordered) > size else ""


def _line(place: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.replace("\n", " ") for part in place)
