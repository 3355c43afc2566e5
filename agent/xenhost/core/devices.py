"""Virtual block devices and network interfaces: as wanted, and as observed."""

from dataclasses import dataclass
from enum import StrEnum, auto

from xenhost.core.errors import InvalidValue
from xenhost.core.ids import MAX_VIFS, DevId, device_name, parse_mac


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
    """The medium of a VBD. `path` is absolute, and empty for an empty drive."""

    kind: SourceKind
    path: str = ""


@dataclass(frozen=True, slots=True)
class Vbd:
    """A virtual block device."""

    devid: DevId
    source: Source
    mode: VbdMode = VbdMode.RW
    type: VbdType = VbdType.DISK

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


def checked_vbd(vbd: Vbd) -> Vbd:
    """The same VBD, proven consistent. Raises InvalidValue that names the field."""
    path = vbd.source.path
    if vbd.source.kind is SourceKind.EMPTY:
        if vbd.type is not VbdType.CD:
            raise InvalidValue(
                "a disk needs a source; only a CD drive may be empty",
                field="vbd.source",
                value="empty",
            )
        if path:
            raise InvalidValue("an empty drive has no path", field="vbd.source.path", value=path[:100])
    elif not path.startswith("/") or len(path) > 1024 or not path.isprintable():
        raise InvalidValue(
            f"{path!r:.100} is not an absolute path in dom0",
            field="vbd.source.path",
            value=path[:100],
        )
    if vbd.type is VbdType.CD and vbd.mode is not VbdMode.RO:
        raise InvalidValue("a CD drive is read-only; set its mode to ro", field="vbd.mode", value=vbd.mode)
    return vbd


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
