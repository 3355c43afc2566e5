"""What a plugin fails with. Raise one of these; anything else becomes SR_BACKEND_FAILURE with the exception's text."""

from collections.abc import Sequence


class PluginError(Exception):
    """A failure with a code and parameters, as SMAPIv3 reports it."""

    def __init__(self, code: str, params: Sequence[str] = ()) -> None:
        super().__init__(": ".join([code, *params]))
        self.code = code
        self.params = list(params)


class SrDoesNotExist(PluginError):
    """There is no such SR."""

    def __init__(self, sr: str) -> None:
        super().__init__("SR_does_not_exist", [sr])


class SrNotAttached(PluginError):
    """The SR is not attached."""

    def __init__(self, sr: str) -> None:
        super().__init__("Sr_not_attached", [sr])


class VolumeDoesNotExist(PluginError):
    """There is no such volume."""

    def __init__(self, key: str) -> None:
        super().__init__("Volume_does_not_exist", [key])


class Unimplemented(PluginError):
    """The plugin cannot do that."""

    def __init__(self, what: str) -> None:
        super().__init__("Unimplemented", [what])


class Cancelled(PluginError):
    """The work was cancelled."""

    def __init__(self, what: str) -> None:
        super().__init__("Cancelled", [what])


class ActivatedOnAnotherHost(PluginError):
    """Another host uses the volume."""

    def __init__(self, host: str) -> None:
        super().__init__("Activated_on_another_host", [host])


class BackendFailure(PluginError):
    """XenServer's numbered failures: `BackendFailure(44, "the SR is full")` is SR_BACKEND_FAILURE_44."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(f"SR_BACKEND_FAILURE_{number}", [text])
