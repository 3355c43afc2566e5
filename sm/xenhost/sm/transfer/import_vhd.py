"""A VHD as it comes in, written to a disk while it does: fixed, dynamic, or differencing on top of its parent."""

from array import array
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from xenhost.core.ports.storage import Progress
from xenhost.core.units import MIB
from xenhost.sm.image import vhd
from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.vhd import SECTOR, DynamicHeader, Footer, VhdType
from xenhost.sm.image.vhd_chain import runs
from xenhost.sm.image.vhd_table import MAX_TABLE
from xenhost.sm.transfer.stream import ByteStream
from xenhost.sm.transfer.writing import Writer

_ANYWHERE: Final = 1 << 62
_MAX_TAIL: Final = 64 * MIB


@dataclass(frozen=True, slots=True)
class VhdHead:
    """What the beginning of the stream says."""

    footer: Footer
    header: DynamicHeader


async def read_head(stream: ByteStream, first: bytes) -> VhdHead:
    """Read on to the dynamic header, after the first sector. Raises BadImage."""
    footer = vhd.parse_footer(first)
    if footer.type is VhdType.FIXED or not SECTOR <= footer.data_offset <= _MAX_TAIL:
        raise BadImage("the VHD begins with the footer of a fixed one")
    await stream.skip_to(footer.data_offset)
    header = vhd.parse_header(await stream.read(vhd.DYNAMIC_HEADER), footer, _ANYWHERE)
    return VhdHead(footer, header)


async def load_dynamic(stream: ByteStream, head: VhdHead, writer: Writer, progress: Progress) -> None:
    """Write the rest of it. Blocks may lie in any order, but behind the table."""
    header = head.header
    entries = -(-head.footer.current_size // header.block_size)
    if entries * 4 > MAX_TABLE:
        raise BadImage(f"the VHD has {entries} blocks; at most {MAX_TABLE // 4} are handled")
    await _skip(stream, header.table_offset, "block table")
    table = array("I", await stream.read(entries * 4))
    vhd.to_big_endian(table)
    order = sorted((at, block) for block, at in enumerate(table) if at != vhd.NO_BLOCK)
    bitmap_size = -(-header.block_size // SECTOR // 8)
    bitmap_size += -bitmap_size % SECTOR
    step = (bitmap_size + header.block_size) // SECTOR
    if any(after[0] - before[0] < step for before, after in pairwise(order)):
        raise BadImage("two blocks of the VHD lie on top of each other")
    differencing = head.footer.type is VhdType.DIFFERENCING
    if not differencing:
        for block in range(entries):
            if table[block] == vhd.NO_BLOCK:
                await writer.zeros(block * header.block_size, header.block_size)
    for done, (at, block) in enumerate(order):
        await _skip(stream, at * SECTOR, "block")
        bits = await stream.read(bitmap_size)
        await _load_block(stream, writer, bits, block * header.block_size, header.block_size, keep=differencing)
        progress(done / len(order))
    await _read_end(stream, head.footer)


async def _load_block(stream: ByteStream, writer: Writer, bits: bytes, start: int, size: int, *, keep: bool) -> None:
    data = await stream.read(size)
    for here, first, last in runs(bits, 0, size // SECTOR):
        begin, end = first * SECTOR, last * SECTOR
        if here:
            await writer.write(start + begin, data[begin:end])
        elif not keep:
            await writer.zeros(start + begin, end - begin)


async def _skip(stream: ByteStream, position: int, what: str) -> None:
    if position < stream.position:
        raise BadImage(f"a {what} of the VHD lies before what describes it; it cannot be read as a stream")
    await stream.skip_to(position)


async def _read_end(stream: ByteStream, footer: Footer) -> None:
    """The end must be the same footer: without it the sender broke off, perhaps before the last block."""
    end = b""
    while data := await stream.read_upto(MIB):
        end = (end + data)[-SECTOR:]
        if stream.position > _ANYWHERE:
            raise BadImage("the VHD does not end")
    if len(end) < SECTOR or vhd.parse_footer(end).uuid != footer.uuid:
        raise BadImage("the VHD ends without its footer; it is not whole")


async def load_fixed(stream: ByteStream, size: int, writer: Writer, progress: Progress) -> None:
    """A fixed VHD: the disk, then the footer."""
    while stream.position < size:
        at = stream.position
        await writer.write(at, await stream.read(min(MIB, size - at)))
        progress(stream.position / size)
    footer = vhd.parse_footer(await stream.read(SECTOR))
    if footer.type is not VhdType.FIXED or footer.current_size > size or await stream.read_upto(1):
        raise BadImage("the footer of the fixed VHD does not fit what comes before it")
