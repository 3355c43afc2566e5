"""LUNs by all their ways at once: device-mapper's maps, which multipathd makes and looks after.

It is asked through its socket, as libmpathcmd does: a native `size_t` with the length, then the text and a NUL, both
ways. What a LUN of ours is, it knows by the file of WWIDs, which `multipath` keeps; all other disks it leaves alone
(`find_multipaths strict`).
"""

import asyncio
import contextlib
import json
import os
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from xenhost.core.storage import ConfigKey, LunPaths, SrStat
from xenhost.core.storage_errors import SrBackendFailure, backend_failure
from xenhost.sm.command import CommandError
from xenhost.sm.context import SmContext
from xenhost.sm.datapath.image_server import settled
from xenhost.sm.scsi import sysfs
from xenhost.sm.scsi.sysfs import Disk

NO_ANSWER: Final = 430
FAILED: Final = 431
NO_DEVICE: Final = 432
NOT_APPEARED: Final = 433
NO_SCSI_ID: Final = 434

KEY: Final = ConfigKey("multipathing", "true: use all ways to a LUN at once; the pool sets it as the host is set")
HANDLE: Final = "multipathhandle"
"""By what: `dmp` (device-mapper), or `null` for nothing."""
SOCKETS: Final = ("/run/multipathd.socket", "\0/org/kernel/linux/storage/multipathd")
"""That of newer ones, and the abstract one."""
_ANSWER: Final = 15.0
_TOOL: Final = 30.0
_APPEARS: Final = 60.0
_GOES: Final = 20.0
_POLL: Final = 0.3
_MOST: Final = 4 << 20
"""Bytes of an answer."""
_LENGTH: Final = struct.Struct("N")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,126}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+#-]{0,126}")
_DOWN: Final = frozenset({"failed", "faulty", "shaky", "offline"})
_PREFIX: Final = "mpath-"


@dataclass(frozen=True, slots=True)
class Map:
    """A map that the kernel has."""

    kernel_name: str
    """`dm-3`. Another one when it is made anew."""
    name: str
    """That below /dev/mapper: the SCSI id, unless somebody has configured another one."""


def is_on(device_config: Mapping[str, str]) -> bool:
    """Are all ways to a LUN to be used? Raises SrBackendFailure 431 if by something else than device-mapper."""
    if device_config.get(KEY.name, "").strip().lower() != "true":
        return False
    handle = device_config.get(HANDLE, "").strip() or "dmp"
    if handle not in ("dmp", "null"):
        raise backend_failure(FAILED, f"device-config:{HANDLE} is dmp or null, not {handle!r:.80}: there is no other")
    return handle == "dmp"


def maps(sys: Path = sysfs.SYS) -> dict[str, Map]:
    """By SCSI id. Blocks, briefly."""
    found = {}
    for folder in sorted((sys / "block").glob("dm-*")):
        try:
            uuid, name = ((folder / "dm" / each).read_text(errors="replace").strip() for each in ("uuid", "name"))
        except OSError:
            continue
        if uuid.startswith(_PREFIX) and _NAME.fullmatch(name):
            found[uuid.removeprefix(_PREFIX)] = Map(folder.name, name)
    return found


def one_each(disks: Iterable[Disk], known: Mapping[str, Map]) -> tuple[Disk, ...]:
    """Each LUN once, however many ways lead to it: as its map, if there is one."""
    found: dict[str, Disk] = {}
    for disk in disks:
        there = known.get(disk.scsi_id) if disk.scsi_id else None
        found.setdefault(disk.scsi_id or disk.name, disk if there is None else replace(disk, name=there.kernel_name))
    return tuple(found.values())


def parse_paths(untrusted_text: str) -> dict[str, LunPaths]:
    """The answer to `show maps json`, by SCSI id. Raises SrBackendFailure 431."""
    try:
        found = {}
        for each in json.loads(untrusted_text)["maps"]:
            paths = [path for group in each["path_groups"] for path in group["paths"]]
            states = [{str(path.get(key)) for key in ("dm_st", "chk_st", "dev_st")} for path in paths]
            up = sum(1 for state in states if _DOWN.isdisjoint(state))
            found[str(each["uuid"])] = LunPaths(str(each["uuid"]), up, len(paths))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise backend_failure(FAILED, f"multipathd's maps cannot be read: {untrusted_text!r:.80}") from error
    return found


class Multipath:
    """The maps of this host."""

    def __init__(self, context: SmContext, sys: Path = sysfs.SYS, sockets: tuple[str, ...] = SOCKETS) -> None:
        self._context = context
        self._sys = sys
        self._sockets = sockets

    async def open(self, scsi_id: str) -> Map:
        """Have a map of the LUN, which one disk at least must lead to. No-op if there is one.

        Raises SrBackendFailure 430 to 434; then multipathd does not know of it.
        """
        if not _ID.fullmatch(scsi_id):
            raise backend_failure(NO_SCSI_ID, f"a LUN has no SCSI id to use several ways to it by: {scsi_id!r:.80}")
        if (there := await self._find(scsi_id)) is not None:
            return there
        try:
            await self._tool("-a", scsi_id)
            return await self._appeared(scsi_id)
        except BaseException:
            await settled(self.close(scsi_id))
            raise

    async def use(self, disk: Disk) -> Disk:
        """The same LUN as its map. Raises as `open` does."""
        return replace(disk, name=(await self.open(disk.scsi_id)).kernel_name)

    async def close(self, scsi_id: str) -> None:
        """Remove the map, and the WWID. What cannot be is logged: whatever the LUN was for has ended."""
        if not _ID.fullmatch(scsi_id):
            return
        try:
            deadline = self._context.clock.monotonic() + _GOES
            while (there := await self._find(scsi_id)) is not None:
                answer = await self._ask(f"remove map {there.name}")  # it fails while udev looks at the device
                if self._context.clock.monotonic() > deadline:
                    raise backend_failure(FAILED, f"the multipath map {there.name} cannot be removed: {answer:.200}")
                await self._context.clock.sleep(_POLL)
            await self._tool("-w", scsi_id)
        except SrBackendFailure as error:
            self._context.log.warning("sr.map_left", scsi_id=scsi_id, error=str(error))

    async def mapped(self, disks: Iterable[Disk]) -> tuple[Disk, ...]:
        """Each LUN once: as its map, if there is one."""
        return one_each(disks, await asyncio.to_thread(maps, self._sys))

    async def seen(self, stat: SrStat, scsi_ids: Iterable[str]) -> SrStat:
        """The same, with the ways to those of the LUNs that have a map."""
        try:
            known = parse_paths(await self._ask("show maps json"))
        except SrBackendFailure as error:
            return replace(stat, problem=stat.problem or str(error))
        paths = tuple(known[each] for each in scsi_ids if each in known)
        lost = [f"{each.current} of {each.maximum} ways to LUN {each.scsi_id} work" for each in paths if each.degraded]
        return replace(stat, paths=paths, problem=stat.problem or "; ".join(lost)[:500])

    async def _find(self, scsi_id: str) -> Map | None:
        return (await asyncio.to_thread(maps, self._sys)).get(scsi_id)

    async def _appeared(self, scsi_id: str) -> Map:
        """Ask for it until it is there: multipathd knows a disk only when udev has looked at it."""
        deadline, answer = self._context.clock.monotonic() + _APPEARS, ""
        while True:
            there = await self._find(scsi_id)
            if there is None:
                answer = await self._ask(f"add map {scsi_id}")
            elif await asyncio.to_thread(os.path.exists, f"/dev/mapper/{there.name}"):
                return there
            if self._context.clock.monotonic() > deadline:
                break
            await self._context.clock.sleep(_POLL)
        if there is not None:
            raise backend_failure(NO_DEVICE, f"/dev/mapper/{there.name} is missing: udev has not made it")
        raise backend_failure(NOT_APPEARED, f"multipathd made no map of LUN {scsi_id}: it says {answer!r:.200}")

    async def _tool(self, option: str, scsi_id: str) -> None:
        try:
            await self._context.commands.run("multipath", option, scsi_id, timeout=_TOOL, env={"LC_ALL": "C"})
        except CommandError as error:
            raise backend_failure(FAILED, f"{error}; is multipath-tools installed?") from error

    async def _ask(self, command: str) -> str:
        for address in self._sockets:
            try:
                async with asyncio.timeout(_ANSWER):
                    reader, writer = await asyncio.open_unix_connection(address)
                    with contextlib.closing(writer):
                        text = command.encode() + b"\0"
                        writer.write(_LENGTH.pack(len(text)) + text)
                        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                        if not 0 < length <= _MOST:
                            raise backend_failure(NO_ANSWER, f"multipathd announces an answer of {length} bytes")
                        answer = await reader.readexactly(length)
                        return answer.rstrip(b"\0").decode(errors="replace").strip()
            except (FileNotFoundError, ConnectionRefusedError):
                continue
            except TimeoutError as error:
                raise backend_failure(NO_ANSWER, f"multipathd did not answer within {_ANSWER:g} s") from error
            except (OSError, EOFError) as error:
                raise backend_failure(NO_ANSWER, f"multipathd did not answer: {error}") from error
        raise backend_failure(NO_ANSWER, "multipathd does not run: start it (systemctl start multipathd)")
