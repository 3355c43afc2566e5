from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.pool.call import NULL_REF, ApiError, Value
from xenhost.pool.engine.values import convert
from xenhost.pool.model.catalogue import MODEL
from xenhost.pool.schema.types import parse

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("of", "sent", "value"),
    [
        ("int", "123", 123),
        ("int", -5, -5),
        ("int", 4.0, 4),
        ("int", "9223372036854775807", 2**63 - 1),
        ("float", "1", 1.0),
        ("float", 60, 60.0),
        ("float", 0.5, 0.5),
        ("bool", True, True),
        ("bool", "false", False),
        ("string", 7, "7"),
        ("datetime", "20261122T12:00:00Z", NOON),
        ("datetime", "2026-11-22T12:00:00", NOON),
        ("datetime", NOON.astimezone(timezone(timedelta(hours=2))), NOON),
        ("ref VM", "", NULL_REF),
        ("set ref VM", ["a", "b", "a"], ("a", "b")),
        ("map string string", {"a": "b"}, {"a": "b"}),
        ("map int float", {"0": "0.5"}, {"0": 0.5}),
        ("vm_power_state", "Halted", "Halted"),
    ],
)
def test_what_clients_send_is_understood(of: str, sent: Value, value: Value) -> None:
    found = convert(MODEL, "x", parse(of), sent)
    assert found == value
    assert type(found) is type(value) or isinstance(found, dict)


@pytest.mark.parametrize(
    ("of", "sent"),
    [
        ("int", "x"),
        ("int", 1.5),
        ("int", True),
        ("int", 2**63),
        ("int", "-9223372036854775809"),
        ("float", "nan"),
        ("float", True),
        ("bool", "maybe"),
        ("bool", 2),
        ("string", None),
        ("string", "\x00"),
        ("string", "\ud800"),
        ("string", ["a"]),
        ("datetime", "yesterday"),
        ("ref VM", 1.5),
        ("set string", "abc"),
        ("set string", {"a": "b"}),
        ("map string string", ["a"]),
        ("map string string", {"a": ["b"]}),
        ("record VM", "x"),
        ("void", "x"),
    ],
)
def test_what_is_of_another_type_is_refused(of: str, sent: Value) -> None:
    with pytest.raises(ApiError) as refused:
        convert(MODEL, "x", parse(of), sent)
    assert refused.value.code == "FIELD_TYPE_ERROR"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(
    JSON,
    st.sampled_from(
        ["int", "float", "bool", "string", "datetime", "ref VM", "set ref VM", "record VM", "map string set string"]
    ),
)
def test_anything_is_converted_or_refused(sent: Value, of: str) -> None:
    try:
        convert(MODEL, "x", parse(of), sent)
    except ApiError as refused:
        assert refused.code in {"FIELD_TYPE_ERROR", "INVALID_VALUE"}  # noqa: PT017 - either is right
