"""Archives that are packed to harm: they are unpacked in small pieces, or refused."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
import zstandard

from xenhost.core.units import MIB
from xenhost.pool.call import ApiError
from xenhost.pool.xva.compression import MAX_WINDOW, decompressed

BOMB = 64 * MIB
TAIL = b"tail" * 1000
PACKED = {
    "gzip": gzip.compress(bytes(BOMB)) + gzip.compress(TAIL),
    "zstd": zstandard.compress(bytes(BOMB)) + zstandard.compress(TAIL),
    "empty members": gzip.compress(b"") * 10_000 + gzip.compress(TAIL),
    "empty frames": zstandard.compress(b"") * 10_000 + zstandard.compress(TAIL),
}


async def unpacked(packed: bytes, step: int) -> list[bytes]:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(packed), step):
            yield packed[at : at + step]

    return [part async for part in decompressed(pieces())]


@pytest.mark.parametrize("step", [777, 256 * 1024])
@pytest.mark.parametrize("name", sorted(PACKED))
def test_a_bomb_comes_in_small_pieces(name: str, step: int) -> None:
    parts = asyncio.run(unpacked(PACKED[name], step))
    zeros = 0 if name.startswith("empty") else BOMB
    assert max(map(len, parts)) < 2 * MIB
    assert sum(map(len, parts)) == zeros + len(TAIL)
    assert b"".join(parts[-4:]).endswith(TAIL)


def test_a_frame_that_wants_more_memory_is_refused() -> None:
    for bits in (23, 27):
        packer = zstandard.ZstdCompressor(
            compression_params=zstandard.ZstdCompressionParameters(window_log=bits)
        ).compressobj()
        packed = packer.compress(TAIL * 1000) + packer.flush()
        if 1 << bits <= MAX_WINDOW:
            assert b"".join(asyncio.run(unpacked(packed, len(packed)))) == TAIL * 1000
            continue
        with pytest.raises(ApiError) as caught:
            asyncio.run(unpacked(packed, len(packed)))
        assert caught.value.code == "IMPORT_ERROR"
