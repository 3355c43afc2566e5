"""Copies of whole disks, and comparison, by qemu-img: a process of its own, which can be stopped at any time."""

import asyncio
import re
from collections.abc import Callable
from typing import Final

from xenhost.core.ports.storage import Progress
from xenhost.core.storage import Backend, BackendKind
from xenhost.core.storage_errors import backend_failure
from xenhost.core.units import MIB
from xenhost.sm.command import CommandError, Commands, Result
from xenhost.sm.transfer.disk import EIO

_PERCENT: Final = re.compile(rb"\((\d{1,3}\.\d\d)/100%\)")
_DIFFERS: Final = re.compile(rb"Content mismatch at offset (\d{1,20})!")
_FOREVER: Final = 366 * 86400.0
_SLOWEST: Final = MIB
"""Bytes a second: who is slower without having been told to be is stuck."""
_PATIENCE: Final = 300.0


class Copier:
    """Copies between backends of activated VDIs."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    async def copy(
        self,
        source: Backend,
        target: Backend,
        size: int,
        *,
        target_is_zero: bool = False,
        progress: Progress = lambda done: None,
        bytes_per_second: int = 0,
    ) -> None:
        """Copy a disk of `size` bytes onto one that is at least as large; runs of zeros are not stored.

        Durable when it returns. Cancelled: stopped; the target holds part of it. Raises SrBackendFailure.
        """
        await self.unpack(
            source,
            "raw",
            target,
            size,
            target_is_zero=target_is_zero,
            progress=progress,
            bytes_per_second=bytes_per_second,
        )

    async def unpack(
        self,
        source: Backend,
        format: str,
        target: Backend,
        size: int,
        *,
        target_is_zero: bool = False,
        progress: Progress = lambda done: None,
        bytes_per_second: int = 0,
    ) -> None:
        """The same from an image that was checked before."""
        rate = ("-r", str(bytes_per_second)) if bytes_per_second else ()
        zero = ("--target-is-zero",) if target_is_zero else ()
        arguments = ("-n", "-p", "-W", *rate, *zero, "-t", _cache(target), "-f", format, "-O", "raw")
        pace = min(bytes_per_second or _SLOWEST, _SLOWEST)
        try:
            await self._watched("convert", *arguments, source.uri(), target.uri(), size=size, pace=pace, told=progress)
        except CommandError as error:
            raise backend_failure(EIO, f"the copy failed: {error}") from error

    async def compare(
        self, one: Backend, other: Backend, size: int, *, progress: Progress = lambda done: None
    ) -> int | None:
        """The offset of the first byte that differs, to the block of 512 it is in; None: all are equal.

        `size` is that of the larger one; where the other has ended it counts as zeros. Raises SrBackendFailure.
        """
        try:
            result = await self._watched(
                "compare",
                "-p",
                "-f",
                "raw",
                "-F",
                "raw",
                one.uri(),
                other.uri(),
                size=size,
                pace=_SLOWEST,
                told=progress,
            )
        except CommandError as error:
            if error.result is None or error.result.status != 1:
                raise backend_failure(EIO, f"the comparison failed: {error}") from error
            result = error.result
        if result.status == 0:
            return None
        found = _DIFFERS.search(result.stdout)
        if found is None:
            raise backend_failure(EIO, f"the comparison failed: {result.text()[-200:]}")
        return int(found[1])

    async def _watched(self, verb: str, *arguments: str, size: int, pace: int, told: Progress) -> Result:
        """Run qemu-img for as long as it gets on: it tells each percent."""
        patience = _PATIENCE + 2 * size / 100 / pace
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(patience) as limit:

                def alive() -> None:
                    limit.reschedule(loop.time() + patience)

                listener = _Listener(told, alive)
                return await self._commands.run("qemu-img", verb, *arguments, timeout=_FOREVER, on_output=listener)
        except TimeoutError as error:
            raise backend_failure(EIO, f"the {verb} did not get on within {patience:.0f} s and was stopped") from error


class _Listener:
    """Finds the progress in what qemu-img prints."""

    def __init__(self, told: Progress, alive: Callable[[], None]) -> None:
        self._told = told
        self._alive = alive

    def __call__(self, output: bytes) -> None:
        self._alive()
        found = _PERCENT.findall(output)
        if found:
            self._told(min(1.0, float(found[-1]) / 100))


def _cache(target: Backend) -> str:
    """Writes to devices go past the page cache; not every file system can do that."""
    return "none" if target.kind is BackendKind.BLOCK else "writeback"
