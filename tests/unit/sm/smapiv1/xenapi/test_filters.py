import pytest

from xenhost.sm.smapiv1.xenapi.failure import ApiFailure
from xenhost.sm.smapiv1.xenapi.filters import parse
from xenhost.sm.smapiv1.xenapi.schema import Record

PBD: Record = {"SR": "OpaqueRef:X", "host": "OpaqueRef:Y", "currently_attached": True, "name_label": 'a "b"'}


@pytest.mark.parametrize(
    "expression",
    [
        'field "SR" = "OpaqueRef:X"',
        'field "SR" = "OpaqueRef:X" andfield "host" = "OpaqueRef:Y"',
        'field "SR" = "OpaqueRef:X" and field "host" = "OpaqueRef:Y"',
        "field 'SR'='OpaqueRef:X'",
        'field "SR" = "no" or field "host" = "OpaqueRef:Y"',
        'not field "SR" = "no"',
        'not (field "SR" = "no") and (true or false)',
        'field "currently_attached" = "true"',
        'field "name__label" = "a \\"b\\""',
        "true",
    ],
)
def test_what_drivers_write_is_understood(expression: str) -> None:
    assert parse(expression)(PBD)


@pytest.mark.parametrize(
    "expression",
    ['field "SR" = "no"', 'field "nothing" = ""', "false", 'field "SR" = "OpaqueRef:X" and false', "not true"],
)
def test_what_does_not_match_does_not(expression: str) -> None:
    assert not parse(expression)(PBD)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "field",
        'field "SR"',
        'field "SR" =',
        '"a" "b"',
        "(true",
        "true true",
        "drop table",
        "(" * 9000,
        "not " * 2000,
    ],
)
def test_anything_else_is_refused(expression: str) -> None:
    with pytest.raises(ApiFailure):
        parse(expression)
