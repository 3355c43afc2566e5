"""The JSON of `--json`: the fields of the API's messages by their names, in plain JSON types. A documented interface.

Enums are their words in lower case without prefix (`running`, `pv`), times are RFC 3339 in UTC or null, sizes are
integers in bytes, a message that is not set is left out.
"""

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf.message import Message

_TIME: Final = "google.protobuf.Timestamp"


def shape(message: Message) -> dict[str, Any]:
    """A message as JSON values."""
    result: dict[str, Any] = {}
    fields: Any = message.DESCRIPTOR.fields
    for field in fields:
        value = getattr(message, field.name)
        if isinstance(value, Mapping):
            result[field.name] = dict(sorted(value.items()))
        elif not isinstance(value, Message | str | bytes | int | float):
            result[field.name] = [_value(field, item) for item in value]
        elif field.message_type is None or message.HasField(field.name):
            result[field.name] = _value(field, value)
        elif field.message_type.full_name == _TIME:
            result[field.name] = None
    return result


def operation_shape(operation: Any) -> dict[str, Any]:
    """An operation: its metadata, state and error in one object."""
    from google.rpc.error_details_pb2 import ErrorInfo

    from xenhost.api.host.v1 import operation_pb2

    metadata = operation_pb2.OperationMetadata()
    operation.metadata.Unpack(metadata)
    described = shape(metadata)
    cancelling = described.pop("cancelling")
    error = None
    state = "cancelling" if cancelling else "running"
    if operation.done:
        state = "succeeded"
        if operation.HasField("error"):
            info = ErrorInfo()
            for detail in operation.error.details:
                detail.Unpack(info)
            state = "cancelled" if info.reason == "TASK_CANCELLED" else "failed"
            error = {"reason": info.reason, "message": operation.error.message, "fields": dict(info.metadata)}
    return {"id": operation.name.removeprefix("operations/"), "state": state, **described, "error": error}


def _value(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        if field.message_type.full_name == _TIME:
            return value.ToJsonString()
        return shape(value)
    if field.enum_type is not None:
        return enum_word(field.enum_type, value)
    return value


def enum_word(enum: Any, value: int) -> str:
    """`VM_TYPE_PV` is pv."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    known = enum.values_by_number.get(value)
    return f"unknown-{value}" if known is None else known.name.removeprefix(prefix).lower()
