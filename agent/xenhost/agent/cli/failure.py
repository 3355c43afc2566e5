"""How the client fails: one line, a hint, and an exit code that scripts can rely on."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

import click


class ExitCode(IntEnum):
    """Documented in xenhost(1)."""

    OK = 0
    FAILED = 1
    """The operation was tried and failed."""
    USAGE = 2
    """The command line or a value on it is wrong."""
    UNREACHABLE = 3
    """The agent does not answer, or does not let us in."""
    NOT_FOUND = 4
    REFUSED = 5
    """The agent refused: wrong state, exists already, busy."""
    INTERRUPTED = 130


class Failure(click.ClickException):
    """An error of a command. Shown as `error: message`, then `hint: ...`."""

    def __init__(self, message: str, exit_code: ExitCode, hint: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.exit_code = int(exit_code)
        self.hint = hint
        self.reason = reason
        """The XenAPI error code, if the agent gave one."""

    def show(self, file: object = None) -> None:
        """Print it."""
        click.echo(f"error: {self.message}", err=True)
        if self.hint:
            click.echo(f"hint: {self.hint}", err=True)


_BY_CODE: Final[Mapping[str, ExitCode]] = {
    "NOT_FOUND": ExitCode.NOT_FOUND,
    "INVALID_ARGUMENT": ExitCode.USAGE,
    "OUT_OF_RANGE": ExitCode.REFUSED,
    "UNIMPLEMENTED": ExitCode.REFUSED,
    "FAILED_PRECONDITION": ExitCode.REFUSED,
    "ALREADY_EXISTS": ExitCode.REFUSED,
    "ABORTED": ExitCode.REFUSED,
    "RESOURCE_EXHAUSTED": ExitCode.REFUSED,
    "PERMISSION_DENIED": ExitCode.UNREACHABLE,
    "UNAUTHENTICATED": ExitCode.UNREACHABLE,
}

_HINTS: Final[Mapping[str, str]] = {
    "HANDLE_INVALID": "`xenhost vm list` shows what there is",
    "HANDLE_INVALID/SR": "`xenhost sr list` shows what there is",
    "HANDLE_INVALID/VDI": "`xenhost vdi list` shows what there is",
    "HANDLE_INVALID/NETWORK": "`xenhost network list` shows what there is",
    "HANDLE_INVALID/PIF": "`xenhost pif list` shows what there is",
    "HANDLE_INVALID/BOND": "`xenhost bond list` shows what there is",
    "HANDLE_INVALID/VLAN": "`xenhost vlan list` shows what there is",
    "HANDLE_INVALID/TUNNEL": "`xenhost tunnel list` shows what there is",
    "HANDLE_INVALID/NETWORK_SRIOV": "`xenhost sriov list` shows what there is",
    "HANDLE_INVALID/SDN_CONTROLLER": "`xenhost sdn list` shows what there is",
    "HANDLE_INVALID/PVS_SITE": "`xenhost pvs list` shows what there is",
    "HANDLE_INVALID/PVS_SERVER": "`xenhost pvs list` shows what there is",
    "HANDLE_INVALID/PVS_PROXY": "`xenhost pvs list` shows what there is",
    "OPENVSWITCH_NOT_ACTIVE": "`xenhost host set-switch openvswitch` changes it, while nothing is plugged",
    "NETWORK_CONTAINS_VIF": "`xenhost network show` shows them",
    "NETWORK_CONTAINS_PIF": "`xenhost network show` shows them",
    "PIF_IS_MANAGEMENT_INTERFACE": "`xenhost host management-reconfigure` manages the host through another one",
    "CANNOT_PLUG_BOND_SLAVE": "plug its bond",
    "CANNOT_CHANGE_PIF_PROPERTIES": "change those of its bond",
    "VM_FAILED_SHUTDOWN_ACKNOWLEDGMENT": "--hard does not ask the guest",
    "VM_SHUTDOWN_TIMEOUT": "--hard does not wait for the guest",
    "DEVICE_DETACH_REJECTED": "let the guest stop using it, or add --force",
    "DEVICE_DETACH_TIMEOUT": "--force does not ask the guest",
    "OTHER_OPERATION_IN_PROGRESS": "`xenhost operation list` shows it; wait for it or cancel it",
    "HOST_NOT_ENOUGH_FREE_MEMORY": "`xenhost host show` shows what is free",
    "DOMAIN_EXISTS": "`xenhost host domains` shows it",
    "EVENTS_LOST": "look at the objects again, and follow without --token",
    "SR_UNKNOWN_DRIVER": "`xenhost sr types` shows what there is",
    "SR_NOT_ATTACHED": "`xenhost sr attach` makes it usable",
    "SR_HAS_PBD": "`xenhost sr detach` lets go of it",
    "SR_FULL": "`xenhost sr coalesce` frees what can be freed",
    "SR_DEVICE_IN_USE": "`xenhost sr datapaths` shows who uses it",
    "VDI_IN_USE": "`xenhost sr datapaths` shows who uses it",
    "VDI_NO_CBT_METADATA": "`xenhost vdi cbt enable` before the older snapshot is taken",
    "HYPERVISOR_UNAVAILABLE": "is this a Xen host? The agent's log says more: journalctl -u xenhostd",
}


def refused(code: str, reason: str, message: str, class_name: str = "") -> Failure:
    """The failure for a call that the agent answered with an error of its table."""
    return Failure(message, _BY_CODE.get(code, ExitCode.FAILED), _hint(reason, class_name), reason)


def failed(reason: str, message: str, class_name: str = "") -> Failure:
    """The failure for an operation that ended with an error."""
    return Failure(message, ExitCode.FAILED, _hint(reason, class_name), reason)


def _hint(reason: str, class_name: str) -> str:
    return _HINTS.get(f"{reason}/{class_name.upper()}") or _HINTS.get(reason, "")
