"""A directory becomes an SR."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from xenhost.core.storage import ProbeEntry, SrId
from xenhost.core.storage_errors import backend_failure
from xenhost.sm.directory.folder import TEMPORARY, Folder
from xenhost.sm.directory.lane import Lane

T = TypeVar("T")

_HARMLESS: Final = ("lost+found",)
_EXISTS: Final = 42


async def aside(name: str, function: Callable[[], T], failure: int) -> T:
    """Run something that may block, for an SR that is not attached. What the system answers becomes that failure."""
    lane = Lane(name, threads=1)

    def guarded() -> T:
        try:
            return function()
        except OSError as error:
            where = error.filename or name
            raise backend_failure(failure, f"{where}: {error.strerror or error}") from error

    try:
        return await lane.run(guarded)
    finally:
        lane.close()


def make_sr(root: Path, sr: SrId) -> None:
    """Mark an empty directory. No-op if it is that SR. Raises SrBackendFailure 42 if anything is in it. Blocks."""
    folder = Folder(root)
    marked = folder.marked()
    if marked == sr:
        return
    if marked:
        raise backend_failure(_EXISTS, f"{root} holds SR {marked}; introduce that one, or give another place")
    held = [
        found.name for found in folder.list() if found.name not in _HARMLESS and not found.name.startswith(TEMPORARY)
    ]
    if held:
        text = f"{root} is not empty: {len(held)} files, such as {held[0][:80]!r}; a new SR needs an empty directory"
        raise backend_failure(_EXISTS, text)
    folder.mark(sr)


def probe_directory(root: Path, configuration: dict[str, str]) -> tuple[ProbeEntry, ...]:
    """What SR a directory is, if any. Blocks."""
    folder = Folder(root)
    space = folder.space()
    marked = folder.marked()
    if marked is None:
        return (ProbeEntry(configuration, complete=True, description="a directory that is no SR"),)
    sr = SrId(marked) if marked else None
    return (ProbeEntry(configuration, complete=True, sr=sr, size=space.size),)


def sr_list(entries: tuple[ProbeEntry, ...]) -> str:
    """XenServer's document of the SRs that were found."""
    found = "".join(f"\t<SR>\n\t\t<UUID>{entry.sr}</UUID>\n\t</SR>\n" for entry in entries if entry.sr)
    return f'<?xml version="1.0" ?>\n<SRlist>\n{found}</SRlist>\n'
