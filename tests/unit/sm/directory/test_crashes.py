"""Whatever the agent did when it was killed: the next one finds every VDI with the content it had, and nothing else."""

import contextlib
import random
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from unit.sm.directory.world import Killed, World
from xenhost.core.storage import AttachMode, IoLimits, NewSnapshot, NewVdi, VdiId
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.core.units import MIB
from xenhost.sm.directory import chores
from xenhost.sm.directory.chores import COALESCE
from xenhost.sm.directory.sr import DirectorySr

NO_LIMITS: Final = IoLimits()
STEPS: Final = (
    *("create", "destroy", "activate", "deactivate", "revert", "scan"),
    *(("snapshot", "chores") * 2),
    *("clone", "write", "write", "write"),
)
TRACKED_STEPS: Final = (
    *("create", "destroy", "revert", "deactivate", "chores"),
    *(("activate", "snapshot") * 3),
    *(("write",) * 6),
)
Content = dict[int, str]


class Story:
    """A random life of an SR, and what its VDIs must hold."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.vdis: dict[VdiId, Content] = {}
        self.snapshots: set[VdiId] = set()
        self.active: dict[VdiId, AttachMode] = {}
        self.maybe: dict[VdiId, tuple[Content | None, ...]] = {}
        """VDIs of the operation that was under way, and what they may hold now; None: they may be gone."""
        self.merges = 0
        self.tracked = False
        """Changes of the one VDI that there is, beside its snapshots, are tracked from its beginning."""
        self.origin: dict[VdiId, VdiId] = {}
        self.compared = 0

    def fresh(self) -> VdiId:
        return VdiId(str(UUID(int=self.random.getrandbits(128), version=4)))

    def some(self, *, active: bool | None = None, snapshot: bool | None = None) -> VdiId | None:
        found = [
            vdi
            for vdi in self.vdis
            if active in (None, vdi in self.active) and snapshot in (None, vdi in self.snapshots)
        ]
        return self.random.choice(sorted(found)) if found else None

    async def step(self, sr: DirectorySr) -> None:
        """One operation; the model follows when it has returned."""
        what = self.random.choice(TRACKED_STEPS if self.tracked else STEPS)
        await getattr(self, f"_{what}")(sr)

    async def _create(self, sr: DirectorySr) -> None:
        if len(self.vdis) > 8 or (self.tracked and self.some(snapshot=False)):
            return
        vdi = self.fresh()
        raw = {"type": "raw"} if self.random.random() < 0.2 and not self.tracked else {}
        self.maybe = {vdi: (None, {})}
        await sr.create_vdi(NewVdi(vdi, 4 * MIB, sm_config=raw))
        self.vdis[vdi] = {}
        if self.tracked:
            await sr.enable_cbt(vdi)

    async def _destroy(self, sr: DirectorySr) -> None:
        if (vdi := self.some(active=False)) is None:
            return
        self.maybe = {vdi: (None, self.vdis[vdi])}
        await sr.destroy_vdi(vdi)
        del self.vdis[vdi]
        self.snapshots.discard(vdi)

    async def _activate(self, sr: DirectorySr) -> None:
        if (vdi := self.some(active=False, snapshot=False if self.tracked else None)) is None:
            return
        mode = AttachMode.RO if vdi in self.snapshots or self.random.random() < 0.2 else AttachMode.RW
        await sr.activate_vdi(vdi, mode, IoLimits(iops=1))  # with limits, raw images are served, too
        self.active[vdi] = mode

    async def _deactivate(self, sr: DirectorySr) -> None:
        if (vdi := self.some(active=True)) is not None:
            await sr.deactivate_vdi(vdi)
            del self.active[vdi]

    async def _write(self, _: DirectorySr) -> None:
        writable = sorted(vdi for vdi, mode in self.active.items() if mode is AttachMode.RW)
        if writable:
            vdi, block = self.random.choice(writable), self.random.randrange(6)
            text = f"{self.random.getrandbits(32):x}"
            self.world.guest_writes(vdi, block, text)
            self.vdis[vdi] = {**self.vdis[vdi], block: text}

    async def _snapshot(self, sr: DirectorySr) -> None:
        await self._copy(sr, snapshot=True)

    async def _clone(self, sr: DirectorySr) -> None:
        await self._copy(sr, snapshot=False)

    async def _copy(self, sr: DirectorySr, *, snapshot: bool) -> None:
        if (vdi := self.some(snapshot=False if self.tracked else None)) is None or len(self.vdis) > 10:
            return
        new = NewSnapshot(self.fresh(), time=1.0)
        self.maybe = {new.id: (None, self.vdis[vdi])}
        await (sr.snapshot_vdi(vdi, new) if snapshot else sr.clone_vdi(vdi, new))
        self.vdis[new.id] = dict(self.vdis[vdi])
        if snapshot:
            self.snapshots.add(new.id)
            self.origin[new.id] = vdi

    async def _revert(self, sr: DirectorySr) -> None:
        vdi, snapshot = self.some(active=False, snapshot=False), self.some(snapshot=True)
        if vdi is None or snapshot is None:
            return
        self.maybe = {vdi: (self.vdis[vdi], self.vdis[snapshot])}
        await sr.revert_vdi(vdi, snapshot)
        self.vdis[vdi] = dict(self.vdis[snapshot])

    async def _chores(self, sr: DirectorySr) -> None:
        for chore in await sr.chores():
            await sr.perform(chore, lambda fraction: None, 0)
            self.merges += chore.kind == COALESCE

    async def _scan(self, sr: DirectorySr) -> None:
        await self.check_scan(sr)

    async def check_scan(self, sr: DirectorySr) -> None:
        report = await sr.scan()
        assert {vdi.id for vdi in report.vdis} == set(self.vdis)
        assert not [vdi for vdi in report.vdis if vdi.problem]
        assert report.ignored == ()

    async def settle(self, sr: DirectorySr) -> None:
        """After a death: what the operation under way concerned is as before or as after."""
        found = {vdi.id for vdi in (await sr.scan()).vdis}
        for vdi, allowed in self.maybe.items():
            if vdi not in found:
                assert None in allowed
                self.vdis.pop(vdi, None)
                self.snapshots.discard(vdi)
                continue
            holds = await self.read(sr, vdi)
            assert holds in allowed, f"{vdi} holds {holds}, and may hold {allowed}"
            self.vdis[vdi] = holds
            if next(each for each in (await sr.scan()).vdis if each.id == vdi).is_a_snapshot:
                self.snapshots.add(vdi)
        self.maybe = {}
        self.active = {vdi: mode for vdi, mode in (await sr.active_vdis()).items() if vdi in self.vdis}

    async def read(self, sr: DirectorySr, vdi: VdiId) -> Content:
        if vdi in await sr.active_vdis():
            return self.world.guest_reads(vdi)
        await sr.activate_vdi(vdi, AttachMode.RO, IoLimits(iops=1))
        try:
            return self.world.guest_reads(vdi)
        finally:
            await sr.deactivate_vdi(vdi)

    async def check(self, sr: DirectorySr) -> None:
        """Everything."""
        await self.check_scan(sr)
        for vdi, expected in self.vdis.items():
            assert await self.read(sr, vdi) == expected, vdi
        if self.tracked:
            for older in sorted(self.snapshots):
                for newer in sorted(self.vdis):
                    await self._check_changes(sr, older, newer)

    async def _check_changes(self, sr: DirectorySr, older: VdiId, newer: VdiId) -> None:
        """What is known to be unchanged is."""
        try:
            bits = (await sr.changed_blocks(older, newer)).bits
        except SrBackendFailure:
            related = self.origin.get(older) == newer or older == newer
            assert self.world.killed or not related, "nobody was killed, and yet it is not known"
            return
        one, other = self.vdis[older], self.vdis[newer]
        for block in range(6):
            if one.get(block) != other.get(block):
                assert bits[0] >> block & 1, f"block {block} of {newer} is not that of {older}"
                self.compared += 1


@pytest.fixture
def world(tmp_path: Path) -> World:
    root = tmp_path / "sr"
    root.mkdir()
    return World(root)


@pytest.mark.parametrize("seed", range(15))
async def test_nothing_is_lost_however_often_the_agent_is_killed(
    world: World, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "WORTH", 0)
    story = Story(world, seed)
    sr = await world.agent()
    for _ in range(8):
        world.lives = story.random.randrange(1, 40)
        power = False
        try:
            for _ in range(25):
                await story.step(sr)
                story.maybe = {}
        except Killed:
            power = story.random.random() < 0.3
        if power:
            world.lose_power()
        sr = await world.agent()
        await story.settle(sr)
        await story.check(sr)
    for vdi in list(story.active):
        await sr.deactivate_vdi(vdi)
    for _ in range(20):
        if not await sr.chores():
            break
        await story._chores(sr)
    await story.check(sr)
    for vdi in list(story.vdis):
        await sr.destroy_vdi(vdi)
    for _ in range(20):
        await story._chores(sr)
    left = [path.name for path in world.root.iterdir() if not path.name.startswith(".xenhost-")]
    assert left == [], "images that nobody needs are left"
    assert not [path.name for path in world.root.iterdir() if path.name.startswith(".xenhost-merged")]


@pytest.mark.parametrize("killed", [False, True], ids=["nobody is killed", "the agent is killed"])
@pytest.mark.parametrize("seed", range(8))
async def test_a_changed_block_is_never_called_unchanged(
    world: World, seed: int, killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chores, "WORTH", 0)
    story = Story(world, 1000 + seed)
    story.tracked = True
    sr = await world.agent()
    for _ in range(6):
        world.lives = story.random.randrange(10, 120) if killed else -1
        with contextlib.suppress(Killed):
            for _ in range(25):
                await story.step(sr)
                story.maybe = {}
        if killed:
            sr = await world.agent()
            await story.settle(sr)
        await story.check(sr)
    assert killed or story.compared


async def test_killed_before_every_single_change_of_a_merge_nothing_is_lost(world: World) -> None:
    for deadline in range(1, 200):
        story = Story(world, deadline)
        sr = await world.agent()
        active, idle = story.fresh(), story.fresh()
        for vdi in (active, idle):
            await sr.create_vdi(NewVdi(vdi, 4 * MIB))
            story.vdis[vdi] = {}
            await sr.activate_vdi(vdi, AttachMode.RW, NO_LIMITS)
        for number in range(4):
            for vdi in (active, idle):
                world.guest_writes(vdi, number, f"{vdi[:4]}-{number}")
                world.guest_writes(vdi, 5, f"{vdi[:4]}-{number}")
                story.vdis[vdi] = {**story.vdis[vdi], number: f"{vdi[:4]}-{number}", 5: f"{vdi[:4]}-{number}"}
                if number < 3:
                    snapshot = NewSnapshot(story.fresh())
                    await sr.snapshot_vdi(vdi, snapshot)
                    await sr.destroy_vdi(snapshot.id)
        await sr.deactivate_vdi(idle)
        world.lives = deadline
        story.active = {active: AttachMode.RW}
        done = False
        try:
            while await sr.chores():
                await story._chores(sr)
            done = True
        except Killed:
            pass
        sr = await world.agent()
        await story.check(sr)
        await sr.deactivate_vdi(active)
        while await sr.chores():
            await story._chores(sr)
        await story.check(sr)
        for vdi in story.vdis:
            assert (await sr.stat_vdi(vdi)).depth == 0
            await sr.destroy_vdi(vdi)
        if done:
            break
    else:
        raise AssertionError("the merges never came to their end")
    assert deadline > 15


@pytest.mark.parametrize("snapshot", [True, False], ids=["snapshot", "clone"])
async def test_killed_before_every_single_change_of_a_copy_of_an_active_vdi(world: World, snapshot: bool) -> None:
    for deadline in range(100):
        story = Story(world, deadline)
        sr = await world.agent()
        vdi, new = story.fresh(), NewSnapshot(story.fresh())
        await sr.create_vdi(NewVdi(vdi, 4 * MIB))
        await sr.activate_vdi(vdi, AttachMode.RW, NO_LIMITS)
        world.guest_writes(vdi, 0, "before")
        world.lives = deadline
        done = False
        try:
            await (sr.snapshot_vdi(vdi, new) if snapshot else sr.clone_vdi(vdi, new))
            done = True
        except Killed:
            pass
        sr = await world.agent()
        world.guest_writes(vdi, 0, "after")
        assert world.guest_reads(vdi) == {0: "after"}
        if new.id in {each.id for each in (await sr.scan()).vdis}:
            assert await story.read(sr, new.id) == {0: "before"}
            await sr.destroy_vdi(new.id)  # what the engine does with what was half made
        await (sr.snapshot_vdi(vdi, new) if snapshot else sr.clone_vdi(vdi, new))
        world.guest_writes(vdi, 1, "later")
        assert await story.read(sr, new.id) == {0: "after"}
        await sr.deactivate_vdi(vdi)
        assert await story.read(sr, vdi) == {0: "after", 1: "later"}
        for each in (vdi, new.id):
            await sr.destroy_vdi(each)
        if done:
            assert deadline >= 3
            return
    raise AssertionError("the copy never came to its end")
