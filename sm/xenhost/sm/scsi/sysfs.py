"""Block devices as sysfs shows them. What a disk says of itself (vendor, serial number, pages) is untrusted."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xenhost.sm.scsi import vpd

SYS: Final = Path("/sys")
_SKIPPED: Final = re.compile(r"(loop|ram|zram|nbd|dm-|md|sr|fd|rbd)\d*")
_ADDRESS: Final = re.compile(r"(\d{1,9}):(\d{1,9}):(\d{1,9}):(\d{1,20})")
_SECTOR: Final = 512


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of this host: whole, not a partition."""

    name: str
    """As the kernel calls it: `sda`. Another one after the next boot."""
    size: int
    scsi_id: str = ""
    """What udev's scsi_id says: `3600…`; stable. Empty: it has none."""
    serial: str = ""
    vendor: str = ""
    model: str = ""
    address: tuple[int, int, int, int] | None = None
    """Host adapter, channel, target, LUN."""
    adapter: str = ""
    """Driver of its host adapter: `iscsi_tcp`, `lpfc`."""
    target: str = ""
    """IQN of the iSCSI session it comes through."""
    removable: bool = False
    read_only: bool = False

    @property
    def path(self) -> str:
        """Its device."""
        return f"/dev/{self.name}"

    @property
    def lun(self) -> int:
        """Its LUN; 0 if it is no SCSI disk."""
        return self.address[3] if self.address else 0


def disks(sys: Path = SYS) -> tuple[Disk, ...]:
    """All disks with a medium; blocks (briefly: sysfs). A disk that goes meanwhile is left out."""
    found = []
    try:
        names = sorted(os.listdir(sys / "block"))
    except OSError:
        return ()
    for name in names:
        if not _SKIPPED.match(name):
            disk = _disk(sys, name)
            if disk is not None and disk.size:
                found.append(disk)
    return tuple(found)


def by_scsi_id(scsi_id: str, sys: Path = SYS) -> tuple[Disk, ...]:
    """The disks (paths) with that id."""
    return tuple(disk for disk in disks(sys) if scsi_id and disk.scsi_id == scsi_id)


def holders(name: str, sys: Path = SYS) -> tuple[str, ...]:
    """What is stacked on a disk: device-mapper, RAID."""
    try:
        return tuple(sorted(os.listdir(sys / "block" / name / "holders")))
    except OSError:
        return ()


def partitions(name: str, sys: Path = SYS) -> tuple[str, ...]:
    """Its partitions."""
    try:
        below = sorted(os.listdir(sys / "block" / name))
    except OSError:
        return ()
    return tuple(
        each for each in below if each.startswith(name) and (sys / "block" / name / each / "partition").exists()
    )


def _disk(sys: Path, name: str) -> Disk | None:
    block = sys / "block" / name
    size = _text(block / "size")
    if not (size.isascii() and size.isdigit()):
        return None
    device = block / "device"
    try:
        real = device.resolve()
        match = _ADDRESS.fullmatch(real.name)
    except OSError:
        return None
    address = (int(match[1]), int(match[2]), int(match[3]), int(match[4])) if match else None
    identification = _bytes(device / "vpd_pg83")
    host = sys / "class" / "scsi_host" / f"host{address[0]}" / "proc_name" if address else None
    return Disk(
        name=name,
        size=int(size) * _SECTOR,
        scsi_id=vpd.scsi_id(identification),
        serial=vpd.serial(_bytes(device / "vpd_pg80")) or vpd.clean(_text(block / "serial")),
        vendor=vpd.clean(_text(device / "vendor")),
        model=vpd.clean(_text(device / "model")),
        address=address,
        adapter=vpd.clean(_text(host)) if host else "",
        target=_target(sys, real),
        removable=_text(block / "removable") == "1",
        read_only=_text(block / "ro") == "1",
    )


def _target(sys: Path, device: Path) -> str:
    for part in device.parts:
        if re.fullmatch(r"session\d+", part):
            return vpd.clean(_text(sys / "class" / "iscsi_session" / part / "targetname"))
    return ""


def _text(path: Path) -> str:
    return _bytes(path).decode(errors="replace").strip()


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError:
        return b""
