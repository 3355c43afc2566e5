import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.pool.call import ApiError
from xenhost.pool.database import filters
from xenhost.pool.database.record import Record
from xenhost.pool.database.tables import Tables
from xenhost.pool.database.transaction import Transaction
from xenhost.pool.model.catalogue import MODEL

FIELDS = [field.name for field in MODEL.classes["VM"].fields]


def vm(**fields: str | bool | int) -> Record:
    transaction = Transaction(Tables(MODEL))
    return transaction.get("VM", transaction.create("VM", fields))


def matches(text: str, record: Record) -> bool:
    return filters.parse(text, FIELDS)(record)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('field "name_label" = "a"', True),
        ('field "name__label" = "a"', True),
        ('field "name_label" = "b"', False),
        ('"a" = field "name_label"', True),
        ('field "is_a_template" = "true"', True),
        ('field "VCPUs_max" = "4"', True),
        ('field "VCPUs__max" = "4"', True),
        ('field "tags" = "()"', True),
        ('field "domid" = field "domid"', True),
        ('field "name_label" = "a" andfield "is_a_template" = "true"', True),
        ('field "name_label"="a"and(not field "is_a_template"="true")', False),
        ("true", True),
        ("not true", False),
        ("not (false)", True),
    ],
)
def test_the_forms_that_clients_send(text: str, found: bool) -> None:
    assert matches(text, vm(name_label="a", is_a_template=True, VCPUs_max=4)) is found


def test_and_and_or_bind_alike_from_the_left_as_in_xapi() -> None:
    assert not matches("true or true and false", vm())
    assert matches("true or (true and false)", vm())


def test_not_takes_all_that_follows_as_in_xapi() -> None:
    assert matches("not false and true", vm())
    assert matches("not true and false", vm())  # not (true and false)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "field",
        'field "name_label"',
        'field "name_label" =',
        'field "colour" = "red"',
        'field name_label = "a"',
        'true "a"',
        "(true",
        "true)",
        "true and",
        "'a' = 'a'",
        "(" * 60 + "true" + ")" * 60,
        "not " * 60 + "true",
        "true or " * 3000 + "true",
    ],
)
def test_what_is_not_of_the_language_is_refused(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        filters.parse(text, FIELDS)
    assert refused.value.code == "INVALID_VALUE"


@given(st.text(alphabet='field andorture"_=() \n\x00é', max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ApiError):
        assert filters.parse(text, FIELDS)(vm()) in (True, False)


@given(st.integers(0, 2**32))
def test_an_expression_means_what_python_says(seed: int) -> None:
    """Fully bracketed, so that the order of binding does not matter."""
    rng = random.Random(seed)

    def expression(depth: int) -> tuple[str, bool]:
        kind = rng.randrange(5) if depth else rng.randrange(2)
        if kind < 2:
            value = rng.choice(["a", "b"])
            return f'field "name_label" = "{value}"', value == "a"
        left, is_left = expression(depth - 1)
        if kind == 2:
            return f"not ({left})", not is_left
        right, is_right = expression(depth - 1)
        word = "and" if kind == 3 else "or"
        return f"({left}) {word} ({right})", (is_left and is_right) if kind == 3 else (is_left or is_right)

    text, expected = expression(4)
    assert matches(text, vm(name_label="a")) is expected
