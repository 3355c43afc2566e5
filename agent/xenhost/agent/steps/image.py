"""The image of a suspended guest in its file or block device. Each call is a thread's, and durable when it returns."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from typing import Final, ParamSpec, TypeVar

from xenhost.agent.steps.vdi import image_datapath
from xenhost.core.devices import SourceKind
from xenhost.core.errors import SuspendImageUnusable
from xenhost.core.steps import Work
from xenhost.core.suspend import HEAD_SIZE, ImageHead, read_head, write_head

P = ParamSpec("P")
R = TypeVar("R")

_PLACES: Final = frozenset({SourceKind.BLOCK, SourceKind.FILE})


def path_of(work: Work) -> str:
    """Where the image is in dom0. Raises SuspendImageUnusable if its VDI is not connected, or no device."""
    source = work.image
    if source is not None and source.kind is SourceKind.VDI:
        source = work.storage.source(image_datapath(work.spec.id))
    if source is None or source.kind not in _PLACES:
        raise unusable(work, "it is on no block device or raw file")
    return source.path


async def read(work: Work) -> ImageHead | None:
    """Its head; None if there is no image."""
    return await _in_thread(work, _read, path_of(work))


async def write(work: Work, head: ImageHead, *, make: bool = False) -> None:
    """Another head. `make`: also make the file, if it is one; else there must be an image."""
    path = path_of(work)
    await _in_thread(work, _make if make and _is_ours(work) else _write, path, write_head(head))


async def drop(work: Work) -> None:
    """Nobody finds an image there any more; a file is removed."""
    path = path_of(work)
    await (_in_thread(work, _remove, path) if _is_ours(work) else _in_thread(work, _write, path, bytes(HEAD_SIZE)))


async def with_stream(work: Work, writing: bool, use: Callable[[int], Awaitable[None]]) -> None:
    """Call `use` with a descriptor that stands behind the head; what it writes is durable afterwards."""
    fd = await _in_thread(work, _open, path_of(work), os.O_RDWR if writing else os.O_RDONLY)
    try:
        await use(fd)
        if writing:
            await _in_thread(work, os.fsync, fd)
    finally:
        # of a file on a slow server: closing waits, too
        await asyncio.shield(asyncio.to_thread(os.close, fd))


def unusable(work: Work, message: str) -> SuspendImageUnusable:
    """The error for it."""
    path = "" if work.image is None else work.image.path
    return SuspendImageUnusable(f"the suspend image {path} of VM {work.spec.id}: {message}", vdi=path)


async def _in_thread(work: Work, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    try:
        return await asyncio.to_thread(call, *args, **kwargs)
    except OSError as error:
        raise unusable(work, error.strerror or str(error)) from error


def _open(path: str, flags: int) -> int:
    fd = os.open(path, flags | os.O_CLOEXEC)
    os.lseek(fd, HEAD_SIZE, os.SEEK_SET)
    return fd


def _read(path: str) -> ImageHead | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        return read_head(os.pread(fd, HEAD_SIZE, 0))
    finally:
        os.close(fd)


def _is_ours(work: Work) -> bool:
    """A file of the agent's own, to be made and removed; else it is in a VDI."""
    return work.image is not None and work.image.kind is SourceKind.FILE


def _write(path: str, data: bytes, flags: int = 0) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
    try:
        os.pwrite(fd, data, 0)
        os.fsync(fd)
    finally:
        os.close(fd)


def _make(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    _write(path, data, os.O_CREAT)
    _sync_folder(path)


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        _sync_folder(path)


def _sync_folder(path: str) -> None:
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
