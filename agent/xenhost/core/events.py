"""What changed: references and revisions, never the objects themselves."""

from dataclasses import dataclass
from enum import StrEnum, auto


class ObjectKind(StrEnum):
    """Classes of objects that have events."""

    HOST = auto()
    VM = auto()
    DOMAIN = auto()
    OPERATION = auto()
    SR = auto()
    VDI = auto()
    NETWORK = auto()
    PIF = auto()
    BOND = auto()
    VLAN = auto()
    """Its id is that of its untagged PIF."""
    TUNNEL = auto()
    NETWORK_SRIOV = auto()
    VM_GUEST_METRICS = auto()
    """Its id is that of its VM."""
    MESSAGE = auto()
    SM = auto()
    """A type of SR, which is its id."""


class ChangeKind(StrEnum):
    """What happened to the object."""

    ADDED = auto()
    MODIFIED = auto()
    DELETED = auto()


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One object: its class and its id within it (a UUID, a domid, an operation id)."""

    kind: ObjectKind
    id: str


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the event log."""

    revision: int
    ref: ObjectRef
    kind: ChangeKind
