"""Errors of networking, each declared once."""

from xenhost.core.errors import Code, XenhostError


class SwitchUnavailable(XenhostError):
    """The switch of this host does not answer. XenAPI: PIF_CONFIGURATION_ERROR has the same meaning for one PIF."""

    reason = "SWITCH_UNAVAILABLE"
    code = Code.UNAVAILABLE
    fields = ("switch",)


class SwitchCannot(XenhostError):
    """The switch of this host cannot do it; the message says which can."""

    reason = "OPERATION_NOT_SUPPORTED_BY_SWITCH"
    code = Code.FAILED_PRECONDITION
    fields = ("switch", "feature")


class OpenvswitchNotActive(XenhostError):
    """Needs Open vSwitch."""

    reason = "OPENVSWITCH_NOT_ACTIVE"
    code = Code.FAILED_PRECONDITION


class SriovFailed(XenhostError):
    """Virtual functions could not be made, removed or set."""

    reason = "NETWORK_SRIOV_FAILED"
    code = Code.FAILED_PRECONDITION
    fields = ("device", "message")


class PifConfigurationError(XenhostError):
    """The network of a PIF could not be set up."""

    reason = "PIF_CONFIGURATION_ERROR"
    code = Code.FAILED_PRECONDITION
    fields = ("PIF", "msg")
