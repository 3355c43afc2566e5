"""A VHD with all its parents as one qcow2 image, which can be opened by QEMU, and so written to."""

import asyncio
import os
from pathlib import Path

from xenhost.core.clock import Clock
from xenhost.core.ports.storage import Progress
from xenhost.sm.image.source import sync_folder
from xenhost.sm.transfer.disk import io_errors
from xenhost.sm.transfer.exporting import plan_export
from xenhost.sm.transfer.opening import open_image


async def flatten(
    path: Path, target: Path, clock: Clock, progress: Progress = lambda done: None, bytes_per_second: int = 0
) -> None:
    """Write it, durably. The target must not exist; cancelled or failed, it does not exist. Raises BadImage."""
    with io_errors(str(target)):
        fd = await asyncio.to_thread(os.open, target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    done = False
    try:
        async with open_image(path) as disk:
            export = await plan_export(disk, "qcow2", clock=clock, ident="", bytes_per_second=bytes_per_second)
            at = 0
            chunks = export.chunks()
            try:
                async for chunk in chunks:
                    with io_errors(str(target)):
                        await asyncio.to_thread(_write, fd, at, chunk)
                    at += len(chunk)
                    progress(at / export.length)
            finally:
                await chunks.aclose()
            with io_errors(str(target)):
                await asyncio.to_thread(os.fsync, fd)
                await asyncio.to_thread(sync_folder, target.parent)
        done = True
    finally:
        os.close(fd)
        if not done:
            await asyncio.to_thread(target.unlink)


def _write(fd: int, offset: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written
