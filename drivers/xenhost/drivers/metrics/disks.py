"""Reads and writes of VBDs, and of the SRs they are in.

A VBD is served by blkback, from a block device: a disk, a logical volume, a loop device over an image, an NBD device of
an image server. What that device counts is what the guest did, with the time it took, in one file. Where several VBDs
read one device, each one's requests and bytes are what blkback counts for it, and of the time it gets its share. What
an emulator does itself (drives of an HVM guest before it has drivers, CD images) goes through no block device, and is
not counted.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from xenhost.core.metrics import HOST, Owner, Reading, Source
from xenhost.core.ports.metrics import MeteredDisk, MeteredVm
from xenhost.drivers.metrics import blocks, catalog
from xenhost.drivers.metrics.blocks import Growth, Stat, Totals
from xenhost.drivers.metrics.kept_files import Files
from xenhost.drivers.metrics.shapes import Shapes

_BACKENDS: Final = "/sys/bus/xen-backend/devices/vbd-"
_NUMBER: Final = re.compile(rb"([0-9a-f]{1,8}):([0-9a-f]{1,8})\n?")
_SHORT: Final = 8
"""Characters of an SR's UUID in the names of its sources."""
_SMALL: Final = 64


class _Device:
    """A block device in use."""

    __slots__ = ("done", "last", "path", "sr", "tick", "users")

    def __init__(self, path: str) -> None:
        self.path: Final = path
        self.sr = ""
        """The beginning of its SR's UUID; empty: of none, or of one that is not known yet."""
        self.last: Stat | None = None
        self.done: Growth | None = None
        """In the last interval; None: not known."""
        self.tick = 0
        self.users = 0
        """VBDs that it serves."""


class _Disk:
    """A VBD that has a block device, or had."""

    __slots__ = ("device", "number", "own", "path", "totals")

    def __init__(self, domid: int, devid: int) -> None:
        self.path: Final = f"{_BACKENDS}{domid}-{devid}"
        self.number: bytes | None = None
        """As blkback tells it: "7:0"."""
        self.device: _Device | None = None
        self.totals = Totals()
        self.own: Stat | None = None
        """What blkback counted for it, where it shares its device."""


class DiskMeter:
    """vbd_* of VMs; read_*, write_* and so on of SRs, which are sources of the host."""

    name: Final = "disks"

    def __init__(self, files: Files) -> None:
        self._files: Final = files
        self._shapes: Final = Shapes()
        self._disks: dict[tuple[int, int], _Disk] = {}
        self._devices: dict[bytes, _Device] = {}
        self._srs: dict[str, Totals] = {}
        self._at: float | None = None
        self._tick = 0

    def read(self, now: float, vms: Sequence[MeteredVm]) -> Sequence[Reading]:
        """Two files for each VBD: which device it has, and what that counted."""
        seconds = 0.0 if self._at is None else now - self._at
        self._at = now
        self._tick += 1
        found = self._find(vms)
        readings = []
        for vm, disks in found:
            values: list[float] = []
            for _, disk in disks:
                values += self._figures(disk, seconds)
            owner, names = self._shapes.vm(vm.uuid), tuple(name for name, _ in disks)
            readings.append(Reading(now, self._sources(owner, names), tuple(values)))
        self._shapes.keep({vm.uuid for vm in vms})
        return [*self._host(now, seconds), *readings]

    # Which there are

    def _find(self, vms: Sequence[MeteredVm]) -> list[tuple[MeteredVm, list[tuple[str, _Disk]]]]:
        """VMs that have VBDs on block devices, and these; the devices are read, each once."""
        before, self._disks = self._disks, {}
        found = []
        for vm in vms:
            disks = []
            for each in vm.disks:
                disk = self._look(vm.domid, each, before.get((vm.domid, each.devid)))
                if disk is not None:
                    self._disks[vm.domid, each.devid] = disk
                    disks.append((each.device, disk))
            if disks:
                found.append((vm, disks))
        for key in before.keys() - self._disks.keys():
            self._files.drop(f"{before[key].path}/physical_device")
        for number in [number for number, device in self._devices.items() if device.tick != self._tick]:
            self._files.drop(self._devices.pop(number).path)
        return found

    def _look(self, domid: int, each: MeteredDisk, disk: _Disk | None) -> _Disk | None:
        made = disk or _Disk(domid, each.devid)
        number = self._files.read(f"{made.path}/physical_device", _SMALL)
        if number is None and disk is None:
            return None  # an empty drive, or one of an emulator's
        if number != made.number:
            made.number, made.own = number, None
        made.device = None if number is None else self._device(number, each.sr[:_SHORT])
        return made

    def _device(self, number: bytes, sr: str) -> _Device | None:
        device = self._devices.get(number)
        if device is None:
            match = _NUMBER.fullmatch(number)
            if match is None:
                return None
            major, minor = (int(part, 16) for part in match.groups())
            device = self._devices[number] = _Device(f"/sys/dev/block/{major}:{minor}/stat")
        if device.tick != self._tick:
            device.tick, device.users = self._tick, 0
            before, seen = device.last, blocks.parse_stat(self._files.read(device.path) or b"")
            device.done = None if before is None or seen is None else blocks.growth(before, *seen)
            device.last = None if seen is None else seen[0]
            device.sr = ""
        device.sr = device.sr or sr
        device.users += 1
        return device

    # What they did

    def _figures(self, disk: _Disk, seconds: float) -> tuple[float, ...]:
        device = disk.device
        done = None if device is None else device.done
        if device is not None and device.users > 1:
            before, disk.own = disk.own, self._own(disk)
            if done is not None and before is not None and disk.own is not None:
                done = blocks.share(done, blocks.growth(before, disk.own, 0).done)
            else:
                done = None
        else:
            disk.own = None
        if done is None:
            return blocks.unknown(disk.totals)
        disk.totals = disk.totals.plus(done.done)
        return blocks.figures(done, disk.totals, seconds)

    def _own(self, disk: _Disk) -> Stat | None:
        """What blkback counted for that VBD alone."""
        texts = [
            self._files.read(f"{disk.path}/statistics/{name}", _SMALL)
            for name in ("rd_req", "rd_sect", "wr_req", "wr_sect")
        ]
        try:
            reads, sectors_read, writes, sectors_written = (int(text or b"") for text in texts)
        except ValueError:
            return None
        return Stat(reads, sectors_read, 0, writes, sectors_written, 0, 0)

    def _host(self, now: float, seconds: float) -> list[Reading]:
        """The SRs that have VBDs here."""
        by_sr: dict[str, list[Growth]] = {}
        for device in self._devices.values():
            if device.sr:
                done = by_sr.setdefault(device.sr, [])
                if device.done is not None:
                    done.append(device.done)
        if not by_sr:
            self._srs = {}
            return []
        values: list[float] = []
        totals = {}
        for sr in sorted(by_sr):
            totals[sr] = self._srs.get(sr, Totals())
            if by_sr[sr]:
                together = blocks.summed(by_sr[sr])
                totals[sr] = totals[sr].plus(together.done)
                values += blocks.figures(together, totals[sr], seconds)
            else:
                values += blocks.unknown(totals[sr])
        self._srs = totals
        names = tuple(totals)
        return [Reading(now, self._shapes.of(HOST, names, lambda: _sr_sources(names)), tuple(values))]

    def _sources(self, owner: Owner, names: tuple[str, ...]) -> tuple[Source, ...]:
        return self._shapes.of(owner, names, lambda: _vm_sources(owner, names))


def _vm_sources(owner: Owner, names: Sequence[str]) -> Iterator[Source]:
    for name in names:
        yield from (kind.source(owner, name) for kind in catalog.VBD)


def _sr_sources(names: Sequence[str]) -> Iterator[Source]:
    for name in names:
        yield from (kind.source(HOST, name) for kind in catalog.SR_IO)
