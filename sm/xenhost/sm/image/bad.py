"""What is wrong with an image."""

from xenhost.core.storage_errors import SrBackendFailure


class BadImage(SrBackendFailure):
    """An image cannot be read as what it claims to be, or asks for something that is refused."""

    reason = "SR_BACKEND_FAILURE_65"
    number = 65

    def __init__(self, message: str, /) -> None:
        super().__init__(message, status="", msg=message, detail="")
