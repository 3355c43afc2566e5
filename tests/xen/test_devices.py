"""Devices in a real dom0: real blkback, netback, bridge and loop devices, and a real guest at the other end."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from xenhost.core.devices import DeviceClass, DeviceState, DeviceStatus, Source, SourceKind, Vbd, VbdMode, VbdType, Vif
from xenhost.core.errors import DeviceAttachFailed, DeviceDetachRejected, DeviceDetachTimeout
from xenhost.core.ids import DevId, DomId, parse_device
from xenhost.drivers.network import bridge
from xenhost.drivers.network.plain import PlainBridges
from xenhost.drivers.xen import paths
from xenhost.drivers.xen.devices.plugs import Devices
from xenhost.drivers.xen.devices.wiring import Patience
from xenhost.native.xenstore import Xenstore

XVDA, XVDB, XVDC = (parse_device(name)[0] for name in ("xvda", "xvdb", "xvdc"))
MIB = 1024 * 1024
PATIENT = Patience(attach=120, detach=120)
LOG = Path("/var/log/xen/console/guest-devices.log")


def run(*argv: str, check: bool = True) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=150, check=False)
    assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def domid(guests: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DomId]:
    """A running PV guest without devices, declared to be ours."""
    LOG.unlink(missing_ok=True)
    config = tmp_path_factory.mktemp("guest") / "cfg"
    config.write_text(
        f"name='devices'\ntype='pv'\nmemory=192\nvcpus=1\nkernel='{guests}/vmlinux'\n"
        f"ramdisk='{guests}/initrd.gz'\nextra='console=hvc0 quiet ip4=10.0.0.7'\n"
    )
    run("xl", "create", str(config))
    try:
        deadline = time.monotonic() + 150
        while "GUESTUP" not in (LOG.read_text(errors="replace") if LOG.exists() else ""):
            assert time.monotonic() < deadline, "the guest did not come up"
            time.sleep(0.1)
        number = DomId(int(run("xl", "domid", "devices")))
        run("xenstore-write", paths.record_type(number), "pv")
        yield number
        run("xenstore-rm", paths.record(number))
    finally:
        run("xl", "destroy", "devices", check=False)


@pytest.fixture
async def xs() -> AsyncIterator[Xenstore]:
    async with Xenstore() as store:
        yield store


@pytest.fixture
async def devices(xs: Xenstore, domid: DomId) -> AsyncIterator[Devices]:
    """The driver; afterwards nothing of any device may be left."""
    driver = Devices(xs, PlainBridges(), patience=PATIENT)
    await driver.open()
    try:
        yield driver
        await driver.teardown(domid)
        assert await leaks(xs, domid) == []
    finally:
        await driver.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return raw(tmp_path / "disk.raw")


def raw(path: Path) -> Path:
    with path.open("wb") as out:
        out.truncate(16 * MIB)
    return path


def disk(path: Path, devid: DevId = XVDB, mode: VbdMode = VbdMode.RW) -> Vbd:
    return Vbd(devid, Source(SourceKind.FILE, str(path)), mode)


def drive(path: Path | None = None) -> Vbd:
    source = Source(SourceKind.FILE, str(path)) if path else Source(SourceKind.EMPTY)
    return Vbd(XVDC, source, VbdMode.RO, VbdType.CD)


def nic(devid: int = 0, name: str = "xenbr0", mtu: int = 1500, rate: int = 0) -> Vif:
    return Vif(DevId(devid), f"00:16:3e:5e:00:0{devid + 1}", name, mtu, rate)


async def leaks(xs: Xenstore, domid: DomId) -> list[str]:
    """Whatever is left on the host of devices of the domain, in words."""
    found = [f"loop: {line}" for line in run("losetup", "-a").splitlines() if "pytest" in line]
    found += [f"link: {name}" for name in os.listdir("/sys/class/net") if name.startswith(f"vif{domid}.")]
    found += [
        f"kernel: {name}"
        for name in os.listdir("/sys/bus/xen-backend/devices")
        if f"-{domid}-" in name and "console" not in name
    ]
    for cls in DeviceClass:
        for parent in (paths.frontends(domid, cls), paths.backends(domid, cls), paths.record_class(domid, cls)):
            (names,) = await xs.ls_many([parent])
            found += [f"xenstore: {parent}/{name}" for name in names or []]  # type: ignore[union-attr]  # no error expected
    return found


async def shown(devices: Devices, domid: DomId, cls: DeviceClass, devid: int) -> DeviceStatus | None:
    for each in await devices.devices(domid):
        if (each.cls, each.devid) == (cls, devid):
            return each
    return None


async def in_state(devices: Devices, domid: DomId, cls: DeviceClass, devid: int, state: DeviceState) -> None:
    async with asyncio.timeout(150):
        while True:
            each = await shown(devices, domid, cls, devid)
            if each is not None and each.state is state:
                return
            await asyncio.sleep(0.02)


async def in_guest(command: str) -> None:
    """Type a command at the guest's shell, and wait until it says that it is done."""
    before = LOG.read_text(errors="replace").count("DONE-IT")
    tty = run("xenstore-read", f"/local/domain/{int(run('xl', 'domid', 'devices'))}/console/tty").strip()
    fd = os.open(tty, os.O_RDWR | os.O_NOCTTY)
    try:
        os.write(fd, f"{command}; echo DONE''-IT\n".encode())
        async with asyncio.timeout(150):
            while LOG.read_text(errors="replace").count("DONE-IT") == before:
                await asyncio.sleep(0.05)
    finally:
        os.close(fd)


async def test_what_the_guest_writes_arrives_in_the_file(devices: Devices, domid: DomId, file: Path) -> None:
    await devices.plug_vbd(domid, disk(file))
    assert str(file) in run("losetup", "-a")
    await in_state(devices, domid, DeviceClass.VBD, XVDB, DeviceState.ATTACHED)
    await in_guest("echo written by the guest | dd of=/dev/xvdb bs=512 seek=8 conv=sync; sync")
    await devices.unplug_vbd(domid, XVDB, False, 120)
    assert file.read_bytes()[4096:4116] == b"written by the guest"
    assert str(file) not in run("losetup", "-a")


async def test_the_guest_cannot_write_to_a_read_only_disk(devices: Devices, domid: DomId, file: Path) -> None:
    file.write_bytes(b"read me".ljust(MIB, b"\0"))
    await devices.plug_vbd(domid, disk(file, mode=VbdMode.RO))
    await in_state(devices, domid, DeviceClass.VBD, XVDB, DeviceState.ATTACHED)
    await in_guest("dd if=/dev/xvdb bs=512 count=1 | tr a-z A-Z; echo no | dd of=/dev/xvdb bs=512 conv=sync; sync")
    assert "READ ME" in LOG.read_text(errors="replace")
    await devices.unplug_vbd(domid, XVDB, False, 120)
    assert file.read_bytes().startswith(b"read me")


async def test_a_block_device_is_plugged_as_it_is(devices: Devices, domid: DomId, file: Path) -> None:
    loop = run("losetup", "-f", "--show", str(file)).strip()
    try:
        await devices.plug_vbd(domid, Vbd(XVDB, Source(SourceKind.BLOCK, loop)))
        await in_state(devices, domid, DeviceClass.VBD, XVDB, DeviceState.ATTACHED)
        assert await devices.media(domid) == {XVDB: Source(SourceKind.BLOCK, loop)}
        await devices.unplug_vbd(domid, XVDB, False, 120)
    finally:
        run("losetup", "-d", loop)


async def test_a_disk_that_another_domain_or_dom0_uses_is_refused(
    devices: Devices, domid: DomId, file: Path, tmp_path: Path
) -> None:
    await devices.plug_vbd(domid, disk(file))
    with pytest.raises(DeviceAttachFailed, match=f"in use by domain {domid}"):
        await devices.plug_vbd(domid, disk(file, XVDC))
    run("mke2fs", "-q", str(raw(tmp_path / "mounted.raw")))
    loop = run("losetup", "-f", "--show", str(tmp_path / "mounted.raw")).strip()
    mounted = tmp_path / "mnt"
    mounted.mkdir()
    try:
        run("mount", loop, str(mounted))
        with pytest.raises(DeviceAttachFailed, match="in use by dom0"):
            await devices.plug_vbd(domid, Vbd(XVDC, Source(SourceKind.BLOCK, loop)))
    finally:
        run("umount", str(mounted), check=False)
        run("losetup", "-d", loop)


async def test_of_two_plugs_of_one_file_at_once_one_is_refused(devices: Devices, domid: DomId, file: Path) -> None:
    plugs = [devices.plug_vbd(domid, disk(file)), devices.plug_vbd(domid, disk(file, XVDC))]
    refused = [error for error in await asyncio.gather(*plugs, return_exceptions=True) if error is not None]
    assert [type(error) for error in refused] == [DeviceAttachFailed]
    assert "in use by domain" in str(refused[0])


async def test_a_ping_goes_through_a_hot_plugged_card_with_its_mtu_and_rate(
    devices: Devices, domid: DomId, xs: Xenstore
) -> None:
    await devices.plug_vif(domid, nic(mtu=1400, rate=1000))
    link, master = bridge.find(f"vif{domid}.0"), bridge.find("xenbr0")
    assert link is not None
    assert master is not None
    assert (link.master, link.mtu, link.mac, link.up) == (master.index, 1400, bridge.BACKEND_MAC, True)
    assert await xs.read(f"{paths.backend(domid, 'vif', DevId(0))}/rate") == b"51200,50000"
    await in_state(devices, domid, DeviceClass.VIF, 0, DeviceState.ATTACHED)
    # Linux's frontend leaves the MTU at its default, whatever it is told; others obey.
    assert await xs.read(f"{paths.frontend(domid, 'vif', DevId(0))}/mtu") == b"1400"
    await in_guest("ip addr flush dev eth0; ip addr add 10.0.0.7/24 dev eth0; ip link set eth0 up")
    run("ping", "-c", "3", "-i", "0.3", "-W", "10", "10.0.0.7")
    await devices.unplug_vif(domid, DevId(0), False, 120)
    assert bridge.find(f"vif{domid}.0") is None


async def test_a_guest_that_refuses_is_quoted_and_keeps_its_disk(
    devices: Devices, domid: DomId, file: Path, xs: Xenstore
) -> None:
    """Linux 6.1 gives up every disk; its words are put into its mouth while it is paused."""
    await devices.plug_vbd(domid, disk(file))
    await in_state(devices, domid, DeviceClass.VBD, XVDB, DeviceState.ATTACHED)
    run("xl", "pause", str(domid))
    try:
        unplug = asyncio.create_task(devices.unplug_vbd(domid, XVDB, False, 120))
        await in_state(devices, domid, DeviceClass.VBD, XVDB, DeviceState.DETACHING)
        await xs.write(paths.device_error(domid, "vbd", XVDB), "16 Device in use; refusing to close")
        with pytest.raises(DeviceDetachRejected, match="Device in use; refusing to close"):
            await unplug
        with pytest.raises(DeviceDetachTimeout):
            await devices.unplug_vbd(domid, XVDB, False, 0.5)
        await in_state(devices, domid, DeviceClass.VBD, XVDB, DeviceState.ATTACHED)
    finally:
        run("xl", "unpause", str(domid))
    await in_guest("echo still writable | dd of=/dev/xvdb bs=512 conv=sync; sync")
    await devices.unplug_vbd(domid, XVDB, False, 120)
    assert file.read_bytes().startswith(b"still writable")


async def test_devices_of_a_silent_guest_can_be_forced_out(devices: Devices, domid: DomId, file: Path) -> None:
    await devices.plug_vbd(domid, disk(file))
    await devices.plug_vif(domid, nic())
    await in_state(devices, domid, DeviceClass.VBD, XVDB, DeviceState.ATTACHED)
    await in_state(devices, domid, DeviceClass.VIF, 0, DeviceState.ATTACHED)
    run("xl", "pause", str(domid))
    try:
        await devices.unplug_vbd(domid, XVDB, True, 120)
        await devices.unplug_vif(domid, DevId(0), True, 120)
        assert str(file) not in run("losetup", "-a")
        assert bridge.find(f"vif{domid}.0") is None
    finally:
        run("xl", "unpause", str(domid))
    await in_guest("true")


async def test_the_guest_sees_a_medium_come_and_go(devices: Devices, domid: DomId, tmp_path: Path) -> None:
    image = tmp_path / "image.iso"
    image.write_bytes(b"first disc".ljust(MIB, b"\0"))
    await devices.plug_vbd(domid, drive())
    await devices.change_medium(domid, drive(image))
    await in_state(devices, domid, DeviceClass.VBD, XVDC, DeviceState.ATTACHED)
    await in_guest("dd if=/dev/xvdc bs=512 count=1 | tr a-z A-Z")
    assert "FIRST DISC" in LOG.read_text(errors="replace")
    await devices.change_medium(domid, drive())
    assert str(image) not in run("losetup", "-a")
    assert [each.source for each in await devices.devices(domid)] == [Source(SourceKind.EMPTY)]


async def test_a_device_is_plugged_into_a_paused_guest_without_waiting_for_it(
    devices: Devices, domid: DomId, file: Path
) -> None:
    run("xl", "pause", str(domid))
    try:
        await devices.plug_vbd(domid, disk(file))
        await devices.plug_vif(domid, nic())
        assert {each.state for each in await devices.devices(domid)} == {DeviceState.ATTACHING}
        await devices.unplug_vbd(domid, XVDB, False, 1)
        await devices.unplug_vif(domid, DevId(0), False, 1)
    finally:
        run("xl", "unpause", str(domid))
    await in_guest("true")


async def test_a_cancelled_plug_leaves_nothing(devices: Devices, domid: DomId, file: Path, xs: Xenstore) -> None:
    run("xl", "pause", str(domid))
    try:
        for after in (0.0, 0.002, 0.005, 0.01, 0.02, 0.05):
            for plug in (devices.plug_vbd(domid, disk(file)), devices.plug_vif(domid, nic())):
                task = asyncio.create_task(plug)
                await asyncio.sleep(after)
                task.cancel()
                await asyncio.wait((task,))
                if task.cancelled():
                    await asyncio.sleep(0.2)  # a file that was just being opened is closed by then
                else:
                    await devices.teardown(domid)
                assert await leaks(xs, domid) == []
    finally:
        run("xl", "unpause", str(domid))


async def test_many_devices_are_torn_down_at_once(devices: Devices, domid: DomId, tmp_path: Path) -> None:
    disks = [disk(raw(tmp_path / f"disk{n}.raw"), DevId(XVDB + 16 * n)) for n in range(4)]
    cards = [nic(n) for n in range(3)]
    await asyncio.gather(
        *(devices.plug_vbd(domid, each) for each in disks), *(devices.plug_vif(domid, each) for each in cards)
    )
    for each in disks:
        await in_state(devices, domid, DeviceClass.VBD, each.devid, DeviceState.ATTACHED)
    await devices.teardown(domid)
    assert await devices.devices(domid) == []


KILLED = """
import asyncio, os, signal, sys
from xenhost.core.devices import *
from xenhost.core.ids import *
from xenhost.drivers.network.plain import PlainBridges
from xenhost.drivers.xen.devices.plugs import Devices
from xenhost.native.xenstore import Xenstore

async def main(domid, path, delay):
    async with Xenstore() as xs:
        devices = Devices(xs, PlainBridges())
        await devices.open()
        asyncio.get_running_loop().call_later(delay, os.kill, os.getpid(), signal.SIGKILL)
        vbd = Vbd(parse_device("xvdb")[0], Source(SourceKind.FILE, path))
        vif = Vif(DevId(0), "00:16:3e:5e:00:01", "xenbr0")
        while True:
            await asyncio.gather(devices.plug_vbd(domid, vbd), devices.plug_vif(domid, vif))
            await devices.teardown(domid)

asyncio.run(main(DomId(int(sys.argv[1])), sys.argv[2], float(sys.argv[3])))
"""


@pytest.mark.parametrize("delay", [0.001, 0.01, 0.03, 0.06, 0.1, 0.2, 0.35])
async def test_an_agent_that_is_killed_while_plugging_leaves_nothing_that_cannot_be_used_or_removed(
    devices: Devices, domid: DomId, file: Path, xs: Xenstore, delay: float
) -> None:
    run("xl", "pause", str(domid))
    try:
        done = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(domid), str(file), str(delay))
        assert await done.wait() == -signal.SIGKILL
        await xs.outlast()
        await asyncio.gather(devices.plug_vbd(domid, disk(file)), devices.plug_vif(domid, nic()))
        assert run("losetup", "-a").count(str(file)) == 1
        assert {each.state for each in await devices.devices(domid)} == {DeviceState.ATTACHING}
        await devices.teardown(domid)
        assert await leaks(xs, domid) == []
    finally:
        run("xl", "unpause", str(domid))
