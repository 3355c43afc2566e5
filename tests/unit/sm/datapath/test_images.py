"""Image servers serve chains, change them while they are written to, and outlive the agent."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kit.images import MIB, check, info, io, make_image
from unit.sm.datapath.conftest import Life
from xenhost.core.storage import AttachMode, IoLimits, VdiId
from xenhost.core.storage_errors import SrBackendFailure, VdiInUse
from xenhost.sm.datapath.port import Layer

VDI = VdiId("6f1c1d0e-6c5c-4b53-8a59-0d6b2d0f1c55")
OTHER = VdiId("7f1c1d0e-6c5c-4b53-8a59-0d6b2d0f1c55")
RO, RW = AttachMode.RO, AttachMode.RW
FREE = IoLimits()


def quiet(done: float) -> None:
    assert 0.0 <= done <= 1.0


def pid(life: Life, vdi: VdiId = VDI) -> int:
    return int((life.folder / "run/image" / vdi / "pid").read_text())


async def test_what_is_written_to_a_chain_is_in_its_leaf_only(life: Life, tmp_path: Path) -> None:
    base = make_image(tmp_path / "base.qcow2")
    leaf = make_image(tmp_path / "leaf.qcow2", backing=tmp_path / "base.qcow2")
    (backend,) = await life.images.open(VDI, [base], RW, FREE)
    await io(backend, "write -P 1 0 1M", "write -P 2 1M 1M")
    await life.images.close(VDI)
    (backend,) = await life.images.open(VDI, [leaf, base], RW, FREE)
    await io(backend, "write -P 3 1M 64k", "read -P 1 0 1M", "read -P 3 1M 64k", "read -P 2 1088k 960k")
    await life.images.close(VDI)
    assert not (life.folder / "run/image" / VDI).exists()
    (backend,) = await life.images.open(VDI, [base], RO, FREE)
    await io(backend, "read -P 2 1M 1M", read_only=True)
    check(tmp_path / "leaf.qcow2")


async def test_the_backing_file_an_image_names_is_never_opened(life: Life, tmp_path: Path) -> None:
    make_image(tmp_path / "secret.qcow2")
    leaf = make_image(tmp_path / "leaf.qcow2", backing=tmp_path / "secret.qcow2")
    (tmp_path / "secret.qcow2").unlink()
    (backend,) = await life.images.open(VDI, [leaf], RW, FREE)
    await io(backend, "read -P 0 0 64M")


async def test_a_read_only_chain_refuses_writes(life: Life, tmp_path: Path) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2")
    (backend,) = await life.images.open(VDI, [leaf], RO, FREE)
    with pytest.raises(AssertionError, match=r"read-only|Permission"):
        await io(backend, "write -P 1 0 1M")


async def test_an_open_chain_is_found_by_the_next_agent(life: Life, tmp_path: Path) -> None:
    base = make_image(tmp_path / "base.qcow2")
    leaf = make_image(tmp_path / "leaf.qcow2", backing=tmp_path / "base.qcow2")
    limits = IoLimits(iops=1000, bytes_per_second=50 * MIB)
    (before,) = await life.images.open(VDI, [leaf, base], RW, limits)
    await io(before, "write -P 7 0 1M")
    images = await life.restart()
    found = await images.find()
    assert found[VDI].layers == (leaf, base)
    assert (found[VDI].mode, found[VDI].limits) == (RW, limits)
    assert images.chain(VDI) == found[VDI]
    assert images.users(leaf.path) == {VDI}
    (after,) = await images.open(VDI, [leaf, base], RW, limits)
    assert after == before
    await io(after, "read -P 7 0 1M")


async def test_a_second_writer_is_refused(life: Life, tmp_path: Path) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2")
    await life.images.open(VDI, [leaf], RW, FREE)
    with pytest.raises(VdiInUse):
        await life.images.open(OTHER, [leaf], RW, FREE)
    assert life.images.chain(OTHER) is None
    assert not (life.folder / "run/image" / OTHER).exists()


async def test_readers_of_one_base_do_not_exclude_each_other(life: Life, tmp_path: Path) -> None:
    base = make_image(tmp_path / "base.qcow2")
    one = make_image(tmp_path / "one.qcow2", backing=tmp_path / "base.qcow2")
    two = make_image(tmp_path / "two.qcow2", backing=tmp_path / "base.qcow2")
    await life.images.open(VDI, [one, base], RW, FREE)
    await life.images.open(OTHER, [two, base], RW, FREE)
    assert life.images.users(base.path) == {VDI, OTHER}


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([], "at least one"),
        ([Layer("leaf", "qcow2")], "absolute"),
        ([Layer("/x", "vmdk")], "vmdk"),
        ([Layer("/x", "raw"), Layer("/y", "raw")], "backing"),
        ([Layer("/x", "qcow2"), Layer("/x", "qcow2")], "own chain"),
        ([Layer("/nowhere/x", "qcow2")], "No such file"),
    ],
)
async def test_a_chain_that_cannot_be_opened_leaves_nothing(life: Life, layers: list[Layer], reason: str) -> None:
    with pytest.raises(SrBackendFailure, match=reason):
        await life.images.open(VDI, layers, RW, FREE)
    assert not (life.folder / "run/image" / VDI).exists()
    await life.images.close(VDI)
    assert life.lost == [], "what was never served was not lost"


async def test_a_snapshot_freezes_what_was_written_before(life: Life, tmp_path: Path) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2")
    (backend,) = await life.images.open(VDI, [leaf], RW, FREE)
    await io(backend, "write -P 1 0 1M")
    overlay = make_image(tmp_path / "over.qcow2", backing=tmp_path / "leaf.qcow2")
    await life.images.snapshot(VDI, overlay)
    await life.images.snapshot(VDI, overlay)
    await io(backend, "write -P 2 0 64k", "read -P 2 0 64k", "read -P 1 64k 960k")
    chain = life.images.chain(VDI)
    assert chain is not None
    assert chain.layers == (overlay, leaf)
    (frozen,) = await life.images.open(OTHER, [leaf], RO, FREE)
    await io(frozen, "read -P 1 0 1M", read_only=True)
    found = await (await life.restart()).find()
    assert found[VDI].layers == (overlay, leaf)


async def three_layers(life: Life, folder: Path) -> list[Layer]:
    base = make_image(folder / "base.qcow2", bitmap="cbt")
    middle = make_image(folder / "middle.qcow2", backing=folder / "base.qcow2", bitmap="cbt")
    leaf = make_image(folder / "leaf.qcow2", backing=folder / "middle.qcow2", bitmap="cbt")
    (backend,) = await life.images.open(VDI, [middle, base], RW, FREE)
    await io(backend, "write -P 1 0 4M")
    await life.images.close(VDI)
    return [leaf, middle, base]


async def test_a_middle_image_is_committed_while_the_guest_writes(life: Life, tmp_path: Path) -> None:
    leaf, middle, base = await three_layers(life, tmp_path)
    (backend,) = await life.images.open(VDI, [leaf, middle, base], RW, FREE)
    done: list[float] = []
    commit = asyncio.create_task(life.images.commit(VDI, middle.path, base.path, 0, done.append))
    await io(backend, *(f"write -P {n + 1} {n * 64}k 64k" for n in range(32)))
    await commit
    assert done[-1] == 1.0
    chain = life.images.chain(VDI)
    assert chain is not None
    assert chain.layers == (leaf, base)
    assert "backing file: base.qcow2 " in info(leaf.path)
    assert not life.images.users(middle.path)
    await life.images.commit(VDI, middle.path, base.path, 0, quiet)
    await life.images.close(VDI)
    (backend,) = await life.images.open(VDI, [leaf, base], RW, FREE)
    await io(backend, *(f"read -P {n + 1} {n * 64}k 64k" for n in range(32)), "read -P 1 2M 2M")
    await life.images.close(VDI)
    check(base.path)
    check(leaf.path)


async def test_the_leaf_is_committed_and_its_base_becomes_the_leaf(life: Life, tmp_path: Path) -> None:
    leaf, middle, base = await three_layers(life, tmp_path)
    (backend,) = await life.images.open(VDI, [leaf, middle, base], RW, FREE)
    await io(backend, "write -P 5 1M 1M")
    await life.images.commit(VDI, leaf.path, middle.path, 0, quiet)
    chain = life.images.chain(VDI)
    assert chain is not None
    assert chain.layers == (middle, base)
    await io(backend, "write -P 6 8M 1M")
    await life.images.close(VDI)
    (backend,) = await life.images.open(VDI, [middle, base], RO, FREE)
    await io(backend, "read -P 1 0 1M", "read -P 5 1M 1M", "read -P 6 8M 1M", read_only=True)
    check(middle.path)


def past_the_page_cache(life: Life, layer: Layer) -> bool:
    """As the kernel tells of the file that the server has open."""
    folder = Path(f"/proc/{pid(life)}")
    for fd in (folder / "fd").iterdir():
        if fd.is_symlink() and str(fd.readlink()) == layer.path:
            flags = (folder / "fdinfo" / fd.name).read_text().split("flags:")[1].split()[0]
            return bool(int(flags, 8) & os.O_DIRECT)
    raise AssertionError(f"{layer.path} is not open")


async def test_only_what_is_read_only_goes_through_the_page_cache(life: Life, tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))  # /tmp may be a file system that knows no other way
    try:
        leaf, middle, base = await three_layers(life, folder)
        await life.images.open(VDI, [leaf, middle, base], RW, FREE)
        assert [past_the_page_cache(life, layer) for layer in (leaf, middle, base)] == [True, False, False]
        await life.images.commit(VDI, middle.path, base.path, 0, quiet)
        assert [past_the_page_cache(life, layer) for layer in (leaf, base)] == [True, False]
        await life.images.commit(VDI, leaf.path, base.path, 0, quiet)
        assert past_the_page_cache(life, base)
        await life.images.close(VDI)
        plain = [replace(layer, read_caching=False) for layer in (leaf, base)]
        await life.images.open(VDI, plain, RW, FREE)
        assert past_the_page_cache(life, base)
        await life.images.close(VDI)
    finally:
        shutil.rmtree(folder)


async def test_a_server_keeps_the_memory_of_large_requests(life: Life, tmp_path: Path) -> None:
    def pages() -> int:
        """How many the kernel has given it."""
        return int(Path(f"/proc/{pid(life)}/stat").read_text().rpartition(")")[2].split()[7])

    (backend,) = await life.images.open(VDI, [make_image(tmp_path / "leaf.qcow2")], RW, FREE)
    await io(backend, "write -P 1 0 1M")
    before = pages()
    await io(backend, *(f"write -P 1 {at}M 1M" for at in range(32)))
    assert pages() - before < 32 * 256 / 2


async def test_a_commit_of_two_that_are_not_neighbours_is_refused(life: Life, tmp_path: Path) -> None:
    leaf, middle, base = await three_layers(life, tmp_path)
    await life.images.open(VDI, [leaf, middle, base], RW, FREE)
    with pytest.raises(SrBackendFailure, match="not right below"):
        await life.images.commit(VDI, leaf.path, base.path, 0, quiet)


async def test_a_cancelled_commit_leaves_the_chain(life: Life, tmp_path: Path) -> None:
    leaf, middle, base = await three_layers(life, tmp_path)
    (backend,) = await life.images.open(VDI, [leaf, middle, base], RW, FREE)
    started = asyncio.Event()
    commit = asyncio.create_task(
        life.images.commit(VDI, middle.path, base.path, 1, lambda done: started.set())  # a byte a second
    )
    await started.wait()
    commit.cancel()
    with pytest.raises(asyncio.CancelledError):
        await commit
    chain = life.images.chain(VDI)
    assert chain is not None
    assert chain.layers == (leaf, middle, base)
    await io(backend, "read -P 1 0 4M")
    await life.images.commit(VDI, middle.path, base.path, 0, quiet)
    await io(backend, "read -P 1 0 4M")


async def test_a_commit_that_an_earlier_agent_began_is_waited_for(life: Life, tmp_path: Path) -> None:
    leaf, middle, base = await three_layers(life, tmp_path)
    (backend,) = await life.images.open(VDI, [leaf, middle, base], RW, FREE)
    started = asyncio.Event()
    server = life.images._servers[VDI]
    commit = asyncio.create_task(life.images.commit(VDI, middle.path, base.path, 1, lambda done: started.set()))
    await started.wait()
    await server.release()  # the agent dies: its commands reach nobody any more
    with pytest.raises(SrBackendFailure):
        await commit
    images = await life.restart()
    assert (await images.find())[VDI].layers == (leaf, middle, base)
    await images.commit(VDI, middle.path, base.path, 0, quiet)
    assert (await images.find())[VDI].layers == (leaf, base)
    await io(backend, "read -P 1 0 4M")


async def test_a_snapshot_goes_before_a_commit_of_the_leaf(life: Life, tmp_path: Path) -> None:
    leaf, middle, base = await three_layers(life, tmp_path)
    (backend,) = await life.images.open(VDI, [leaf, middle, base], RW, FREE)
    await io(backend, "write -P 5 0 1M")
    started = asyncio.Event()
    commit = asyncio.create_task(life.images.commit(VDI, leaf.path, middle.path, 1, lambda done: started.set()))
    await started.wait()
    overlay = make_image(tmp_path / "over.qcow2", backing=tmp_path / "leaf.qcow2")
    await life.images.snapshot(VDI, overlay)
    with pytest.raises(SrBackendFailure, match="given up"):
        await commit
    chain = life.images.chain(VDI)
    assert chain is not None
    assert chain.layers == (overlay, leaf, middle, base)
    await io(backend, "read -P 5 0 1M", "read -P 1 1M 3M")


async def test_a_killed_server_is_told_and_the_vdi_can_be_opened_again(life: Life, tmp_path: Path) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2")
    (backend,) = await life.images.open(VDI, [leaf], RW, FREE)
    await io(backend, "write -P 9 0 1M", "flush")
    os.kill(pid(life), signal.SIGKILL)
    async with asyncio.timeout(5):
        while not life.lost:
            await asyncio.sleep(0.01)
    assert life.lost == [VDI]
    assert life.images.chain(VDI) is None
    (backend,) = await life.images.open(VDI, [leaf], RW, FREE)
    await io(backend, "read -P 9 0 1M")


async def test_a_server_that_died_while_no_agent_ran_is_cleared_away(life: Life, tmp_path: Path) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2")
    await life.images.open(VDI, [leaf], RW, FREE)
    number = pid(life)
    images = await life.restart()
    os.kill(number, signal.SIGKILL)
    assert await images.find() == {}
    assert not (life.folder / "run/image" / VDI).exists()


async def test_a_server_that_does_not_answer_is_never_replaced_and_taken_over_when_it_does(
    life: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2")
    await life.images.open(VDI, [leaf], RW, FREE)
    number = pid(life)
    images = await life.restart()
    os.kill(number, signal.SIGSTOP)  # as if its storage hung
    monkeypatch.setattr("xenhost.system.qmp.COMMAND_TIMEOUT", 0.2)
    monkeypatch.setattr("xenhost.sm.datapath.storage_daemon.ANSWER_TIMEOUT", 0.2)
    assert await images.find() == {}
    with pytest.raises(SrBackendFailure, match="does not answer"):
        await images.open(VDI, [leaf], RW, FREE)
    os.kill(number, signal.SIGCONT)
    monkeypatch.undo()
    await images.open(VDI, [leaf], RW, FREE)
    assert pid(life) == number


async def test_a_server_that_hangs_is_killed_when_it_is_closed(
    life: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2")
    await life.images.open(VDI, [leaf], RW, FREE)
    number = pid(life)
    os.kill(number, signal.SIGSTOP)
    monkeypatch.setattr("xenhost.sm.datapath.storage_daemon.STOP_GRACE", 0.1)
    await life.images.close(VDI)
    assert not Path(f"/proc/{number}").exists()
    assert life.lost == []


async def test_a_resized_disk_is_bigger_for_who_connects_again(life: Life, tmp_path: Path) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2")
    (backend,) = await life.images.open(VDI, [leaf], RW, FREE)
    await life.images.resize(VDI, 128 * MIB)
    await io(backend, "write -P 1 127M 1M", "read -P 1 127M 1M")
    assert "128 MiB" in info(leaf.path)


@pytest.fixture
def no_aio() -> Iterator[None]:
    """The host has no AIO contexts left."""
    limit = Path("/proc/sys/fs/aio-max-nr")
    before = limit.read_text()
    try:
        limit.write_text(Path("/proc/sys/fs/aio-nr").read_text())
    except OSError:
        pytest.skip("not root")
    yield
    limit.write_text(before)


async def test_the_hundredth_disk_is_opened_too_when_aio_is_used_up(life: Life, tmp_path: Path, no_aio: None) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2")
    (backend,) = await life.images.open(VDI, [leaf], RW, FREE)
    await io(backend, "write -P 1 0 1M", "read -P 1 0 1M")
    assert life.lost == [], "it was opened another way at the second try"
    assert (await (await life.restart()).find())[VDI].layers == (leaf,)


async def test_a_disk_never_becomes_smaller(life: Life, tmp_path: Path) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2")
    (backend,) = await life.images.open(VDI, [leaf], RW, FREE)
    with pytest.raises(SrBackendFailure, match="smaller") as caught:
        await life.images.resize(VDI, 32 * MIB)
    assert caught.value.number == 110
    await life.images.resize(VDI, 64 * MIB)
    assert life.renewed == []
    await life.images.resize(VDI, 65 * MIB)
    assert life.renewed == [VDI]
    await io(backend, "read 0 65M")


async def test_merges_in_a_chain_that_is_read_only_leave_it_read_only(life: Life, tmp_path: Path) -> None:
    leaf, middle, base = await three_layers(life, tmp_path)
    (backend,) = await life.images.open(VDI, [leaf, middle, base], RO, FREE)
    await life.images.commit(VDI, middle.path, base.path, 0, quiet)
    await io(backend, "read -P 1 0 4M", read_only=True)
    await life.images.commit(VDI, leaf.path, base.path, 0, quiet)
    await io(backend, "read -P 1 0 4M", read_only=True)
    (other,) = await life.images.open(OTHER, [base], RO, FREE)  # nobody has it open for writing
    await io(other, "read -P 1 0 4M", read_only=True)


@pytest.mark.parametrize("name", ["../x", "", ".", "a/b", "x" * 65])
async def test_an_id_that_leads_elsewhere_is_refused(life: Life, name: str) -> None:
    with pytest.raises(SrBackendFailure):
        await life.images.open(VdiId(name), [Layer("/x", "qcow2")], RW, FREE)
    with pytest.raises(SrBackendFailure):
        await life.images.close(VdiId(name))
    with pytest.raises(SrBackendFailure):
        await life.images.export(VdiId(name), [Layer("/x", "qcow2")], None, "/x")


async def test_limits_can_be_changed_while_it_is_open(life: Life, tmp_path: Path) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2")
    (backend,) = await life.images.open(VDI, [leaf], RW, FREE)
    loop = asyncio.get_running_loop()
    await life.images.throttle(VDI, IoLimits(bytes_per_second=4 * MIB))
    before = loop.time()
    await io(backend, *(f"write -P 1 {n}M 1M" for n in range(6)))
    limited = loop.time() - before
    assert limited > 1.0
    await life.images.throttle(VDI, FREE)
    before = loop.time()
    await io(backend, *(f"write -P 1 {n}M 1M" for n in range(6)))
    assert loop.time() - before < limited / 2


async def test_the_mode_of_an_open_vdi_can_be_changed(life: Life, tmp_path: Path) -> None:
    leaf = make_image(tmp_path / "leaf.qcow2")
    (backend,) = await life.images.open(VDI, [leaf], RO, FREE)
    await life.images.open(VDI, [leaf], RW, FREE)
    await io(backend, "write -P 1 0 1M")
    await life.images.open(VDI, [leaf], RO, FREE)
    with pytest.raises(AssertionError):
        await io(backend, "write -P 2 0 1M")
    await io(backend, "read -P 1 0 1M", read_only=True)
