"""SRs of the plugin of the how-to, and of plugins that fail in the middle."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kit.images import qemu_io_is_here
from kit.plugins import EXAMPLE, PluginPlace, new_id, new_snapshot, new_vdi
from xenhost.core.errors import ValueNotSupported, XenhostError
from xenhost.core.ports.storage import ConfiguringSr
from xenhost.core.storage import (
    AttachMode,
    BackendKind,
    Health,
    IoLimits,
    NewSnapshot,
    NewVdi,
    OnBoot,
    SrId,
    SrSpec,
    VdiChange,
    VdiId,
)
from xenhost.core.storage_errors import (
    SrBackendFailure,
    SrNotEmpty,
    SrOperationNotSupported,
    SrUuidExists,
    VdiInUse,
    VdiMissing,
    VdiNotAvailable,
    VdiTooSmall,
)
from xenhost.sm.smapiv1.driver import PluginHost, V1Driver
from xenhost.sm.smapiv1.request import MAX_ARGUMENT
from xenhost.sm.smapiv1.sr import V1Sr
from xenhost.system.xmlrpc import load_response

MIB = 1 << 20
NO_LIMITS = IoLimits()


class Agents:
    """Agents one after another, with the same folders."""

    def __init__(self, folder: Path) -> None:
        self.place = PluginPlace(folder)
        self.place.install_example()
        self.spec = self.place.sr()
        self.host: PluginHost | None = None

    async def driver(self) -> V1Driver:
        """That of a new agent; the one before has died."""
        await self.close()
        self.host = self.place.host()
        return (await self.host.drivers())["dir"]

    async def sr(self, spec: SrSpec | None = None) -> V1Sr:
        """The SR, attached by a new agent."""
        return await (await self.driver()).attach(spec or self.spec)

    async def close(self) -> None:
        """No agent runs."""
        if self.host is not None:
            await self.host.close()
            self.host = None

    def image(self, vdi: str) -> Path:
        """Its file."""
        return self.place.folder / "data" / f"{vdi}.raw"

    def prepend(self, *lines: str) -> None:
        """Let a shell script run before the plugin; it sees the document as $1."""
        real = self.place.plugins / "real"
        if not real.exists():
            (self.place.plugins / "DirSR").rename(real)
        self.place.install("DirSR", *lines, f'exec {real} "$1"')


@pytest.fixture
async def agents(tmp_path: Path) -> AsyncIterator[Agents]:
    made = Agents(tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def sr(agents: Agents) -> V1Sr:
    driver = await agents.driver()
    await driver.create(agents.spec)
    return await driver.attach(agents.spec)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder for sockets."""
    with tempfile.TemporaryDirectory(prefix="x") as made:
        yield Path(made)


async def test_a_plugin_attaches_a_vdi_by_itself_with_what_it_was_asked_for_before(agents: Agents, sr: V1Sr) -> None:
    vdi = (await sr.create_vdi(new_vdi(MIB))).id
    assert isinstance(sr, ConfiguringSr)
    config = await sr.generate_config(vdi)
    await agents.close()  # and nobody answers the plugin any more
    for command, answer in (("attach", {"params": str(agents.image(vdi))}), ("detach", None)):
        text = config.replace("vdi_attach_from_config", f"vdi_{command}_from_config")
        done = await asyncio.to_thread(lambda text: subprocess.check_output([EXAMPLE, text], timeout=60), text)
        assert load_response(done) == answer


async def test_what_a_plugin_says_it_needs_fits_into_an_argument(agents: Agents, sr: V1Sr) -> None:
    vdi = (await sr.create_vdi(new_vdi(MIB))).id
    for text in ("", "x" * MAX_ARGUMENT):
        answer = f"<methodResponse><params><param><value>{text}</value></param></params></methodResponse>"
        (agents.place.folder / "answer").write_text(answer)
        reply = f'case "$1" in *vdi_generate_config*) cat {agents.place.folder}/answer; exit;; esac'
        agents.prepend(reply)
        with pytest.raises(SrBackendFailure, match="vdi_generate_config must answer"):
            await sr.generate_config(vdi)


async def test_the_driver_chooses_the_uuid_and_the_same_wish_gives_the_same_vdi(agents: Agents, sr: V1Sr) -> None:
    new = new_vdi(10 * MIB, "one <two> & three")
    vdi = await sr.create_vdi(new)
    assert vdi.id != new.id
    assert (vdi.name, vdi.virtual_size, vdi.format) == ("one <two> & three", 10 * MIB, "raw")
    assert (await sr.create_vdi(new)).id == vdi.id
    again = await agents.sr()
    assert (await again.create_vdi(new)).id == vdi.id
    assert len((await again.scan()).vdis) == 1
    await again.destroy_vdi(new.id)  # what an agent does that died before it knew the UUID
    assert (await again.scan()).vdis == ()
    assert not agents.image(vdi.id).exists()
    await again.destroy_vdi(new.id)


async def test_names_and_what_else_the_driver_does_not_keep_outlive_the_agent(agents: Agents, sr: V1Sr) -> None:
    vdi = await sr.create_vdi(new_vdi(MIB))
    await sr.update_vdi(vdi.id, VdiChange(name="new", description="words", sharable=True, on_boot=OnBoot.RESET))
    found = await (await agents.sr()).stat_vdi(vdi.id)
    assert (found.name, found.description, found.sharable, found.on_boot) == ("new", "words", True, OnBoot.RESET)


async def test_a_scan_finds_what_came_and_forgets_what_is_gone(agents: Agents, sr: V1Sr) -> None:
    vdi = await sr.create_vdi(new_vdi(MIB))
    came = new_id()
    agents.image(came).write_bytes(b"\0" * 1024)
    (agents.place.folder / "data" / "notes.txt").touch()
    assert {each.id for each in (await sr.scan()).vdis} == {vdi.id, came}
    agents.image(vdi.id).unlink()
    assert [each.id for each in (await sr.scan()).vdis] == [came]
    with pytest.raises(VdiMissing):
        await sr.stat_vdi(vdi.id)


async def test_a_folder_that_is_away_forgets_no_vdi(agents: Agents, sr: V1Sr) -> None:
    vdi = await sr.create_vdi(new_vdi(MIB))
    folder = agents.place.folder / "data"
    folder.rename(folder.with_name("away"))
    with pytest.raises(XenhostError) as caught:
        await sr.scan()
    assert caught.value.reason == "SR_BACKEND_FAILURE_47"
    stat = await sr.stat()
    assert stat.health is Health.UNREACHABLE
    assert "there is no directory" in stat.problem
    folder.with_name("away").rename(folder)
    assert (await sr.stat()).health is Health.HEALTHY
    assert [each.id for each in (await sr.scan()).vdis] == [vdi.id]


async def test_activating_gives_the_file_and_does_each_command_once(agents: Agents, sr: V1Sr) -> None:
    agents.prepend('echo "$1" | grep -o "<methodName>[a-z_]*" >>' + str(agents.place.folder / "commands"))
    vdi = await sr.create_vdi(new_vdi(MIB))
    for _ in range(2):
        await sr.attach_vdi(vdi.id, AttachMode.RW)
    for _ in range(2):
        (backend,) = await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS)
        assert (backend.kind, backend.path) == (BackendKind.FILE, str(agents.image(vdi.id)))
    sr = await agents.sr()
    assert await sr.active_vdis() == {vdi.id: AttachMode.RW}
    assert await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS) == [backend]
    with pytest.raises(VdiInUse):
        await sr.destroy_vdi(vdi.id)
    for _ in range(2):
        await sr.deactivate_vdi(vdi.id)
    for _ in range(2):
        await sr.detach_vdi(vdi.id)
    assert await sr.active_vdis() == {}
    commands = (agents.place.folder / "commands").read_text().replace("<methodName>", "").split()
    assert [each for each in commands if each.startswith("vdi_")] == [
        *("vdi_create", "vdi_attach", "vdi_activate", "vdi_deactivate", "vdi_detach")
    ]
    assert commands.count("sr_attach") == 0  # the first agent had done it


async def test_after_a_reboot_of_the_host_nothing_is_active(agents: Agents, sr: V1Sr) -> None:
    vdi = await sr.create_vdi(new_vdi(MIB))
    await sr.attach_vdi(vdi.id, AttachMode.RW)
    await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS)
    (agents.place.folder / "run").rename(agents.place.folder / "before the reboot")
    sr = await agents.sr()
    assert await sr.active_vdis() == {}
    assert not any(key.startswith("host_") for key in (await sr.stat_vdi(vdi.id)).sm_config)
    await sr.attach_vdi(vdi.id, AttachMode.RW)
    await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS)
    await sr.deactivate_vdi(vdi.id)


async def test_an_activation_that_an_agent_died_in_is_begun_anew(agents: Agents, sr: V1Sr) -> None:
    vdi = await sr.create_vdi(new_vdi(MIB))
    await sr.attach_vdi(vdi.id, AttachMode.RW)
    await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS)
    (state,) = (agents.place.folder / "run" / "smapiv1" / agents.spec.id).glob("*.json")
    state.write_text(state.read_text().replace('"active"', '"activating"'))  # it was done, but that was not written
    sr = await agents.sr()
    assert await sr.active_vdis() == {vdi.id: AttachMode.RW}
    assert await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS)


async def test_attaching_more_than_was_attached_is_refused(sr: V1Sr) -> None:
    vdi = await sr.create_vdi(new_vdi(MIB))
    with pytest.raises(VdiNotAvailable):
        await sr.activate_vdi(vdi.id, AttachMode.RO, NO_LIMITS)
    await sr.attach_vdi(vdi.id, AttachMode.RO)
    with pytest.raises(VdiInUse):
        await sr.attach_vdi(vdi.id, AttachMode.RW)
    with pytest.raises(VdiInUse):
        await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS)


async def test_a_file_that_vanished_is_an_error_and_leaves_the_vdi_inactive(agents: Agents, sr: V1Sr) -> None:
    vdi = await sr.create_vdi(new_vdi(MIB))
    await sr.attach_vdi(vdi.id, AttachMode.RW)
    agents.image(vdi.id).unlink()
    with pytest.raises(SrBackendFailure) as caught:
        await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS)
    assert caught.value.number == 46
    assert await sr.active_vdis() == {}
    assert not any(key.startswith("host_") for key in (await sr.stat_vdi(vdi.id)).sm_config)


@pytest.mark.skipif(not qemu_io_is_here(), reason="no QEMU storage daemon")
async def test_limits_are_set_by_an_image_server_of_ours(agents: Agents, sr: V1Sr, short: Path) -> None:
    agents.place.images = short
    sr = await agents.sr()
    vdi = await sr.create_vdi(new_vdi(MIB))
    await sr.attach_vdi(vdi.id, AttachMode.RW)
    (backend,) = await sr.activate_vdi(vdi.id, AttachMode.RW, IoLimits(iops=100))
    assert backend.kind is BackendKind.NBD
    assert list(await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS)) == [backend]
    await sr.deactivate_vdi(vdi.id)
    (backend,) = await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS)
    assert backend.kind is BackendKind.FILE


async def test_snapshots_and_clones_say_what_they_are_of(agents: Agents, sr: V1Sr) -> None:
    vdi = await sr.create_vdi(new_vdi(MIB))
    agents.image(vdi.id).write_bytes(b"old" + b"\0" * (MIB - 3))
    wish = new_snapshot("before")
    snapshot = await sr.snapshot_vdi(vdi.id, wish)
    agents.image(vdi.id).write_bytes(b"new" + b"\0" * (MIB - 3))
    assert agents.image(snapshot.id).read_bytes()[:3] == b"old"
    assert (snapshot.is_a_snapshot, snapshot.snapshot_of, snapshot.snapshot_time) == (True, vdi.id, 1_700_000_000.0)
    assert (await sr.snapshot_vdi(vdi.id, wish)).id == snapshot.id
    clone = await sr.clone_vdi(snapshot.id, new_snapshot("from it"))
    assert (clone.is_a_snapshot, clone.read_only, clone.name) == (False, False, "from it")
    assert len((await sr.scan()).vdis) == 3


async def test_what_goes_on_with_a_vdi_is_not_copied_to_its_snapshot(agents: Agents, sr: V1Sr) -> None:
    vdi = await sr.create_vdi(new_vdi(MIB))
    # a driver that copies the whole sm-config, as some did
    real = (agents.place.plugins / "DirSR").read_text()
    copying = real.replace('{"type": "raw"}', '{"type": "raw", "host_OpaqueRef:x": "RW", "paused": "true"}')
    (agents.place.plugins / "DirSR").write_text(copying)
    assert (await sr.snapshot_vdi(vdi.id, new_snapshot())).sm_config == {"type": "raw"}


async def test_sizes_grow_and_never_shrink(sr: V1Sr) -> None:
    vdi = await sr.create_vdi(new_vdi(MIB))
    assert (await sr.resize_vdi(vdi.id, 2 * MIB)).virtual_size == 2 * MIB
    assert (await sr.resize_vdi(vdi.id, 2 * MIB)).virtual_size == 2 * MIB
    with pytest.raises(VdiTooSmall):
        await sr.resize_vdi(vdi.id, MIB)
    await sr.attach_vdi(vdi.id, AttachMode.RW)
    await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS)
    with pytest.raises(SrOperationNotSupported):
        await sr.resize_vdi(vdi.id, 3 * MIB)


async def test_what_the_driver_does_not_declare_is_refused_without_asking_it(sr: V1Sr) -> None:
    vdi = await sr.create_vdi(new_vdi(MIB))
    with pytest.raises(SrOperationNotSupported):
        await sr.enable_cbt(vdi.id)
    with pytest.raises(SrOperationNotSupported):
        await sr.revert_vdi(vdi.id, vdi.id)
    with pytest.raises(SrOperationNotSupported):
        await sr.changed_blocks(vdi.id, vdi.id)


async def test_changed_blocks_come_with_the_first_one_in_the_lowest_bit(agents: Agents, sr: V1Sr) -> None:
    script = (agents.place.plugins / "DirSR").read_text()
    telling = script.replace('"THIN_PROVISIONING"', '"VDI_CONFIG_CBT"').replace(
        "    def vdi_snapshot(self):",
        '    def vdi_list_changed_blocks(self, to):\n        return "gAE="\n\n    def vdi_snapshot(self):',
    )
    (agents.place.plugins / "DirSR").write_text(telling)
    vdi = await sr.create_vdi(new_vdi(MIB))
    sr = await agents.sr()
    found = await sr.changed_blocks(vdi.id, vdi.id)
    assert (found.bits, found.size) == (b"\x01\x80", MIB)  # the plugin said 80 01: blocks 0 and 15
    (agents.place.plugins / "DirSR").write_text(telling.replace("gAE=", "no base64"))
    with pytest.raises(SrBackendFailure, match="base64"):
        await sr.changed_blocks(vdi.id, vdi.id)


async def test_an_image_is_introduced_by_its_location(agents: Agents, sr: V1Sr) -> None:
    uuid = VdiId(new_id())
    agents.image(uuid).write_bytes(b"\0" * 512)
    assert (await sr.introduce_vdi(uuid, uuid, {})).id == uuid
    assert (await sr.introduce_vdi(uuid, uuid, {})).id == uuid
    with pytest.raises(SrBackendFailure):
        await sr.introduce_vdi(VdiId(new_id()), "../elsewhere", {})


async def test_an_sr_is_destroyed_when_it_is_empty(agents: Agents, sr: V1Sr) -> None:
    vdi = await sr.create_vdi(new_vdi(MIB))
    with pytest.raises(SrNotEmpty):
        await sr.destroy()
    await sr.destroy_vdi(vdi.id)
    await sr.destroy()
    assert not (agents.place.folder / "data").exists()
    with pytest.raises(XenhostError):
        await sr.scan()


async def test_creating_twice_is_creating_once_and_another_type_is_refused(agents: Agents, sr: V1Sr) -> None:
    await sr.create_vdi(new_vdi(MIB))
    driver = await agents.driver()
    await driver.create(agents.spec)
    with pytest.raises(SrUuidExists):
        await driver.create(replace(agents.spec, type="nfs"))
    with pytest.raises(SrBackendFailure) as caught:  # there are images
        await driver.create(replace(agents.spec, id=SrId(new_id())))
    assert caught.value.number == 42


async def test_a_probe_is_a_stage_until_it_has_what_it_needs(agents: Agents) -> None:
    driver = await agents.driver()
    assert (await driver.probe({}, {})).missing == "location"
    assert (await driver.probe({"location": str(agents.place.folder)}, {})).code == 0
    with pytest.raises(SrBackendFailure):
        await driver.probe({"location": "/nonexistent"}, {})
    with pytest.raises(SrBackendFailure):  # it is there and wrong, so it is no stage
        await driver.probe({"location": "relative"}, {})


async def test_many_commands_run_at_once(sr: V1Sr) -> None:
    vdis = await asyncio.gather(*(sr.create_vdi(new_vdi(MIB, str(number))) for number in range(12)))
    assert len({vdi.id for vdi in vdis}) == 12
    assert {vdi.name for vdi in (await sr.scan()).vdis} == {str(number) for number in range(12)}


async def test_a_plugin_that_dies_half_way_leaves_no_vdi_behind(agents: Agents, sr: V1Sr) -> None:
    script = (agents.place.plugins / "DirSR").read_text()
    dying = script.replace('return {"uuid": vdi, "location": vdi}', "os.kill(os.getpid(), 9)")
    assert dying != script
    (agents.place.plugins / "DirSR").write_text(dying)
    wish = new_vdi(MIB)
    with pytest.raises(SrBackendFailure) as caught:
        await sr.create_vdi(wish)
    assert caught.value.values["status"] == "received signal: 9"
    (agents.place.plugins / "DirSR").write_text(script)
    assert (await sr.scan()).vdis == ()
    assert (await sr.create_vdi(wish)).name == wish.name


async def test_an_answer_that_names_no_vdi_of_the_driver_is_refused(agents: Agents, sr: V1Sr) -> None:
    script = (agents.place.plugins / "DirSR").read_text()
    for answer in ('{"uuid": "../../x", "location": vdi}', f'{{"uuid": "{new_id()}", "location": ""}}', "None", "7"):
        lying = script.replace('return {"uuid": vdi, "location": vdi}', f"return {answer}")
        (agents.place.plugins / "DirSR").write_text(lying)
        with pytest.raises(SrBackendFailure, match="not the UUID"):
            await sr.create_vdi(new_vdi(MIB))
    (agents.place.plugins / "DirSR").write_text(script)
    assert (await sr.scan()).vdis == ()


async def test_a_hung_plugin_holds_up_nothing_else(agents: Agents, sr: V1Sr) -> None:
    vdi = await sr.create_vdi(new_vdi(MIB))
    agents.prepend('case "$1" in *sr_scan*) sleep 1000;; esac')
    scan = asyncio.create_task(sr.scan())
    await asyncio.sleep(0.2)
    async with asyncio.timeout(10):
        await sr.attach_vdi(vdi.id, AttachMode.RW)
        await sr.create_vdi(new_vdi(MIB))
    assert not scan.done()
    scan.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scan


async def test_a_cancelled_command_comes_to_its_end(agents: Agents, sr: V1Sr) -> None:
    agents.prepend("sleep 0.5")
    wish = new_vdi(MIB)
    task = asyncio.create_task(sr.create_vdi(wish))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (vdi,) = (await sr.scan()).vdis
    await sr.destroy_vdi(wish.id)
    assert not agents.image(vdi.id).exists()


async def test_a_name_that_xml_cannot_hold_is_refused(sr: V1Sr) -> None:
    with pytest.raises(SrBackendFailure) as caught:
        await sr.create_vdi(NewVdi(VdiId(new_id()), MIB, "bell \x07"))
    assert caught.value.number == 447
    with pytest.raises(VdiMissing):
        await sr.snapshot_vdi(VdiId(new_id()), NewSnapshot(VdiId(new_id())))


async def test_limits_on_what_a_driver_serves_itself_are_refused(agents: Agents, sr: V1Sr) -> None:
    socket = agents.place.folder / "nbd"
    os.mknod(socket, 0o140600)
    script = (agents.place.plugins / "DirSR").read_text()
    nbd = script.replace('"params": self.path(), "params_nbd": ""', f'"params_nbd": "nbd:unix:{socket}:exportname=x"')
    assert nbd != script
    (agents.place.plugins / "DirSR").write_text(nbd)
    vdi = await sr.create_vdi(new_vdi(MIB))
    await sr.attach_vdi(vdi.id, AttachMode.RW)
    with pytest.raises(ValueNotSupported):
        await sr.activate_vdi(vdi.id, AttachMode.RW, IoLimits(iops=1))
    (backend,) = await sr.activate_vdi(vdi.id, AttachMode.RW, NO_LIMITS)
    assert (backend.kind, backend.path, backend.export) == (BackendKind.NBD, str(socket), "x")
