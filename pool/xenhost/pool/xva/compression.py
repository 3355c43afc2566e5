"""Archives compressed and decompressed as they pass, in threads, in bounded memory."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from enum import StrEnum
from typing import IO, Any, Final, cast

import zstandard

from xenhost.core.units import KIB, MIB
from xenhost.pool.call import ApiError

_GZIP_WINDOW: Final = 31
_GZIP_LEVEL: Final = 3
_ZSTD_LEVEL: Final = 3
MAX_WINDOW: Final = 8 * MIB
"""Of zstd, in memory, for each import: what RFC 8878 asks of every reader; only `--ultra` and `--long` need more."""
_SIP: Final = 16 * KIB
"""Compressed bytes that gzip is given at a time: what it leaves of them is copied each time."""
_GULP: Final = MIB
"""Bytes that are unpacked at a time."""


class Compression(StrEnum):
    """How an archive is packed."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


_MAGIC: Final = {Compression.ZSTD: b"\x28\xb5\x2f\xfd", Compression.GZIP: b"\x1f\x8b"}


def asked_for(word: str) -> Compression:
    """What `use_compression` means."""
    return {"true": Compression.GZIP, "gzip": Compression.GZIP, "zstd": Compression.ZSTD}.get(word, Compression.NONE)


def told_by(untrusted: bytes) -> Compression:
    """What an archive begins with says how it is packed."""
    return next((kind for kind, magic in _MAGIC.items() if untrusted.startswith(magic)), Compression.NONE)


async def compressed(pieces: AsyncIterator[bytes], kind: Compression) -> AsyncIterator[bytes]:
    """The same, packed."""
    if kind is Compression.NONE:
        async for piece in pieces:
            yield piece
        return
    packer: Any = (
        zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW)
        if kind is Compression.GZIP
        else zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
    )
    async for piece in pieces:
        if packed := await asyncio.to_thread(packer.compress, piece):
            yield packed
    yield await asyncio.to_thread(packer.flush)


async def decompressed(untrusted: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What was packed, as it was; what was not, as it is. Raises ApiError IMPORT_ERROR."""
    first = b""
    while len(first) < 4 and (piece := await anext(untrusted, None)) is not None:
        first += piece
    kind = told_by(first)
    if kind is Compression.NONE:
        yield first
        async for piece in untrusted:
            yield piece
        return
    unpacker = Gunzip() if kind is Compression.GZIP else Unzstd()
    whole: bytes | None = first
    while whole is not None:
        parts = unpacker.parts(whole)
        while (part := await asyncio.to_thread(next, parts, None)) is not None:
            if part:
                yield part
        whole = await anext(untrusted, None)


class Gunzip:
    """One gzip stream after another."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP_WINDOW)

    def parts(self, untrusted: bytes) -> Iterator[bytes]:
        """What comes of some bytes, in pieces of a bounded size. Raises ApiError IMPORT_ERROR."""
        return _gathered(self._unpacked(untrusted))

    def _unpacked(self, untrusted: bytes) -> Iterator[bytes]:
        for start in range(0, len(untrusted), _SIP):
            sip = untrusted[start : start + _SIP]
            while sip:
                if self._stream.eof:
                    self._stream = zlib.decompressobj(_GZIP_WINDOW)
                try:
                    part = self._stream.decompress(sip, _GULP)
                except zlib.error as error:
                    raise ApiError("IMPORT_ERROR", f"gzip: {error}") from error
                sip = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
                yield part


class Unzstd:
    """One zstd frame after another."""

    def __init__(self) -> None:
        self._source: Final = _Source()
        self._reader: Final = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(
            cast("IO[bytes]", self._source), read_across_frames=True
        )

    def parts(self, untrusted: bytes) -> Iterator[bytes]:
        """As that of Gunzip."""
        self._source.held = untrusted
        return _gathered(self._unpacked())

    def _unpacked(self) -> Iterator[bytes]:
        with suppress(BlockingIOError):
            while True:
                try:
                    yield self._reader.read1(_GULP)
                except zstandard.ZstdError as error:
                    raise ApiError("IMPORT_ERROR", f"zstd: {error}") from error


class _Source:
    """Gives what it holds, once; then there is nothing for now, which is not the end."""

    def __init__(self) -> None:
        self.held = b""

    def read(self, size: int) -> bytes:
        """More than `size` may come. Raises BlockingIOError."""
        if not self.held:
            raise BlockingIOError
        found, self.held = self.held, b""
        return found


def _gathered(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same in fewer pieces: of less than two gulps each."""
    found = bytearray()
    for part in parts:
        found += part
        if len(found) >= _GULP:
            yield bytes(found)
            found.clear()
    yield bytes(found)
