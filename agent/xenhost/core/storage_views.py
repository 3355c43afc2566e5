"""What clients see of storage: immutable snapshots."""

from dataclasses import dataclass

from xenhost.core.storage import AttachMode, SrId, SrSpec, SrStat, Vdi, VdiId


@dataclass(frozen=True, slots=True)
class SrView:
    """An SR: its record, and what the host has of it."""

    spec: SrSpec
    attached: bool
    stat: SrStat | None
    """As of the last scan or operation; None if it was never attached."""
    current_operations: tuple[str, ...]
    """XenAPI's words."""
    allowed_operations: tuple[str, ...]
    problem: str
    """What needs an operator's attention; empty: nothing."""
    revision: int


@dataclass(frozen=True, slots=True)
class VdiView:
    """A VDI: as its driver found it, and who uses it."""

    sr: SrId
    vdi: Vdi
    missing: bool
    """It was not there at the last scan of an SR that could not be trusted to be whole."""
    datapaths: tuple[str, ...]
    current_operations: tuple[str, ...]
    allowed_operations: tuple[str, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class DatapathView:
    """One user of a VDI on this host."""

    datapath: str
    sr: SrId
    vdi: VdiId
    mode: AttachMode
    state: str
    """attached, activated, leaked."""
    source: str
    """What the guest is connected to: `/dev/nbd3`."""
