"""Two hosts on one SR: no VDI is written to by both, each sees what the other changed, and the dead keep nothing."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.storage_ground import BLOCK, NO_LIMITS, block, fresh
from contract.storage_host import StorageHost, new_sr, open_bytes
from xenhost.core.storage import AttachMode, NewSnapshot, NewVdi, SrId, VdiId
from xenhost.core.storage_errors import SrBackendFailure, VdiInUse
from xenhost.sm.context import SmContext
from xenhost.sm.directory.chores import COALESCE
from xenhost.sm.directory.create import make_sr
from xenhost.sm.directory.folder import MERGED, Folder
from xenhost.sm.directory.sr import DirectorySr

MIB = 1 << 20


@dataclass(slots=True)
class Side:
    """One of the hosts."""

    host: StorageHost
    context: SmContext
    sr: DirectorySr

    def holder(self) -> int:
        """The process that holds this host's lock."""
        return int(next(self.context.run_dir.glob("hosts/*/pid")).read_text())

    async def restart(self, root: Path, sr: SrId) -> None:
        """The agent is killed, and another one started."""
        await self.host.kill_agent()
        self.context = await self.host.context()
        self.sr = await DirectorySr(sr, root, self.context, shared=True).open()

    async def die(self) -> None:
        """All processes of the host are gone at once."""
        for vdi in list(await self.context.images.find()):
            await self.context.images.close(vdi)
        os.kill(self.holder(), signal.SIGKILL)
        await asyncio.sleep(0.2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "sr"
    root.mkdir()
    return root


@pytest.fixture
def sr_id() -> SrId:
    return new_sr()


@pytest.fixture
async def sides(tmp_path: Path, root: Path, sr_id: SrId) -> AsyncIterator[tuple[Side, Side]]:
    make_sr(root, sr_id)
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        host = StorageHost(tmp_path / name)
        context = await host.context()
        made.append(Side(host, context, await DirectorySr(sr_id, root, context, shared=True).open()))
    yield made[0], made[1]
    for side in made:
        await side.host.close_servers()
        await side.sr.detach()
        await side.host.close()


async def write(sr: DirectorySr, vdi: VdiId, data: dict[int, bytes]) -> None:
    async with open_bytes(await sr.activate_vdi(vdi, AttachMode.RW, NO_LIMITS), AttachMode.RW) as disk:
        for offset, piece in data.items():
            await disk.write(offset, piece)
        await disk.flush()
    await sr.deactivate_vdi(vdi)


async def read(sr: DirectorySr, vdi: VdiId, offset: int) -> bytes:
    async with open_bytes(await sr.activate_vdi(vdi, AttachMode.RO, NO_LIMITS), AttachMode.RO) as disk:
        found = await disk.read(offset, BLOCK)
    await sr.deactivate_vdi(vdi)
    return found


async def test_each_sees_at_once_what_the_other_did(sides: tuple[Side, Side]) -> None:
    a, b = (side.sr for side in sides)
    vdi, snapshot = fresh(), fresh()
    await a.create_vdi(NewVdi(vdi, MIB))
    await write(b, vdi, {0: block("by b")})
    await a.snapshot_vdi(vdi, NewSnapshot(snapshot))
    await write(b, vdi, {0: block("later")})
    assert await read(a, snapshot, 0) == block("by b")
    assert await read(a, vdi, 0) == block("later")
    await b.destroy_vdi(snapshot)
    assert {each.id for each in (await a.scan()).vdis} == {vdi}
    for chore in await a.chores():
        await a.perform(chore, lambda fraction: None, 0)
    assert await read(b, vdi, 0) == block("later")
    assert (await b.stat_vdi(vdi)).depth == 0


async def test_what_one_writes_to_the_other_does_not_touch(sides: tuple[Side, Side]) -> None:
    a, b = (side.sr for side in sides)
    vdi = fresh()
    await a.create_vdi(NewVdi(vdi, MIB))
    await a.activate_vdi(vdi, AttachMode.RW, NO_LIMITS)
    for mode in AttachMode:
        with pytest.raises(VdiInUse):
            await b.activate_vdi(vdi, mode, NO_LIMITS)
        with pytest.raises(VdiInUse):
            await b.attach_vdi(vdi, mode)
    for verb in (
        b.destroy_vdi(vdi),
        b.resize_vdi(vdi, 2 * MIB),
        b.snapshot_vdi(vdi, NewSnapshot(fresh())),
        b.clone_vdi(vdi, NewSnapshot(fresh())),
    ):
        with pytest.raises(VdiInUse):
            await verb
    await a.deactivate_vdi(vdi)
    await b.activate_vdi(vdi, AttachMode.RO, NO_LIMITS)
    await a.activate_vdi(vdi, AttachMode.RO, NO_LIMITS)


async def test_a_restarted_agent_keeps_its_locks_and_a_dead_host_loses_them(
    sides: tuple[Side, Side], root: Path, sr_id: SrId
) -> None:
    a, b = sides
    vdi = fresh()
    await a.sr.create_vdi(NewVdi(vdi, MIB))
    await a.sr.activate_vdi(vdi, AttachMode.RW, NO_LIMITS)
    await a.restart(root, sr_id)
    with pytest.raises(VdiInUse):
        await b.sr.activate_vdi(vdi, AttachMode.RW, NO_LIMITS)
    await a.die()
    await write(b.sr, vdi, {0: block("taken over")})
    assert json.loads((root / f"{vdi}.use").read_text() if (root / f"{vdi}.use").exists() else "{}") == {}
    await a.restart(root, sr_id)
    assert await a.sr.active_vdis() == {}
    assert await read(a.sr, vdi, 0) == block("taken over")


async def test_no_host_merges_what_another_uses_or_merges(sides: tuple[Side, Side], root: Path, sr_id: SrId) -> None:
    a, b = sides
    vdi, snapshot = fresh(), fresh()
    await a.sr.create_vdi(NewVdi(vdi, MIB))
    await write(a.sr, vdi, {0: block("below")})
    await a.sr.snapshot_vdi(vdi, NewSnapshot(snapshot))
    await write(a.sr, vdi, {BLOCK: block("above")})
    await a.sr.destroy_vdi(snapshot)
    await b.sr.activate_vdi(vdi, AttachMode.RW, NO_LIMITS)
    assert not [chore for chore in await a.sr.chores() if chore.kind == COALESCE]
    await b.sr.deactivate_vdi(vdi)
    chore = next(chore for chore in await a.sr.chores() if chore.kind == COALESCE)
    # as if the other host were in the middle of it
    image = chore.id.partition(":")[2]
    base = next(each.backing for each in a.sr._store.tree.images.values() if each.name == image)
    marker = json.dumps({"base": base, "host": b.context.host_id, "done": False})
    Folder(root).write(MERGED + image, marker.encode())
    await a.sr.scan()
    assert not [each for each in await a.sr.chores() if each.kind == COALESCE]
    await write(a.sr, vdi, {2 * BLOCK: block("meanwhile")})
    assert (await a.sr.stat_vdi(vdi)).depth == 2, "the image that is being merged was written to"
    await b.die()
    while chores := await a.sr.chores():
        for each in chores:
            await a.sr.perform(each, lambda fraction: None, 0)
    assert (await a.sr.stat_vdi(vdi)).depth == 0
    for offset, text in ((0, "below"), (BLOCK, "above"), (2 * BLOCK, "meanwhile")):
        assert await read(a.sr, vdi, offset) == block(text)
    await b.restart(root, sr_id)


async def test_a_host_that_keeps_the_lock_is_an_error_in_time(
    sides: tuple[Side, Side], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xenhost.sm.directory.store._LOCK_PATIENCE", 1.0)
    locked = Folder(root).lock()
    assert locked is not None
    with pytest.raises(SrBackendFailure) as refused:
        await sides[0].sr.create_vdi(NewVdi(fresh(), MIB))
    assert refused.value.number == 37
    Folder(root).unlock(locked[0])
    await sides[0].sr.create_vdi(NewVdi(fresh(), MIB))


async def test_a_lock_that_cannot_be_had_is_an_error_at_once(
    tmp_path: Path, root: Path, sr_id: SrId, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_sr(root, sr_id)
    host = StorageHost(tmp_path)
    sr = DirectorySr(sr_id, root, await host.context(), shared=True)
    monkeypatch.setenv("PATH", "/nowhere")  # where no flock(1) is: the keeper of the lock ends
    with pytest.raises(SrBackendFailure, match="gives no locks") as refused:
        await sr.open()
    assert refused.value.number == 37
    await host.close()
