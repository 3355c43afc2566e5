"""Storage repositories and virtual disk images: what is known of them, and what is asked for them. Sizes in bytes.

The words are those of the XenServer Management API (classes SM, SR, PBD, VDI).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Final, NewType

from xenhost.core.devices import IoLimits as IoLimits
from xenhost.core.devices import Source
from xenhost.core.units import KIB

SrId = NewType("SrId", str)
"""UUID of a storage repository."""
VdiId = NewType("VdiId", str)
"""UUID of a virtual disk image."""

CBT_GRANULARITY: Final = 64 * KIB
"""Bytes one bit of a changed-block bitmap stands for."""


class Capability(StrEnum):
    """What a driver can do: xapi's vocabulary, whole."""

    SR_CREATE = "SR_CREATE"
    SR_DELETE = "SR_DELETE"
    SR_ATTACH = "SR_ATTACH"
    SR_DETACH = "SR_DETACH"
    SR_SCAN = "SR_SCAN"
    SR_PROBE = "SR_PROBE"
    SR_UPDATE = "SR_UPDATE"
    SR_SUPPORTS_LOCAL_CACHING = "SR_SUPPORTS_LOCAL_CACHING"
    SR_METADATA = "SR_METADATA"
    SR_TRIM = "SR_TRIM"
    SR_MULTIPATH = "SR_MULTIPATH"
    SR_CACHING = "SR_CACHING"
    SR_STATS = "SR_STATS"
    VDI_CREATE = "VDI_CREATE"
    VDI_DELETE = "VDI_DELETE"
    VDI_ATTACH = "VDI_ATTACH"
    VDI_DETACH = "VDI_DETACH"
    VDI_MIRROR = "VDI_MIRROR"
    VDI_MIRROR_IN = "VDI_MIRROR_IN"
    VDI_RESIZE = "VDI_RESIZE"
    VDI_RESIZE_ONLINE = "VDI_RESIZE_ONLINE"
    VDI_CLONE = "VDI_CLONE"
    VDI_SNAPSHOT = "VDI_SNAPSHOT"
    VDI_ACTIVATE = "VDI_ACTIVATE"
    VDI_ACTIVATE_READONLY = "VDI_ACTIVATE_READONLY"
    VDI_DEACTIVATE = "VDI_DEACTIVATE"
    VDI_UPDATE = "VDI_UPDATE"
    VDI_INTRODUCE = "VDI_INTRODUCE"
    VDI_GENERATE_CONFIG = "VDI_GENERATE_CONFIG"
    VDI_ATTACH_OFFLINE = "VDI_ATTACH_OFFLINE"
    VDI_RESET_ON_BOOT = "VDI_RESET_ON_BOOT"
    VDI_CONFIG_CBT = "VDI_CONFIG_CBT"
    VDI_COMPOSE = "VDI_COMPOSE"
    LARGE_VDI = "LARGE_VDI"
    THIN_PROVISIONING = "THIN_PROVISIONING"
    VDI_READ_CACHING = "VDI_READ_CACHING"
    VDI_REVERT = "VDI_REVERT"


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """A key of device-config that a driver takes."""

    name: str
    description: str
    required: bool = False
    secret: bool = False
    """Its value is never logged nor shown."""


@dataclass(frozen=True, slots=True)
class DriverInfo:
    """A type of SR: the SM record."""

    type: str
    """Lower case: `nfs`, `lvmoiscsi`."""
    name: str
    description: str
    vendor: str
    copyright: str
    version: str
    required_api_version: str
    capabilities: Mapping[Capability, int]
    """With the version of each, 1 by default."""
    configuration: tuple[ConfigKey, ...] = ()
    image_formats: tuple[str, ...] = ()
    filename: str = ""
    """Path of a foreign plugin; empty for drivers of ours."""
    required_cluster_stack: tuple[str, ...] = ()
    """Cluster stacks of which one must run."""

    def can(self, capability: Capability, version: int = 1) -> bool:
        """Is it declared, in that version or a newer one?"""
        return self.capabilities.get(capability, 0) >= version


class VdiType(StrEnum):
    """What a VDI is for."""

    SYSTEM = auto()
    USER = auto()
    EPHEMERAL = auto()
    SUSPEND = auto()
    CRASHDUMP = auto()
    HA_STATEFILE = auto()
    METADATA = auto()
    REDO_LOG = auto()
    RRD = auto()
    PVS_CACHE = auto()
    CBT_METADATA = auto()
    """Its data is destroyed; what changed since is still known."""


class OnBoot(StrEnum):
    """What a start of the VM does to the VDI."""

    PERSIST = auto()
    RESET = auto()


class AttachMode(StrEnum):
    """How a datapath uses a VDI."""

    RO = auto()
    RW = auto()


class Health(StrEnum):
    """The state of an SR as its driver sees it."""

    HEALTHY = auto()
    RECOVERING = auto()
    UNREACHABLE = auto()
    UNAVAILABLE = auto()


@dataclass(frozen=True, slots=True)
class SrSpec:
    """An SR on this host: its record and this host's PBD."""

    id: SrId
    type: str
    device_config: Mapping[str, str]
    name: str = ""
    description: str = ""
    content_type: str = ""
    shared: bool = False
    sm_config: Mapping[str, str] = field(default_factory=dict)
    other_config: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    """Wanted at creation, 0: all there is."""


@dataclass(frozen=True, slots=True)
class LunPaths:
    """The ways to a LUN of which several are used at once."""

    scsi_id: str
    current: int
    """How many work."""
    maximum: int
    """How many there are."""

    @property
    def degraded(self) -> bool:
        """Do some of them not work?"""
        return self.current < self.maximum


@dataclass(frozen=True, slots=True)
class SrStat:
    """Space and health of an attached SR."""

    physical_size: int
    physical_utilisation: int
    virtual_allocation: int
    """Sum of the virtual sizes of its VDIs."""
    health: Health = Health.HEALTHY
    problem: str = ""
    """What is wrong, for an operator; empty: nothing."""
    paths: tuple[LunPaths, ...] = ()
    """Of its LUNs, where multipathing is on."""
    iscsi_sessions: int = 0
    """How many there are to its target, where multipathing is on."""


@dataclass(frozen=True, slots=True)
class Vdi:
    """A VDI as its driver finds it on the SR."""

    id: VdiId
    location: str
    virtual_size: int
    physical_utilisation: int = 0
    name: str = ""
    description: str = ""
    type: VdiType = VdiType.USER
    format: str = "raw"
    """raw, qcow2, vhd, lv, or a word of a foreign driver."""
    read_only: bool = False
    sharable: bool = False
    managed: bool = True
    """False: a base copy, which only its descendants use."""
    is_a_snapshot: bool = False
    snapshot_of: VdiId | None = None
    snapshot_time: float | None = None
    """Seconds since the epoch."""
    parent: VdiId | None = None
    on_boot: OnBoot = OnBoot.PERSIST
    cbt_enabled: bool = False
    sm_config: Mapping[str, str] = field(default_factory=dict)
    depth: int = 0
    """Images below it in its chain."""
    problem: str = ""
    """Why it cannot be used (`corrupt header`); empty: nothing wrong. Such a VDI is shown and never forgotten."""


@dataclass(frozen=True, slots=True)
class NewVdi:
    """A VDI to be made. `id` is chosen by the caller, so that making it can be repeated."""

    id: VdiId
    virtual_size: int
    name: str = ""
    description: str = ""
    type: VdiType = VdiType.USER
    sharable: bool = False
    read_only: bool = False
    sm_config: Mapping[str, str] = field(default_factory=dict)
    """`type`=raw and `image-format` as SM has them."""


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """A snapshot or clone to be made."""

    id: VdiId
    name: str = ""
    description: str = ""
    time: float = 0.0
    """Seconds since the epoch, of a snapshot."""
    driver_params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VdiChange:
    """What to change of a VDI; None: leave it."""

    name: str | None = None
    description: str | None = None
    read_only: bool | None = None
    sharable: bool | None = None
    on_boot: OnBoot | None = None


class BackendKind(StrEnum):
    """How an activated VDI can be reached in dom0."""

    BLOCK = auto()
    """A block device: `path`."""
    FILE = auto()
    """A raw file: `path`."""
    NBD = auto()
    """An NBD export on a unix socket: `path` is the socket, `export` the name."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One way to reach the bytes of an activated VDI."""

    kind: BackendKind
    path: str
    export: str = ""

    def uri(self) -> str:
        """As qemu-img takes it."""
        if self.kind is BackendKind.NBD:
            return f"nbd+unix:///{self.export}?socket={self.path}"
        return self.path


@dataclass(frozen=True, slots=True)
class Connection:
    """A datapath that is activated: what the hypervisor connects the guest to."""

    source: Source
    backends: tuple[Backend, ...]


@dataclass(frozen=True, slots=True)
class ScanReport:
    """What was found on an SR. `vdis` is all there is: whatever is not in it is gone for certain.

    A driver that cannot be certain (mount missing, server silent) raises instead.
    """

    vdis: tuple[Vdi, ...]
    ignored: tuple[str, ...] = ()
    """Files and volumes that are no VDIs, with why: `notes.txt: not an image`. Bounded."""


@dataclass(frozen=True, slots=True)
class ProbeEntry:
    """One thing a probe found: a complete device-config, or the next choice to make."""

    configuration: Mapping[str, str]
    complete: bool
    sr: SrId | None = None
    name: str = ""
    description: str = ""
    size: int = 0
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What a probe found. A staged probe is incomplete: `missing` names the key to choose next."""

    entries: tuple[ProbeEntry, ...]
    document: str = ""
    """The same as XenServer's XML document."""
    code: int = 0
    """What XenServer fails with at this stage (90, 96, 101, 107); 0: the probe is complete."""
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Bitmap:
    """Changed blocks: bit 0 of byte 0 (least significant first) is the first block."""

    bits: bytes
    size: int
    """Bytes of disk it covers."""
    granularity: int = CBT_GRANULARITY


@dataclass(frozen=True, slots=True)
class Chore:
    """Something that makes an SR smaller or its chains shorter, and can be done while VMs run."""

    id: str
    """The same chore has the same id each time it is proposed."""
    kind: str
    """delete, coalesce."""
    text: str
    """For humans: `merging 5f3a… into its parent`."""
    reads: int = 0
    """Bytes to copy, about."""
    needs: int = 0
    """Bytes of free space it takes meanwhile."""
    vdi: VdiId | None = None
    """The VDI that profits."""


@dataclass(frozen=True, slots=True)
class NbdExport:
    """A VDI served to a backup tool: the record of VDI.get_nbd_info, per address."""

    vdi: VdiId
    exportname: str
    port: int
    cert: str
    """PEM; empty without TLS."""
    bitmap: str = ""
    """Meta context with the changed blocks, `qemu:dirty-bitmap:NAME`; empty: none."""
