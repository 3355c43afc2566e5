"""A host whose agent can be killed at any change it makes: real files, but bytes and image servers in memory."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from kit.clock import FakeClock
from xenhost.core.ports.storage import Progress
from xenhost.core.storage import AttachMode, Backend, BackendKind, Bitmap, IoLimits, NbdExport, SrId, VdiId
from xenhost.core.storage_errors import backend_failure
from xenhost.sm.command import Commands, Result
from xenhost.sm.context import SmContext
from xenhost.sm.datapath.port import Layer, OpenChain
from xenhost.sm.directory.folder import Folder
from xenhost.sm.directory.sr import DirectorySr
from xenhost.sm.image import qcow2
from xenhost.sm.image.identify import identify

SR = SrId("5a000000-0000-4000-8000-000000000001")
HOST = "70000000-0000-4000-8000-000000000001"
_FORMATS = {".qcow2": "qcow2", ".raw": "raw", ".vhd": "vpc"}


class Killed(BaseException):
    """The agent is dead; nothing that it does from now on has an effect."""


@dataclass(slots=True)
class World:
    """What outlives an agent."""

    root: Path
    content: dict[str, dict[int, str]] = field(default_factory=dict)
    """What guests wrote, by image and block."""
    servers: dict[VdiId, OpenChain] = field(default_factory=dict)
    bitmaps: dict[str, set[int]] = field(default_factory=dict)
    """Blocks that bitmaps hold, by image."""
    lives: int = -1
    """Effects until the agent is killed; negative: it is not."""
    dead: bool = False
    killed: bool = False
    """Ever."""
    effects: list[str] = field(default_factory=list)

    def effect(self, what: str) -> None:
        """Called before each change."""
        if self.lives == 0:
            self.dead = self.killed = True
        if self.dead:
            raise Killed(what)
        self.lives -= 1
        self.effects.append(what)

    async def agent(self) -> DirectorySr:
        """A new agent that has attached the SR."""
        self.dead, self.lives = False, -1
        context = SmContext(
            host_id=HOST,
            state_dir=self.root.parent / "state",
            run_dir=self.root.parent / "run",
            mount_dir=self.root.parent / "mount",
            log_dir=self.root.parent / "log",
            clock=FakeClock(),
            commands=QemuImg(self),
            images=Servers(self),
            log=structlog.get_logger(),
        )
        folder = Folder(self.root, self.effect)
        if folder.marked() is None:
            folder.mark(SR)
        return await DirectorySr(SR, self.root, context, folder=folder).open()

    def lose_power(self) -> None:
        """The host goes, too: no image server is left."""
        self.servers.clear()

    def guest_writes(self, vdi: VdiId, block: int, text: str) -> None:
        """Through the server, into the leaf."""
        opened = self.servers[vdi]
        assert opened.mode is AttachMode.RW
        leaf = opened.layers[0].path
        self.content.setdefault(leaf, {})[block] = text
        if leaf in self.bitmaps:
            self.bitmaps[leaf].add(block)

    def guest_reads(self, vdi: VdiId) -> dict[int, str]:
        """All that is not zero."""
        merged: dict[int, str] = {}
        for layer in reversed(self.servers[vdi].layers):
            merged.update(self.content.get(layer.path, {}))
        return merged


class Servers:
    """Image servers that obey at once."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def find(self) -> Mapping[VdiId, OpenChain]:
        return dict(self._world.servers)

    def chain(self, vdi: VdiId) -> OpenChain | None:
        return self._world.servers.get(vdi)

    def users(self, path: str) -> frozenset[VdiId]:
        return frozenset(
            vdi for vdi, opened in self._world.servers.items() if any(layer.path == path for layer in opened.layers)
        )

    async def open(self, vdi: VdiId, layers: Sequence[Layer], mode: AttachMode, limits: IoLimits) -> Sequence[Backend]:
        self._world.effect(f"open {vdi}")
        for index, layer in enumerate(layers):
            self._check(vdi, layer, writing=index == 0 and mode is AttachMode.RW)
        self._world.servers[vdi] = OpenChain(tuple(layers), mode, limits)
        self._load_bitmap(layers[0])
        return (Backend(BackendKind.NBD, "/socket", vdi),)

    def _check(self, vdi: VdiId, layer: Layer, writing: bool) -> None:
        """As QEMU's locks: one writer and nobody else, or readers."""
        assert Path(layer.path).exists(), layer.path
        assert _FORMATS[Path(layer.path).suffix] == layer.format
        for other, opened in self._world.servers.items():
            for index, held in enumerate(opened.layers):
                if other != vdi and held.path == layer.path:
                    written = index == 0 and opened.mode is AttachMode.RW
                    assert not writing, f"{vdi} writes to {layer.path}, which {other} has open"
                    assert not written, f"{vdi} reads {layer.path}, which {other} writes to"

    async def close(self, vdi: VdiId) -> None:
        if vdi in self._world.servers:
            self._world.effect(f"close {vdi}")
            del self._world.servers[vdi]

    async def snapshot(self, vdi: VdiId, overlay: Layer) -> None:
        opened = self._world.servers[vdi]
        if opened.layers[0].path != overlay.path:
            self._world.effect(f"snapshot {vdi}")
            assert Path(overlay.path).exists()
            self._world.servers[vdi] = replace(opened, layers=(overlay, *opened.layers))
            self._load_bitmap(overlay)

    def _load_bitmap(self, layer: Layer) -> None:
        if identify(Path(layer.path)).bitmaps:
            self._world.bitmaps.setdefault(layer.path, set())

    async def commit(self, vdi: VdiId, top: str, base: str, bytes_per_second: int, progress: Progress) -> None:
        opened = self._world.servers.get(vdi)
        if opened is None:
            raise backend_failure(202, "it is not open")
        paths = [layer.path for layer in opened.layers]
        if top not in paths:
            return
        at = paths.index(top)
        assert at > 0, "an image that a guest writes to is never merged"
        assert paths[at + 1] == base
        self._world.effect(f"commit half of {top}")
        moved = self._world.content.get(top, {})
        for block in list(moved)[::2]:
            self._world.content.setdefault(base, {})[block] = moved[block]
        self._world.effect(f"commit {top}")
        self._world.content.setdefault(base, {}).update(moved)
        self._world.effect(f"commit: {paths[at - 1]} names {base}")
        qcow2.set_backing(Path(paths[at - 1]), Path(base).name, _FORMATS[Path(base).suffix])
        self._world.servers[vdi] = replace(opened, layers=opened.layers[:at] + opened.layers[at + 1 :])

    async def resize(self, vdi: VdiId, size: int) -> None:
        raise NotImplementedError

    async def throttle(self, vdi: VdiId, limits: IoLimits) -> None:
        raise NotImplementedError

    async def add_bitmap(self, vdi: VdiId, name: str) -> None:
        path = self._world.servers[vdi].layers[0].path
        if path not in self._world.bitmaps:
            self._world.effect(f"add bitmap to {path}")
            subprocess.run(["qemu-img", "bitmap", "--add", "-g", "64K", "-f", "qcow2", path, name], check=True)
            self._world.bitmaps[path] = set()

    async def remove_bitmap(self, vdi: VdiId, name: str) -> None:
        path = self._world.servers[vdi].layers[0].path
        if path in self._world.bitmaps:
            self._world.effect(f"remove bitmap of {path}")
            subprocess.run(["qemu-img", "bitmap", "--remove", "-f", "qcow2", path, name], check=True)
            del self._world.bitmaps[path]

    async def dirty(self, layers: Sequence[Layer], bitmap: str) -> Bitmap:
        return self._bitmap(layers[0].path)

    async def dirty_now(self, vdi: VdiId, bitmap: str) -> Bitmap:
        return self._bitmap(self._world.servers[vdi].layers[0].path)

    def _bitmap(self, path: str) -> Bitmap:
        bits = sum(1 << block for block in self._world.bitmaps.get(path, ()))
        return Bitmap(bits.to_bytes(8, "little"), 4 << 20)

    async def export(self, vdi: VdiId, layers: Sequence[Layer], changed: Bitmap | None, export: str) -> NbdExport:
        raise NotImplementedError

    async def unexport(self, vdi: VdiId) -> None:
        raise NotImplementedError


class QemuImg(Commands):
    """qemu-img commit, on bytes in memory."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(
        self,
        *argv: str,
        timeout: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        check: bool = True,
        on_output: Callable[[bytes], None] | None = None,
        max_output: int = 0,
    ) -> Result:
        """Only that."""
        assert argv[:2] == ("qemu-img", "commit")
        assert "-d" in argv
        node = json.loads(argv[-1].removeprefix("json:"))
        top, base = node["file"]["filename"], node["backing"]["file"]["filename"]
        assert not any(layer.path in (top, base) for opened in self._world.servers.values() for layer in opened.layers)
        moved = self._world.content.get(top, {})
        self._world.effect(f"commit half of {top}")
        for block in list(moved)[::2]:
            self._world.content.setdefault(base, {})[block] = moved[block]
        self._world.effect(f"commit {top}")
        self._world.content.setdefault(base, {}).update(moved)
        return Result(0, b"", b"")
