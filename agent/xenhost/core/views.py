"""What clients see: immutable snapshots of VMs and operations."""

from dataclasses import dataclass
from enum import StrEnum, auto

from xenhost.core.devices import DeviceStatus
from xenhost.core.errors import XenhostError
from xenhost.core.events import ObjectKind
from xenhost.core.ids import DomId, OperationId, VmId
from xenhost.core.vm import PowerState, VmSpec


class OperationState(StrEnum):
    """Where an operation is in its life."""

    PENDING = auto()
    """Accepted and on disk; nothing was done yet."""
    RUNNING = auto()
    CANCELLING = auto()
    """Asked to stop; what it did is being undone."""
    SUCCEEDED = auto()
    FAILED = auto()
    CANCELLED = auto()

    @property
    def ended(self) -> bool:
        """Will it never change again?"""
        return self in {OperationState.SUCCEEDED, OperationState.FAILED, OperationState.CANCELLED}


@dataclass(frozen=True, slots=True)
class VmStatus:
    """What the host has of a VM now."""

    power_state: PowerState
    domid: DomId | None
    current_operation: OperationId | None
    allowed_operations: tuple[str, ...]
    """XenAPI's words, such as `clean_shutdown`."""
    memory: int
    """Bytes the domain has; 0 if there is none."""
    vcpus_online: int
    started: float | None
    """Seconds since the epoch when the domain was first let run (or adopted); None if there is none."""
    last_stop: str
    """Why its last domain ended: a ShutdownReason, or empty."""
    problem: str
    """What needs an operator's attention; empty: nothing."""
    revision: int
    devices: tuple[DeviceStatus, ...]


@dataclass(frozen=True, slots=True)
class VmView:
    """A VM: what is wanted of it, and what there is."""

    spec: VmSpec
    status: VmStatus


@dataclass(frozen=True, slots=True)
class Operation:
    """A long-running request, as it stands."""

    id: OperationId
    request_id: str
    """What the client called it, unique; made up for operations the agent started by itself."""
    kind: str
    target: str
    """Id of the object it works on: of a VM, an SR or a VDI."""
    target_name: str
    state: OperationState
    progress: float
    """0 to 1."""
    step: str
    """What it is doing now, for humans: `building domain 5`."""
    started: float
    """Seconds since the epoch."""
    ended: float | None
    error: XenhostError | None
    """Why it failed or was cancelled."""
    target_kind: ObjectKind = ObjectKind.VM
    result: str = ""
    """Id of the VDI that it made of its target (snapshot, clone, copy); empty: it made none."""

    @property
    def vm(self) -> VmId | None:
        """The VM it works on; None if it is no operation of a VM."""
        return VmId(self.target) if self.target_kind is ObjectKind.VM else None
