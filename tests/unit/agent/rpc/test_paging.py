"""Lists by pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.agent.rpc.paging import page_of
from xenhost.core.errors import InvalidValue

Item = tuple[str, str]


def pages(items: list[Item], size: int) -> list[list[Item]]:
    found, token = [], ""
    while True:
        page, token = page_of(items, lambda item: item, size, token)
        found.append(page)
        if not token:
            return found


@given(st.lists(st.tuples(st.text(max_size=3), st.uuids().map(str)), unique_by=lambda item: item[1]), st.integers(1, 5))
def test_all_pages_together_are_the_whole_list_in_order(items: list[Item], size: int) -> None:
    found = [item for page in pages(items, size) for item in page]
    assert sorted(found) == sorted(items)
    places = [(name.replace("\n", " "), id) for name, id in found]
    assert places == sorted(places)


def test_what_is_destroyed_meanwhile_does_not_matter() -> None:
    items = [("a", "1"), ("b", "2"), ("c", "3")]
    _, token = page_of(items, lambda item: item, 2, "")
    assert page_of(items[:1] + items[2:], lambda item: item, 2, token) == ([("c", "3")], "")


def test_a_token_of_another_call_is_refused() -> None:
    with pytest.raises(InvalidValue):
        page_of([("a", "1")], lambda item: item, 2, "x")
