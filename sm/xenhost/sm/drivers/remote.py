"""What drivers of directories on a server have in common: the SR is `<path>/<SR UUID>`, mounted on its own."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from xenhost.core.ids import is_uuid
from xenhost.core.ports.storage import Sr
from xenhost.core.storage import DriverInfo, ProbeEntry, SrId, SrSpec
from xenhost.core.storage_errors import backend_failure
from xenhost.sm.context import SmContext
from xenhost.sm.directory.create import aside, make_sr
from xenhost.sm.directory.folder import MARKER
from xenhost.sm.directory.sr import DirectorySr
from xenhost.sm.drivers.declared import read_caching
from xenhost.sm.mount.mounts import Mounts, Recipe

NO_SUBDIR: Final = "nosubdir"
_MOST: Final = 10_000


class RemoteDirectoryDriver(ABC):
    """A type of SR on a file server."""

    info: DriverInfo
    create_failure: int
    delete_failure: int
    unmount_failure: int
    image_locks: bool = True
    """As `Layer.locks`."""

    def __init__(self, context: SmContext) -> None:
        self._context = context
        self._mounts = Mounts(context.commands)

    @abstractmethod
    def recipe(self, device_config: Mapping[str, str]) -> Recipe:
        """How the path that holds SRs is mounted. Raises SrBackendFailure."""

    async def create(self, sr: SrSpec) -> None:
        """`SrDriver.create`."""
        recipe = self.recipe(sr.device_config)
        async with self._mounts.for_a_while(recipe, self._aside(sr.id)) as base:

            def make() -> None:
                root = _root(base, sr)
                root.mkdir(mode=0o700, exist_ok=True)
                make_sr(root, sr.id)

            await aside(sr.id, make, self.create_failure)

    async def attach(self, sr: SrSpec) -> Sr:
        """`SrDriver.attach`."""
        base = self.recipe(sr.device_config)
        recipe = base if _whole(sr) else base.below(sr.id)
        target = self._context.mount_dir / sr.id
        await self._mounts.mount(recipe, target)

        async def release() -> None:
            await self._mounts.unmount(target, self.unmount_failure)

        async def wipe() -> None:
            if _whole(sr):
                return
            async with self._mounts.for_a_while(base, self._aside(sr.id)) as folder:
                await aside(sr.id, lambda: _remove(folder / sr.id), self.delete_failure)

        attached = DirectorySr(
            *(sr.id, target, self._context),
            shared=True,
            release=release,
            wipe=wipe,
            image_locks=self.image_locks,
            read_caching=read_caching(sr),
        )
        try:
            return await attached.open()
        except BaseException:
            await asyncio.shield(attached.detach())
            raise

    async def found(self, device_config: Mapping[str, str]) -> tuple[ProbeEntry, ...]:
        """The SRs below a path."""
        recipe = self.recipe(device_config)
        name = f"probe-{abs(hash(recipe.source)):x}"
        configuration = {
            key.name: device_config[key.name] for key in self.info.configuration if key.name in device_config
        }
        async with self._mounts.for_a_while(recipe, self._context.run_dir / "probe" / name) as base:
            srs = await aside(recipe.source, lambda: _srs(base), 40)
        return tuple(ProbeEntry(configuration, complete=True, sr=sr) for sr in srs)

    def _aside(self, sr: SrId) -> Path:
        return self._context.run_dir / "base" / sr


def _whole(sr: SrSpec) -> bool:
    return sr.sm_config.get(NO_SUBDIR) == "true"


def _root(base: Path, sr: SrSpec) -> Path:
    return base if _whole(sr) else base / sr.id


def _srs(base: Path) -> list[SrId]:
    """Directories whose name is a UUID, and the path itself if it is marked. Links are not followed."""
    found = []
    for count, entry in enumerate(base.iterdir()):
        if count >= _MOST:
            raise backend_failure(40, f"more than {_MOST} files are in that path; give one for SRs alone")
        if is_uuid(entry.name) and not entry.is_symlink() and entry.is_dir():
            found.append(SrId(entry.name))
    return sorted(found)


def _remove(root: Path) -> None:
    (root / MARKER).unlink(missing_ok=True)
    if root.is_dir():
        root.rmdir()
