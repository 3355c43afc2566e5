import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.pool.call import FrozenMap
from xenhost.pool.database.text import as_text, from_text
from xenhost.pool.schema.types import parse

TEXT = st.text(max_size=12)


@given(st.lists(TEXT, max_size=5))
def test_a_set_comes_back(items: list[str]) -> None:
    assert from_text(parse("set string"), as_text(tuple(items))) == tuple(items)


@given(st.dictionaries(TEXT, st.lists(TEXT, max_size=3).map(tuple), max_size=4))
def test_a_map_of_sets_comes_back(pairs: dict[str, tuple[str, ...]]) -> None:
    assert from_text(parse("map string set string"), as_text(FrozenMap(pairs))) == pairs


@given(st.text(alphabet="()' \\ab", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(from_text(parse("map string string"), text), FrozenMap)


def test_the_forms_are_those_of_xapi() -> None:
    moment = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
    assert as_text(FrozenMap({"k": "it's"})) == r"(('k' 'it\'s'))"
    assert as_text((True, 7, 1.5, moment)) == "('true' '7' '1.5' '20261122T02:00:00Z')"
    assert from_text(parse("datetime"), "20261122T02:00:00Z") == moment


@pytest.mark.parametrize(("of", "text"), [("bool", "yes"), ("int", "x"), ("set string", "('a'"), ("datetime", "now")])
def test_wrong_text_is_refused(of: str, text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_text(parse(of), text)
