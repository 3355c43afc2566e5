"""A disk, cut into chunks."""

from itertools import product

import pytest

from xenhost.core.units import MIB
from xenhost.pool.xva.chunks import Chunk, Chunker


def cut(size: int, *fed: tuple[bytes, int]) -> list[Chunk]:
    chunker = Chunker(size)
    found = [chunk for data, zeros in fed for chunk in chunker.feed(data, zeros)]
    assert chunker.left == 0
    return found


@pytest.mark.parametrize(("step", "zeros"), list(product((1000, 700_001, MIB, 3 * MIB), (0, 5, MIB, 2 * MIB + 1))))
def test_chunks_are_the_disk_however_it_comes(step: int, zeros: int) -> None:
    size = 5 * MIB + 123
    content = b"".join(bytes([number % 251 + 1]) * step + bytes(zeros) for number in range(size // (step + zeros) + 1))
    fed = [(content[at : at + step], zeros) for at in range(0, len(content), step + zeros)]
    chunks = cut(size, *fed)
    assert b"".join(chunk.data for chunk in chunks) == content[:size]
    assert [chunk.number for chunk in chunks] == list(range(6))
    assert [chunk.is_edge for chunk in chunks] == [True, False, False, False, False, True]
    assert [chunk.is_zero for chunk in chunks] == [not chunk.data.strip(b"\0") for chunk in chunks]


def test_a_small_disk_is_one_chunk_that_is_first_and_last() -> None:
    (chunk,) = cut(512, (b"", 512))
    assert (chunk.number, len(chunk.data), chunk.is_zero, chunk.is_edge) == (0, 512, True, True)


def test_what_is_missing_is_known() -> None:
    chunker = Chunker(2 * MIB)
    assert len(list(chunker.feed(b"x" * (MIB + 10), 0))) == 1
    assert chunker.left == MIB - 10
