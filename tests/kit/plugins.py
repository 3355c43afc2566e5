"""SMAPIv1 plugins for tests: a host for them in a folder of its own, and ones that behave badly."""

import asyncio
import os
import shutil
import time
import uuid
from pathlib import Path
from typing import Final

import structlog

from xenhost.core.storage import NewSnapshot, NewVdi, SrId, SrSpec, VdiId
from xenhost.sm.command import Commands
from xenhost.sm.context import SmContext
from xenhost.sm.datapath.images import ImageServers
from xenhost.sm.smapiv1.driver import PluginHost
from xenhost.sm.smapiv1.service import Settings

EXAMPLE: Final = Path(__file__).parents[2] / "docs/howto/examples/DirSR"


class RealClock:
    """The host's time: plugins are real processes."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def new_id() -> str:
    """A UUID."""
    return str(uuid.uuid4())


def new_vdi(size: int, name: str = "a disk") -> NewVdi:
    """A VDI to be made."""
    return NewVdi(VdiId(new_id()), size, name, "made by a test")


def new_snapshot(name: str = "a copy") -> NewSnapshot:
    """A snapshot or clone to be made."""
    return NewSnapshot(VdiId(new_id()), name, time=1_700_000_000.0)


class PluginPlace:
    """Folders of a plugin host, which may be started again and again."""

    def __init__(self, folder: Path, host_id: str | None = None) -> None:
        self.folder = folder
        self.host_id = host_id or new_id()
        self.plugins = folder / "sm"
        self.plugins.mkdir()
        self.socket = folder / "xapi"
        self.host_plugins = folder / "host-plugins"
        self.images = folder / "images"

    def install_example(self) -> None:
        """The plugin of the how-to."""
        shutil.copy(EXAMPLE, self.plugins)

    def install(self, name: str, *lines: str) -> Path:
        """A plugin in shell."""
        path = self.plugins / name
        path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
        path.chmod(0o755)
        return path

    def context(self) -> SmContext:
        """The host, for drivers."""
        log = structlog.get_logger()
        return SmContext(
            host_id=self.host_id,
            state_dir=self.folder / "state",
            run_dir=self.folder / "run",
            mount_dir=self.folder / "mounts",
            log_dir=self.folder / "log",
            clock=RealClock(),
            commands=Commands(),
            images=ImageServers(self.images, self.folder / "log", RealClock(), log),
            log=log,
        )

    def host(self, plugins: Path | None = None, socket: Path | None = None, timeout_factor: float = 1.0) -> PluginHost:
        """A plugin host, as the agent makes it at its start."""
        os.environ["XAPI_SOCKET"] = str(socket or self.socket)
        settings = Settings(
            folder=plugins or self.plugins,
            socket=socket or self.socket,
            host_plugins=self.host_plugins,
            timeout_factor=timeout_factor,
        )
        return PluginHost(self.context(), settings)

    def sr(self, type_: str = "dir", **device_config: str) -> SrSpec:
        """An SR to be made."""
        config = device_config or {"location": str(self.folder / "data")}
        return SrSpec(SrId(new_id()), type_, config, "an SR", "made by a test")
