"""Dirty bitmaps of image servers: made, removed, and read through an NBD export with block status.

A bitmap that records cannot be exported by itself; a copy that stands still can.
"""

import contextlib
from collections.abc import Iterator
from typing import Final

from xenhost.core.storage import CBT_GRANULARITY, Bitmap
from xenhost.sm.datapath.graph import Options
from xenhost.sm.datapath.image_server import ImageServer
from xenhost.sm.datapath.nbd_client import DIRTY, NbdClient, NbdError
from xenhost.sm.datapath.storage_daemon import StorageDaemon, StorageDaemonError

COPY: Final = "copy"
"""Name of the copy, of its export, and of the export's id."""


def context(bitmap: str) -> str:
    """The meta context of an exported bitmap."""
    return f"qemu:dirty-bitmap:{bitmap}"


async def add(server: ImageServer, name: str) -> None:
    """Begin to record. No-op if it is there."""
    options: Options = {"granularity": CBT_GRANULARITY, "persistent": True, "disabled": False}
    with _fine_if("already exists"):
        await server.run("block-dirty-bitmap-add", {**_on_leaf(server, name), **options})


async def remove(server: ImageServer, name: str) -> None:
    """Forget it. No-op if it is not there."""
    with _fine_if("not found"):
        await server.run("block-dirty-bitmap-remove", _on_leaf(server, name))


async def read_recording(server: ImageServer, name: str) -> Bitmap:
    """What it holds now. Raises StorageDaemonError, NbdError."""
    leaf = server.nodes()[0].image
    await remove_copy(server)
    try:
        options: Options = {"granularity": CBT_GRANULARITY, "persistent": False, "disabled": True}
        await server.run("block-dirty-bitmap-add", {**_on_leaf(server, COPY), **options})
        await server.run("block-dirty-bitmap-merge", {"node": leaf, "target": COPY, "bitmaps": [name]})
        await server.run("block-export-add", export_options(COPY, leaf, COPY, COPY))
        return await read(server.backends()[0].path, COPY, COPY)
    finally:
        await remove_copy(server)


async def remove_copy(server: ImageServer) -> None:
    """Remove what a read left, of an earlier agent, too."""
    await server.end_export(COPY)
    await remove(server, COPY)


async def read_stored(daemon: StorageDaemon, image: Options, name: str) -> Bitmap:
    """What an image holds; the daemon has nothing else to do. Raises StorageDaemonError, NbdError."""
    await daemon.start()
    try:
        await daemon.run("blockdev-add", image)
        address = {"type": "unix", "data": {"path": str(daemon.nbd_socket)}}
        await daemon.run("nbd-server-start", {"addr": address})
        await daemon.run("block-export-add", export_options(COPY, str(image["node-name"]), COPY, name))
        return await read(str(daemon.nbd_socket), COPY, name)
    finally:
        await daemon.stop()


async def read(socket: str, export: str, bitmap: str) -> Bitmap:
    """The bitmap of an export. Raises NbdError."""
    wanted = context(bitmap)
    async with await NbdClient.connect(socket, export, (wanted,)) as client:
        if wanted not in client.info.contexts:
            raise NbdError(f"the server does not tell of the bitmap {bitmap}")
        size = client.info.size
        blocks = -(-size // CBT_GRANULARITY)
        bits = bytearray(-(-blocks // 8))
        async for offset, extent in client.extents(wanted):
            if extent.flags & DIRTY:
                first = offset // CBT_GRANULARITY
                set_bits(bits, first, -(-(offset + extent.length) // CBT_GRANULARITY) - first)
    return Bitmap(bytes(bits), size)


def export_options(id: str, node: str, name: str, bitmap: str) -> Options:
    """A read-only export of a node with a bitmap."""
    return {"type": "nbd", "id": id, "node-name": node, "name": name, "writable": False, "bitmaps": [bitmap]}


def set_bits(bits: bytearray, first: int, count: int) -> None:
    """Set so many bits, the least significant of a byte first."""
    end = first + count
    while first < end and first % 8:
        bits[first // 8] |= 1 << first % 8
        first += 1
    whole = (end - first) // 8
    bits[first // 8 : first // 8 + whole] = b"\xff" * whole
    for bit in range(first + whole * 8, end):
        bits[bit // 8] |= 1 << bit % 8


def runs(bitmap: Bitmap) -> list[tuple[int, int]]:
    """Offset and length of what is dirty, in bytes, neighbours joined, and nothing beyond the disk."""
    found: list[tuple[int, int]] = []
    start: int | None = None
    blocks = -(-bitmap.size // bitmap.granularity)
    block = 0
    while block < blocks:
        byte = bitmap.bits[block // 8] if block // 8 < len(bitmap.bits) else 0
        if block % 8 == 0 and byte == (0 if start is None else 0xFF):
            block += 8  # eight at once that change nothing
            continue
        dirty = byte >> block % 8 & 1
        if dirty and start is None:
            start = block
        elif not dirty and start is not None:
            found.append((start, block))
            start = None
        block += 1
    if start is not None:
        found.append((start, blocks))
    size = bitmap.granularity
    return [(first * size, min(end * size, bitmap.size) - first * size) for first, end in found]


def _on_leaf(server: ImageServer, name: str) -> Options:
    return {"node": server.nodes()[0].image, "name": name}


@contextlib.contextmanager
def _fine_if(reason: str) -> Iterator[None]:
    try:
        yield
    except StorageDaemonError as error:
        if reason not in str(error):
            raise
