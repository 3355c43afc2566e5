"""Before anything is begun: does it fit? And merging still does when nothing else fits any more."""

import errno
from pathlib import Path

import pytest

from contract.storage_ground import BLOCK, StorageGround, block, fresh
from xenhost.core.storage import NewSnapshot, NewVdi
from xenhost.core.storage_errors import SrFull
from xenhost.sm.directory.folder import RESERVE, Folder, Space

MIB = 1 << 20
GIB = 1 << 30


async def test_what_does_not_fit_is_refused_with_both_sizes_before_it_is_begun(
    ground: StorageGround, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("kept")})
    there = sorted(path.name for path in root.iterdir())
    monkeypatch.setattr(Folder, "space", lambda self: Space(64 * GIB, 300 * MIB))
    await sr.destroy_vdi(await ground.vdi(sr))
    monkeypatch.setattr(Folder, "space", lambda self: Space(64 * GIB, 200 * MIB))
    for verb in (
        sr.create_vdi(NewVdi(fresh(), GIB)),
        sr.snapshot_vdi(vdi, NewSnapshot(fresh())),
        sr.clone_vdi(vdi, NewSnapshot(fresh())),
    ):
        with pytest.raises(SrFull) as refused:
            await verb
        assert int(refused.value.values["requested"]) > int(refused.value.values["maximum"]) == 0
    assert sorted(path.name for path in root.iterdir()) == there
    await ground.holds(sr, vdi, {0: block("kept")})


async def test_merging_may_use_what_nothing_else_may(
    ground: StorageGround, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("below")})
    snapshot = await ground.snapshot(sr, vdi)
    await ground.write(sr, vdi, {0: block("above"), BLOCK: block("more")})
    await sr.destroy_vdi(snapshot)
    chores = [chore for chore in await sr.chores() if chore.kind == "coalesce"]
    assert chores[0].needs >= 2 * BLOCK
    (root / RESERVE).write_bytes(bytes(MIB))
    monkeypatch.setattr(Folder, "space", lambda self: Space(64 * GIB, BLOCK - 1))
    with pytest.raises(SrFull) as refused:
        await sr.perform(chores[0], lambda fraction: None, 0)
    assert refused.value.values == {"requested": str(BLOCK), "maximum": str(BLOCK - 1)}, "what is below counts not"
    assert not (root / RESERVE).exists(), "it was given up first"
    monkeypatch.setattr(Folder, "space", lambda self: Space(64 * GIB, BLOCK))
    await sr.perform(chores[0], lambda fraction: None, 0)
    assert (await sr.stat_vdi(vdi)).depth == 0
    await ground.holds(sr, vdi, {0: block("above"), BLOCK: block("more")})


async def test_a_full_disk_has_room_to_say_that_something_is_deleted(
    ground: StorageGround, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr)
    (root / RESERVE).write_bytes(bytes(MIB))
    write = Folder._replace_once

    def full(self: Folder, name: str, data: bytes) -> None:
        if (root / RESERVE).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, name, data)

    monkeypatch.setattr(Folder, "_replace_once", full)
    clone = await ground.clone(sr, vdi)
    assert not (root / RESERVE).exists()
    monkeypatch.setattr(Folder, "_replace_once", _always_full)
    with pytest.raises(SrFull):
        await ground.clone(sr, vdi)
    await sr.destroy_vdi(clone)
    assert set(await ground.found(sr)) == {vdi}


def _always_full(self: Folder, name: str, data: bytes) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
