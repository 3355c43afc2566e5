"""Virtual block devices and network interfaces: as wanted, and as observed."""

from dataclasses import dataclass, replace
from enum import StrEnum, auto
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network
from typing import Final, TypeVar

from xenhost.core.errors import InvalidValue
from xenhost.core.ids import MAX_VIFS, DevId, device_name, is_uuid, parse_mac

_T = TypeVar("_T")
_LAST_VLAN: Final = 4094
_MOST_TRUNKS: Final = 4095
_MOST_ALLOWED: Final = 256
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


class VifLocking(StrEnum):
    """VIF.locking_mode: what the guest may send."""

    NETWORK_DEFAULT = auto()
    """As its network says: all or nothing."""
    LOCKED = auto()
    """From its own MAC and the allowed addresses only."""
    UNLOCKED = auto()
    """Anything."""
    DISABLED = auto()
    """Nothing, nor does it receive."""


@dataclass(frozen=True, slots=True)
class GuestIp:
    """What a guest agent shall give the interface (VIF.configure_ipv4, configure_ipv6); no address: its own choice."""

    address: str = ""
    """With the length of its prefix: `10.0.0.5/24`."""
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class Vif:
    """A virtual network interface."""

    devid: DevId
    mac: str
    bridge: str
    mtu: int = 1500
    rate_kbps: int = 0
    """Kilobytes (1024 bytes) a second that the guest may send, 0 for no limit. XenAPI's `kbps` unit."""
    locking: VifLocking = VifLocking.NETWORK_DEFAULT
    ipv4_allowed: tuple[str, ...] = ()
    """Addresses or networks the guest may send from while it is locked: `10.0.0.5`, `10.1.0.0/16`. Sorted."""
    ipv6_allowed: tuple[str, ...] = ()
    receive_kbps: int = 0
    """Kilobytes a second that the guest is sent, 0 for no limit."""
    promiscuous: bool = False
    """It sees all traffic of its bridge."""
    trunks: tuple[int, ...] = ()
    """VLANs that the guest may use with tags of its own. Sorted."""
    carrier: bool = True
    """Does the guest see a link?"""
    ipv4: GuestIp = GuestIp()
    ipv6: GuestIp = GuestIp()
    network: str = ""
    """UUID of the network its bridge stood for when it was plugged; empty: a bridge that is not ours."""
    function: str = ""
    """PCI address of the virtual function (SR-IOV) that the guest gets in place of a card on a bridge; empty: none."""


@dataclass(frozen=True, slots=True)
class VifChange:
    """What to change of a VIF; None: as it is."""

    bridge: str | None = None
    """To another network: while it runs, without the guest noticing more than other neighbours."""
    mtu: int | None = None
    rate_kbps: int | None = None
    locking: VifLocking | None = None
    ipv4_allowed: tuple[str, ...] | None = None
    ipv6_allowed: tuple[str, ...] | None = None
    receive_kbps: int | None = None
    promiscuous: bool | None = None
    trunks: tuple[int, ...] | None = None
    carrier: bool | None = None
    ipv4: GuestIp | None = None
    ipv6: GuestIp | None = None

    def applied(self, vif: Vif) -> Vif:
        """The VIF as it shall be."""
        return replace(
            vif,
            bridge=_or(self.bridge, vif.bridge),
            mtu=_or(self.mtu, vif.mtu),
            rate_kbps=_or(self.rate_kbps, vif.rate_kbps),
            locking=_or(self.locking, vif.locking),
            ipv4_allowed=_or(self.ipv4_allowed, vif.ipv4_allowed),
            ipv6_allowed=_or(self.ipv6_allowed, vif.ipv6_allowed),
            receive_kbps=_or(self.receive_kbps, vif.receive_kbps),
            promiscuous=_or(self.promiscuous, vif.promiscuous),
            trunks=_or(self.trunks, vif.trunks),
            carrier=_or(self.carrier, vif.carrier),
            ipv4=_or(self.ipv4, vif.ipv4),
            ipv6=_or(self.ipv6, vif.ipv6),
        )


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
    function: str = ""
    """PCI address of the virtual function that it is (VIF only)."""


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
    for field, rate in (("rate_kbps", vif.rate_kbps), ("receive_kbps", vif.receive_kbps)):
        if not 0 <= rate <= 100_000_000:
            raise InvalidValue(
                f"{field} is {rate} KiB/s; it must be 0 (no limit) to 100000000", field=f"vif.{field}", value=str(rate)
            )
    if not 0 <= vif.devid < MAX_VIFS:
        raise InvalidValue(
            f"VIF index is {vif.devid}; it must be 0 to {MAX_VIFS - 1}",
            field="vif.index",
            value=str(vif.devid),
        )
    if len(vif.trunks) > _MOST_TRUNKS or not all(0 <= tag <= _LAST_VLAN for tag in vif.trunks):
        raise InvalidValue(
            f"trunks are {vif.trunks!r:.60}; they must be VLAN tags, 0 to {_LAST_VLAN}",
            field="vif.trunks",
            value=f"{vif.trunks!r:.60}",
        )
    return replace(
        vif,
        mac=parse_mac(vif.mac),
        ipv4_allowed=_networks(vif.ipv4_allowed, IPv4Network, "vif.ipv4_allowed"),
        ipv6_allowed=_networks(vif.ipv6_allowed, IPv6Network, "vif.ipv6_allowed"),
        trunks=tuple(sorted(set(vif.trunks))),
        ipv4=_guest_ip(vif.ipv4, IPv4Interface, "vif.ipv4"),
        ipv6=_guest_ip(vif.ipv6, IPv6Interface, "vif.ipv6"),
    )


def _networks(
    untrusted_texts: tuple[str, ...], kind: type[IPv4Network] | type[IPv6Network], field: str
) -> tuple[str, ...]:
    """Addresses and networks in normal form, each once."""
    if len(untrusted_texts) > _MOST_ALLOWED:
        raise InvalidValue(
            f"{field} has {len(untrusted_texts)} entries; {_MOST_ALLOWED} at most; write networks as 10.1.0.0/16",
            field=field,
            value=str(len(untrusted_texts)),
        )
    found = set()
    for untrusted_text in untrusted_texts:
        try:
            found.add(kind(untrusted_text.strip()))
        except ValueError as error:
            raise InvalidValue(
                f"{untrusted_text!r:.60} is not an IP address or network of that kind: {error!s:.100}",
                field=field,
                value=untrusted_text[:60],
            ) from None
    return tuple(str(each.network_address if each.num_addresses == 1 else each) for each in sorted(found))


def _guest_ip(ip: GuestIp, kind: type[IPv4Interface] | type[IPv6Interface], field: str) -> GuestIp:
    try:
        if not ip.address:
            if ip.gateway:
                raise ValueError("a gateway needs an address")
            return ip
        if "/" not in ip.address:
            raise ValueError("the length of its prefix is missing, as in 10.0.0.5/24")
        return GuestIp(str(kind(ip.address.strip())), str(kind(ip.gateway.strip()).ip) if ip.gateway else "")
    except ValueError as error:
        raise InvalidValue(
            f"{ip.address!r:.60} with gateway {ip.gateway!r:.60} cannot be given to a guest: {error!s:.100}",
            field=field,
            value=ip.address[:60],
        ) from None


def _or(new: _T | None, old: _T) -> _T:
    return old if new is None else new
