"""Errors on the wire and back."""

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from xenhost.api.status import error_of, status_of
from xenhost.core.errors import InternalError, XenhostError, by_reason


@pytest.mark.parametrize("cls", by_reason().values(), ids=lambda cls: cls.reason)
def test_every_error_survives_the_wire(cls: type[XenhostError]) -> None:
    error = cls("what is wrong; what is right", **{field: f"<{field}>" for field in cls.fields})
    status = Status.FromString(status_of(error).SerializeToString())
    again = error_of(status)
    assert type(again) is cls
    assert (str(again), again.values, again.as_xenapi()) == (str(error), error.values, error.as_xenapi())
    assert status.code == grpc.StatusCode[cls.code].value[0]


def test_one_error_info_says_reason_domain_and_fields() -> None:
    status = status_of(by_reason()["UUID_INVALID"]("no", type="VM", uuid="x"))
    info = ErrorInfo()
    assert len(status.details) == 1
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, dict(info.metadata)) == ("UUID_INVALID", "xenhost", {"type": "VM", "uuid": "x"})


def test_an_error_fits_into_trailing_metadata_however_long_its_words() -> None:
    error = by_reason()["DEVICE_DETACH_REJECTED"]("x" * 10**6, type="y" * 10**6, ref="z" * 10**6, msg="m" * 10**6)
    assert len(status_of(error).SerializeToString()) < 4096


def test_a_status_of_someone_else_becomes_an_internal_error() -> None:
    assert isinstance(error_of(Status(code=13, message="boom")), InternalError)
