"""Whatever comes in as an image, the importer says what is wrong with it, and writes nothing outside the disk."""

import asyncio
import contextlib
import struct
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.clock import FakeClock
from unit.sm.image.images import assemble, bitmap
from xenhost.core.storage import Backend, BackendKind
from xenhost.core.storage_errors import VdiTooSmall
from xenhost.core.units import KIB, MIB
from xenhost.sm.command import Commands
from xenhost.sm.image.bad import BadImage
from xenhost.sm.image.vhd_layout import VhdLayout
from xenhost.sm.image.vhd_write import VhdParent
from xenhost.sm.transfer.copy import Copier
from xenhost.sm.transfer.importing import Importer, Target
from xenhost.sm.transfer.spool import Spool

SIZE = 4 * MIB
GOOD = {
    "dynamic": assemble(VhdLayout(bitmap(SIZE, [1, 33]), uuid.UUID(int=1), 0), b"x" * SIZE),
    "differencing": assemble(
        VhdLayout(bitmap(SIZE, [1]), uuid.UUID(int=2), 0, VhdParent(uuid.UUID(int=1), "b.vhd")), b"x" * SIZE
    ),
}


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 300_000):
        yield data[at : at + 300_000]


async def _import(folder: Path, data: bytes, format: str) -> None:
    importer = Importer(Copier(Commands()), FakeClock(), Spool(folder / "spool"))
    target = folder / "target.raw"
    with target.open("wb") as file:
        file.truncate(SIZE)
    with contextlib.suppress(BadImage, VdiTooSmall):
        incoming = await importer.begin(_chunks(data), format, size=SIZE)
        await incoming.load(Target(Backend(BackendKind.FILE, str(target)), "vdi"))
    assert target.stat().st_size == SIZE


@pytest.mark.parametrize("kind", sorted(GOOD))
@given(data=st.data())
@settings(max_examples=60, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_vhd_stream(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    raw = bytearray(GOOD[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.one_of(st.integers(0, 4 * KIB), st.integers(len(raw) - 600, len(raw) - 5)))
        struct.pack_into(">I", raw, place, data.draw(st.integers(0, (1 << 32) - 1)))
    for start, length, field in ((0, 512, 64), (512, 1024, 36)):
        raw[start + field : start + field + 4] = bytes(4)
        struct.pack_into(">I", raw, start + field, ~sum(raw[start : start + length]) & 0xFFFFFFFF)
    asyncio.run(_import(tmp_path, bytes(raw), "vhd"))


@given(
    st.binary(max_size=5000), st.sampled_from([b"", b"QFI\xfb\0\0\0\3", b"conectix"]), st.sampled_from(["vhd", "qcow2"])
)
@settings(max_examples=60, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_noise(tmp_path: Path, noise: bytes, mark: bytes, format: str) -> None:
    asyncio.run(_import(tmp_path, mark + noise, format))
