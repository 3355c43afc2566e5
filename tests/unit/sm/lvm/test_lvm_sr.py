"""VDIs on LVM live, and the agent dies at every command: afterwards there is what was, or what was asked for."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from stat import S_ISBLK

import pytest

from contract.storage_ground import fresh
from contract.storage_host import StorageHost, new_sr
from unit.sm.lvm.fake_lvm import CHUNK, FakeLvm, Killed
from xenhost.core.errors import InvalidValue
from xenhost.core.ports.storage import Sr
from xenhost.core.storage import ConfigKey, NewSnapshot, NewVdi, SrSpec, SrStat, VdiChange, VdiId, VdiType
from xenhost.core.storage_errors import (
    SrBackendFailure,
    SrNotEmpty,
    SrOperationNotSupported,
    VdiMissing,
    VdiNoCbtMetadata,
    VdiTooSmall,
)
from xenhost.core.units import GIB, MIB
from xenhost.sm.context import SmContext
from xenhost.sm.drivers.lvm import LvmLocalDriver
from xenhost.sm.lvm import names
from xenhost.sm.lvm.disks import Stage
from xenhost.sm.lvm.driver import LvmDriver

DEVICE = Path("/dev/loop0")
pytestmark = pytest.mark.skipif(
    not DEVICE.exists() or not S_ISBLK(DEVICE.stat().st_mode), reason="there is no block device to look at"
)


class OneDisk:
    """`Disks` of one device, that nothing is done with."""

    keys: tuple[ConfigKey, ...] = ()
    opened = 0

    async def open(self, spec: SrSpec) -> tuple[str, ...]:
        self.opened += 1
        return (str(DEVICE),)

    async def close(self, spec: SrSpec) -> None:
        self.opened -= 1

    async def seen(self, spec: SrSpec, stat: SrStat) -> SrStat:
        return stat

    @contextlib.asynccontextmanager
    async def probing(self, device_config: Mapping[str, str]) -> AsyncIterator[Stage]:
        yield (str(DEVICE),)


class Host:
    """A host with one SR, whose agent may die."""

    def __init__(self, context: SmContext, folder: Path) -> None:
        self.lvm = FakeLvm(folder)
        self.disks = OneDisk()
        self._context = replace(context, commands=self.lvm)
        self._mapper = str(folder)
        self.spec = SrSpec(new_sr(), "lvm", {})

    @property
    def driver(self) -> LvmDriver:
        return LvmDriver(self._context, LvmLocalDriver(self._context).info, self.disks, self._mapper)

    async def made(self) -> Sr:
        await self.driver.create(self.spec)
        return await self.driver.attach(self.spec)

    async def deaths(self, sr: Sr, verb: Callable[[Sr], Awaitable[object]]) -> AsyncIterator[tuple[Sr, bool]]:
        """The SR after the agent died in a verb, one command later each time; at last, whether it had ended."""
        ended, lives = False, 0
        while not ended:
            self.lvm.lives, self.lvm.changes = lives, 0
            try:
                await verb(sr)
                ended = True
            except Killed:
                pass
            self.lvm.lives = None
            sr = await self.driver.attach(self.spec)
            yield sr, ended
            lives += 1

    @property
    def volumes(self) -> set[str]:
        return set(self.lvm.groups[names.group_name(self.spec.id)].volumes)

    def chunks(self, vdi: VdiId) -> set[int]:
        (volume,) = [
            each
            for name, each in self.lvm.groups[names.group_name(self.spec.id)].volumes.items()
            if name.startswith(f"VDI-{vdi}")
        ]
        return set(volume.chunks)


@pytest.fixture
async def host(tmp_path: Path) -> Host:
    mapper = tmp_path / "mapper"
    mapper.mkdir()
    return Host(await StorageHost(tmp_path).context(), mapper)


async def test_vdis_live_and_die(host: Host) -> None:
    sr = await host.made()
    new = NewVdi(fresh(), 5 * MIB, "größer", "d")
    for _ in range(2):
        assert (await sr.create_vdi(new)).virtual_size == 8 * MIB
    with pytest.raises(SrBackendFailure):
        await sr.create_vdi(replace(new, virtual_size=99 * MIB))
    with pytest.raises(InvalidValue):
        await sr.create_vdi(NewVdi(fresh(), 1 << 62))
    host.lvm.write(names.data_volume(new.id), 0, 1, 5)
    snapshot = NewSnapshot(fresh(), time=3.0)
    for _ in range(2):
        assert (await sr.snapshot_vdi(new.id, snapshot)).snapshot_of == new.id
    await sr.update_vdi(new.id, VdiChange(name="other"))
    for _ in range(2):
        assert (await sr.resize_vdi(new.id, GIB)).virtual_size == GIB
    with pytest.raises(VdiTooSmall):
        await sr.resize_vdi(new.id, MIB)
    sr = await host.driver.attach(host.spec)
    found = {vdi.id: vdi for vdi in (await sr.scan()).vdis}
    assert set(found) == {new.id, snapshot.id}
    vdi, kept = found[new.id], found[snapshot.id]
    assert (vdi.name, vdi.virtual_size, vdi.physical_utilisation) == ("other", GIB, 3 * CHUNK)
    assert (kept.name, kept.read_only, kept.is_a_snapshot, kept.snapshot_time) == ("größer", True, True, 3.0)
    assert (await sr.stat()).virtual_allocation == GIB + 8 * MIB
    with pytest.raises(SrNotEmpty):
        await sr.destroy()
    for gone in (new.id, new.id, snapshot.id):
        await sr.destroy_vdi(gone)
    with pytest.raises(VdiMissing):
        await sr.stat_vdi(new.id)
    await sr.destroy()
    assert host.lvm.groups == {}


async def test_an_sr_keeps_its_name_and_its_disks_are_let_go_of(host: Host) -> None:
    sr = await host.made()
    await sr.update("name", "größer")
    (entry,) = (await host.driver.probe({}, {})).entries
    assert (entry.sr, entry.name, entry.description) == (host.spec.id, "name", "größer")
    assert host.disks.opened == 1
    await sr.detach()
    assert host.disks.opened == 0


async def test_death_in_a_creation_leaves_a_whole_vdi_or_none(host: Host) -> None:
    new = NewVdi(fresh(), 4 * MIB, "x")
    async for sr, ended in host.deaths(await host.made(), lambda sr: sr.create_vdi(new)):
        assert [vdi.name for vdi in (await sr.scan()).vdis] == ["x"] * ended


async def test_death_in_a_revert_leaves_the_vdi_with_either_content(host: Host) -> None:
    sr = await host.made()
    vdi, snapshot = fresh(), fresh()
    await sr.create_vdi(NewVdi(vdi, 4 * MIB))
    host.lvm.write(names.data_volume(vdi), 1)
    await sr.snapshot_vdi(vdi, NewSnapshot(snapshot))
    host.lvm.write(names.data_volume(vdi), 2)
    contents = []
    async for sr, _ in host.deaths(sr, lambda sr: sr.revert_vdi(vdi, snapshot)):
        assert {each.id for each in (await sr.scan()).vdis} == {vdi, snapshot}
        assert len(host.volumes) == 3
        contents.append(host.chunks(vdi))
    assert contents == [{1, 2}, {1}, {1}]
    await sr.destroy_vdi(vdi)
    assert host.volumes == {names.POOL, names.data_volume(snapshot)}


async def test_death_while_data_is_destroyed_never_loses_what_changed(host: Host) -> None:
    sr = await host.made()
    vdi, snapshot, other = fresh(), fresh(), fresh()
    await sr.create_vdi(NewVdi(vdi, 4 * MIB))
    host.lvm.write(names.data_volume(vdi), 0, 1, 2, 3)
    await sr.enable_cbt(vdi)
    await sr.snapshot_vdi(vdi, NewSnapshot(snapshot))
    await sr.snapshot_vdi(vdi, NewSnapshot(other))
    host.lvm.write(names.data_volume(vdi), 1, 9)
    steps = 0
    async for sr, ended in host.deaths(sr, lambda sr: sr.destroy_vdi_data(snapshot)):
        steps += 1
        assert (await sr.changed_blocks(snapshot, vdi)).bits[:2] == bytes([0b10, 0b10])
        assert (await sr.changed_blocks(snapshot, other)).bits == bytes(8)
        kinds = {each.id: each.type for each in (await sr.scan()).vdis}
        assert kinds[snapshot] is VdiType.CBT_METADATA or not ended
        assert len(host.volumes) == 4
    assert steps > 5
    await sr.destroy_vdi(other)
    host.lvm.write(names.data_volume(vdi), 2)
    assert (await sr.changed_blocks(snapshot, vdi)).bits[:2] == bytes([0b110, 0b10])


async def test_death_while_a_vdi_is_destroyed_never_brings_back_an_older_one(host: Host) -> None:
    sr = await host.made()
    vdi, snapshot = fresh(), fresh()
    await sr.create_vdi(NewVdi(vdi, 4 * MIB))
    await sr.snapshot_vdi(vdi, NewSnapshot(snapshot))
    host.lvm.lives, host.lvm.changes = 1, 0
    with pytest.raises(Killed):
        await sr.revert_vdi(vdi, snapshot)  # Two generations are there now.
    host.lvm.lives = None
    async for sr, ended in host.deaths(sr, lambda sr: sr.destroy_vdi(vdi)):
        assert (vdi in {each.id for each in (await sr.scan()).vdis}) is not ended


async def test_what_changed_is_told_of_relatives_that_are_tracked_only(host: Host) -> None:
    sr = await host.made()
    vdi, stranger, snapshot = fresh(), fresh(), fresh()
    for each in (vdi, stranger):
        await sr.create_vdi(NewVdi(each, 4 * MIB))
    await sr.snapshot_vdi(vdi, NewSnapshot(snapshot))
    with pytest.raises(VdiNoCbtMetadata):
        await sr.changed_blocks(snapshot, vdi)
    with pytest.raises(VdiNoCbtMetadata):
        await sr.destroy_vdi_data(snapshot)
    await sr.enable_cbt(vdi)
    await sr.enable_cbt(stranger)
    tracked = fresh()
    await sr.snapshot_vdi(vdi, NewSnapshot(tracked))
    for older, newer in ((tracked, stranger), (vdi, tracked), (vdi, stranger)):
        with pytest.raises(SrBackendFailure) as caught:
            await sr.changed_blocks(older, newer)
        assert caught.value.number == 460
    assert not any((await sr.changed_blocks(tracked, vdi)).bits)
    assert not (await sr.disable_cbt(vdi)).cbt_enabled


async def test_a_metadata_snapshot_that_was_left_is_dropped(host: Host) -> None:
    await host.made()
    group = host.lvm.groups[names.group_name(host.spec.id)]
    group.held = True
    sr = await host.driver.attach(host.spec)
    assert not group.held
    await sr.create_vdi(NewVdi(fresh(), MIB))
    group.held = True
    assert len((await sr.scan()).vdis) == 1
    assert not group.held


async def test_a_shared_sr_makes_no_thin_pool_and_refuses_one(host: Host) -> None:
    for shared in (replace(host.spec, shared=True, device_config={"allocation": "thin"}),):
        with pytest.raises(SrBackendFailure) as caught:
            await host.driver.create(shared)
        assert caught.value.number == 180
    await host.made()
    with pytest.raises(SrBackendFailure) as caught:
        await host.driver.attach(replace(host.spec, shared=True))
    assert caught.value.number == 180
    thick = replace(host.spec, id=new_sr(), shared=True)
    host.lvm.groups.clear()
    await host.driver.create(thick)
    assert host.lvm.groups[names.group_name(thick.id)].owner == ""
    assert host.lvm.groups[names.group_name(thick.id)].volumes == {}
    slave = await host.driver.attach(replace(thick, device_config={"SRmaster": "false"}))
    for verb in (
        slave.create_vdi(NewVdi(fresh(), MIB)),
        slave.destroy_vdi(fresh()),
        slave.snapshot_vdi(fresh(), NewSnapshot(fresh())),
        slave.update("", ""),
        slave.destroy(),
    ):
        with pytest.raises(SrBackendFailure) as caught:
            await verb
        assert caught.value.number == 58
    master = await host.driver.attach(thick)
    with pytest.raises(SrOperationNotSupported, match="thick"):
        await master.snapshot_vdi(fresh(), NewSnapshot(fresh()))


async def test_a_group_of_another_host_is_refused(host: Host) -> None:
    await host.made()
    host.lvm.groups[names.group_name(host.spec.id)].owner = "xenhost-other"
    with pytest.raises(SrBackendFailure, match="belongs to xenhost-other"):
        await host.driver.attach(host.spec)
    assert host.disks.opened == 1
