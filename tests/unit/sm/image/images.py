"""Images for tests, made by our own layouts and by qemu-img."""

import mmap
import subprocess
import uuid
from collections.abc import Iterable
from pathlib import Path

from xenhost.core.storage import CBT_GRANULARITY, Bitmap
from xenhost.sm.image.layout import Layout
from xenhost.sm.image.vhd_layout import VhdLayout
from xenhost.sm.image.vhd_write import VhdParent


def bitmap(size: int, blocks: Iterable[int]) -> Bitmap:
    """A bitmap with these 64 KiB blocks set."""
    count = -(-size // CBT_GRANULARITY)
    bits = bytearray(-(-count // 8))
    for block in blocks:
        bits[block >> 3] |= 1 << (block & 7)
    return Bitmap(bytes(bits), size)


def blocks(found: Bitmap) -> list[int]:
    """The blocks that are set."""
    return [i for i in range(len(found.bits) * 8) if found.bits[i >> 3] >> (i & 7) & 1]


def assemble(layout: Layout, disk: bytes | mmap.mmap) -> bytes:
    """The image of a disk."""
    out = bytearray()
    for piece in layout.pieces():
        if isinstance(piece, bytes):
            out += piece
        else:
            out += disk[piece.offset : piece.offset + piece.length].ljust(piece.length, b"\0")
    assert len(out) == layout.length
    return bytes(out)


def write_vhd(
    path: Path, disk: bytes, present: Iterable[int], ident: uuid.UUID, parent: VhdParent | None = None
) -> None:
    """A VHD file holding some 64 KiB blocks of a disk."""
    path.write_bytes(assemble(VhdLayout(bitmap(len(disk), present), ident, 0, parent), disk))


def qemu(*arguments: str | Path) -> str:
    """Run qemu-img or qemu-io; it succeeds."""
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
