"""Archives that somebody has changed: each is read, or refused with an error of the API."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable

import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import xva
from xenhost.core.units import MIB
from xenhost.pool.call import ApiError, Ref
from xenhost.pool.xva.compression import decompressed
from xenhost.pool.xva.disk_reader import DiskReader
from xenhost.pool.xva.document import MAX_BYTES, Document, read
from xenhost.pool.xva.tar import BLOCK, Member, TarReader, parse_header

SIZE = 3 * MIB
CONTENT = b"first" * 1000 + bytes(2 * MIB - 5000) + b"last" * (MIB // 4)
PLAIN = xva.archive(CONTENT)
WHOLE = {
    "none": PLAIN,
    "gzip": gzip.compress(PLAIN),
    "zstd": zstandard.ZstdCompressor().compress(PLAIN),
    "frames": zstandard.ZstdCompressor().compress(PLAIN[:70_000]) + zstandard.ZstdCompressor().compress(PLAIN[70_000:]),
    "members": gzip.compress(PLAIN[:9_999]) + gzip.compress(PLAIN[9_999:]),
}


async def pieces(data: bytes, step: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), step):
        yield data[at : at + step]


async def loaded(data: bytes, step: int = 65536) -> bytes:
    """The disk of an archive. Raises ApiError."""
    tar = TarReader(decompressed(pieces(data, step)))
    header = await tar.next()
    if header is None:
        raise ApiError("IMPORT_ERROR_PREMATURE_EOF")
    read(await tar.content(header, MAX_BYTES))
    parts = DiskReader(tar, frozenset[Ref](), force=False).disk(Ref("Ref:2"), SIZE)
    found = b"".join([part.data + bytes(part.zeros) async for part in parts])
    assert len(found) == SIZE
    return found


def outcome(work: Callable[[], object]) -> object:
    """What it returns, or the code of its error."""
    try:
        return work()
    except ApiError as error:
        return error.code


def test_whole_archives_are_read_in_pieces_of_any_size() -> None:
    for name, data in WHOLE.items():
        for step in (777, 65536, len(data)):
            assert asyncio.run(loaded(data, step)) == CONTENT, (name, step)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(sorted(WHOLE)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=600)), max_size=3),
    cut=st.floats(0.2, 1),
    step=st.integers(400, 70_000),
)
def test_a_changed_archive_is_read_or_refused(
    kind: str, changes: list[tuple[float, bytes]], cut: float, step: int
) -> None:
    data = bytearray(WHOLE[kind])
    for place, new in changes:
        at = int(place * len(data))
        data[at : at + len(new)] = new
    found = outcome(lambda: asyncio.run(loaded(bytes(data[: int(cut * len(data))]), step)))
    assert found == CONTENT or str(found).startswith("IMPORT_"), "what passed its checksums is what was written"


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=BLOCK, max_size=BLOCK) | st.binary(max_size=100).map(lambda part: part.ljust(BLOCK, b"\0")))
def test_any_block_is_a_header_or_refused(block: bytes) -> None:
    header = outcome(lambda: parse_header(block))
    assert header in (None, "IMPORT_ERROR") or (isinstance(header, Member) and header.size >= 0)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_document_is_read_or_refused(middle: bytes) -> None:
    whole = xva.ova(xva.things(MIB))
    for document in (middle, whole[:2000] + middle + whole[2000:], b"<value>" + middle + b"</value>"):
        found = outcome(lambda document=document: read(document))  # type: ignore[misc] # bound now
        assert isinstance(found, Document) or str(found).startswith("IMPORT_")
