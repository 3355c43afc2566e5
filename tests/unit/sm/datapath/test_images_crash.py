"""The agent dies at any command to an image server; the next one completes or repeats the work."""

import contextlib
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest

from kit.images import MIB, check, io, make_image
from unit.sm.datapath.conftest import Life
from xenhost.core.storage import AttachMode, Backend, IoLimits, VdiId
from xenhost.core.storage_errors import SrBackendFailure
from xenhost.sm.datapath.images import ImageServers
from xenhost.sm.datapath.port import Layer
from xenhost.sm.datapath.storage_daemon import StorageDaemon, StorageDaemonError

VDI = VdiId("6f1c1d0e-6c5c-4b53-8a59-0d6b2d0f1c55")
RO, RW = AttachMode.RO, AttachMode.RW
LIMITS = IoLimits(iops=5000)


class Death:
    """Cuts the agent off its image servers at command number `at`, which is not carried out; 0: never."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 0
        self.count = 0
        real = StorageDaemon.run

        async def run(daemon: StorageDaemon, command: str, arguments: Mapping[str, object] | None = None) -> object:
            self.count += 1
            if self.at and self.count >= self.at:
                raise StorageDaemonError("the agent is dead")
            return await real(daemon, command, arguments)

        end = StorageDaemon.stop

        async def stop(daemon: StorageDaemon, grace: float | None = None) -> None:
            if self.at and self.count >= self.at:
                await daemon.release()  # the dead end nothing
            else:
                await end(daemon, grace)

        begin = StorageDaemon.start

        async def start(
            daemon: StorageDaemon, setup: Sequence[str] = (), notes: Mapping[str, bytes] = MappingProxyType({})
        ) -> None:
            """Two moments: nothing was started yet, and it runs and nobody knows."""
            self.count += 1
            if self.at and self.count >= self.at:
                raise StorageDaemonError("the agent is dead")
            await begin(daemon, setup, notes)
            self.count += 1
            if self.at and self.count >= self.at:
                await daemon.release()
                raise StorageDaemonError("the agent is dead")

        monkeypatch.setattr(StorageDaemon, "start", start)
        monkeypatch.setattr(StorageDaemon, "run", run)
        monkeypatch.setattr(StorageDaemon, "stop", stop)

    def arm(self, at: int) -> None:
        self.at, self.count = at, 0

    def disarm(self) -> None:
        self.at = 0
        self.count = 0


class Chain:
    """Four images: `over` is over `leaf`, which is over `middle` and `base`; the first is not open yet."""

    def __init__(self, folder: Path) -> None:
        self.over, self.leaf, self.middle, self.base = (
            Layer(str(folder / f"{name}.qcow2"), "qcow2") for name in ("over", "leaf", "middle", "base")
        )


Verb = Callable[[ImageServers, Chain], Awaitable[object]]


async def snapshot(images: ImageServers, chain: Chain) -> None:
    await images.snapshot(VDI, chain.over)


async def commit_middle(images: ImageServers, chain: Chain) -> None:
    await images.commit(VDI, chain.middle.path, chain.base.path, 0, lambda done: None)


async def commit_leaf(images: ImageServers, chain: Chain) -> None:
    await images.commit(VDI, chain.leaf.path, chain.middle.path, 0, lambda done: None)


async def resize(images: ImageServers, chain: Chain) -> None:
    await images.resize(VDI, 80 * MIB)


async def throttle(images: ImageServers, chain: Chain) -> None:
    await images.throttle(VDI, IoLimits(iops=9))


async def read_bitmap(images: ImageServers, chain: Chain) -> None:
    await images.dirty_now(VDI, "cbt")


@pytest.fixture
async def template(life: Life, tmp_path: Path) -> Path:
    folder = tmp_path / "template"
    folder.mkdir()
    chain = Chain(folder)
    below: list[Layer] = []
    for number, layer in enumerate([chain.base, chain.middle, chain.leaf], start=1):
        make_image(Path(layer.path), backing=Path(below[0].path) if below else None, bitmap="cbt")
        below.insert(0, layer)
        (backend,) = await life.images.open(VDI, below, RW, LIMITS)
        await io(backend, f"write -P {number} {number}M 1M", f"write -P {number + 10} 8M 64k")
        await life.images.close(VDI)
    make_image(Path(chain.over.path), backing=Path(chain.leaf.path))
    return folder


async def verify(backend: Backend) -> None:
    await io(backend, "read -P 1 1M 1M", "read -P 2 2M 1M", "read -P 3 3M 1M", "read -P 13 8M 64k")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("verb", [snapshot, commit_middle, commit_leaf, resize, throttle, read_bitmap])
async def test_death_anywhere_loses_nothing(
    life: Life, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: Verb
) -> None:
    death = Death(monkeypatch)
    wanted = None
    at, died = 0, True
    while died:
        folder = tmp_path / str(at)
        shutil.copytree(template, folder)
        chain = Chain(folder)
        (backend,) = await life.images.open(VDI, [chain.leaf, chain.middle, chain.base], RW, LIMITS)
        death.arm(at)
        with contextlib.suppress(SrBackendFailure):
            await verb(life.images, chain)
        died = death.count >= at
        death.disarm()
        images = await life.restart()
        assert VDI in await images.find()
        await verify(backend)
        await verb(images, chain)
        opened = images.chain(VDI)
        assert opened is not None
        names = [Path(layer.path).name for layer in opened.layers]
        if wanted is None:
            wanted = names
        assert names == wanted
        assert opened.mode is RW
        nodes = (await images._servers[VDI].graph()).images
        assert len(nodes) == len(names), "images are open that are in no chain"
        await verify(backend)
        await io(backend, "write -P 3 3M 1M")
        await images.close(VDI)
        for layer in opened.layers:
            check(layer.path)
        (backend,) = await images.open(VDI, opened.layers, RO, LIMITS)
        await io(backend, "read -P 1 1M 1M", "read -P 2 2M 1M", "read -P 3 3M 1M", read_only=True)
        await images.close(VDI)
        shutil.rmtree(folder)
        at += 1
    assert at > 2


@pytest.mark.timeout(120)
async def test_death_while_a_chain_is_opened_leaves_it_open_or_nothing(
    life: Life, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    death = Death(monkeypatch)
    chain = Chain(template)
    layers = (chain.leaf, chain.middle, chain.base)
    outcomes = set()
    for at in range(1, 30):
        death.arm(at)
        with contextlib.suppress(SrBackendFailure):
            await life.images.open(VDI, layers, RW, LIMITS)
        died = death.count >= at
        death.disarm()
        images = await life.restart()
        found = await images.find()
        outcomes.add(bool(found))
        if not found:
            assert not (life.folder / "run/image" / VDI).exists()
        (backend,) = await images.open(VDI, layers, RW, LIMITS)
        await verify(backend)
        await images.close(VDI)
        if not died:
            break
    assert outcomes == {True, False}
    assert not died
