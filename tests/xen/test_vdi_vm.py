"""VMs on VDIs, from the guest's file system to the SR: real guests, block devices, image servers and volumes."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from xen.vdi_host import Shell, VdiHost, alone, disk
from xen.xen_host import read_until, run, tty_of
from xenhost.core.devices import IoLimits, Source, SourceKind, Vbd, VbdMode, VbdType
from xenhost.core.ids import VmId, parse_device
from xenhost.core.requests import EjectVbd, InsertVbd, LimitVbd, PlugVbd, ShutdownVm, StartVm, UnplugVbd
from xenhost.core.storage import NewSnapshot, SrId, VdiId
from xenhost.core.storage_requests import ResizeVdi, ScanSr, SnapshotVdi
from xenhost.core.units import KIB, MIB
from xenhost.core.vm import FirmwareBoot, Memory, PowerState, VmSpec, VmType

pytestmark = [pytest.mark.timeout(1200), pytest.mark.xen_long]
XVDA = parse_device("xvda")[0]
XVDB = parse_device("xvdb")[0]
KINDS = ["file", "lvm"]


@pytest.fixture
async def host(guests: Path) -> AsyncIterator[VdiHost]:
    async with alone(guests) as host:
        yield host


async def sr_of(host: VdiHost, kind: str) -> SrId:
    """An SR of that type on this machine."""
    if kind == "lvm":
        loop = (await run("sh", "-c", f"truncate -s 1G {host.folder}/pv && losetup -f --show {host.folder}/pv")).strip()
        return await host.sr("lvm", device=loop)
    folder = host.folder / "sr"
    folder.mkdir()
    return await host.sr("file", location=str(folder))


@pytest.mark.xen_core
@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_guest_writes_arrives_in_its_vdi(host: VdiHost, kind: str) -> None:
    sr = await sr_of(host, kind)
    first, second = await host.vdi(sr), await host.vdi(sr)
    vm = host.pv(disk(first))
    await host.host.engine.create_vm(vm)
    await host.do(StartVm(vm.id))
    with await host.shell(vm.id) as shell:
        await shell.run("echo hello of xvda | dd of=/dev/xvda conv=fsync")
        await host.do(PlugVbd(vm.id, disk(second, "xvdb")))
        await shell.heard(re.compile(rb"GUESTDEV add xvdb"), 120)
        await shell.run("echo hello of xvdb | dd of=/dev/xvdb conv=fsync")
        assert "hello of xvda" in await shell.run("head -c 13 /dev/xvda")
        await host.do(UnplugVbd(vm.id, XVDB))
        await shell.heard(re.compile(rb"GUESTDEV remove xvdb"), 120)
    assert host.host.storage.vdi(second).datapaths == ()
    assert (await host.content(second)).startswith(b"hello of xvdb\n")
    await host.do(ShutdownVm(vm.id, timeout=150))
    assert host.host.storage.vdi(first).datapaths == ()
    assert (await host.content(first)).startswith(b"hello of xvda\n")


@pytest.mark.xen_core
@pytest.mark.parametrize("kind", KINDS)
async def test_a_snapshot_of_a_disk_in_use_keeps_one_instant_of_it(host: VdiHost, kind: str) -> None:
    sr = await sr_of(host, kind)
    vdi = await host.vdi(sr)
    vm = host.pv(disk(vdi))
    await host.host.engine.create_vm(vm)
    await host.do(StartVm(vm.id))
    with await host.shell(vm.id) as shell:
        await shell.run("echo before | dd of=/dev/xvda conv=fsync")
        await shell.run(
            "(i=0; while true; do i=$((i+1)); echo $i | dd of=/dev/xvda seek=8 conv=fsync; done) 2>/dev/null &"
        )
        snapshot = VdiId(str(uuid4()))
        await host.store(SnapshotVdi(vdi, NewSnapshot(snapshot, "instant")))
        await shell.run("echo afterwards | dd of=/dev/xvda conv=fsync,notrunc")
        once, again = [(await host.content(snapshot))[:8192] for _ in range(2)]
        assert once.startswith(b"before\n")
        assert once == again
        assert int(once[4096:].split(b"\n")[0]) > 0
        said = await shell.run("dd if=/dev/xvda skip=8 count=1 2>/dev/null | head -n 1")
        live = int(re.findall(r"^(\d+)\r?$", said, re.MULTILINE)[0])
        assert live > int(once[4096:].split(b"\n")[0])
    await host.do(ShutdownVm(vm.id, hard=True))
    assert (await host.content(vdi)).startswith(b"afterwards\n")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_guest_sees_its_disk_grow(host: VdiHost, kind: str) -> None:
    sr = await sr_of(host, kind)
    vdi = await host.vdi(sr)
    vm = host.pv(disk(vdi))
    await host.host.engine.create_vm(vm)
    await host.do(StartVm(vm.id))
    with await host.shell(vm.id) as shell:
        assert str(64 * MIB // 512) in await shell.run("cat /sys/block/xvda/size")
        await host.store(ResizeVdi(vdi, 96 * MIB))
        await shell.run(
            f"for i in $(seq 200); do grep -q {96 * MIB // 512} /sys/block/xvda/size && break; sleep 0.2; done"
        )
        assert str(96 * MIB // 512) in await shell.run("cat /sys/block/xvda/size")
        await shell.run("echo the end | dd of=/dev/xvda bs=1M seek=95 conv=fsync")


async def test_a_limit_holds_a_guest_back_and_changes_while_it_runs(host: VdiHost) -> None:
    sr = await sr_of(host, "file")
    vdi = await host.vdi(sr)
    vm = host.pv(disk(vdi, limits=IoLimits(bytes_per_second=1 * MIB)))
    await host.host.engine.create_vm(vm)
    await host.do(StartVm(vm.id))
    with await host.shell(vm.id) as shell:
        await shell.run("dd if=/dev/zero of=/dev/xvda bs=64k count=16 conv=fsync")  # what may burst at first
        assert await _writing(shell) > 2.5
        await host.do(LimitVbd(vm.id, XVDA, IoLimits(bytes_per_second=256 * KIB)))
        slow = await _writing(shell)
        assert slow > 10
        await host.do(LimitVbd(vm.id, XVDA, IoLimits()))
        assert await _writing(shell) < slow / 2


async def _writing(shell: Shell) -> float:
    """Seconds that 4 MiB take."""
    before = asyncio.get_running_loop().time()
    await shell.run("dd if=/dev/zero of=/dev/xvda bs=64k count=64 conv=fsync")
    return asyncio.get_running_loop().time() - before


@pytest.mark.xen_core
async def test_iso_images_are_put_into_a_drive_and_taken_out(host: VdiHost) -> None:
    folder = host.folder / "iso"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.iso").write_bytes(f"I am {name}".encode().ljust(64 * KIB, b"\0"))
    sr = await host.sr("iso", location=str(folder), legacy_mode="true")
    await host.store(ScanSr(sr))
    isos = {view.vdi.location.rpartition("/")[2]: view.vdi.id for view in host.host.storage.vdis(sr)}
    drive = Vbd(XVDB, Source(SourceKind.EMPTY), VbdMode.RO, VbdType.CD)
    vm = host.pv(drive)
    await host.host.engine.create_vm(vm)
    await host.do(StartVm(vm.id))
    with await host.shell(vm.id) as shell:
        for name in ("one", "two", "one"):
            await host.do(InsertVbd(vm.id, XVDB, Source(SourceKind.VDI, isos[f"{name}.iso"])))
            await shell.heard(re.compile(rb"GUESTDEV add xvdb"), 120)
            assert f"I am {name}" in await shell.run("head -c 8 /dev/xvdb")
            await host.do(EjectVbd(vm.id, XVDB))
            await shell.heard(re.compile(rb"GUESTDEV remove xvdb"), 120)
            assert host.host.storage.datapaths() == []


async def test_a_restart_of_the_agent_leaves_a_guest_its_disk(host: VdiHost) -> None:
    sr = await sr_of(host, "file")
    vdi = await host.vdi(sr)
    vm = host.pv(disk(vdi))
    await host.host.engine.create_vm(vm)
    await host.do(StartVm(vm.id))
    with await host.shell(vm.id) as shell:
        await shell.run("echo one | dd of=/dev/xvda conv=fsync")
        await host.restart()
        assert host.host.storage.vdi(vdi).datapaths != ()
        await shell.run("echo two | dd of=/dev/xvda conv=fsync")
        await host.do(ShutdownVm(vm.id, timeout=150))
        assert (await host.content(vdi)).startswith(b"two\n")


@pytest.mark.xen_hvm
@pytest.mark.parametrize("kind", KINDS)
async def test_an_hvm_guest_boots_from_a_vdi(host: VdiHost, kind: str) -> None:
    image = host.guests / "tiny-hvm.img"
    vdi = await host.vdi(await sr_of(host, kind), max(image.stat().st_size, 8 * MIB))
    await host.fill(vdi, image)
    memory = Memory(64 * MIB, 64 * MIB, 64 * MIB)
    vm = VmSpec(VmId(str(uuid4())), "hvm", VmType.HVM, FirmwareBoot("c"), memory, vbds=(disk(vdi),))
    await host.host.engine.create_vm(vm)
    await host.do(StartVm(vm.id))
    await read_until(await tty_of(host.host.hypervisor, host.domid(vm.id)), b"TINYUP", 600)
    await host.do(ShutdownVm(vm.id, hard=True))
    assert host.host.engine.vm(vm.id).status.power_state is PowerState.HALTED
    assert host.host.storage.vdi(vdi).datapaths == ()
