"""Archives compressed and decompressed as they pass, in threads, in bounded memory."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from enum import StrEnum
from typing import Any, Final

import zstandard

from xenhost.core.units import KIB, MIB
from xenhost.pool.call import ApiError

_GZIP_WINDOW: Final = 31
_GZIP_LEVEL: Final = 3
_ZSTD_LEVEL: Final = 3
_MAX_WINDOW: Final = 64 * MIB
"""Of zstd, in memory; its own tool takes 8 at most unless it is told to."""
_SIP: Final = KIB
"""Compressed bytes that zstd is given at a time: it knows no bound, and makes at most 32 MiB of them."""
_GULP: Final = MIB


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
        """What comes of some bytes, in pieces of a bounded size, some empty. Raises ApiError IMPORT_ERROR."""
        while untrusted:
            if self._stream.eof:
                self._stream = zlib.decompressobj(_GZIP_WINDOW)
            try:
                part = self._stream.decompress(untrusted, _GULP)
            except zlib.error as error:
                raise ApiError("IMPORT_ERROR", f"gzip: {error}") from error
            untrusted = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            yield part


class Unzstd:
    """One zstd frame after another."""

    def __init__(self) -> None:
        self._decompressor: Final = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
        self._frame = self._decompressor.decompressobj()

    def parts(self, untrusted: bytes) -> Iterator[bytes]:
        """As that of Gunzip."""
        found: list[bytes] = []
        size = 0
        for start in range(0, len(untrusted), _SIP):
            sip = untrusted[start : start + _SIP]
            while sip:
                found.append(self._unpacked(sip))
                size += len(found[-1])
                sip = self._frame.unused_data if self._frame.eof else b""
            if size >= _GULP:
                yield b"".join(found)
                found, size = [], 0
        yield b"".join(found)

    def _unpacked(self, untrusted: bytes) -> bytes:
        if self._frame.eof:
            self._frame = self._decompressor.decompressobj()
        try:
            return self._frame.decompress(untrusted)
        except zstandard.ZstdError as error:
            raise ApiError("IMPORT_ERROR", f"zstd: {error}") from error
