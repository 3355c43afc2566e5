"""Mounting and unmounting, by the usual programs, in bounded time whatever a server does."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from xenhost.core.storage_errors import backend_failure
from xenhost.sm.command import CommandError, Commands, CommandTimeout
from xenhost.sm.mount.table import MOUNTINFO, Mounted, mounted_at, parse

MOUNT_TIMEOUT: Final = 60.0
UNMOUNT_TIMEOUT: Final = 20.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """Something to mount."""

    fstype: str
    source: str
    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    """For the mount program: where passwords go, which the list of processes must not show."""
    failure: int = 52
    """Of SR_BACKEND_FAILURE, if it cannot be mounted."""

    def below(self, name: str) -> "Recipe":
        """A directory of it."""
        return Recipe(self.fstype, f"{self.source.rstrip('/')}/{name}", self.options, self.env, self.failure)


class Mounts:
    """The mounts of this host."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def table(self) -> tuple[Mounted, ...]:
        """Everything that is mounted."""
        return parse(await asyncio.to_thread(MOUNTINFO.read_text, errors="replace"))

    async def mount(self, recipe: Recipe, target: Path) -> None:
        """Mount it. No-op if something of that type is mounted there. Raises SrBackendFailure with its number."""
        present = mounted_at(await self.table(), str(target))
        if present is not None:
            if present.source != recipe.source and present.fstype.rstrip("4") != recipe.fstype.rstrip("4"):
                text = f"{target} is in the way: {present.source} is mounted there; unmount it first"
                raise backend_failure(recipe.failure, text)
            return
        await asyncio.to_thread(target.mkdir, mode=0o755, parents=True, exist_ok=True)
        options = ("-o", ",".join(recipe.options)) if recipe.options else ()
        command = ("mount", "-t", recipe.fstype, *options, recipe.source, str(target))
        try:
            await self._commands.run(*command, timeout=MOUNT_TIMEOUT, env=recipe.env)
        except CommandError as error:
            if mounted_at(await self.table(), str(target)) is not None and isinstance(error, CommandTimeout):
                return
            await asyncio.to_thread(_remove, target)
            raise backend_failure(recipe.failure, f"{recipe.source} cannot be mounted: {error}") from error
        except asyncio.CancelledError:
            # killed, it may have mounted all the same: then that is undone, so that nothing is left
            await asyncio.shield(self.unmount(target, recipe.failure))
            raise

    async def unmount(self, target: Path, failure: int) -> None:
        """Unmount it. No-op if nothing is mounted there. One whose server does not answer is let go of lazily."""
        while mounted_at(await self.table(), str(target)) is not None:
            try:
                await self._commands.run("umount", str(target), timeout=UNMOUNT_TIMEOUT)
            except CommandTimeout:
                await self._force(target, failure)
            except CommandError as error:
                raise backend_failure(failure, f"{target} cannot be unmounted: {error}") from error
        await asyncio.to_thread(_remove, target)

    @asynccontextmanager
    async def for_a_while(self, recipe: Recipe, target: Path) -> AsyncIterator[Path]:
        """Mounted inside, and not before or afterwards."""
        await self.unmount(target, recipe.failure)
        await self.mount(recipe, target)
        try:
            yield target
        finally:
            await asyncio.shield(self.unmount(target, recipe.failure))

    async def _force(self, target: Path, failure: int) -> None:
        try:
            await self._commands.run("umount", "-f", "-l", str(target), timeout=UNMOUNT_TIMEOUT)
        except CommandError as error:
            raise backend_failure(failure, f"{target} cannot be unmounted: {error}") from error


def _remove(target: Path) -> None:
    try:
        target.rmdir()
    except OSError:
        return  # not empty, or gone: a place that is not ours to remove
