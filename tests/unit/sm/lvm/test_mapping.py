"""What changed between two thin volumes: every block that did, and what is damaged is never taken for `unchanged`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xenhost.core.storage import Bitmap
from xenhost.core.units import KIB, MIB
from xenhost.sm.lvm.mapping import BadMapping, DumpReader, Mapping, changes, load, stored_size

CHUNK = 64 * KIB
DUMP = b"""<superblock uuid="" time="2" transaction="4" flags="0" version="2" data_block_size="128" nr_data_blocks="0">
  <device dev_id="1" mapped_blocks="6" transaction="0" creation_time="0" snap_time="2">
    <single_mapping origin_block="0" data_block="0" time="1"/>
    <range_mapping origin_begin="1" data_begin="5" length="2" time="2"/>
    <single_mapping origin_block="3" data_block="3" time="1"/>
    <single_mapping origin_block="4" data_block="8" time="2"/>
    <single_mapping origin_block="9" data_block="7" time="2"/>
  </device>
  <device dev_id="2" mapped_blocks="0" transaction="1" creation_time="1" snap_time="1">
  </device>
</superblock>
"""
Chunks = dict[int, tuple[int, int]]


def read(text: bytes, thin_id: int = 1, step: int = 7) -> Mapping:
    reader = DumpReader(thin_id, MIB)
    for at in range(0, len(text), step):
        reader.feed(text[at : at + step])
    return reader.mapping()


def mapping(chunks: Chunks, size: int = 4 * MIB, chunk: int = CHUNK) -> Mapping:
    made = Mapping(chunk, size)
    for index, (block, time) in sorted(chunks.items()):
        made.add(index, 1, block, time)
    return made


def changed(bitmap: Bitmap) -> set[int]:
    return {index for index in range(len(bitmap.bits) * 8) if bitmap.bits[index // 8] >> index % 8 & 1}


def test_a_dump_is_read_however_it_is_cut() -> None:
    for step in (1, 13, 100_000):
        found = read(DUMP, step=step)
        assert list(found) == [(0, 1, 0, 1), (1, 2, 5, 2), (3, 1, 3, 1), (4, 1, 8, 2), (9, 1, 7, 2)]
        assert (found.chunk, found.mapped()) == (CHUNK, 6)
    assert list(read(DUMP, 2)) == []


@pytest.mark.parametrize(
    "text",
    [
        b"",
        DUMP[:-20],
        DUMP[: DUMP.index(b"<device dev_id=")] + b"</superblock>",
        DUMP.replace(b'data_block_size="128"', b'data_block_size="100"'),
        DUMP.replace(b'data_block_size="128"', b""),
        DUMP.replace(b'origin_block="9"', b'origin_block="1"'),
        DUMP.replace(b'length="2"', b'length="0"'),
        DUMP.replace(b'length="2"', b'length="99999999999999999"'),
        DUMP.replace(b'time="1"/>', b'time="-1"/>'),
        DUMP.replace(b'data_block="0"', b'data_block="x"'),
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + DUMP,
        DUMP.replace(b"<device", b"<<device"),
    ],
)
def test_a_dump_that_is_cut_off_or_damaged_is_refused(text: bytes) -> None:
    with pytest.raises(BadMapping):
        read(text)


def test_a_volume_that_is_not_in_the_dump_is_refused() -> None:
    with pytest.raises(BadMapping, match="lacks"):
        read(DUMP, 3)


def test_a_block_that_is_stored_elsewhere_or_later_has_changed() -> None:
    older = mapping({0: (10, 1), 1: (11, 1), 2: (12, 1), 3: (13, 1)})
    newer = mapping({0: (10, 1), 1: (50, 2), 2: (12, 3), 4: (51, 2)})
    assert changed(changes(older, newer)) == {1, 2, 3, 4}


def test_runs_that_overlap_by_a_part_are_told_apart() -> None:
    older, newer = Mapping(CHUNK, 4 * MIB), Mapping(CHUNK, 4 * MIB)
    older.add(0, 10, 100, 1)
    newer.add(0, 4, 100, 1)
    newer.add(4, 2, 300, 2)
    newer.add(6, 4, 106, 1)
    assert changed(changes(older, newer)) == {4, 5}


def test_bigger_chunks_are_several_blocks() -> None:
    found = changes(mapping({1: (1, 1)}, chunk=4 * CHUNK), mapping({1: (2, 2)}, chunk=4 * CHUNK))
    assert changed(found) == {4, 5, 6, 7}


def test_what_a_bigger_volume_has_more_has_changed() -> None:
    found = changes(mapping({}, 1 * MIB), mapping({}, 2 * MIB))
    assert (found.size, changed(found)) == (2 * MIB, set(range(16, 32)))


def test_volumes_of_different_pools_are_not_compared() -> None:
    with pytest.raises(BadMapping):
        changes(mapping({}), mapping({}, chunk=2 * CHUNK))


CHUNKS = st.dictionaries(st.integers(0, 63), st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=64)


@given(CHUNKS, CHUNKS)
def test_exactly_the_differing_chunks_have_changed(left: Chunks, right: Chunks) -> None:
    expected = {index for index in range(64) if left.get(index) != right.get(index)}
    assert changed(changes(mapping(left), mapping(right))) == expected


@given(CHUNKS, st.binary(max_size=100))
def test_a_stored_mapping_comes_back_with_more_behind_it(chunks: Chunks, rest: bytes) -> None:
    stored = mapping(chunks).store()
    assert stored_size(stored[:4096]) == len(stored)
    found = load(stored + rest)
    assert (list(found), found.size, found.chunk) == (list(mapping(chunks)), 4 * MIB, CHUNK)


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_stored_mapping_of_which_one_byte_is_wrong_is_refused(at: int, flip: int) -> None:
    stored = bytearray(mapping({index: (index * 7, 1) for index in range(60)}).store())
    stored[at % len(stored)] ^= flip
    with pytest.raises(BadMapping):
        load(bytes(stored))


@given(st.binary(max_size=200))
def test_what_is_no_stored_mapping_is_refused(data: bytes) -> None:
    with pytest.raises(BadMapping):
        load(data)
