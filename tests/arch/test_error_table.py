"""The table of errors is complete and consistent."""

import re
from pathlib import Path

import grpc
import pytest

from xenhost.core.errors import Code, InternalError, XenhostError, by_reason, rebuild

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("error", by_reason().values(), ids=lambda cls: cls.__name__)
def test_error_has_a_reason_a_code_and_a_sentence(error: type[XenhostError]) -> None:
    assert re.fullmatch(r"[A-Z][A-Z0-9_]+", error.reason)
    assert error.code in grpc.StatusCode.__members__
    assert (error.__doc__ or "").strip().endswith(".")


def test_reasons_are_unique() -> None:
    leaves = [cls.reason for cls in XenhostError.__subclasses__()]
    assert sorted(leaves) == sorted(set(leaves))


def test_codes_are_names_of_grpc_status_codes() -> None:
    assert {code.value for code in Code} <= {code.name for code in grpc.StatusCode}


def test_every_reason_in_the_proto_comments_exists() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "proto/xenhost/api/host").rglob("*_service.proto"))
    codes = "|".join(code.value for code in Code)
    named = set()
    for line in re.findall(rf"//\s+(?:{codes})\s+(.*)", text):
        named |= {word.strip(",") for word in line.split() if re.fullmatch(r"[A-Z]+(_[A-Z]+)+,?", word)}
    assert named
    assert named <= set(by_reason())


def test_a_recorded_error_comes_back_as_it_was() -> None:
    error = by_reason()["VM_BAD_POWER_STATE"]("halted", vm="v", expected="Running", actual="Halted")
    again = rebuild(error.reason, str(error), error.values)
    assert type(again) is type(error)
    assert again.as_xenapi() == ["VM_BAD_POWER_STATE", "v", "Running", "Halted"]


def test_an_unknown_recorded_reason_becomes_an_internal_error() -> None:
    assert isinstance(rebuild("FROM_THE_FUTURE", "text", {}), InternalError)


def test_fields_must_match_the_declaration() -> None:
    with pytest.raises(TypeError):
        InternalError("no field given")
