"""What a guest gets out of its disk: our datapaths against what `xl` does by default with the same kind of image."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from bench.contest import Contest
from bench.stats import Row, Sample, table
from bench.toolstack import CONSOLE_LOGS, Guest, Toolstack, run, wait_guest_up

SIZE = 256 << 20
DEVICE, SECOND = "xvdb", "xvdc"
CHAIN = 30
"""Images in the deep chain."""
AIMS = {"xl": 1.0}
SAFE = "xl, direct-io-safe"
"""Its default keeps images in dom0's page cache, ours never do; told so, it does as we do. On an LV both do."""
_WRITING = "(for at in 0 8 16 24 32 40 48 56; do dd if=/data of=/dev/{} bs=1M seek=$at oflag=direct || exit 1; done)"
PIECES = {
    "write 64 MiB, new": _WRITING,
    "write 64 MiB": _WRITING,
    "read 64 MiB": "dd if=/dev/{} of=/dev/null bs=1M count=64 iflag=direct",
    "400 reads of 4 KiB": "dd if=/dev/{} of=/dev/null bs=4k count=400 iflag=direct",
    "400 writes of 4 KiB": "dd if=/data of=/dev/{} bs=4k count=400 oflag=direct",
}
PATIENCE = 2.0
FIRST_ONLY = "write 64 MiB, new"


@dataclass(frozen=True, slots=True)
class _Disk:
    """One kind of disk, for us and for the peer."""

    kind: str
    vdi: str
    path: str
    format: str
    safe_path: str = ""
    """Another one, for direct-io-safe."""


@dataclass(frozen=True, slots=True)
class _Lane:
    """A disk in a guest that runs, and who plugged it."""

    name: str
    toolstack: Toolstack
    guest: Guest
    device: str


async def throughput(ring: Contest) -> list[Row]:
    """Reads and writes in a running PV guest, on a raw file, a qcow2 image and a logical volume."""
    guests = await _guests(ring)
    ours = _Lane(ring.ours.name, ring.ours, guests[ring.ours], DEVICE)
    theirs = _Lane("xl", ring.compiled, guests[ring.compiled], DEVICE)
    safe = _Lane(SAFE, ring.compiled, guests[ring.compiled], SECOND)
    rows: list[Row] = []
    for disk in await _disks(ring):
        lanes = [ours, theirs, *([safe] if disk.safe_path else [])]
        for lane in lanes:
            await _plug(ring, lane, disk)
            await _shell(lane.guest, f"while [ ! -e /dev/{lane.device} ]; do usleep 20000; done")
        for piece, command in PIECES.items():
            samples: dict[str, list[Sample]] = {lane.name: [] for lane in lanes}
            for _ in range(1 if piece == FIRST_ONLY else ring.rounds):
                for lane in lanes:
                    sample = await ring.meter.measure(_in(lane.guest, command.format(lane.device)), PATIENCE)
                    samples[lane.name].append(sample)
            rows.append(Row(f"{disk.kind}: {piece}", samples, AIMS))
            print(table(rows[-1:]).partition("\n")[2], flush=True)
        for lane in lanes:
            await lane.toolstack.unplug_disk(lane.guest, lane.device)
    for toolstack, guest in guests.items():
        await toolstack.destroy(guest)
    return rows


async def deep_chain(ring: Contest) -> list[Row]:
    """Plug a disk that is a chain of 30 qcow2 images."""
    guests = await _guests(ring)
    folder = ring.work / "chain"
    folder.mkdir()
    sr = await ring.ours.storage.create_sr("file", location=str(folder))
    vdi = await ring.ours.storage.create_vdi(sr, SIZE)
    ours = guests[ring.ours]
    await ring.ours.plug_vdi(ours, DEVICE, vdi)
    for _ in range(CHAIN - 1):
        await ring.ours.storage.snapshot_vdi(vdi)
    await ring.ours.unplug_disk(ours, DEVICE)
    leaf = await _qcow2_chain(ring.work)
    disk = _Disk("chain", vdi, leaf, "qcow2")
    lanes = [
        _Lane(ring.ours.name, ring.ours, guests[ring.ours], DEVICE),
        _Lane("xl", ring.compiled, guests[ring.compiled], DEVICE),
    ]
    samples: dict[str, list[Sample]] = {lane.name: [] for lane in lanes}
    for _ in range(ring.rounds):
        for lane in lanes:
            samples[lane.name].append(await ring.meter.measure(_plugging(ring, lane, disk)))
            await lane.toolstack.unplug_disk(lane.guest, DEVICE)
    for toolstack, guest in guests.items():
        await toolstack.destroy(guest)
    return [Row(f"plug a chain of {CHAIN} qcow2 images", samples, AIMS)]


async def _guests(ring: Contest) -> dict[Toolstack, Guest]:
    """One running guest for us, and one for xl; with a compiled hotplug program, as that is not what is measured."""
    guests: dict[Toolstack, Guest] = {}
    for toolstack in (ring.ours, ring.compiled):
        guest = await ring.guest(toolstack, 20, "pv")
        guests[toolstack] = guest
        await toolstack.start(guest)
        await wait_guest_up(guest.name)
        # What is written is no zeros: those need not be stored.
        await _shell(guest, "tr '\\0' x < /dev/zero | head -c 8388608 > /data")
    return guests


async def _disks(ring: Contest) -> list[_Disk]:
    """The same thing twice: as VDIs of ours, and as somebody makes them by hand for xl."""
    files, hand = ring.work / "sr", ring.work / "hand"
    files.mkdir()
    hand.mkdir()
    storage = ring.ours.storage
    sr = await storage.create_sr("file", location=str(files))
    for name in ("disk", "safe"):
        for format in ("raw", "qcow2"):
            await run("qemu-img", "create", "-q", "-f", format, str(hand / f"{name}.{format}"), str(SIZE))
    pools = []
    for name in ("ours", "theirs"):
        backing = ring.work / f"{name}.pv"
        backing.write_bytes(b"")
        os.truncate(backing, 1 << 30)
        pools.append((await run("losetup", "-f", "--show", str(backing))).strip())
    lvm = await storage.create_sr("lvm", device=pools[0])
    await run("vgcreate", "-q", "benchvg", pools[1])
    await run("lvcreate", "-q", "--yes", "--type", "thin-pool", "-L", "600m", "-c", "64k", "-n", "pool", "benchvg")
    await run("lvcreate", "-q", "--yes", "-V", f"{SIZE}b", "--thinpool", "pool", "-n", "disk", "benchvg")
    raw, image = await storage.create_vdi(sr, SIZE, type="raw"), await storage.create_vdi(sr, SIZE)
    return [
        _Disk("raw file", raw, str(hand / "disk.raw"), "raw", str(hand / "safe.raw")),
        _Disk("qcow2", image, str(hand / "disk.qcow2"), "qcow2", str(hand / "safe.qcow2")),
        _Disk("thin LV", await storage.create_vdi(lvm, SIZE), "/dev/benchvg/disk", "raw"),
    ]


async def _qcow2_chain(work: Path) -> str:
    path = work / "chain0.qcow2"
    await run("qemu-img", "create", "-q", "-f", "qcow2", str(path), str(SIZE))
    for number in range(1, CHAIN):
        new = work / f"chain{number}.qcow2"
        await run("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(path), "-F", "qcow2", str(new))
        path = new
    return str(path)


async def _plug(ring: Contest, lane: _Lane, disk: _Disk) -> None:
    if lane.toolstack is ring.ours:
        await ring.ours.plug_vdi(lane.guest, lane.device, disk.vdi)
    elif disk.path.startswith("/dev/"):
        await ring.compiled.plug_disk(lane.guest, lane.device, disk.path, disk.format)
    elif lane.name == SAFE:
        await ring.stock.plug_disk(lane.guest, lane.device, disk.safe_path, disk.format, "direct-io-safe")
    else:
        await ring.stock.plug_disk(lane.guest, lane.device, disk.path, disk.format)


def _plugging(ring: Contest, lane: _Lane, disk: _Disk) -> Callable[[], Awaitable[None]]:
    return lambda: _plug(ring, lane, disk)


def _in(guest: Guest, command: str) -> Callable[[], Awaitable[None]]:
    return lambda: _shell(guest, command)


async def _shell(guest: Guest, command: str, timeout: float = 300) -> None:
    """Type a command at the guest's console, and return when it has succeeded."""
    domid = (await run("xl", "domid", guest.name)).strip()
    tty = (await run("xenstore-read", f"/local/domain/{domid}/console/tty")).strip()
    log = CONSOLE_LOGS / f"guest-{guest.name}.log"
    seen = log.stat().st_size
    Path(tty).write_bytes(f"{command} 2>/dev/null && echo DI''D || echo FAI''LED\n".encode())
    async with asyncio.timeout(timeout):
        while True:
            with log.open("rb") as file:
                file.seek(seen)
                said = file.read()
            if b"DID" in said:
                return
            assert b"FAILED" not in said, f"{command} failed in {guest.name}: {said!r}"
            await asyncio.sleep(0.005)
