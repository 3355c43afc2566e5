"""The error table at the gRPC edge: a XenhostError as google.rpc.Status with one ErrorInfo, and back."""

from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from xenhost.core.errors import InternalError, XenhostError, rebuild

DOMAIN: Final = "xenhost"
DETAILS_KEY: Final = "grpc-status-details-bin"
MAX_MESSAGE: Final = 1000
"""Characters of a message that go on the wire; trailing metadata is limited to 8 KiB."""
MAX_FIELD: Final = 400


def code_of(error: XenhostError) -> grpc.StatusCode:
    """The canonical code of an error."""
    return grpc.StatusCode[error.code]


def status_of(error: XenhostError) -> Status:
    """The error as one message: code, text, and its fields by name."""
    number: int = code_of(error).value[0]
    status = Status(code=number, message=str(error)[:MAX_MESSAGE])
    metadata = {name: value[:MAX_FIELD] for name, value in error.values.items()}
    status.details.add().Pack(ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata))
    return status


def error_of(status: Status) -> XenhostError:
    """The XenhostError that a status tells of; InternalError if it is not one of ours."""
    info = ErrorInfo()
    for detail in status.details:
        if detail.Is(ErrorInfo.DESCRIPTOR) and detail.Unpack(info) and info.domain == DOMAIN:
            return rebuild(info.reason, status.message, dict(info.metadata))
    return InternalError(status.message or f"status {status.code}", message=status.message)


def error_of_call(error: grpc.aio.AioRpcError) -> XenhostError | None:
    """The XenhostError that a failed call carries; None if it has none (the transport failed, for one)."""
    trailing: Any = error.trailing_metadata() or ()
    for key, value in trailing:
        if key == DETAILS_KEY and isinstance(value, bytes):
            try:
                return error_of(Status.FromString(value))
            except DecodeError:
                return None
    return None
