"""SRs on LVM in a real dom0: the contract, and what only LVM can get wrong."""

import asyncio
import json
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bare.sr_ground import LoopDisks, grounded, run
from contract.storage import Promise, in_dom0, keep, name_of
from contract.storage_ground import BLOCK, StorageGround, block, fresh
from contract.storage_host import new_sr
from xenhost.core.ports.storage import Sr
from xenhost.core.storage import AttachMode, BackendKind, Health, IoLimits, NewSnapshot, NewVdi, SrSpec, VdiId
from xenhost.core.storage_errors import (
    SrBackendFailure,
    SrDeviceInUse,
    SrFull,
    SrOperationNotSupported,
    SrUuidExists,
    VdiMissing,
)
from xenhost.core.units import GIB, MIB
from xenhost.sm.command import Commands, Result
from xenhost.sm.context import SmContext
from xenhost.sm.drivers.lvm import LvmLocalDriver
from xenhost.sm.lvm import names

pytestmark = pytest.mark.timeout(900)


PARTITION_TABLE = bytes(446) + struct.pack("<B3xB3xII", 0, 0x83, 2048, 2048) + bytes(48) + b"\x55\xaa"


class Killed(BaseException):
    """The agent is killed."""


class MortalCommands(Commands):
    """Programs of an agent that can be told to die before it runs so many of those that change something."""

    def __init__(self) -> None:
        self.lives: int | None = None
        self.ran: list[str] = []

    async def run(self, *argv: str, **options: object) -> Result:
        if self.lives is not None and (self.lives <= 0 or argv[0] in ("lvcreate", "lvremove", "lvchange", "lvextend")):
            self.lives -= 1
            if self.lives < 0:
                raise Killed
        self.ran.append(argv[0])
        return await super().run(*argv, **options)  # type: ignore[arg-type]  # as above


@pytest.fixture
def commands() -> MortalCommands:
    return MortalCommands()


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[LoopDisks]:
    disks = LoopDisks(tmp_path)
    yield disks
    disks.close()


@pytest.fixture
async def ground(tmp_path: Path, disks: LoopDisks, commands: MortalCommands) -> AsyncIterator[StorageGround]:
    def driver(context: SmContext) -> LvmLocalDriver:
        return LvmLocalDriver(replace(context, commands=commands))

    async with grounded(tmp_path, driver, lambda: {"device": disks.new()}) as ground:
        yield ground


@pytest.mark.parametrize(
    "promise",
    in_dom0(
        "a_new_agent_finds_what_the_last_one_left_active",
        "an_active_vdi_grows",
        "a_snapshot_of_an_active_vdi_is_of_that_instant",
        "reverting_gives_the_old_content_and_keeps_the_snapshot",
        "changed_blocks_are_those_written_since",
    ),
    ids=name_of,
)
async def test_an_lvm_sr_promises_that(promise: Promise, ground: StorageGround) -> None:
    await keep(promise, ground)


def volumes(spec: SrSpec) -> set[str]:
    """Names of all volumes that LVM knows."""
    listed = run("lvs", "--foreign", "--reportformat", "json", "-o", "lv_name", names.group_name(spec.id))
    return {row["lv_name"] for row in json.loads(listed)["report"][0]["lv"]}


async def killed_in(
    ground: StorageGround,
    commands: MortalCommands,
    spec: SrSpec,
    sr: Sr,
    lives: int,
    verb: Callable[[Sr], Awaitable[object]],
) -> tuple[Sr, bool]:
    """Kill the agent in a verb; the SR as the next agent has it, and whether the verb had ended before."""
    commands.lives = lives
    ended = False
    try:
        await verb(sr)
        ended = True
    except Killed:
        pass
    commands.lives = None
    return await ground.reborn(spec, sr), ended


async def test_death_in_a_snapshot_of_an_active_vdi_leaves_it_whole(
    ground: StorageGround, commands: MortalCommands
) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("old")})
    backends = await ground.begin(sr, vdi)
    new = NewSnapshot(fresh(), time=1.0)
    sr, ended = await killed_in(ground, commands, spec, sr, 0, lambda sr: sr.snapshot_vdi(vdi, new))
    assert not ended
    assert set(await ground.found(sr)) == {vdi}
    sr, ended = await killed_in(ground, commands, spec, sr, 1, lambda sr: sr.snapshot_vdi(vdi, new))
    assert ended
    await sr.snapshot_vdi(vdi, new)
    assert await sr.active_vdis() == {vdi: AttachMode.RW}
    await ground.put(backends, {0: block("new")})
    await ground.holds(sr, new.id, {0: block("old")})


@pytest.mark.bare_long
async def test_death_in_a_revert_leaves_the_vdi_as_it_was_or_reverted(
    ground: StorageGround, commands: MortalCommands
) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("old")})
    snapshot = await ground.snapshot(sr, vdi)
    await ground.write(sr, vdi, {0: block("new")})
    sr, _ = await killed_in(ground, commands, spec, sr, 0, lambda sr: sr.revert_vdi(vdi, snapshot))
    await ground.holds(sr, vdi, {0: block("new")})
    sr, ended = await killed_in(ground, commands, spec, sr, 1, lambda sr: sr.revert_vdi(vdi, snapshot))
    assert not ended
    assert volumes(spec) == {names.POOL, names.data_volume(vdi, 1), names.data_volume(snapshot)}
    await ground.holds(sr, vdi, {0: block("old")})
    await sr.revert_vdi(vdi, snapshot)
    await sr.destroy_vdi(vdi)
    assert set(await ground.found(sr)) == {snapshot}


@pytest.mark.bare_long
async def test_death_while_data_is_destroyed_never_loses_what_changed(
    ground: StorageGround, commands: MortalCommands
) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("0")})
    await sr.enable_cbt(vdi)
    snapshot = await ground.snapshot(sr, vdi)
    await ground.write(sr, vdi, {3 * BLOCK: block("3")})
    ended, lives = False, 0
    while not ended:
        sr, ended = await killed_in(ground, commands, spec, sr, lives, lambda sr: sr.destroy_vdi_data(snapshot))
        lives += 1
        bits = (await sr.changed_blocks(snapshot, vdi)).bits
        assert bits[0] == 0b1000
        assert len(volumes(spec)) == 3
    assert lives > 4
    assert volumes(spec) == {names.POOL, names.data_volume(vdi), names.map_volume(snapshot)}


@pytest.mark.bare_long
async def test_a_block_that_was_shared_never_counts_as_unchanged(ground: StorageGround) -> None:
    """What ADR 14 relies on: the kernel copies a block that was shared, also when it is not any more."""
    _, sr = await ground.made()
    vdi = await ground.vdi(sr, {number * BLOCK: block(str(number)) for number in range(8)})
    await sr.enable_cbt(vdi)
    one = await ground.snapshot(sr, vdi)
    other = await ground.snapshot(sr, vdi)
    await sr.destroy_vdi_data(one)
    await sr.destroy_vdi(other)  # Now the VDI alone has these blocks.
    backends = await ground.begin(sr, vdi)
    await ground.put(backends, {BLOCK: block("a"), 3 * BLOCK: b"x" * 512})
    await ground.put(backends, {BLOCK: block("b"), 5 * BLOCK: block("5")})  # 5: the same bytes, written again.
    run("blkdiscard", "-o", str(6 * BLOCK), "-l", str(BLOCK), backends[0].path)
    await ground.put(backends, {6 * BLOCK: block("6")})
    run("blkdiscard", "-o", str(7 * BLOCK), "-l", str(BLOCK), backends[0].path)
    assert (await sr.changed_blocks(one, vdi)).bits[0] == 0b11101010
    two = await ground.snapshot(sr, vdi)
    await sr.destroy_vdi_data(two)
    assert (await sr.changed_blocks(one, two)).bits[0] == 0b11101010
    assert (await sr.changed_blocks(two, vdi)).bits[0] == 0


async def test_devices_that_a_killed_lvm_left_suspended_are_resumed(ground: StorageGround) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr)
    backends = await ground.begin(sr, vdi)
    run("dmsetup", "suspend", backends[0].path)
    sr = await ground.reborn(spec, sr)
    await ground.put(backends, {0: block("goes on")})


@pytest.mark.bare_long
async def test_a_snapshot_takes_no_space(ground: StorageGround) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("x")}, virtual_size=8 * GIB)
    before = (await sr.stat()).physical_utilisation
    for _ in range(2):
        await ground.snapshot(sr, vdi)
    stat = await sr.stat()
    assert stat.physical_utilisation == before > 0
    assert stat.virtual_allocation == 24 * GIB > stat.physical_size
    assert (await ground.found(sr))[vdi].physical_utilisation == BLOCK


async def test_a_volume_that_is_removed_behind_our_back_is_missing_and_the_sr_goes_on(ground: StorageGround) -> None:
    spec, sr = await ground.made()
    vdi, other = await ground.vdi(sr), await ground.vdi(sr)
    config = 'global{system_id_source="lvmlocal"}local{system_id="%s"}'
    owner = run("vgs", "--foreign", "--noheadings", "-o", "vg_systemid", names.group_name(spec.id)).strip()
    run("lvremove", "-y", "--config", config % owner, f"{names.group_name(spec.id)}/{names.data_volume(vdi)}")
    with pytest.raises(VdiMissing):
        await ground.begin(sr, vdi)
    with pytest.raises(VdiMissing):
        await sr.stat_vdi(vdi)
    assert set(await ground.found(sr)) == {other}
    await ground.holds(sr, other, {0: bytes(BLOCK)})


async def test_a_full_pool_refuses_and_fails_in_bounded_time_and_recovers(ground: StorageGround) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr, virtual_size=GIB)
    backends = await ground.begin(sr, vdi)
    begun = time.monotonic()
    done = await asyncio.create_subprocess_exec(
        *("dd", "if=/dev/zero", f"of={backends[0].path}", "bs=1M", "oflag=direct", "status=none"),
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await done.communicate()
    assert b"No space" in said
    assert time.monotonic() - begun < 120
    stat = await sr.stat()
    assert (stat.health, "full" in stat.problem) == (Health.RECOVERING, True)
    with pytest.raises(SrFull):
        await sr.create_vdi(NewVdi(fresh(), MIB))
    with pytest.raises(SrFull):
        await sr.snapshot_vdi(vdi, NewSnapshot(fresh()))
    await ground.end(sr, vdi)
    await sr.destroy_vdi(vdi)
    await ground.vdi(sr, {0: block("room again")})
    assert (await sr.stat()).health is Health.HEALTHY


async def test_an_active_vdi_with_limits_is_served_by_qemu(ground: StorageGround) -> None:
    _, sr = await ground.made()
    vdi = await ground.vdi(sr)
    await sr.attach_vdi(vdi, AttachMode.RW)
    backends = await sr.activate_vdi(vdi, AttachMode.RW, IoLimits(iops=1000))
    assert backends[0].kind is BackendKind.NBD
    await ground.put(backends, {0: block("through qemu")})
    snapshot = await ground.snapshot(sr, vdi)
    await sr.resize_vdi(vdi, 2 * ground.size)
    await ground.put(backends, {2 * ground.size - BLOCK: block("the new end")})
    await ground.end(sr, vdi)
    await ground.holds(sr, vdi, {0: block("through qemu"), 2 * ground.size - BLOCK: block("the new end")})
    await ground.holds(sr, snapshot, {0: block("through qemu")})


@pytest.mark.bare_long
async def test_a_disk_that_holds_anything_is_not_taken(ground: StorageGround, disks: LoopDisks) -> None:
    disk = disks.new(64 * MIB)
    for make in (
        lambda: run("mke2fs", "-q", disk),
        lambda: Path(disk).write_bytes(PARTITION_TABLE),
        lambda: run("pvcreate", "-qy", disk),
    ):
        run("wipefs", "-qa", disk)
        make()
        before = run("sha256sum", disk)
        with pytest.raises(SrDeviceInUse):
            await ground.driver.create(SrSpec(new_sr(), "lvm", {"device": disk}))
        assert run("sha256sum", disk) == before
    report_ = await ground.driver.probe({}, {})
    assert (report_.code, report_.missing) == (90, "device")
    assert disk not in report_.document


@pytest.mark.bare_long
async def test_a_group_of_xenserver_is_shown_and_never_written_to(ground: StorageGround, disks: LoopDisks) -> None:
    disk, sr = disks.new(64 * MIB), new_sr()
    group = names.group_name(sr)
    run("vgcreate", "-q", group, disk)
    run("lvcreate", "-qy", "-an", "-Wn", "-Zn", "-L", "4M", "-n", "MGT", group)
    run("lvcreate", "-qy", "-an", "-Wn", "-Zn", "-L", "8M", "-n", f"VHD-{fresh()}", group)
    before = run("sha256sum", disk)
    spec = SrSpec(sr, "lvm", {"device": disk})
    with pytest.raises(SrBackendFailure, match="XenServer") as caught:
        await ground.driver.attach(spec)
    assert caught.value.number == 48
    with pytest.raises(SrUuidExists):
        await ground.driver.create(spec)
    (entry,) = (await ground.driver.probe({"device": disk}, {})).entries
    assert (entry.sr, "not made by xenhost" in entry.description) == (sr, True)
    assert run("sha256sum", disk) == before


@pytest.mark.bare_long
async def test_a_pool_belongs_to_one_host(ground: StorageGround, tmp_path: Path, commands: MortalCommands) -> None:
    spec, sr = await ground.made()
    vdi = await ground.vdi(sr, {0: block("mine")})
    await ground.detached(sr)
    context = replace(sr._store.context, host_id="00000000-0000-0000-0000-000000000001")  # type: ignore[attr-defined]
    other = LvmLocalDriver(context)
    with pytest.raises(SrBackendFailure, match="belongs to xenhost-") as caught:
        await other.attach(spec)
    assert caught.value.number == 47
    with pytest.raises(SrBackendFailure):
        await ground.driver.attach(replace(spec, shared=True))
    with pytest.raises(SrBackendFailure):
        await ground.driver.create(SrSpec(new_sr(), "lvm", {**spec.device_config, "allocation": "thin"}, shared=True))
    owner = str(caught.value).split("takeover=")[1].split()[0]
    taken = await other.attach(replace(spec, device_config={**spec.device_config, "takeover": owner}))
    assert {each.id for each in (await taken.scan()).vdis} == {vdi}
    await taken.detach()
    with pytest.raises(SrBackendFailure, match="belongs to"):
        await ground.driver.attach(spec)


@pytest.mark.bare_long
async def test_a_shared_sr_has_plain_zeroed_volumes_and_its_slaves_only_read(
    ground: StorageGround, disks: LoopDisks
) -> None:
    disk = disks.new(128 * MIB)
    run("dd", "if=/dev/urandom", f"of={disk}", "bs=1M", "count=128", "status=none")
    spec = SrSpec(new_sr(), "lvm", {"device": disk}, shared=True)
    await ground.driver.create(spec)
    sr = await ground.attached(spec)
    vdi = await ground.vdi(sr)
    await ground.holds(sr, vdi, {0: bytes(8 * MIB)})
    await sr.resize_vdi(vdi, 16 * MIB)
    await ground.holds(sr, vdi, {8 * MIB: bytes(8 * MIB)})
    for verb in (sr.snapshot_vdi, sr.clone_vdi):
        with pytest.raises(SrOperationNotSupported, match="thick"):
            await verb(vdi, NewSnapshot(fresh()))
    with pytest.raises(SrOperationNotSupported):
        await sr.enable_cbt(vdi)
    with pytest.raises(SrFull):
        await sr.create_vdi(NewVdi(fresh(), GIB))
    slave = await ground.attached(replace(spec, device_config={**spec.device_config, "SRmaster": "false"}))
    assert set(await ground.found(slave)) == {vdi}
    await ground.holds(slave, vdi, {0: bytes(BLOCK)})
    with pytest.raises(SrBackendFailure) as caught:
        await slave.create_vdi(NewVdi(fresh(), MIB))
    assert caught.value.number == 58


async def test_4096_volumes_are_scanned_by_two_commands(
    ground: StorageGround, disks: LoopDisks, commands: MortalCommands
) -> None:
    """Written into LVM's metadata as text: to make them one after another would take hours here."""
    disk = disks.new(18 * GIB)
    spec = SrSpec(new_sr(), "lvm", {"device": disk, "allocation": "thick"})
    await ground.driver.create(spec)
    sr = await ground.attached(spec)
    first = await ground.vdi(sr, name="first", virtual_size=4 * MIB)
    await ground.detached(sr)
    group = names.group_name(spec.id)
    store = sr._store.group  # type: ignore[attr-defined]  # LVM as the driver runs it
    text = Path("/tmp/metadata")
    await store.lvm.write("vgcfgbackup", "-f", str(text), group)
    text.write_text(multiplied(text.read_text(), names.data_volume(first), 4095))
    await store.lvm.write("vgcfgrestore", "-f", str(text), group)
    sr = await ground.attached(spec)
    commands.ran.clear()
    begun = time.monotonic()
    found = await ground.found(sr)
    took = time.monotonic() - begun
    assert commands.ran == ["vgs", "lvs"]
    assert len(found) == 4096
    assert all(vdi.name == "first" and not vdi.problem for vdi in found.values())
    begun = time.monotonic()
    run("lvs", "--foreign", "-o", "lv_name", group)
    print(f"scan of 4096: {took:.2f} s; bare lvs of their names: {time.monotonic() - begun:.2f} s")


def multiplied(text: str, volume: str, times: int) -> str:
    """Metadata of a group with so many more volumes like one."""
    begin = text.index(f"\t\t{volume} {{")
    end = text.index("\n\t\t}\n", begin) + len("\n\t\t}\n")
    one = text[begin:end]
    (start,) = [line for line in one.splitlines() if '"pv0", ' in line]
    made = []
    for number in range(1, times + 1):
        other = VdiId(f"{number:08x}-0000-4000-8000-000000000000")
        lv = one.replace(volume, names.data_volume(other)).replace(start, f'\t\t\t\t\t"pv0", {number}')
        at = lv.index('id = "') + len('id = "')
        made.append(f"{lv[:at]}{number:06d}{lv[at + 6 :]}")
    return text[:end] + "\n" + "\n".join(made) + text[end:]
