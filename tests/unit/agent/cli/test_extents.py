"""`vdi cbt list`."""

import base64

from xenhost.agent.cli.commands.vdi_cbt import extents

BLOCK = 65536


def found(bits: bytes, blocks: float) -> list[tuple[int, int]]:
    size = int(blocks * BLOCK)
    return [(a // BLOCK, b // BLOCK) if b % BLOCK == 0 else (a, b) for a, b in extents(
        base64.b64encode(bits).decode(), size, BLOCK
    )]  # fmt: skip


def test_the_highest_bit_is_the_first_block_and_neighbours_are_joined() -> None:
    assert found(bytes([0b1000_0011, 0b1000_0000]), 16) == [(0, 1), (6, 9)]


def test_nothing_changed_is_nothing() -> None:
    assert found(bytes(2), 16) == []


def test_what_lies_beyond_the_disk_is_cut_off() -> None:
    assert found(b"\xff", 2) == [(0, 2)]
    assert list(extents(base64.b64encode(b"\xff").decode(), BLOCK + 512, BLOCK)) == [(0, BLOCK + 512)]
