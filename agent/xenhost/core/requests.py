"""What may be asked of a VM: one frozen dataclass for each operation. Timeouts in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from xenhost.core.devices import IoLimits, Source, Vbd, Vif, VifChange
from xenhost.core.errors import InvalidValue
from xenhost.core.ids import DevId, VmId
from xenhost.core.storage import VdiId

MAX_TIMEOUT: Final = 24 * 3600.0
"""Seconds any request may wait for a guest."""


@dataclass(frozen=True, slots=True)
class StartVm:
    """Make the domain of a halted VM and let it run, or leave it paused."""

    kind: ClassVar[str] = "vm.start"
    vm: VmId
    paused: bool = False


@dataclass(frozen=True, slots=True)
class ShutdownVm:
    """End the domain: clean asks the guest and waits up to `timeout`, hard does not ask."""

    kind: ClassVar[str] = "vm.shutdown"
    vm: VmId
    hard: bool = False
    timeout: float = 1200.0


@dataclass(frozen=True, slots=True)
class RebootVm:
    """End the domain like ShutdownVm, then start the VM again from its specification."""

    kind: ClassVar[str] = "vm.reboot"
    vm: VmId
    hard: bool = False
    timeout: float = 1200.0


@dataclass(frozen=True, slots=True)
class PauseVm:
    """Stop the vCPUs of a running VM."""

    kind: ClassVar[str] = "vm.pause"
    vm: VmId


@dataclass(frozen=True, slots=True)
class UnpauseVm:
    """Let the vCPUs of a paused VM run."""

    kind: ClassVar[str] = "vm.unpause"
    vm: VmId


@dataclass(frozen=True, slots=True)
class SuspendVm:
    """Bring the memory of a running guest into an image and end the domain. The guest has `timeout` to suspend."""

    kind: ClassVar[str] = "vm.suspend"
    vm: VmId
    image: Source | None = None
    """A VDI; None: a file of the agent's own, until the engine has named it."""
    timeout: float = 1200.0


@dataclass(frozen=True, slots=True)
class DiskSnapshot:
    """A snapshot of a disk that is to be made."""

    vdi: VdiId
    new: VdiId


@dataclass(frozen=True, slots=True)
class CheckpointVm:
    """Bring the memory of a running guest into an image, take snapshots of disks, and let it go on in its domain."""

    kind: ClassVar[str] = "vm.checkpoint"
    vm: VmId
    image: Source
    """A VDI. It holds a whole image afterwards."""
    disks: tuple[DiskSnapshot, ...] = ()
    timeout: float = 1200.0
    """For the guest to suspend."""


@dataclass(frozen=True, slots=True)
class ResumeVm:
    """Make a domain in which the guest of a suspended VM goes on, or stays paused. Its image is gone afterwards."""

    kind: ClassVar[str] = "vm.resume"
    vm: VmId
    paused: bool = False


@dataclass(frozen=True, slots=True)
class PlugVbd:
    """Add a VBD to the specification of a VM, and connect it if the VM runs."""

    kind: ClassVar[str] = "vbd.plug"
    vm: VmId
    vbd: Vbd


@dataclass(frozen=True, slots=True)
class UnplugVbd:
    """Disconnect a VBD if the VM runs, and take it out of the specification."""

    kind: ClassVar[str] = "vbd.unplug"
    vm: VmId
    devid: DevId
    force: bool = False
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class InsertVbd:
    """Put a medium into an empty CD drive."""

    kind: ClassVar[str] = "vbd.insert"
    vm: VmId
    devid: DevId
    source: Source


@dataclass(frozen=True, slots=True)
class EjectVbd:
    """Take the medium out of a CD drive."""

    kind: ClassVar[str] = "vbd.eject"
    vm: VmId
    devid: DevId


@dataclass(frozen=True, slots=True)
class LimitVbd:
    """Change the limits of a VBD, at once if the VM runs."""

    kind: ClassVar[str] = "vbd.limit"
    vm: VmId
    devid: DevId
    limits: IoLimits


@dataclass(frozen=True, slots=True)
class PlugVif:
    """Add a VIF to the specification of a VM, and connect it if the VM runs."""

    kind: ClassVar[str] = "vif.plug"
    vm: VmId
    vif: Vif


@dataclass(frozen=True, slots=True)
class UnplugVif:
    """Disconnect a VIF if the VM runs, and take it out of the specification."""

    kind: ClassVar[str] = "vif.unplug"
    vm: VmId
    devid: DevId
    force: bool = False
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class UpdateVif:
    """Change a VIF, at once if the VM runs: what it may send, how fast, and on which network it is (VIF.move)."""

    kind: ClassVar[str] = "vif.update"
    vm: VmId
    devid: DevId
    change: VifChange


Request = (
    StartVm
    | ShutdownVm
    | RebootVm
    | PauseVm
    | UnpauseVm
    | SuspendVm
    | CheckpointVm
    | ResumeVm
    | PlugVbd
    | UnplugVbd
    | InsertVbd
    | EjectVbd
    | LimitVbd
    | PlugVif
    | UnplugVif
    | UpdateVif
)

REQUESTS: Final[Mapping[str, type[Request]]] = {
    request.kind: request
    for request in (
        StartVm,
        ShutdownVm,
        RebootVm,
        PauseVm,
        UnpauseVm,
        SuspendVm,
        CheckpointVm,
        ResumeVm,
        PlugVbd,
        UnplugVbd,
        InsertVbd,
        EjectVbd,
        LimitVbd,
        PlugVif,
        UnplugVif,
        UpdateVif,
    )
}
"""Every request by its kind."""


def checked_timeout(timeout: float) -> float:
    """The same number of seconds, proven sensible. Raises InvalidValue."""
    if not 0 <= timeout <= MAX_TIMEOUT:
        raise InvalidValue(
            f"timeout is {timeout}; it must be 0 to {MAX_TIMEOUT:.0f} seconds",
            field="timeout",
            value=str(timeout),
        )
    return timeout
