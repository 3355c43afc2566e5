"""Reading VHDs: fixed, dynamic, and chains of differencing ones, which QEMU reads wrongly and must never open."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from xenhost.core.storage import CBT_GRANULARITY, Bitmap
from xenhost.sm.image import vhd
from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.source import ImageFile
from xenhost.sm.image.vhd import SECTOR, VhdType
from xenhost.sm.image.vhd_parent import parent_beside, written_parent
from xenhost.sm.image.vhd_table import BlockTable

MAX_DEPTH: Final = 64
_RAW_PARENT: Final = uuid.UUID(int=0)
_PER_BLOCK: Final = CBT_GRANULARITY // SECTOR // 8
"""Bytes of sector bits for 64 KiB."""


class _Layer:
    """One file of a chain."""

    def __init__(self, file: ImageFile, size: int, table: BlockTable | None) -> None:
        self.file = file
        self.size = size
        self.table = table
        """None: the disk lies in the file as it is."""


class VhdChain:
    """A VHD with all its parents, open for reading. Parents are only ever taken from its own folder."""

    def __init__(self, path: Path) -> None:
        self._layers: list[_Layer] = []
        with ExitStack() as stack:
            self._open_all(path, stack)
            self._stack = stack.pop_all()
        self.size = self._layers[0].size

    @property
    def files(self) -> tuple[Path, ...]:
        """Of the chain, the leaf first."""
        return tuple(layer.file.path for layer in self._layers)

    def read(self, offset: int, length: int) -> bytes:
        """These bytes of the disk. Raises BadImage if they are not all there."""
        if offset < 0 or offset + length > self.size:
            raise BadImage(f"the VHD ends before byte {offset + length}")
        return b"".join(self._read(0, offset, length))

    def allocation(self) -> Bitmap:
        """The 64 KiB blocks that any file of the chain holds."""
        blocks = -(-self.size // CBT_GRANULARITY)
        bits = bytearray(-(-blocks // 8))
        for layer in self._layers:
            for first, last in _held(layer):
                for block in range(first, min(last, blocks)):
                    bits[block >> 3] |= 1 << (block & 7)
        return Bitmap(bytes(bits), self.size)

    def close(self) -> None:
        """Close all files."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_all(self, path: Path, stack: ExitStack) -> None:
        expected: uuid.UUID | None = None
        seen: set[str] = set()
        while True:
            if path.name in seen:
                raise BadImage(f"the parents of {path.name} form a loop")
            if len(seen) == MAX_DEPTH:
                raise BadImage(f"the chain of {self._layers[0].file.path.name} has more than {MAX_DEPTH} files")
            seen.add(path.name)
            try:
                file = stack.enter_context(ImageFile(path))
            except FileNotFoundError:
                if not self._layers:
                    raise
                raise BadImage(f"{path.name}, the parent of {self._layers[-1].file.path.name}, is missing") from None
            if expected == _RAW_PARENT and not vhd.is_vhd(file):
                self._layers.append(_Layer(file, file.size, None))
                return
            footer = vhd.read_footer(file)
            if expected is not None and footer.uuid != expected:
                child = self._layers[-1].file.path.name
                raise BadImage(f"{path.name} is not the parent that {child} was made over: its UUID is another")
            if footer.type is VhdType.FIXED:
                if footer.current_size > file.size - SECTOR:
                    raise BadImage(f"{path.name} is shorter than its footer says")
                self._layers.append(_Layer(file, footer.current_size, None))
                return
            header = vhd.read_header(file, footer)
            self._layers.append(_Layer(file, footer.current_size, BlockTable(file, footer, header)))
            if footer.type is VhdType.DYNAMIC:
                return
            expected = header.parent_uuid
            path = path.parent / parent_beside(written_parent(file, header), path)

    def _read(self, depth: int, offset: int, length: int) -> Iterator[bytes]:
        if depth == len(self._layers):
            yield bytes(length)
            return
        layer = self._layers[depth]
        inside = max(0, min(length, layer.size - offset))
        if layer.table is None:
            yield layer.file.read(offset, inside)
        else:
            end = offset + inside
            while offset < end:
                block, start = divmod(offset, layer.table.block_size)
                part = min(end - offset, layer.table.block_size - start)
                yield from self._read_block(depth, layer.table, block, start, part)
                offset += part
        if length > inside:  # a parent that was smaller when it was snapshotted
            yield bytes(length - inside)

    def _read_block(self, depth: int, table: BlockTable, block: int, start: int, length: int) -> Iterator[bytes]:
        data = table.data(block)
        base = block * table.block_size
        if data is None:
            yield from self._read(depth + 1, base + start, length)
            return
        for here, first, last in runs(table.sector_bits(block), start // SECTOR, -(-(start + length) // SECTOR)):
            begin, end = max(start, first * SECTOR), min(start + length, last * SECTOR)
            if here:
                yield self._layers[depth].file.read(data + begin, end - begin)
            else:
                yield from self._read(depth + 1, base + begin, end - begin)


def runs(bits: bytes, first: int, last: int) -> Iterator[tuple[bool, int, int]]:
    """Runs of equal bits (most significant first) among sectors `first` to `last`."""
    if not any(bits) or bits.count(0xFF) == len(bits):
        yield bool(bits[0]), first, last
        return
    start, now = first, _bit(bits, first)
    for sector in range(first + 1, last):
        if (bit := _bit(bits, sector)) != now:
            yield now, start, sector
            start, now = sector, bit
    yield now, start, last


def _bit(bits: bytes, index: int) -> bool:
    return bool(bits[index >> 3] & 0x80 >> (index & 7))


def _held(layer: _Layer) -> Iterator[tuple[int, int]]:
    """Runs of 64 KiB blocks that a file holds."""
    if layer.table is None:
        yield 0, -(-layer.size // CBT_GRANULARITY)
        return
    size = layer.table.block_size
    for block in range(len(layer.table)):
        if layer.table.data(block) is None:
            continue
        bits = layer.table.sector_bits(block)
        if size < CBT_GRANULARITY or bits.count(0xFF) == len(bits):
            yield block * size // CBT_GRANULARITY, -(-(block + 1) * size // CBT_GRANULARITY)
            continue
        for group in range(size // CBT_GRANULARITY):
            if any(bits[group * _PER_BLOCK : (group + 1) * _PER_BLOCK]):
                at = block * (size // CBT_GRANULARITY) + group
                yield at, at + 1
