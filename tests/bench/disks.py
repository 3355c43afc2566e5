"""What a guest gets out of its disk: our datapaths against what `xl` does by default with the same kind of image."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench.contest import Contest
from bench.meter import Meter
from bench.stats import Row, Sample, table
from bench.toolstack import CONSOLE_LOGS, Guest, Toolstack, run, wait_guest_up

SIZE = 1 << 30
DEVICE, SECOND = "xvdb", "xvdc"
CHAIN = 30
"""Images in the deep chain."""
AIMS = {"xl": 1.0}
SAFE = "xl, direct-io-safe"
"""Its default keeps images in dom0's page cache, ours never do; told so, it does as we do. On an LV both do."""
SAMPLED = 8
"""MiB in the guest's /data; bulk is written in whole ones."""
AREA = 64
"""MiB at the start of a disk that are written before anything is measured. New ones come from behind them."""
SMALL = "dd if={source} of={target} bs=4k count={count} {flag}"


@dataclass(frozen=True, slots=True)
class Piece:
    """Work of one kind. Its amount is what the quickest contestant does in TURN seconds."""

    work: str
    command: Callable[[str, int, int], str]
    """Of a device, an amount and the number of the turn (from 1)."""
    step: int
    """The amount is a multiple of it; so much is done once to find out how much."""
    most: int


TURN = 4.0
PATIENCE = 1.0
POLL = 0.03
"""Seconds between two looks at the console: under emulation looking costs, too."""


def _places(mib: int, first: int) -> str:
    """Where the work goes, in MiB: to an area of the disk, and again."""
    return " ".join(str(first + at % AREA) for at in range(0, mib, SAMPLED))


def _write(device: str, mib: int, first: int) -> str:
    return (
        f"(for at in {_places(mib, first)}; do "
        f"dd if=/data of=/dev/{device} bs=1M count={SAMPLED} seek=$at oflag=direct || exit 1; done)"
    )


def _write_new(device: str, mib: int, turn: int) -> str:
    return _write(device, mib, AREA * (turn + 1))


def _rewrite(device: str, mib: int, turn: int) -> str:
    return _write(device, mib, 0)


def _read(device: str, mib: int, turn: int) -> str:
    return (
        f"(for at in {_places(mib, 0)}; do "
        f"dd if=/dev/{device} of=/dev/null bs=1M count={SAMPLED} skip=$at iflag=direct || exit 1; done)"
    )


def _small_reads(device: str, count: int, turn: int) -> str:
    return SMALL.format(source=f"/dev/{device}", target="/dev/null", count=count, flag="iflag=direct")


def _small_writes(device: str, count: int, turn: int) -> str:
    return SMALL.format(source="/data", target=f"/dev/{device}", count=count, flag="oflag=direct")


PIECES = (
    Piece("write {} MiB, new", _write_new, SAMPLED, AREA),
    Piece("write {} MiB", _rewrite, SAMPLED, 4 * AREA),
    Piece("read {} MiB", _read, SAMPLED, 4 * AREA),
    Piece("{} reads of 4 KiB", _small_reads, 50, AREA << 8),
    Piece("{} writes of 4 KiB", _small_writes, 50, SAMPLED << 8),
)
MOST_TURNS = (SIZE >> 20) // AREA - 2
"""So many turns find new places to write to."""


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


async def throughput(ring: Contest, kind: str) -> list[Row]:
    """Reads and writes in a running PV guest, on a disk of that kind: raw, qcow2, thin."""
    folder = _folder(ring, kind)
    disk = await (_logical_volumes(ring, folder) if kind == "thin" else _images(ring, folder, kind))
    guests = await _guests(ring)
    lanes = [
        _Lane(ring.ours.name, ring.ours, guests[ring.ours], DEVICE),
        _Lane("xl", ring.compiled, guests[ring.compiled], DEVICE),
    ]
    if disk.safe_path:
        lanes.append(_Lane(SAFE, ring.compiled, guests[ring.compiled], SECOND))
    plugged: list[_Lane] = []
    try:
        for lane in lanes:
            await _plug(ring, lane, disk)
            plugged.append(lane)
            await _shell(lane.guest, _appeared(lane))
            print(f"{lane.name}: plugged", flush=True)
            await _shell(lane.guest, _rewrite(lane.device, AREA, 0))
            print(f"{lane.name}: the first {AREA} MiB are written", flush=True)
        return [await _measure(ring, lanes, disk.kind, piece) for piece in PIECES]
    finally:
        for lane in plugged:
            await lane.toolstack.unplug_disk(lane.guest, lane.device)


async def _measure(ring: Contest, lanes: list[_Lane], kind: str, piece: Piece) -> Row:
    """One piece of work, by turns."""
    turns = min(ring.rounds, MOST_TURNS)
    quickest = float("inf")
    for lane in lanes * 2:  # one alone is easily slowed down by what else runs on the host
        probe = piece.command(lane.device, piece.step, turns + 1)
        quickest = min(quickest, (await ring.meter.measure(_in(lane.guest, probe), PATIENCE)).wall)
    amount = min(piece.most, max(1, round(TURN / quickest)) * piece.step)
    samples: dict[str, list[Sample]] = {lane.name: [] for lane in lanes}
    for turn in range(1, turns + 1):
        for lane in lanes:
            command = piece.command(lane.device, amount, turn)
            samples[lane.name].append(await ring.meter.measure(_in(lane.guest, command), PATIENCE))
            print(f"{piece.work.format(amount)}, {lane.name}: {samples[lane.name][-1].wall:.2f} s", flush=True)
    row = Row(f"{kind}: {piece.work.format(amount)}", samples, AIMS)
    print(table([row]).partition("\n")[2], flush=True)
    return row


async def deep_chain(ring: Contest) -> list[Row]:
    """A disk that is a chain of 30 qcow2 images with its data in the lowest one; both have the same files."""
    folder = _folder(ring, "chain")
    sr = await ring.ours.storage.create_sr("file", location=str(folder))
    vdi = await ring.ours.storage.create_vdi(sr, SIZE)
    guests = await _guests(ring)
    lanes = [
        _Lane(ring.ours.name, ring.ours, guests[ring.ours], DEVICE),
        _Lane("xl", ring.compiled, guests[ring.compiled], DEVICE),
    ]
    first = lanes[0]
    await _plug(ring, first, _Disk("chain", vdi, "", "qcow2"))
    await _shell(first.guest, f"{_appeared(first)}; {_rewrite(DEVICE, SAMPLED, 0)}")
    for number in range(1, CHAIN):  # while it is in use: nobody else gets a new image each time
        await ring.ours.storage.snapshot_vdi(vdi)
        if number % 10 == 0:
            print(f"{number} snapshots", flush=True)
    await first.toolstack.unplug_disk(first.guest, DEVICE)
    leaf = folder / json.loads((folder / f"{vdi}.vdi").read_bytes())["image"]
    images = (await run("qemu-img", "info", "--backing-chain", str(leaf))).count("image: ")
    assert images == CHAIN, f"{images} images"
    print(f"a chain of {CHAIN} images is there", flush=True)
    disk = _Disk("chain", vdi, str(leaf), "qcow2")
    plug: dict[str, list[Sample]] = {lane.name: [] for lane in lanes}
    unplug: dict[str, list[Sample]] = {lane.name: [] for lane in lanes}
    reads: dict[str, list[Sample]] = {lane.name: [] for lane in lanes}
    amount = 0
    for _ in range(ring.rounds):
        for lane in lanes:
            plug[lane.name].append(await ring.meter.measure(partial(_first_read, ring, lane, disk), PATIENCE))
            amount = amount or await _small_amount(ring.meter, lane)
            command = _small_reads(DEVICE, amount, 0)
            reads[lane.name].append(await ring.meter.measure(_in(lane.guest, command), PATIENCE))
            leave = partial(lane.toolstack.unplug_disk, lane.guest, DEVICE)
            unplug[lane.name].append(await ring.meter.measure(leave, PATIENCE))
            print(
                f"{lane.name}: {plug[lane.name][-1].wall:.2f} s until the first read, {amount} more "
                f"{reads[lane.name][-1].wall:.2f} s, unplug {unplug[lane.name][-1].wall:.2f} s",
                flush=True,
            )
    return [
        Row(f"chain of {CHAIN}: plug and first read", plug, AIMS),
        Row(f"chain of {CHAIN}: {amount} reads of 4 KiB", reads, AIMS),
        Row(f"chain of {CHAIN}: unplug", unplug, AIMS),
    ]


async def end(ring: Contest) -> None:
    """Destroy the guests of all parts."""
    for toolstack, guest in ring.disk_guests.items():
        await toolstack.destroy(guest)
    ring.disk_guests.clear()


async def _small_amount(meter: Meter, lane: _Lane) -> int:
    """So many reads of 4 KiB take about TURN seconds; at most what has been written."""
    sample = await meter.measure(_in(lane.guest, _small_reads(lane.device, 50, 0)), PATIENCE)
    return min(SAMPLED << 8, max(1, round(TURN / sample.wall)) * 50)


async def _first_read(ring: Contest, lane: _Lane, disk: _Disk) -> None:
    await _plug(ring, lane, disk)
    await _shell(lane.guest, f"{_appeared(lane)}; {_small_reads(lane.device, 1, 0)}")


def _appeared(lane: _Lane) -> str:
    return f"while [ ! -e /dev/{lane.device} ]; do usleep 20000; done"


async def _guests(ring: Contest) -> dict[Toolstack, Guest]:
    """One running guest for us, and one for xl, with a compiled hotplug program, as that is not what is measured.

    They stay from part to part: starting them takes minutes."""
    guests = ring.disk_guests
    for toolstack in (ring.ours, ring.compiled):
        if toolstack in guests:
            continue
        guest = await ring.guest(toolstack, 20, "pv")
        if toolstack is ring.compiled:
            # libxl starts the QEMU that serves qcow2 images only with a domain that has a disk for it.
            image = ring.work / "qdisk.img"
            image.touch()
            os.truncate(image, 1 << 20)
            guest = replace(guest, qdisk=str(image))
        await toolstack.start(guest)
        guests[toolstack] = guest
        await wait_guest_up(guest.name)
        # What is written is no zeros: those need not be stored.
        await _shell(guest, f"tr '\\0' x < /dev/zero | head -c {SAMPLED << 20} > /data")
        print(f"the guest of {toolstack.name} is up", flush=True)
    return guests


def _folder(ring: Contest, kind: str) -> Path:
    """On a disk: what is in a tmpfs cannot be opened past the page cache, and takes dom0's memory."""
    folder = ring.on_disk / kind
    folder.mkdir()
    return folder


async def _images(ring: Contest, folder: Path, format: str) -> _Disk:
    """The same thing three times: as a VDI of ours, and as somebody makes them by hand for xl."""
    ours, hand = folder / "sr", folder / "hand"
    ours.mkdir()
    hand.mkdir()
    # Not qcow2: xl with direct-io-safe did not bring such a disk within 90 s. QEMU wants Linux AIO then, and Debian's
    # QEMU for Xen is not linked with libaio.
    safe = str(hand / "safe") if format == "raw" else ""
    for image in (str(hand / "disk"), *([safe] if safe else [])):
        await run("qemu-img", "create", "-q", "-f", format, image, str(SIZE))
    storage = ring.ours.storage
    sr = await storage.create_sr("file", location=str(ours))
    vdi = await storage.create_vdi(sr, SIZE, **({"type": "raw"} if format == "raw" else {}))
    kind = "raw file" if format == "raw" else format
    return _Disk(kind, vdi, str(hand / "disk"), format, safe)


_GROUP = "benchvg"


async def _logical_volumes(ring: Contest, folder: Path) -> _Disk:
    """Our thin LV, and one that is made by hand, each in a volume group of its own on a disk of the same kind."""
    pools = [await ring.big_disk(folder / f"{name}.pv", 2 << 30) for name in ("ours", "theirs")]
    lvm = await ring.ours.storage.create_sr("lvm", device=pools[0])
    await run("vgcreate", "-q", _GROUP, pools[1])
    await run("lvcreate", "-q", "--yes", "--type", "thin-pool", "-L", "1500m", "-c", "64k", "-n", "pool", _GROUP)
    await run("lvcreate", "-q", "--yes", "-V", f"{SIZE}b", "--thinpool", "pool", "-n", "disk", _GROUP)
    return _Disk("thin LV", await ring.ours.storage.create_vdi(lvm, SIZE), f"/dev/{_GROUP}/disk", "raw")


async def _plug(ring: Contest, lane: _Lane, disk: _Disk) -> None:
    if lane.toolstack is ring.ours:
        await ring.ours.plug_vdi(lane.guest, lane.device, disk.vdi)
    elif disk.path.startswith("/dev/"):
        await ring.compiled.plug_disk(lane.guest, lane.device, disk.path, disk.format)
    elif lane.name == SAFE:
        await ring.stock.plug_disk(lane.guest, lane.device, disk.safe_path, disk.format, "direct-io-safe")
    else:
        await ring.stock.plug_disk(lane.guest, lane.device, disk.path, disk.format)


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
            await asyncio.sleep(POLL)
            if log.stat().st_size <= seen + len(command):
                continue
            with log.open("rb") as file:
                file.seek(seen)
                said = file.read()
            if b"DID" in said:
                return
            assert b"FAILED" not in said, f"{command} failed in {guest.name}: {said!r}"
