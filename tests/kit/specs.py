"""VM specifications for tests."""

from uuid import UUID

from xenhost.core.devices import IoLimits, Source, SourceKind, Vbd, VbdMode, VbdType, Vif
from xenhost.core.ids import DevId, VmId, parse_device
from xenhost.core.units import MIB
from xenhost.core.vm import DirectBoot, FirmwareBoot, Memory, VmSpec, VmType


def vm_id(number: int = 1) -> VmId:
    """A different one for each number."""
    return VmId(str(UUID(int=number)))


def disk(name: str = "xvda", path: str = "/dev/vg/disk") -> Vbd:
    """A block device."""
    return Vbd(parse_device(name)[0], Source(SourceKind.BLOCK, path))


def file_disk(name: str = "xvdb", path: str = "/srv/disk.img") -> Vbd:
    """A file, which takes a loop device."""
    return Vbd(parse_device(name)[0], Source(SourceKind.FILE, path))


def vdi_disk(name: str = "xvdb", number: int = 1, iops: int = 0) -> Vbd:
    """A VDI, a different one for each number."""
    source = Source(SourceKind.VDI, str(UUID(int=number)))
    return Vbd(parse_device(name)[0], source, limits=IoLimits(iops))


def cd(name: str = "xvdd", path: str = "") -> Vbd:
    """A CD drive, empty without a path."""
    source = Source(SourceKind.FILE, path) if path else Source(SourceKind.EMPTY)
    return Vbd(parse_device(name)[0], source, VbdMode.RO, VbdType.CD)


def nic(index: int = 0, bridge: str = "xenbr0") -> Vif:
    """A VIF."""
    return Vif(DevId(index), f"00:16:3e:00:00:{index:02x}", bridge)


def spec(
    number: int = 1,
    *,
    name: str = "",
    kind: VmType = VmType.PV,
    vbds: tuple[Vbd, ...] = (),
    vifs: tuple[Vif, ...] = (),
    mib: int = 64,
) -> VmSpec:
    """A small VM."""
    boot = FirmwareBoot() if kind is VmType.HVM else DirectBoot("/boot/kernel")
    memory = Memory(mib * MIB, mib * MIB, mib * MIB)
    return VmSpec(vm_id(number), name or f"vm{number}", kind, boot, memory, vbds=vbds, vifs=vifs)
