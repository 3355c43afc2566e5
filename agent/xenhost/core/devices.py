"""Virtual block devices and network interfaces: as wanted, and as observed."""

from dataclasses import dataclass, replace
from enum import StrEnum, auto
from typing import Final

from xenhost.core.errors import InvalidValue
from xenhost.core.ids import MAX_VIFS, DevId, device_name, is_uuid, parse_mac

MAX_LIMIT: Final = 10**15
"""The most that a limit may be: QEMU's THROTTLE_VALUE_MAX."""


class SourceKind(StrEnum):
    """What backs a VBD."""

    EMPTY = auto()
    """No medium: a CD drive only."""
    BLOCK = auto()
    """A block device of dom0."""
    FILE = auto()
    """A raw file in dom0, reached through a loop device."""
    VDI = auto()
    """A virtual disk image: `path` is its UUID. Storage turns it into one of the others before it is plugged."""
    NBD = auto()
    """An NBD export on a unix socket, as a URI: only the simulated hypervisor takes it as it is."""


class VbdMode(StrEnum):
    """May the guest write?"""

    RO = auto()
    RW = auto()


class VbdType(StrEnum):
    """What the guest sees."""

    DISK = auto()
    CD = auto()


@dataclass(frozen=True, slots=True)
class Source:
    """The medium of a VBD. `path` is absolute, the UUID of a VDI, or empty for an empty drive."""

    kind: SourceKind
    path: str = ""
    shared: bool = False
    """Several guests may write to it: whoever connects them (storage, for a sharable VDI) answers for that."""


@dataclass(frozen=True, slots=True)
class IoLimits:
    """Most that a VBD may do; 0: no limit."""

    iops: int = 0
    bytes_per_second: int = 0

    def __bool__(self) -> bool:
        return bool(self.iops or self.bytes_per_second)


@dataclass(frozen=True, slots=True)
class Vbd:
    """A virtual block device."""

    devid: DevId
    source: Source
    mode: VbdMode = VbdMode.RW
    type: VbdType = VbdType.DISK
    limits: IoLimits = IoLimits()
    """Kept by the datapath of a VDI: what is behind any other source has none."""

    @property
    def device(self) -> str:
        """Its name in the guest: xvda, hdc."""
        return device_name(self.devid)


@dataclass(frozen=True, slots=True)
class Vif:
    """A virtual network interface."""

    devid: DevId
    mac: str
    bridge: str
    mtu: int = 1500
    rate_kbps: int = 0
    """Kilobytes (1024 bytes) a second that the guest may send, 0 for no limit. XenAPI's `kbps` unit."""


class DeviceState(StrEnum):
    """A device as observed. The words of XenbusState that matter to an owner."""

    DETACHED = auto()
    ATTACHING = auto()
    """The backend is ready; the guest has not connected its frontend (yet)."""
    ATTACHED = auto()
    DETACHING = auto()


class DeviceClass(StrEnum):
    """Xen's device classes."""

    VBD = auto()
    VIF = auto()


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """One plugged device, from the driver's own records and the backend's state."""

    cls: DeviceClass
    devid: DevId
    state: DeviceState
    source: Source | None = None
    """The medium in the drive now (VBD only)."""


def normal_source(source: Source) -> Source:
    """The same source, the UUID of a VDI as we write it."""
    return Source(source.kind, source.path.strip().lower()) if source.kind is SourceKind.VDI else source


def checked_vbd(vbd: Vbd) -> Vbd:
    """The same VBD, proven consistent, the UUID of a VDI normalised. Raises InvalidValue that names the field."""
    vbd = replace(vbd, source=normal_source(vbd.source))
    _check_source(vbd)
    if vbd.type is VbdType.CD and vbd.mode is not VbdMode.RO:
        raise InvalidValue("a CD drive is read-only; set its mode to ro", field="vbd.mode", value=vbd.mode)
    _check_limits(vbd)
    return vbd


def _check_source(vbd: Vbd) -> None:
    path = vbd.source.path
    match vbd.source.kind:
        case SourceKind.EMPTY:
            if vbd.type is not VbdType.CD:
                raise InvalidValue(
                    "a disk needs a source; only a CD drive may be empty",
                    field="vbd.source",
                    value="empty",
                )
            if path:
                raise InvalidValue("an empty drive has no path", field="vbd.source.path", value=path[:100])
        case SourceKind.VDI:
            if not is_uuid(path):
                raise InvalidValue(
                    f"{path!r:.100} is not the UUID of a VDI; write it as 8-4-4-4-12 hexadecimal digits",
                    field="vbd.source.path",
                    value=path[:100],
                )
        case SourceKind.NBD:
            raise InvalidValue(
                "an NBD export cannot back a VBD; use a VDI, a block device or a raw file",
                field="vbd.source",
                value="nbd",
            )
        case SourceKind.BLOCK | SourceKind.FILE:
            if not path.startswith("/") or len(path) > 1024 or not path.isprintable():
                raise InvalidValue(
                    f"{path!r:.100} is not an absolute path in dom0",
                    field="vbd.source.path",
                    value=path[:100],
                )


def _check_limits(vbd: Vbd) -> None:
    limits = vbd.limits
    for name, value in (("iops", limits.iops), ("bytes_per_second", limits.bytes_per_second)):
        if not 0 <= value <= MAX_LIMIT:
            raise InvalidValue(
                f"the limit {name} is {value}; it must be 0 (no limit) to {MAX_LIMIT}",
                field=f"vbd.limits.{name}",
                value=str(value),
            )
    if limits and vbd.source.kind not in (SourceKind.VDI, SourceKind.EMPTY):
        raise InvalidValue(
            f"{vbd.device} cannot be limited: only a VDI has a datapath that can hold a guest back; put the disk into a"
            " storage repository, or leave the limits out",
            field="vbd.limits",
            value=f"{limits.iops}, {limits.bytes_per_second}",
        )


def checked_vif(vif: Vif) -> Vif:
    """The same VIF, proven consistent, its MAC normalised. Raises InvalidValue that names the field."""
    name = vif.bridge
    if not 0 < len(name) < 16 or not name.isascii() or not name.isprintable() or set(name) & set("/: "):
        raise InvalidValue(f"{name!r:.40} is not the name of a bridge", field="vif.bridge", value=name[:40])
    if not 68 <= vif.mtu <= 65535:
        raise InvalidValue(f"mtu is {vif.mtu}; it must be 68 to 65535", field="vif.mtu", value=str(vif.mtu))
    if not 0 <= vif.rate_kbps <= 100_000_000:
        raise InvalidValue(
            f"rate is {vif.rate_kbps} KiB/s; it must be 0 (no limit) to 100000000",
            field="vif.rate_kbps",
            value=str(vif.rate_kbps),
        )
    if not 0 <= vif.devid < MAX_VIFS:
        raise InvalidValue(
            f"VIF index is {vif.devid}; it must be 0 to {MAX_VIFS - 1}",
            field="vif.index",
            value=str(vif.devid),
        )
    return Vif(vif.devid, parse_mac(vif.mac), name, vif.mtu, vif.rate_kbps)
