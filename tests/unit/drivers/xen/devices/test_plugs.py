"""The device verbs on the real xenstored, real loop devices and bridges; kernel and guest are played."""

import asyncio
import contextlib
import errno
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from device_stub.kernel import FakeKernel
from xenhost.core.devices import DeviceClass, DeviceState, DeviceStatus, Source, SourceKind, Vbd, VbdMode, VbdType, Vif
from xenhost.core.errors import (
    DeviceAlreadyAttached,
    DeviceAttachFailed,
    DeviceAttachTimeout,
    DeviceDetachRejected,
    DeviceDetachTimeout,
    DomainGone,
    VbdNotRemovableMedia,
)
from xenhost.core.ids import DevId, DomId, parse_device
from xenhost.drivers.network import bridge as links
from xenhost.drivers.network.plain import PlainBridges
from xenhost.drivers.xen import paths
from xenhost.drivers.xen.devices.medium import open_medium
from xenhost.drivers.xen.devices.plugs import Devices
from xenhost.drivers.xen.devices.wiring import Patience
from xenhost.native.xenstore import ConnectionLost, Xenstore

DOMID = DomId(7)
XVDA, XVDB, XVDC = (parse_device(name)[0] for name in ("xvda", "xvdb", "xvdc"))
VBD, VIF = DeviceClass.VBD, DeviceClass.VIF


def disk(path: Path, mode: VbdMode = VbdMode.RW, devid: DevId = XVDA) -> Vbd:
    return Vbd(devid, Source(SourceKind.FILE, str(path)), mode)


def drive(path: Path | None = None) -> Vbd:
    return Vbd(XVDC, Source(SourceKind.FILE, str(path)) if path else Source(SourceKind.EMPTY), VbdMode.RO, VbdType.CD)


def nic(bridge: str, devid: int = 0) -> Vif:
    return Vif(DevId(devid), "00:16:3e:00:00:01", bridge, 1400, 1000)


def loop_of(path: Path) -> list[str]:
    found = Path("/sys/block").glob("loop*/loop/backing_file")
    return [f"/dev/{each.parts[3]}" for each in found if each.read_text().strip() == str(path)]


async def state(devices: Devices, wanted: DeviceState) -> DeviceStatus:
    async with asyncio.timeout(5):
        while not ((all_ := await devices.devices(DOMID)) and all_[0].state is wanted):
            await asyncio.sleep(0.01)
    return all_[0]


async def test_a_plugged_file_is_behind_a_loop_device_and_gone_after_a_clean_unplug(
    devices: Devices, kernel: FakeKernel, file: Path, xs: Xenstore
) -> None:
    await devices.plug_vbd(DOMID, disk(file))
    assert kernel.registered[DOMID, VBD, XVDA] >= 0, "the backend had opened it when plug returned"
    (device,) = loop_of(file)
    assert await devices.media(DOMID) == {XVDA: Source(SourceKind.BLOCK, device)}
    assert (await state(devices, DeviceState.ATTACHED)).source == Source(SourceKind.FILE, str(file))
    await devices.unplug_vbd(DOMID, XVDA, False, 5)
    assert loop_of(file) == []
    assert kernel.registered == {}
    assert await devices.devices(DOMID) == []
    assert await xs.get(paths.frontend(DOMID, "vbd", XVDA)) is None


async def test_a_read_only_disk_has_a_read_only_loop_device(devices: Devices, file: Path) -> None:
    file.chmod(0o444)
    await devices.plug_vbd(DOMID, disk(file, VbdMode.RO))
    (device,) = loop_of(file)
    assert (Path("/sys/block") / Path(device).name / "ro").read_text() == "1\n"


async def test_plugging_again_changes_nothing(devices: Devices, file: Path, bridge: str) -> None:
    for _ in range(3):
        await devices.plug_vbd(DOMID, disk(file))
        await devices.plug_vif(DOMID, nic(bridge))
    assert len(loop_of(file)) == 1
    assert len(await devices.devices(DOMID)) == 2


async def test_another_device_in_the_same_place_is_refused(
    devices: Devices, file: Path, tmp_path: Path, bridge: str
) -> None:
    await devices.plug_vbd(DOMID, disk(file))
    await devices.plug_vif(DOMID, nic(bridge))
    with pytest.raises(DeviceAlreadyAttached):
        await devices.plug_vbd(DOMID, disk(tmp_path / "other"))
    with pytest.raises(DeviceAlreadyAttached):
        await devices.plug_vif(DOMID, replace(nic(bridge), mtu=1500))


async def test_a_device_needs_a_domain_of_ours(devices: Devices, file: Path, bridge: str) -> None:
    with pytest.raises(DomainGone):
        await devices.plug_vbd(DomId(8), disk(file))
    with pytest.raises(DomainGone):
        await devices.plug_vif(DomId(8), nic(bridge))
    await devices.unplug_vbd(DomId(8), XVDA, False, 1)
    assert await devices.devices(DomId(8)) == []


@pytest.mark.parametrize("kind", [SourceKind.FILE, SourceKind.BLOCK])
async def test_a_path_that_is_not_what_it_should_be_is_told(devices: Devices, tmp_path: Path, kind: SourceKind) -> None:
    for path in (tmp_path / "missing", tmp_path, Path("/dev/null")):
        with pytest.raises(DeviceAttachFailed) as caught:
            await devices.plug_vbd(DOMID, Vbd(XVDA, Source(kind, str(path))))
        assert str(path) in caught.value.values["msg"]
    assert await devices.devices(DOMID) == []


async def test_what_the_backend_says_when_it_refuses_is_told_and_nothing_is_left(
    devices: Devices, kernel: FakeKernel, file: Path
) -> None:
    kernel.manners.refusal = "22 creating vbd structure"
    with pytest.raises(DeviceAttachFailed) as caught:
        await devices.plug_vbd(DOMID, disk(file))
    assert "22 creating vbd structure" in caught.value.values["msg"]
    assert loop_of(file) == []
    assert await devices.devices(DOMID) == []
    kernel.manners.refusal = ""
    await devices.plug_vbd(DOMID, disk(file))


async def test_a_backend_driver_that_is_not_there_is_a_timeout_that_leaves_nothing(
    xs: Xenstore, kernel: FakeKernel, file: Path, bridge: str
) -> None:
    devices = Devices(xs, PlainBridges(), kernel=kernel, patience=Patience(attach=0.2))
    await devices.open()
    kernel.manners.takes = False
    with pytest.raises(DeviceAttachTimeout) as caught:
        await devices.plug_vbd(DOMID, disk(file))
    assert caught.value.values == {"type": "VBD", "ref": "xvda"}
    with pytest.raises(DeviceAttachTimeout):
        await devices.plug_vif(DOMID, nic(bridge))
    assert await xs.ls_many([paths.record_class(DOMID, cls) for cls in DeviceClass]) == [[], []]


async def test_a_vif_is_on_its_bridge_with_mtu_and_backend_address(
    devices: Devices, kernel: FakeKernel, bridge: str, xs: Xenstore
) -> None:
    await devices.plug_vif(DOMID, nic(bridge))
    link, master = links.find("vif7.0"), links.find(bridge)
    assert link is not None
    assert master is not None
    assert (link.up, link.mtu, link.master, link.mac) == (True, 1400, master.index, links.BACKEND_MAC)
    backend = paths.backend(DOMID, "vif", DevId(0))
    assert await xs.read(f"{backend}/rate") == b"51200,50000"
    assert await xs.read(f"{backend}/hotplug-status") == b"connected"
    await state(devices, DeviceState.ATTACHED)
    await devices.unplug_vif(DOMID, DevId(0), False, 5)
    assert links.find("vif7.0") is None


async def test_a_bridge_must_exist_and_be_one(devices: Devices) -> None:
    with pytest.raises(DeviceAttachFailed, match="there is no bridge nobridge"):
        await devices.plug_vif(DOMID, nic("nobridge"))
    with pytest.raises(DeviceAttachFailed, match="lo is no Linux bridge"):
        await devices.plug_vif(DOMID, nic("lo"))


async def test_an_emulated_card_that_vanished_is_no_error(devices: Devices, bridge: str) -> None:
    subprocess.run(["ip", "tuntap", "add", "dev", "vif7.1-emu", "mode", "tap"], check=True)
    try:
        await devices.join_emulated(DOMID, [nic(bridge, 0), nic(bridge, 1)])
        link, master = links.find("vif7.1-emu"), links.find(bridge)
        assert link is not None
        assert master is not None
        assert (link.master, link.mtu) == (master.index, 1400)
    finally:
        subprocess.run(["ip", "link", "del", "vif7.1-emu"], check=True)


async def test_a_guest_that_refuses_is_quoted_and_keeps_the_device(
    devices: Devices, kernel: FakeKernel, file: Path, xs: Xenstore
) -> None:
    await devices.plug_vbd(DOMID, disk(file))
    await state(devices, DeviceState.ATTACHED)
    kernel.manners.objection = "16 Device in use\x1b[31m; refusing to close" + "!" * 3000
    with pytest.raises(DeviceDetachRejected) as caught:
        await devices.unplug_vbd(DOMID, XVDA, False, 5)
    words = caught.value.values["msg"]
    assert words.startswith("16 Device in use")
    assert len(words) <= 200
    assert words.isprintable()
    backend = paths.backend(DOMID, "vbd", XVDA)
    assert await xs.read_many([f"{backend}/online", f"{backend}/state"]) == [b"1", b"4"]
    assert len(loop_of(file)) == 1
    kernel.manners.objection = ""
    await devices.unplug_vbd(DOMID, XVDA, False, 5)
    assert loop_of(file) == []


async def test_a_guest_that_does_not_answer_keeps_the_device_until_it_is_forced_out(
    devices: Devices, kernel: FakeKernel, file: Path, bridge: str
) -> None:
    await devices.plug_vbd(DOMID, disk(file))
    await state(devices, DeviceState.ATTACHED)
    kernel.manners.lets_go = False
    with pytest.raises(DeviceDetachTimeout) as caught:
        await devices.unplug_vbd(DOMID, XVDA, False, 0.1)
    assert caught.value.values == {"type": "VBD", "ref": "xvda"}
    assert (await devices.devices(DOMID))[0].state is DeviceState.ATTACHED
    await devices.unplug_vbd(DOMID, XVDA, True, 5)
    assert loop_of(file) == []


async def test_a_device_that_the_guest_never_connected_is_not_asked_for(
    devices: Devices, kernel: FakeKernel, file: Path
) -> None:
    kernel.manners.connects = kernel.manners.lets_go = False
    await devices.plug_vbd(DOMID, disk(file))
    assert (await devices.devices(DOMID))[0].state is DeviceState.ATTACHING
    await devices.unplug_vbd(DOMID, XVDA, False, 0.1)
    assert loop_of(file) == []


async def test_a_device_that_the_guest_closed_by_itself_is_detached_and_can_be_plugged_again(
    devices: Devices, kernel: FakeKernel, file: Path, xs: Xenstore
) -> None:
    await devices.plug_vbd(DOMID, disk(file))
    await state(devices, DeviceState.ATTACHED)
    await xs.write(f"{paths.frontend(DOMID, 'vbd', XVDA)}/state", "6")
    await state(devices, DeviceState.DETACHED)
    await devices.plug_vbd(DOMID, disk(file))
    await state(devices, DeviceState.ATTACHED)
    assert len(loop_of(file)) == 1


async def test_nothing_that_a_guest_writes_leads_teardown_astray(
    devices: Devices, kernel: FakeKernel, file: Path, xs: Xenstore
) -> None:
    await xs.write("/local/domain/0/backend/vbd/9/51712/state", "4")
    await devices.plug_vbd(DOMID, disk(file))
    await state(devices, DeviceState.ATTACHED)
    frontend = paths.frontend(DOMID, "vbd", XVDA)
    await xs.write_many(
        [
            (f"{frontend}/backend", "/local/domain/0/backend/vbd/9/51712"),
            (f"{frontend}/backend-id", "9"),
            (f"{frontend}/virtual-device", "../../.."),
            (f"{frontend}/state", b"\xff" * 2000),
            (paths.device_error(DOMID, "vbd", XVDA), b"\xff\0\xff" * 600),
        ]
    )
    await devices.unplug_vbd(DOMID, XVDA, True, 5)
    assert loop_of(file) == []
    assert await xs.read("/local/domain/0/backend/vbd/9/51712/state") == b"4"


async def test_a_domain_that_vanishes_while_its_guest_is_asked_ends_the_unplug(
    devices: Devices, kernel: FakeKernel, file: Path, xs: Xenstore
) -> None:
    await devices.plug_vbd(DOMID, disk(file))
    await state(devices, DeviceState.ATTACHED)
    kernel.manners.lets_go = False
    unplug = asyncio.create_task(devices.unplug_vbd(DOMID, XVDA, False, 5))
    await state(devices, DeviceState.DETACHING)
    await xs.rm(paths.home(DOMID))
    await unplug
    assert loop_of(file) == []


@pytest.mark.parametrize("steps", range(0, 40, 2))
async def test_a_plug_that_is_cancelled_leaves_nothing(
    devices: Devices, file: Path, bridge: str, xs: Xenstore, steps: int
) -> None:
    for plug in (devices.plug_vbd(DOMID, disk(file)), devices.plug_vif(DOMID, nic(bridge))):
        task = asyncio.create_task(plug)
        for _ in range(steps):
            await asyncio.sleep(0)
        done = task.done()
        task.cancel()
        await asyncio.wait((task,))
        if not done:
            assert task.cancelled()
            await asyncio.sleep(0.02)  # the thread that opened the file may have been late
            assert loop_of(file) == []
            assert links.find("vif7.0") is None
            assert await devices.devices(DOMID) == []
    assert not any(await xs.ls_many([paths.record_class(DOMID, VIF)])) or steps > 30


@pytest.mark.parametrize("steps", range(0, 30, 3))
async def test_an_unplug_that_is_cancelled_leaves_it_plugged_or_gone(
    devices: Devices, kernel: FakeKernel, file: Path, xs: Xenstore, steps: int
) -> None:
    await devices.plug_vbd(DOMID, disk(file))
    await state(devices, DeviceState.ATTACHED)
    kernel.manners.lets_go = steps % 2 == 0
    task = asyncio.create_task(devices.unplug_vbd(DOMID, XVDA, False, 5))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    kernel.manners.lets_go = True
    left = await devices.devices(DOMID)
    if left:
        backend = paths.backend(DOMID, "vbd", XVDA)
        assert await xs.read(f"{backend}/online") == b"1"
        assert len(loop_of(file)) == 1
    else:
        assert loop_of(file) == []


async def test_media_come_and_go(devices: Devices, kernel: FakeKernel, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.iso"
    other.write_bytes(bytes(1 << 20))
    await devices.plug_vbd(DOMID, drive())
    assert (await state(devices, DeviceState.ATTACHED)).source == Source(SourceKind.EMPTY)
    assert kernel.registered == {}
    for medium in (file, file, other):
        await devices.change_medium(DOMID, drive(medium))
        assert (await state(devices, DeviceState.ATTACHED)).source == Source(SourceKind.FILE, str(medium))
        assert len(loop_of(medium)) == 1
    assert loop_of(file) == []
    with pytest.raises(DeviceAttachFailed):
        await devices.change_medium(DOMID, drive(tmp_path / "missing.iso"))
    assert (await state(devices, DeviceState.ATTACHED)).source == Source(SourceKind.EMPTY)
    assert loop_of(other) == []
    await devices.change_medium(DOMID, drive(file))
    await devices.change_medium(DOMID, drive())
    assert kernel.registered == {}


async def test_a_disk_has_no_media(devices: Devices, file: Path) -> None:
    await devices.plug_vbd(DOMID, disk(file, devid=XVDC))
    with pytest.raises(VbdNotRemovableMedia):
        await devices.change_medium(DOMID, drive())
    assert loop_of(file)


async def test_a_drive_of_an_emulator_has_a_record_and_no_backend(
    xs: Xenstore, kernel: FakeKernel, file: Path, tmp_path: Path
) -> None:
    class Told:
        calls: list[tuple[DomId, DevId, str | None]]

        async def change_medium(self, domid: DomId, devid: DevId, path: str | None) -> None:
            self.calls.append((domid, devid, path))

    told = Told()
    told.calls = []
    devices = Devices(xs, PlainBridges(), kernel=kernel, emulators=told)
    await devices.open()
    await xs.write(paths.record_type(DOMID), "hvm")
    await devices.plug_vbd(DOMID, drive(file))
    assert await devices.media(DOMID) == {XVDC: Source(SourceKind.FILE, str(file))}
    assert loop_of(file) == []
    await devices.change_medium(DOMID, drive())
    await devices.change_medium(DOMID, drive(file))
    assert told.calls == [(DOMID, XVDC, None), (DOMID, XVDC, str(file))]
    assert (await state(devices, DeviceState.ATTACHED)).source == Source(SourceKind.FILE, str(file))
    assert kernel.registered == {}
    await devices.teardown(DOMID)


@pytest.mark.parametrize("requests", range(5))
async def test_what_a_killed_agent_left_half_plugged_is_completed_or_cleaned(
    devices: Devices, kernel: FakeKernel, file: Path, bridge: str, xs: Xenstore, requests: int
) -> None:
    """The agent dies after so many steps of a plug: its file descriptors close, xenstore stays as it is."""
    vbd, vif = disk(file), nic(bridge)
    for name in ("plug_vbd", "plug_vif"):
        first = _Mortal(xs, requests)
        dying = Devices(first, PlainBridges(), kernel=kernel)  # type: ignore[arg-type]  # all that is used of a Xenstore
        plug = asyncio.create_task(dying.plug_vbd(DOMID, vbd) if name == "plug_vbd" else dying.plug_vif(DOMID, vif))
        with contextlib.suppress(ConnectionLost):
            await plug
        await (devices.plug_vbd(DOMID, vbd) if name == "plug_vbd" else devices.plug_vif(DOMID, vif))
    assert len(loop_of(file)) == 1
    assert {each.cls for each in await devices.devices(DOMID)} == {VBD, VIF}
    await devices.unplug_vbd(DOMID, XVDA, False, 5)
    await devices.unplug_vif(DOMID, DevId(0), False, 5)
    assert loop_of(file) == []


class _Mortal:
    """A xenstore client that does so many requests, and no more: also none that would clean up."""

    def __init__(self, xs: Xenstore, requests: int) -> None:
        self._xs, self._left = xs, requests

    def __getattr__(self, name: str) -> object:
        self._left -= 1
        if self._left < 0:
            raise ConnectionLost(errno.EPIPE, "the agent is dead")
        return getattr(self._xs, name)


async def test_two_guests_cannot_write_to_one_file(devices: Devices, file: Path, tmp_path: Path) -> None:
    sysfs = tmp_path / "sys"
    loop = sysfs / "dev/block/7:9/loop"
    backend = sysfs / "bus/xen-backend/devices/vbd-3-51712"
    for folder in (loop, backend):
        folder.mkdir(parents=True)
    (backend / "physical_device").write_text("7:9\n")
    (loop / "backing_file").write_text("unlike\n")
    (backend / "mode").write_text("w\n")
    medium = open_medium(disk(file), sysfs)
    medium.close()
    number = f"{medium.number[0]}:{medium.number[1]}"
    (sysfs / "dev/block" / number / "loop").mkdir(parents=True)
    (sysfs / "dev/block" / number / "loop/backing_file").write_text("unlike\n")
    with pytest.raises(DeviceAttachFailed, match="in use by domain 3"):
        open_medium(disk(file), sysfs)
    with pytest.raises(DeviceAttachFailed, match="in use by domain 3"):
        open_medium(disk(file, VbdMode.RO), sysfs)
    (backend / "mode").write_text("r\n")
    open_medium(disk(file, VbdMode.RO), sysfs).close()
    with pytest.raises(DeviceAttachFailed, match="in use by domain 3"):
        open_medium(disk(file), sysfs)
    shared = disk(file)
    open_medium(replace(shared, source=replace(shared.source, shared=True)), sysfs).close()


async def test_many_devices_at_once(devices: Devices, tmp_path: Path, bridge: str, file: Path) -> None:
    files = [tmp_path / f"{number}.raw" for number in range(6)]
    for each in files:
        each.write_bytes(bytes(65536))
    await asyncio.gather(
        *(devices.plug_vbd(DOMID, disk(each, devid=DevId(XVDA + 16 * n))) for n, each in enumerate(files)),
        *(devices.plug_vif(DOMID, nic(bridge, number)) for number in range(4)),
    )
    assert len(await devices.devices(DOMID)) == 10
    await devices.teardown(DOMID)
    assert [loop_of(each) for each in files] == [[]] * 6
    assert await devices.devices(DOMID) == []
    assert not [name for name in os.listdir("/sys/class/net") if name.startswith("vif7.")]
