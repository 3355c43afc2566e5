"""A call of the Management API that failed: its error code, and the parameters in XenServer's order."""


class ApiFailure(Exception):
    """Answered as `{Status: "Failure", ErrorDescription: [...]}`."""

    def __init__(self, code: str, *params: str) -> None:
        super().__init__(code, *params)
        self.description = (code, *params)


def handle_invalid(cls: str, ref: str) -> ApiFailure:
    """There is no such object."""
    return ApiFailure("HANDLE_INVALID", cls, ref)


def uuid_invalid(cls: str, uuid: str) -> ApiFailure:
    """There is no object with that UUID, or it is none."""
    return ApiFailure("UUID_INVALID", cls, uuid)


def invalid_value(field: str, value: str) -> ApiFailure:
    """A value that cannot be right."""
    return ApiFailure("INVALID_VALUE", field, value[:100])
