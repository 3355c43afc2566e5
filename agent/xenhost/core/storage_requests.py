"""What may be asked of storage that takes time: one frozen dataclass for each operation. Sizes in bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

from xenhost.core.storage import NewSnapshot, NewVdi, SrId, SrSpec, VdiChange, VdiId


@dataclass(frozen=True, slots=True)
class CreateSr:
    """Make an SR, and attach it."""

    kind: ClassVar[str] = "sr.create"
    sr: SrSpec


@dataclass(frozen=True, slots=True)
class AttachSr:
    """Attach an SR that is recorded (XenAPI: PBD.plug), and scan it."""

    kind: ClassVar[str] = "sr.attach"
    sr: SrId
    multipathing: bool | None = None
    """Set this key of device-config first, if its driver takes it; None: it stays as it is."""


@dataclass(frozen=True, slots=True)
class DetachSr:
    """Detach an SR (PBD.unplug); refused while VDIs of it are in use."""

    kind: ClassVar[str] = "sr.detach"
    sr: SrId


@dataclass(frozen=True, slots=True)
class DestroySr:
    """Delete an SR that holds no VDI, and its record."""

    kind: ClassVar[str] = "sr.destroy"
    sr: SrId


@dataclass(frozen=True, slots=True)
class ScanSr:
    """Look at everything on an SR: new VDIs appear, those that are gone for certain are forgotten."""

    kind: ClassVar[str] = "sr.scan"
    sr: SrId


@dataclass(frozen=True, slots=True)
class UpdateSr:
    """Change its name and description, on the SR too; other_config as a whole if given."""

    kind: ClassVar[str] = "sr.update"
    sr: SrId
    name: str | None = None
    description: str | None = None
    other_config: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class PerformChore:
    """Delete or merge images that nobody needs as they are. Begun by the agent itself, or on request."""

    kind: ClassVar[str] = "sr.coalesce"
    sr: SrId
    chore: str
    """Its id; empty: all that there are, one after another."""
    bytes_per_second: int = 0


@dataclass(frozen=True, slots=True)
class CreateVdi:
    """Make a VDI."""

    kind: ClassVar[str] = "vdi.create"
    sr: SrId
    new: NewVdi


@dataclass(frozen=True, slots=True)
class IntroduceVdi:
    """Take an existing file, volume or LUN on as a VDI."""

    kind: ClassVar[str] = "vdi.introduce"
    sr: SrId
    vdi: VdiId
    location: str
    name: str = ""
    description: str = ""
    sm_config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DestroyVdi:
    """Delete a VDI."""

    kind: ClassVar[str] = "vdi.destroy"
    vdi: VdiId


@dataclass(frozen=True, slots=True)
class UpdateVdi:
    """Change what is kept with a VDI."""

    kind: ClassVar[str] = "vdi.update"
    vdi: VdiId
    change: VdiChange


@dataclass(frozen=True, slots=True)
class ResizeVdi:
    """Make a VDI bigger, in use or not."""

    kind: ClassVar[str] = "vdi.resize"
    vdi: VdiId
    size: int


@dataclass(frozen=True, slots=True)
class SnapshotVdi:
    """Take a snapshot, in use or not."""

    kind: ClassVar[str] = "vdi.snapshot"
    vdi: VdiId
    new: NewSnapshot
    exact: bool = False
    """It fails if the driver gives it another id."""


@dataclass(frozen=True, slots=True)
class CloneVdi:
    """Make a writable copy that shares what it can."""

    kind: ClassVar[str] = "vdi.clone"
    vdi: VdiId
    new: NewSnapshot


@dataclass(frozen=True, slots=True)
class CopyVdi:
    """Make a full copy, on any SR of this host."""

    kind: ClassVar[str] = "vdi.copy"
    vdi: VdiId
    sr: SrId
    new: NewVdi
    """`virtual_size` 0: that of the source."""
    bytes_per_second: int = 0


@dataclass(frozen=True, slots=True)
class RevertVdi:
    """Give a VDI the content of its snapshot again; it keeps its UUID."""

    kind: ClassVar[str] = "vdi.revert"
    vdi: VdiId
    snapshot: VdiId


@dataclass(frozen=True, slots=True)
class SetVdiCbt:
    """Switch changed block tracking on or off."""

    kind: ClassVar[str] = "vdi.cbt"
    vdi: VdiId
    enabled: bool


@dataclass(frozen=True, slots=True)
class DestroyVdiData:
    """Free the data of a snapshot, keep what changed since."""

    kind: ClassVar[str] = "vdi.data_destroy"
    vdi: VdiId


@dataclass(frozen=True, slots=True)
class CompareVdis:
    """Compare the content of two VDIs. Fails with VDI_CONTENT_DIFFERS, naming the first byte that does."""

    kind: ClassVar[str] = "vdi.compare"
    vdi: VdiId
    other: VdiId


StorageRequest = (
    CreateSr
    | AttachSr
    | DetachSr
    | DestroySr
    | ScanSr
    | UpdateSr
    | PerformChore
    | CreateVdi
    | IntroduceVdi
    | DestroyVdi
    | UpdateVdi
    | ResizeVdi
    | SnapshotVdi
    | CloneVdi
    | CopyVdi
    | RevertVdi
    | SetVdiCbt
    | DestroyVdiData
    | CompareVdis
)

STORAGE_REQUESTS: Final[Mapping[str, type[StorageRequest]]] = {
    request.kind: request
    for request in (
        CreateSr,
        AttachSr,
        DetachSr,
        DestroySr,
        ScanSr,
        UpdateSr,
        PerformChore,
        CreateVdi,
        IntroduceVdi,
        DestroyVdi,
        UpdateVdi,
        ResizeVdi,
        SnapshotVdi,
        CloneVdi,
        CopyVdi,
        RevertVdi,
        SetVdiCbt,
        DestroyVdiData,
        CompareVdis,
    )
}
"""Every request by its kind."""
